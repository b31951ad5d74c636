/*
 * Structured exception handling for Rust, which has none.
 *
 * No header is needed, so cl.exe and clang build the same file. The code of the exception is taken in the
 * filter expression: in the body of the handler not every system still has it (Wine 8 gives 0 there).
 *
 * A fault is raised in a function that is called inside __try, never by an instruction of the __try block
 * itself: clang guards calls only.
 */
typedef long NTSTATUS;
typedef unsigned long ULONG;
typedef unsigned char BOOLEAN;
typedef signed char KPROCESSOR_MODE;
typedef unsigned long long SIZE_T;
typedef unsigned long long ULONG64;
typedef void *PVOID;

enum { EXECUTE_HANDLER = 1 };
#define STATUS_SUCCESS ((NTSTATUS)0)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001L)

unsigned long _exception_code(void);
void *memcpy(void *Destination, const void *Source, SIZE_T Length);
__declspec(dllimport) void ProbeForRead(const volatile void *Address, SIZE_T Length, ULONG Alignment);
__declspec(dllimport) PVOID ExAllocatePool2(ULONG64 Flags, SIZE_T Length, ULONG Tag);
__declspec(dllimport) void MmProbeAndLockPages(PVOID Mdl, KPROCESSOR_MODE AccessMode, int Operation);

typedef BOOLEAN (*FAST_IO_WRITE)(PVOID FileObject, long long *FileOffset, ULONG Length, BOOLEAN Wait, ULONG LockKey,
                                 PVOID Buffer, PVOID IoStatus, PVOID DeviceObject);

/* Runs the handler, and keeps the code. A code that means success is not one to report a failure with. */
static int Keep(unsigned long Code, NTSTATUS *Status)
{
    *Status = (NTSTATUS)Code != STATUS_SUCCESS ? (NTSTATUS)Code : STATUS_UNSUCCESSFUL;
    return EXECUTE_HANDLER;
}

static __declspec(noinline) void Copy(void *Destination, const void *Source, SIZE_T Length)
{
    memcpy(Destination, Source, Length);
}

NTSTATUS KmdfGuardedCopy(void *Destination, const void *Source, SIZE_T Length)
{
    NTSTATUS status = STATUS_SUCCESS;

    __try {
        Copy(Destination, Source, Length);
    } __except (Keep(_exception_code(), &status)) {
    }
    return status;
}

NTSTATUS KmdfGuardedProbeForRead(const volatile void *Address, SIZE_T Length)
{
    NTSTATUS status = STATUS_SUCCESS;

    __try {
        ProbeForRead(Address, Length, 1);
    } __except (Keep(_exception_code(), &status)) {
    }
    return status;
}

NTSTATUS KmdfGuardedAllocate(ULONG64 Flags, SIZE_T Length, ULONG Tag, PVOID *Allocated)
{
    NTSTATUS status = STATUS_SUCCESS;

    __try {
        *Allocated = ExAllocatePool2(Flags, Length, Tag);
    } __except (Keep(_exception_code(), &status)) {
    }
    return status;
}

NTSTATUS KmdfGuardedProbeAndLock(PVOID Mdl, KPROCESSOR_MODE AccessMode, int Operation)
{
    NTSTATUS status = STATUS_SUCCESS;

    __try {
        MmProbeAndLockPages(Mdl, AccessMode, Operation);
    } __except (Keep(_exception_code(), &status)) {
    }
    return status;
}

NTSTATUS KmdfGuardedFastWrite(FAST_IO_WRITE Routine, PVOID FileObject, long long *FileOffset, ULONG Length,
                              BOOLEAN Wait, ULONG LockKey, PVOID Buffer, PVOID IoStatus, PVOID DeviceObject,
                              BOOLEAN *Returned)
{
    NTSTATUS status = STATUS_SUCCESS;

    __try {
        *Returned = Routine(FileObject, FileOffset, Length, Wait, LockKey, Buffer, IoStatus, DeviceObject);
    } __except (Keep(_exception_code(), &status)) {
    }
    return status;
}
