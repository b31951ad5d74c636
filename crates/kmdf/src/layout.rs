//! Layouts that the drivers rely on, asserted for the headers that they are built with.
//!
//! The numbers are those of 64-bit Windows. A header that says otherwise does not compile.

use core::mem::offset_of;

use wdk_sys::{
    DEVICE_OBJECT, DRIVER_OBJECT, FAST_IO_DISPATCH, FILE_OBJECT, IO_STACK_LOCATION, IO_STATUS_BLOCK, IRP,
    MDL, UNICODE_STRING, WDF_DRIVER_CONFIG, WDF_FILEOBJECT_CONFIG, WDF_IO_QUEUE_CONFIG,
    WDF_OBJECT_ATTRIBUTES, WDF_OBJECT_CONTEXT_TYPE_INFO, WDF_REQUEST_PARAMETERS, WDF_TIMER_CONFIG,
};

/// Asserts the offsets of some fields of a structure, and its size if that is given.
macro_rules! layout {
    ($name:ty, $($size:literal,)? { $($($field:ident).+ : $offset:literal),* $(,)? }) => {
        const _: () = {
            $(assert!(size_of::<$name>() == $size, ::core::stringify!($name));)?
            $(assert!(offset_of!($name, $($field).+) == $offset, ::core::stringify!($name, $($field).+));)*
        };
    };
}

layout!(WDF_OBJECT_ATTRIBUTES, 56, {
    EvtCleanupCallback: 8, EvtDestroyCallback: 16, ExecutionLevel: 24, SynchronizationScope: 28,
    ParentObject: 32, ContextSizeOverride: 40, ContextTypeInfo: 48,
});
layout!(WDF_OBJECT_CONTEXT_TYPE_INFO, 40, {
    ContextName: 8, ContextSize: 16, UniqueType: 24, EvtDriverGetUniqueContextType: 32,
});
layout!(WDF_DRIVER_CONFIG, 32, {
    EvtDriverDeviceAdd: 8, EvtDriverUnload: 16, DriverInitFlags: 24, DriverPoolTag: 28,
});
layout!(WDF_FILEOBJECT_CONFIG, 40, {
    EvtDeviceFileCreate: 8, EvtFileClose: 16, EvtFileCleanup: 24, AutoForwardCleanupClose: 32,
    FileObjectClass: 36,
});
layout!(WDF_IO_QUEUE_CONFIG, 96, {
    DispatchType: 4, PowerManaged: 8, AllowZeroLengthRequests: 12, DefaultQueue: 13, EvtIoDefault: 16,
    EvtIoRead: 24, EvtIoWrite: 32, EvtIoDeviceControl: 40, EvtIoStop: 56,
    Settings.Parallel.NumberOfPresentedRequests: 80, Driver: 88,
});
layout!(WDF_REQUEST_PARAMETERS, 40, {
    MinorFunction: 2, Type: 4,
    Parameters.Read.Length: 8, Parameters.Read.Key: 16, Parameters.Read.DeviceOffset: 24,
    Parameters.Write.Length: 8, Parameters.Write.Key: 16, Parameters.Write.DeviceOffset: 24,
    Parameters.DeviceIoControl.OutputBufferLength: 8, Parameters.DeviceIoControl.InputBufferLength: 16,
    Parameters.DeviceIoControl.IoControlCode: 24,
});
layout!(WDF_TIMER_CONFIG, 40, {
    EvtTimerFunc: 8, Period: 16, AutomaticSerialization: 20, TolerableDelay: 24, UseHighResolutionTimer: 32,
});

layout!(UNICODE_STRING, 16, { Length: 0, MaximumLength: 2, Buffer: 8 });
layout!(IO_STATUS_BLOCK, 16, { Information: 8 });
layout!(IRP, 208, {
    Size: 2, MdlAddress: 8, Flags: 16, AssociatedIrp.SystemBuffer: 24, IoStatus: 48, RequestorMode: 64,
    PendingReturned: 65, StackCount: 66, CurrentLocation: 67, Cancel: 68, CancelIrql: 69, CancelRoutine: 104,
    UserBuffer: 112, Tail: 120,
});
layout!(IO_STACK_LOCATION, 72, {
    MajorFunction: 0, MinorFunction: 1, Flags: 2, Control: 3,
    Parameters.Write.Length: 8, Parameters.Write.Key: 16, Parameters.Write.ByteOffset: 24,
    DeviceObject: 40, FileObject: 48, CompletionRoutine: 56, Context: 64,
});
layout!(MDL, 48, {
    Next: 0, Size: 8, MdlFlags: 10, Process: 16, MappedSystemVa: 24, StartVa: 32, ByteCount: 40, ByteOffset: 44,
});
layout!(FILE_OBJECT, {
    Type: 0, Size: 2, DeviceObject: 8, FsContext: 24, FsContext2: 32, Flags: 80, CurrentByteOffset: 104,
});
// Drivers do not make these three, and what is behind the fields is the system's.
layout!(DEVICE_OBJECT, {
    DriverObject: 8, AttachedDevice: 24, Flags: 48, Characteristics: 52, DeviceExtension: 64, StackSize: 76,
});
layout!(DRIVER_OBJECT, { DriverExtension: 48, FastIoDispatch: 80, DriverUnload: 104, MajorFunction: 112 });
layout!(FAST_IO_DISPATCH, 224, { SizeOfFastIoDispatch: 0, FastIoRead: 16, FastIoWrite: 24 });
