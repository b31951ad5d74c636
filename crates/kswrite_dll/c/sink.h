/* The scripted sink of the tests: how its writes complete, and what it was given. As crates/kswrite_wire/src/sink.rs. */
#ifndef SINK_H
#define SINK_H

#include <windows.h>
#include <winioctl.h>

#define SINK_BUFFERED L"\\\\.\\KsSinkBuffered"
#define SINK_DIRECT L"\\\\.\\KsSinkDirect"
#define SINK_NEITHER L"\\\\.\\KsSinkNeither"

#define SINK_SET_SCRIPT CTL_CODE(FILE_DEVICE_UNKNOWN, 0x840, METHOD_BUFFERED, FILE_WRITE_ACCESS)
#define SINK_GET_STATE CTL_CODE(FILE_DEVICE_UNKNOWN, 0x841, METHOD_BUFFERED, FILE_READ_ACCESS)
#define SINK_RELEASE CTL_CODE(FILE_DEVICE_UNKNOWN, 0x842, METHOD_BUFFERED, FILE_WRITE_ACCESS)

/* All zero: every write is taken at once. */
typedef struct SINK_SCRIPT {
    UINT32 fast; /* 1: the fast-I/O routine declines, so that writes come as IRPs */
    INT32 fast_status;
    UINT32 completion; /* of an IRP: 0 at once, 1 after delay_us, 2 when it is released or cancelled */
    UINT32 delay_us;
    INT32 status; /* with which a write fails */
    UINT32 short_by;
    UINT32 every;
    UINT32 reserved;
} SINK_SCRIPT;

typedef struct SINK_STATE {
    UINT64 writes;
    UINT64 bytes;
    UINT64 fast_writes;
    UINT64 failed;
    UINT64 cancelled;
    UINT64 placement;
    UINT64 high_water;
    UINT64 window_base;
    UINT32 crc32c;
    UINT32 outstanding;
    UINT32 last_key;
    UINT32 last_wait;
    UINT32 last_irp_flags;
    UINT32 last_stack_flags;
    BYTE sha256[32];
} SINK_STATE;

/* A new event that the system sets when an operation ends, and that keeps the completion away from a completion port
   that the handle may belong to: its lowest bit is set. */
static inline void sink_event(OVERLAPPED *overlapped, ULONG offset)
{
    memset(overlapped, 0, sizeof *overlapped);
    overlapped->Offset = offset;
    overlapped->hEvent = (HANDLE)((ULONG_PTR)CreateEventW(NULL, TRUE, FALSE, NULL) | 1);
}

/* The end of an operation of sink_event's; how many bytes it moved. */
static inline DWORD sink_wait(HANDLE sink, OVERLAPPED *overlapped, BOOL begun)
{
    DWORD moved = 0;
    if (begun || GetLastError() == ERROR_IO_PENDING)
        GetOverlappedResult(sink, overlapped, &moved, TRUE);
    CloseHandle((HANDLE)((ULONG_PTR)overlapped->hEvent & ~(ULONG_PTR)1));
    return moved;
}

static inline DWORD sink_control(HANDLE sink, DWORD code, void *in, DWORD in_size, void *out, DWORD out_size)
{
    OVERLAPPED overlapped;
    sink_event(&overlapped, 0);
    return sink_wait(sink, &overlapped, DeviceIoControl(sink, code, in, in_size, out, out_size, NULL, &overlapped));
}

static inline void sink_script(HANDLE sink, UINT32 completion, INT32 status)
{
    SINK_SCRIPT script;
    memset(&script, 0, sizeof script);
    script.fast = 1;
    script.completion = completion;
    script.status = status;
    sink_control(sink, SINK_SET_SCRIPT, &script, sizeof script, NULL, 0);
}

/* A sink whose writes come as IRPs, and complete so. */
static inline HANDLE sink_open(LPCWSTR path, UINT32 completion)
{
    HANDLE sink = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    sink_script(sink, completion, 0);
    return sink;
}

/* Completes the writes that are held; how many they were. */
static inline UINT32 sink_release(HANDLE sink)
{
    UINT32 released = 0;
    sink_control(sink, SINK_RELEASE, NULL, 0, &released, sizeof released);
    return released;
}

static inline SINK_STATE sink_state(HANDLE sink)
{
    SINK_STATE state;
    memset(&state, 0, sizeof state);
    sink_control(sink, SINK_GET_STATE, NULL, 0, &state, sizeof state);
    return state;
}

/* What was written at an offset, of the last megabyte. */
static inline DWORD sink_read(HANDLE sink, ULONG offset, void *into, DWORD length)
{
    OVERLAPPED overlapped;
    sink_event(&overlapped, offset);
    return sink_wait(sink, &overlapped, ReadFile(sink, into, length, NULL, &overlapped));
}

#endif
