/*
 * FxDriverEntry: the entry point of a KMDF 1.15 driver, in place of the WDK's WdfDriverEntry.lib.
 *
 * It binds the driver to the framework through WDFLDR.SYS, calls DriverEntry, puts itself in front of the
 * framework's unload routine, and takes the binding back when DriverEntry fails or the driver unloads.
 * Windows builds link Microsoft's library instead; this one keeps to the same contract.
 */
typedef long NTSTATUS;
typedef unsigned long ULONG;
typedef unsigned short USHORT;
typedef unsigned short WCHAR;
typedef unsigned char BOOLEAN;
typedef void *PVOID;

typedef struct {
    USHORT Length, MaximumLength;
    WCHAR *Buffer;
} UNICODE_STRING;

/* The parts of a DRIVER_OBJECT that matter here, at their x64 offsets. */
typedef struct DRIVER_OBJECT DRIVER_OBJECT;
typedef void (*DRIVER_UNLOAD)(DRIVER_OBJECT *);
struct DRIVER_OBJECT {
    unsigned char Before[0x68];
    DRIVER_UNLOAD DriverUnload;
};

typedef struct {
    ULONG Size;
    const WCHAR *Component;
    ULONG Major, Minor, Build;
    ULONG FuncCount;
    PVOID FuncTable;
    PVOID Module;
} WDF_BIND_INFO;

typedef struct {
    PVOID Driver;
    ULONG DriverFlags, DriverTag;
    char DriverName[32];
    BOOLEAN DisplaceDriverUnload;
} WDF_DRIVER_GLOBALS;

_Static_assert(sizeof(WDF_BIND_INFO) == 48, "48 bytes tell the loader that this is a 1.15 client");
_Static_assert(sizeof(WDF_DRIVER_GLOBALS) == 56, "public head of the framework's globals");

enum { KMDF_1_15_FUNCTIONS = 444, REGISTRY_PATH_CHARS = 260 };

__declspec(dllimport) NTSTATUS WdfVersionBind(DRIVER_OBJECT *, UNICODE_STRING *, WDF_BIND_INFO *, WDF_DRIVER_GLOBALS **);
__declspec(dllimport) NTSTATUS WdfVersionUnbind(UNICODE_STRING *, WDF_BIND_INFO *, WDF_DRIVER_GLOBALS *);
__declspec(dllimport) void RtlCopyUnicodeString(UNICODE_STRING *, const UNICODE_STRING *);

NTSTATUS DriverEntry(DRIVER_OBJECT *, const UNICODE_STRING *);

/* What the client code reads on every call into the framework. */
PVOID *WdfFunctions_01015;
WDF_DRIVER_GLOBALS *WdfDriverGlobals;

static const WCHAR Component[] = L"KmdfLibrary";
static WDF_BIND_INFO BindInfo = {
    sizeof(WDF_BIND_INFO), Component, 1, 15, 0, KMDF_1_15_FUNCTIONS, &WdfFunctions_01015, 0,
};
static WCHAR PathBuffer[REGISTRY_PATH_CHARS];
static UNICODE_STRING Path = {0, sizeof PathBuffer, PathBuffer};
static DRIVER_UNLOAD FrameworkUnload;

static void StubUnload(DRIVER_OBJECT *Driver)
{
    if (FrameworkUnload && FrameworkUnload != StubUnload)
        FrameworkUnload(Driver);
    WdfVersionUnbind(&Path, &BindInfo, WdfDriverGlobals);
}

NTSTATUS FxDriverEntry(DRIVER_OBJECT *Driver, const UNICODE_STRING *RegistryPath)
{
    NTSTATUS status;

    /* An export driver is loaded without a driver object and is never bound. */
    if (!Driver)
        return DriverEntry(Driver, RegistryPath);
    RtlCopyUnicodeString(&Path, RegistryPath);
    status = WdfVersionBind(Driver, &Path, &BindInfo, &WdfDriverGlobals);
    if (status < 0)
        return status;
    status = DriverEntry(Driver, RegistryPath);
    if (status < 0) {
        WdfVersionUnbind(&Path, &BindInfo, WdfDriverGlobals);
        return status;
    }
    if (WdfDriverGlobals->DisplaceDriverUnload) {
        FrameworkUnload = Driver->DriverUnload;
        Driver->DriverUnload = StubUnload;
    }
    return 0;
}
