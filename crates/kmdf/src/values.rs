//! Values that the drivers rely on, asserted for the headers that they are built with.
//!
//! The numbers are those of `xtask/wdk/facts.csv`, which names the page of each.
#![expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "bindgen gives the values different types; their 32 bits are compared"
)]

/// Asserts values; wide enough for every type that the headers give them.
macro_rules! values {
    ($($($part:ident)::+ = $value:literal;)*) => {
        $(const _: () = assert!(
            wdk_sys::$($part)::+ as u32 == $value,
            ::core::stringify!($($part)::+)
        );)*
    };
}

values! {
    DO_BUFFERED_IO = 0x4;
    DO_DIRECT_IO = 0x10;
    EVENT_MODIFY_STATE = 0x2;
    FILE_DEVICE_SECURE_OPEN = 0x100;
    FILE_DEVICE_UNKNOWN = 0x22;
    FILE_WRITE_DATA = 0x2;
    IO_NO_INCREMENT = 0;
    IRP_MJ_WRITE = 0x4;
    IRP_MJ_FLUSH_BUFFERS = 0x9;
    IRP_MJ_DEVICE_CONTROL = 0xe;
    IRP_MN_NORMAL = 0;
    IRP_NOCACHE = 0x1;
    IRP_PAGING_IO = 0x2;
    IRP_SYNCHRONOUS_PAGING_IO = 0x40;
    IRP_BUFFERED_IO = 0x10;
    IRP_DEALLOCATE_BUFFER = 0x20;
    IRP_WRITE_OPERATION = 0x200;
    IRP_DEFER_IO_COMPLETION = 0x800;
    MDL_MAPPED_TO_SYSTEM_VA = 0x1;
    MDL_SOURCE_IS_NONPAGED_POOL = 0x4;
    SL_PENDING_RETURNED = 0x1;
    SL_WRITE_THROUGH = 0x4;
    SL_INVOKE_ON_CANCEL = 0x20;
    SL_INVOKE_ON_SUCCESS = 0x40;
    SL_INVOKE_ON_ERROR = 0x80;
    POOL_FLAG_UNINITIALIZED = 0x2;
    POOL_FLAG_NON_PAGED = 0x40;
    STATUS_SUCCESS = 0x0;
    STATUS_MORE_PROCESSING_REQUIRED = 0xC000_0016;
    _EVENT_TYPE::NotificationEvent = 0;
    _KWAIT_REASON::Executive = 0;
    _LOCK_OPERATION::IoReadAccess = 0;
    _MEMORY_CACHING_TYPE::MmCached = 1;
    _MODE::KernelMode = 0;
    _MODE::UserMode = 1;
    _WDF_DEVICE_IO_TYPE::WdfDeviceIoNeither = 1;
    _WDF_DEVICE_IO_TYPE::WdfDeviceIoBuffered = 2;
    _WDF_DEVICE_IO_TYPE::WdfDeviceIoDirect = 3;
    _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent = 1;
    _WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive = 2;
    _WDF_EXECUTION_LEVEL::WdfExecutionLevelDispatch = 3;
    _WDF_FILEOBJECT_CLASS::WdfFileObjectWdfCannotUseFsContexts = 4;
    _WDF_FILEOBJECT_CLASS::WdfFileObjectCanBeOptional = 0x8000_0000;
    _WDF_IO_QUEUE_DISPATCH_TYPE::WdfIoQueueDispatchParallel = 2;
    _WDF_REQUEST_TYPE::WdfRequestTypeRead = 3;
    _WDF_REQUEST_TYPE::WdfRequestTypeWrite = 4;
    _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent = 1;
    _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone = 4;
    _WDF_TRI_STATE::WdfFalse = 0;
    _WDF_TRI_STATE::WdfTrue = 1;
    _WDF_TRI_STATE::WdfUseDefault = 2;
}
