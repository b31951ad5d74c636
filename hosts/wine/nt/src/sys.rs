//! What Wine's `ntoskrnl.exe` exports and this host calls.
//!
//! The declarations name the module themselves (`raw-dylib`), so no import library has to list them. Only
//! names that are in Wine 8's export table may stand here, and no other module may be named: an import of
//! `ntdll.dll` or `kernel32.dll` would make Wine treat the host, and every driver that loads it, as an
//! ordinary DLL.
#![expect(unsafe_code, reason = "declarations of foreign functions")]
#![expect(
    missing_docs,
    reason = "names and contracts are those of the documentation pages under learn.microsoft.com/windows-hardware/drivers/ddi"
)]

use wdk_sys::{
    ACCESS_MASK, BOOLEAN, CCHAR, CLIENT_ID, DEVICE_REGISTRY_PROPERTY, EVENT_TYPE, GUID, HANDLE, KEVENT,
    KIRQL, KPROCESSOR_MODE, KWAIT_REASON, LARGE_INTEGER, NTSTATUS, OBJECT_ATTRIBUTES, PCUNICODE_STRING,
    PDEVICE_OBJECT, PDRIVER_OBJECT, PEPROCESS, PIRP, PKEVENT, PMDL, POBJECT_TYPE, PUNICODE_STRING, PVOID,
    SIZE_T, ULONG, USHORT,
};

/// Entry of a thread.
pub type ThreadStart = unsafe extern "C" fn(PVOID);
/// Entry of a driver made by `IoCreateDriver`.
pub type DriverInitialize = unsafe extern "C" fn(PDRIVER_OBJECT, PUNICODE_STRING) -> NTSTATUS;

/// The fields of `MEMORY_BASIC_INFORMATION`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct MemoryBasicInformation {
    pub base_address: usize,
    pub allocation_base: usize,
    pub allocation_protect: u32,
    pub partition: u32,
    pub region_size: usize,
    pub state: u32,
    pub protect: u32,
    pub kind: u32,
}

/// The fields of `PUBLIC_OBJECT_BASIC_INFORMATION`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ObjectBasicInformation {
    pub attributes: u32,
    pub granted_access: u32,
    pub handle_count: u32,
    pub pointer_count: u32,
    pub reserved: [u32; 10],
}

