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

/// The table.
pub(crate) static TABLE: [Slot; TABLE_LENGTH] = table();

const fn table() -> [Slot; TABLE_LENGTH] {
    let functions = implemented();
    let mut table = TRAPS;
    let mut at = 0;
    while at < functions.len() {
        let (index, function) = functions[at];
        table[index as usize] = Slot(function);
        at += 1;
    }
    table
}

type Entry = (F::Type, *const ());

const COUNT: usize = 73;

const fn implemented() -> [Entry; COUNT] {
    [
        (
            F::WdfControlDeviceInitAllocateTableIndex,
            device_init::allocate_control as *const (),
        ),
        (
            F::WdfControlFinishInitializingTableIndex,
            device::finish_control as *const (),
        ),
        (
            F::WdfWdmDeviceGetWdfDeviceHandleTableIndex,
            device::from_wdm as *const (),
        ),
        (
            F::WdfDeviceWdmGetDeviceObjectTableIndex,
            device::wdm_device as *const (),
        ),
        (
            F::WdfDeviceWdmGetAttachedDeviceTableIndex,
            device::wdm_attached as *const (),
        ),
        (
            F::WdfDeviceWdmGetPhysicalDeviceTableIndex,
            device::wdm_physical as *const (),
        ),
        (
            F::WdfDeviceWdmDispatchPreprocessedIrpTableIndex,
            dispatch::dispatch_preprocessed as *const (),
        ),
        (F::WdfDeviceGetIoTargetTableIndex, device::io_target as *const ()),
        (F::WdfDeviceInitFreeTableIndex, device_init::free as *const ()),
        (
            F::WdfDeviceInitSetPnpPowerEventCallbacksTableIndex,
            device_init::set_pnp_callbacks as *const (),
        ),
        (
            F::WdfDeviceInitSetIoTypeTableIndex,
            device_init::set_io_type as *const (),
        ),
        (
            F::WdfDeviceInitSetDeviceTypeTableIndex,
            device_init::set_device_type as *const (),
        ),
        (
            F::WdfDeviceInitAssignNameTableIndex,
            device_init::assign_name as *const (),
        ),
        (
            F::WdfDeviceInitAssignSDDLStringTableIndex,
            device_init::assign_sddl as *const (),
        ),
        (
            F::WdfDeviceInitSetCharacteristicsTableIndex,
            device_init::set_characteristics as *const (),
        ),
        (
            F::WdfDeviceInitSetFileObjectConfigTableIndex,
            device_init::set_file_config as *const (),
        ),
        (
            F::WdfDeviceInitSetRequestAttributesTableIndex,
            device_init::set_request_attributes as *const (),
        ),
        (
            F::WdfDeviceInitAssignWdmIrpPreprocessCallbackTableIndex,
            device_init::assign_preprocess as *const (),
        ),
        (
            F::WdfDeviceInitSetIoInCallerContextCallbackTableIndex,
            device_init::set_in_caller_context as *const (),
        ),
        (F::WdfDeviceCreateTableIndex, device::create as *const ()),
        (
            F::WdfDeviceCreateDeviceInterfaceTableIndex,
            device::create_interface as *const (),
        ),
        (
            F::WdfDeviceCreateSymbolicLinkTableIndex,
            device::create_symbolic_link as *const (),
        ),
        (F::WdfDeviceGetFileObjectTableIndex, file::get as *const ()),
        (
            F::WdfDeviceEnqueueRequestTableIndex,
            request::enqueue as *const (),
        ),
        (
            F::WdfDeviceGetDefaultQueueTableIndex,
            queue::get_default as *const (),
        ),
        (F::WdfDriverCreateTableIndex, driver::create as *const ()),
        (
            F::WdfFdoInitQueryPropertyTableIndex,
            device_init::query_property as *const (),
        ),
        (
            F::WdfFdoInitSetFilterTableIndex,
            device_init::set_filter as *const (),
        ),
        (F::WdfFileObjectGetDeviceTableIndex, file::get_device as *const ()),
        (
            F::WdfFileObjectWdmGetFileObjectTableIndex,
            file::get_wdm as *const (),
        ),
        (F::WdfIoQueueCreateTableIndex, queue::create as *const ()),
        (F::WdfIoQueueGetDeviceTableIndex, queue::get_device as *const ()),
        (
            F::WdfIoQueueRetrieveNextRequestTableIndex,
            queue::retrieve_next as *const (),
        ),
        (
            F::WdfMemoryGetBufferTableIndex,
            request::memory_buffer as *const (),
        ),
        (
            F::WdfObjectGetTypedContextWorkerTableIndex,
            object::get_typed_context as *const (),
        ),
        (
            F::WdfObjectContextGetObjectTableIndex,
            object::context_get_object as *const (),
        ),
        (
            F::WdfObjectReferenceActualTableIndex,
            object::reference as *const (),
        ),
        (
            F::WdfObjectDereferenceActualTableIndex,
            object::dereference as *const (),
        ),
        (F::WdfObjectDeleteTableIndex, object::delete as *const ()),
        (
            F::WdfRequestFormatRequestUsingCurrentTypeTableIndex,
            request::format_current as *const (),
        ),
        (F::WdfRequestSendTableIndex, request::send as *const ()),
        (
            F::WdfRequestMarkCancelableTableIndex,
            cancel::mark_cancelable as *const (),
        ),
        (
            F::WdfRequestMarkCancelableExTableIndex,
            cancel::mark_cancelable_ex as *const (),
        ),
        (
            F::WdfRequestUnmarkCancelableTableIndex,
            cancel::unmark_cancelable as *const (),
        ),
        (
            F::WdfRequestIsCanceledTableIndex,
            cancel::is_cancelled as *const (),
        ),
        (F::WdfRequestCompleteTableIndex, request::complete as *const ()),
        (
            F::WdfRequestCompleteWithInformationTableIndex,
            request::complete_with_information as *const (),
        ),
        (
            F::WdfRequestGetParametersTableIndex,
            request::get_parameters as *const (),
        ),
        (
            F::WdfRequestRetrieveInputBufferTableIndex,
            buffers::retrieve_input as *const (),
        ),
        (
            F::WdfRequestRetrieveOutputBufferTableIndex,
            buffers::retrieve_output as *const (),
        ),
        (
            F::WdfRequestRetrieveInputWdmMdlTableIndex,
            buffers::retrieve_input_mdl as *const (),
        ),
        (
            F::WdfRequestRetrieveUnsafeUserInputBufferTableIndex,
            buffers::retrieve_unsafe_input as *const (),
        ),
        (
            F::WdfRequestRetrieveUnsafeUserOutputBufferTableIndex,
            buffers::retrieve_unsafe_output as *const (),
        ),
        (
            F::WdfRequestGetFileObjectTableIndex,
            request::get_file as *const (),
        ),
        (
            F::WdfRequestProbeAndLockUserBufferForReadTableIndex,
            buffers::lock_for_read as *const (),
        ),
        (
            F::WdfRequestProbeAndLockUserBufferForWriteTableIndex,
            buffers::lock_for_write as *const (),
        ),
        (
            F::WdfRequestGetRequestorModeTableIndex,
            request::get_mode as *const (),
        ),
        (
            F::WdfRequestForwardToIoQueueTableIndex,
            request::forward as *const (),
        ),
        (F::WdfRequestWdmGetIrpTableIndex, request::get_irp as *const ()),
        (F::WdfWaitLockCreateTableIndex, locks::create_wait as *const ()),
        (F::WdfWaitLockAcquireTableIndex, locks::acquire_wait as *const ()),
        (F::WdfWaitLockReleaseTableIndex, locks::release_wait as *const ()),
        (F::WdfSpinLockCreateTableIndex, locks::create_spin as *const ()),
        (F::WdfSpinLockAcquireTableIndex, locks::acquire_spin as *const ()),
        (F::WdfSpinLockReleaseTableIndex, locks::release_spin as *const ()),
        (F::WdfTimerCreateTableIndex, timer::create as *const ()),
        (F::WdfTimerStartTableIndex, timer::start as *const ()),
        (F::WdfTimerStopTableIndex, timer::stop as *const ()),
        (
            F::WdfTimerGetParentObjectTableIndex,
            timer::get_parent as *const (),
        ),
        (F::WdfWorkItemCreateTableIndex, work_item::create as *const ()),
        (F::WdfWorkItemEnqueueTableIndex, work_item::enqueue as *const ()),
        (F::WdfWorkItemFlushTableIndex, work_item::flush as *const ()),
        (
            F::WdfWorkItemGetParentObjectTableIndex,
            work_item::get_parent as *const (),
        ),
    ]
}
