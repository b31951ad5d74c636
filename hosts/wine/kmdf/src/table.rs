//! The function table of KMDF 1.15.
//!
//! Every function that the drivers call is in its slot. Every other slot has a trap of its own, which says
//! the function's name and ends the process: a driver that calls something new is told what.
#![expect(
    unsafe_code,
    reason = "the table is shared with drivers as raw function addresses"
)]

use wdk_sys::_WDFFUNCENUM as F;
use wine_nt::report;

use crate::{
    bind, buffers, cancel, device, device_init, dispatch, driver, file, locks, object, queue, request, timer,
    work_item,
};

/// A function's address.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Slot(*const ());

// SAFETY: the address of code, which does not change.
unsafe impl Sync for Slot {}

include!(concat!(env!("OUT_DIR"), "/functions.rs"));

/// What stands in the slot of a function that is not emulated.
extern "C" fn trap<const INDEX: usize>() -> ! {
    let name = NAMES.get(INDEX).copied().unwrap_or_default();
    report::finding(
        "?",
        None,
        format_args!("{name} (function {INDEX}) is not emulated"),
    );
    report::bug_check(bind::WDF_VIOLATION, [INDEX, 0, 0, 0])
}

/// Slots of the table.
pub(crate) const TABLE_LENGTH: usize = NAMES.len();

/// The traps, with functions in place of some of them.
macro_rules! table {
    ($($index:ident => $function:path,)+) => {{
        let mut table = TRAPS;
        $(table[F::$index as usize] = Slot($function as *const ());)+
        table
    }};
}

/// The table.
#[expect(
    clippy::indexing_slicing,
    reason = "constant indices, in a constant: the compiler checks them"
)]
pub(crate) static TABLE: [Slot; TABLE_LENGTH] = table! {
    WdfControlDeviceInitAllocateTableIndex => device_init::allocate_control,
    WdfControlFinishInitializingTableIndex => device::finish_control,
    WdfWdmDeviceGetWdfDeviceHandleTableIndex => device::from_wdm,
    WdfDeviceWdmGetDeviceObjectTableIndex => device::wdm_device,
    WdfDeviceWdmGetAttachedDeviceTableIndex => device::wdm_attached,
    WdfDeviceWdmGetPhysicalDeviceTableIndex => device::wdm_physical,
    WdfDeviceWdmDispatchPreprocessedIrpTableIndex => dispatch::dispatch_preprocessed,
    WdfDeviceGetIoTargetTableIndex => device::io_target,
    WdfDeviceInitFreeTableIndex => device_init::free,
    WdfDeviceInitSetPnpPowerEventCallbacksTableIndex => device_init::set_pnp_callbacks,
    WdfDeviceInitSetIoTypeTableIndex => device_init::set_io_type,
    WdfDeviceInitSetDeviceTypeTableIndex => device_init::set_device_type,
    WdfDeviceInitAssignNameTableIndex => device_init::assign_name,
    WdfDeviceInitAssignSDDLStringTableIndex => device_init::assign_sddl,
    WdfDeviceInitSetCharacteristicsTableIndex => device_init::set_characteristics,
    WdfDeviceInitSetFileObjectConfigTableIndex => device_init::set_file_config,
    WdfDeviceInitSetRequestAttributesTableIndex => device_init::set_request_attributes,
    WdfDeviceInitAssignWdmIrpPreprocessCallbackTableIndex => device_init::assign_preprocess,
    WdfDeviceInitSetIoInCallerContextCallbackTableIndex => device_init::set_in_caller_context,
    WdfDeviceCreateTableIndex => device::create,
    WdfDeviceCreateDeviceInterfaceTableIndex => device::create_interface,
    WdfDeviceCreateSymbolicLinkTableIndex => device::create_symbolic_link,
    WdfDeviceGetFileObjectTableIndex => file::get,
    WdfDeviceEnqueueRequestTableIndex => request::enqueue,
    WdfDeviceGetDefaultQueueTableIndex => queue::get_default,
    WdfDriverCreateTableIndex => driver::create,
    WdfFdoInitQueryPropertyTableIndex => device_init::query_property,
    WdfFdoInitSetFilterTableIndex => device_init::set_filter,
    WdfFileObjectGetDeviceTableIndex => file::get_device,
    WdfFileObjectWdmGetFileObjectTableIndex => file::get_wdm,
    WdfIoQueueCreateTableIndex => queue::create,
    WdfIoQueueGetDeviceTableIndex => queue::get_device,
    WdfIoQueueRetrieveNextRequestTableIndex => queue::retrieve_next,
    WdfMemoryGetBufferTableIndex => request::memory_buffer,
    WdfObjectGetTypedContextWorkerTableIndex => object::get_typed_context,
    WdfObjectContextGetObjectTableIndex => object::context_get_object,
    WdfObjectReferenceActualTableIndex => object::reference,
    WdfObjectDereferenceActualTableIndex => object::dereference,
    WdfObjectDeleteTableIndex => object::delete,
    WdfRequestFormatRequestUsingCurrentTypeTableIndex => request::format_current,
    WdfRequestSendTableIndex => request::send,
    WdfRequestMarkCancelableTableIndex => cancel::mark_cancelable,
    WdfRequestMarkCancelableExTableIndex => cancel::mark_cancelable_ex,
    WdfRequestUnmarkCancelableTableIndex => cancel::unmark_cancelable,
    WdfRequestIsCanceledTableIndex => cancel::is_cancelled,
    WdfRequestCompleteTableIndex => request::complete,
    WdfRequestCompleteWithInformationTableIndex => request::complete_with_information,
    WdfRequestGetParametersTableIndex => request::get_parameters,
    WdfRequestRetrieveInputBufferTableIndex => buffers::retrieve_input,
    WdfRequestRetrieveOutputBufferTableIndex => buffers::retrieve_output,
    WdfRequestRetrieveInputWdmMdlTableIndex => buffers::retrieve_input_mdl,
    WdfRequestRetrieveUnsafeUserInputBufferTableIndex => buffers::retrieve_unsafe_input,
    WdfRequestRetrieveUnsafeUserOutputBufferTableIndex => buffers::retrieve_unsafe_output,
    WdfRequestGetFileObjectTableIndex => request::get_file,
    WdfRequestProbeAndLockUserBufferForReadTableIndex => buffers::lock_for_read,
    WdfRequestProbeAndLockUserBufferForWriteTableIndex => buffers::lock_for_write,
    WdfRequestGetRequestorModeTableIndex => request::get_mode,
    WdfRequestForwardToIoQueueTableIndex => request::forward,
    WdfRequestWdmGetIrpTableIndex => request::get_irp,
    WdfWaitLockCreateTableIndex => locks::create_wait,
    WdfWaitLockAcquireTableIndex => locks::acquire_wait,
    WdfWaitLockReleaseTableIndex => locks::release_wait,
    WdfSpinLockCreateTableIndex => locks::create_spin,
    WdfSpinLockAcquireTableIndex => locks::acquire_spin,
    WdfSpinLockReleaseTableIndex => locks::release_spin,
    WdfTimerCreateTableIndex => timer::create,
    WdfTimerStartTableIndex => timer::start,
    WdfTimerStopTableIndex => timer::stop,
    WdfTimerGetParentObjectTableIndex => timer::get_parent,
    WdfWorkItemCreateTableIndex => work_item::create,
    WdfWorkItemEnqueueTableIndex => work_item::enqueue,
    WdfWorkItemFlushTableIndex => work_item::flush,
    WdfWorkItemGetParentObjectTableIndex => work_item::get_parent,
};