#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    pub fn DbgPrint(Format: *const u8, ...) -> ULONG;
    pub fn ExAllocatePoolWithTag(PoolType: i32, NumberOfBytes: SIZE_T, Tag: ULONG) -> PVOID;
    pub fn ExFreePoolWithTag(P: PVOID, Tag: ULONG);
    pub fn IoAllocateIrp(StackSize: CCHAR, ChargeQuota: BOOLEAN) -> PIRP;
    pub fn IoAllocateMdl(
        VirtualAddress: PVOID,
        Length: ULONG,
        SecondaryBuffer: BOOLEAN,
        ChargeQuota: BOOLEAN,
        Irp: PIRP,
    ) -> PMDL;
    pub fn IoAttachDeviceToDeviceStack(Source: PDEVICE_OBJECT, Target: PDEVICE_OBJECT) -> PDEVICE_OBJECT;
    pub fn IoCancelIrp(Irp: PIRP) -> BOOLEAN;
    pub fn IoCreateDevice(
        DriverObject: PDRIVER_OBJECT,
        DeviceExtensionSize: ULONG,
        DeviceName: PUNICODE_STRING,
        DeviceType: ULONG,
        DeviceCharacteristics: ULONG,
        Exclusive: BOOLEAN,
        DeviceObject: *mut PDEVICE_OBJECT,
    ) -> NTSTATUS;
    pub fn IoCreateDriver(DriverName: PUNICODE_STRING, Initialize: DriverInitialize) -> NTSTATUS;
    pub fn IoCreateSymbolicLink(Name: PUNICODE_STRING, Target: PUNICODE_STRING) -> NTSTATUS;
    pub fn IoDeleteDevice(DeviceObject: PDEVICE_OBJECT);
    pub fn IoDeleteSymbolicLink(Name: PUNICODE_STRING) -> NTSTATUS;
    pub fn IoDetachDevice(TargetDevice: PDEVICE_OBJECT);
    pub fn IoFreeIrp(Irp: PIRP);
    pub fn IoFreeMdl(Mdl: PMDL);
    pub fn IoGetAttachedDevice(DeviceObject: PDEVICE_OBJECT) -> PDEVICE_OBJECT;
    pub fn IoGetDeviceProperty(
        DeviceObject: PDEVICE_OBJECT,
        DeviceProperty: DEVICE_REGISTRY_PROPERTY::Type,
        BufferLength: ULONG,
        PropertyBuffer: PVOID,
        ResultLength: *mut ULONG,
    ) -> NTSTATUS;
    pub fn IoRegisterDeviceInterface(
        PhysicalDeviceObject: PDEVICE_OBJECT,
        InterfaceClassGuid: *const GUID,
        ReferenceString: PUNICODE_STRING,
        SymbolicLinkName: PUNICODE_STRING,
    ) -> NTSTATUS;
    pub fn IoReleaseCancelSpinLock(Irql: KIRQL);
    pub fn IoSetDeviceInterfaceState(SymbolicLinkName: PUNICODE_STRING, Enable: BOOLEAN) -> NTSTATUS;
    pub fn IofCallDriver(DeviceObject: PDEVICE_OBJECT, Irp: PIRP) -> NTSTATUS;
    pub fn IofCompleteRequest(Irp: PIRP, PriorityBoost: CCHAR);
    pub fn KeBugCheckEx(Code: ULONG, P1: usize, P2: usize, P3: usize, P4: usize) -> !;
    pub fn KeInitializeEvent(Event: PKEVENT, Type: EVENT_TYPE, State: BOOLEAN);
    pub fn KeClearEvent(Event: PKEVENT);
    pub fn KeQuerySystemTime(CurrentTime: *mut LARGE_INTEGER);
    pub fn KeReadStateEvent(Event: PKEVENT) -> i32;
    pub fn KeSetEvent(Event: PKEVENT, Increment: i32, Wait: BOOLEAN) -> i32;
    pub fn KeWaitForSingleObject(
        Object: PVOID,
        WaitReason: KWAIT_REASON,
        WaitMode: KPROCESSOR_MODE,
        Alertable: BOOLEAN,
        Timeout: *mut LARGE_INTEGER,
    ) -> NTSTATUS;
    pub fn ObReferenceObjectByHandle(
        Handle: HANDLE,
        DesiredAccess: ACCESS_MASK,
        ObjectType: POBJECT_TYPE,
        AccessMode: KPROCESSOR_MODE,
        Object: *mut PVOID,
        HandleInformation: PVOID,
    ) -> NTSTATUS;
    pub fn ObfDereferenceObject(Object: PVOID);
    pub fn ObfReferenceObject(Object: PVOID);
    pub fn PsCreateSystemThread(
        ThreadHandle: *mut HANDLE,
        DesiredAccess: ULONG,
        ObjectAttributes: *mut OBJECT_ATTRIBUTES,
        ProcessHandle: HANDLE,
        ClientId: *mut CLIENT_ID,
        StartRoutine: ThreadStart,
        StartContext: PVOID,
    ) -> NTSTATUS;
    pub fn PsGetCurrentProcessId() -> HANDLE;
    pub fn PsGetCurrentThread() -> PVOID;
    pub fn IoGetCurrentProcess() -> PEPROCESS;
    pub fn RtlCaptureContext(Context: PVOID);
    pub fn RtlCompareUnicodeString(A: PCUNICODE_STRING, B: PCUNICODE_STRING, IgnoreCase: BOOLEAN) -> i32;
    pub fn RtlFreeUnicodeString(String: PUNICODE_STRING);
    pub fn RtlLookupFunctionEntry(Pc: u64, ImageBase: *mut u64, HistoryTable: PVOID) -> PVOID;
    pub fn RtlPcToFileHeader(Pc: PVOID, Base: *mut PVOID) -> PVOID;
    pub fn RtlRaiseStatus(Status: NTSTATUS) -> !;
    pub fn RtlVirtualUnwind(
        HandlerType: ULONG,
        ImageBase: u64,
        Pc: u64,
        Entry: PVOID,
        Context: PVOID,
        HandlerData: *mut PVOID,
        EstablisherFrame: *mut u64,
        ContextPointers: PVOID,
    ) -> PVOID;
    pub static IoFileObjectType: POBJECT_TYPE;
    pub fn ZwAllocateVirtualMemory(
        Process: HANDLE,
        Base: *mut PVOID,
        ZeroBits: usize,
        Size: *mut SIZE_T,
        Type: ULONG,
        Protect: ULONG,
    ) -> NTSTATUS;
    pub fn ZwClose(Handle: HANDLE) -> NTSTATUS;
    pub fn ZwDuplicateObject(
        SourceProcess: HANDLE,
        Source: HANDLE,
        TargetProcess: HANDLE,
        Target: *mut HANDLE,
        DesiredAccess: ACCESS_MASK,
        Attributes: ULONG,
        Options: ULONG,
    ) -> NTSTATUS;
    pub fn ZwFreeVirtualMemory(Process: HANDLE, Base: *mut PVOID, Size: *mut SIZE_T, Type: ULONG)
    -> NTSTATUS;
    pub fn ZwOpenProcess(
        Process: *mut HANDLE,
        DesiredAccess: ACCESS_MASK,
        Attributes: *mut OBJECT_ATTRIBUTES,
        ClientId: *mut CLIENT_ID,
    ) -> NTSTATUS;
    pub fn ZwProtectVirtualMemory(
        Process: HANDLE,
        Base: *mut PVOID,
        Size: *mut SIZE_T,
        Protect: ULONG,
        Old: *mut ULONG,
    ) -> NTSTATUS;
    pub fn ZwQueryObject(
        Handle: HANDLE,
        Class: i32,
        Buffer: *mut ObjectBasicInformation,
        Length: ULONG,
        Returned: *mut ULONG,
    ) -> NTSTATUS;
    pub fn ZwQueryVirtualMemory(
        Process: HANDLE,
        Address: PVOID,
        Class: i32,
        Buffer: *mut MemoryBasicInformation,
        Length: usize,
        Returned: *mut usize,
    ) -> NTSTATUS;
    pub fn ZwYieldExecution() -> NTSTATUS;
    // Called by code that the compiler makes for frames of more than a page.
    fn __chkstk();
}

/// The calling process, as a handle.
pub const CURRENT_PROCESS: HANDLE = core::ptr::without_provenance_mut(usize::MAX);

const _: () = assert!(size_of::<MemoryBasicInformation>() == 48);
const _: () = assert!(size_of::<KEVENT>() == 24);
const _: () = assert!(size_of::<USHORT>() == 2);
