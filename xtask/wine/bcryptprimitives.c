/*
 * bcryptprimitives.dll for a Wine that has none (before 9.0). Rust's standard library takes the seeds of its
 * hash maps from ProcessPrng, so no program that has one starts without this file.
 *
 * https://learn.microsoft.com/windows/win32/seccng/processprng
 */
#include <windows.h>

/* RtlGenRandom by its exported name. https://learn.microsoft.com/windows/win32/api/ntsecapi/nf-ntsecapi-rtlgenrandom */
BOOLEAN WINAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    const ULONG most = 1u << 30;

    while (length) {
        ULONG part = length < most ? (ULONG)length : most;

        if (!SystemFunction036(data, part))
            return FALSE;
        data += part;
        length -= part;
    }
    return TRUE;
}
