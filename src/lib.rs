//! x
#![no_std]
#![allow(warnings, unsafe_code, clippy::allow_attributes_without_reason)]
#[cfg(not(test))]
extern crate wdk_panic;
use wdk_alloc::WdkAllocator;
#[global_allocator]
static G: WdkAllocator = WdkAllocator;
use wdk_sys::*;
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: PDRIVER_OBJECT, reg: PCUNICODE_STRING) -> NTSTATUS {
    let mut cfg = WDF_DRIVER_CONFIG {
        Size: core::mem::size_of::<WDF_DRIVER_CONFIG>() as ULONG,
        EvtDriverDeviceAdd: Some(add),
        ..WDF_DRIVER_CONFIG::default()
    };
    unsafe {
        call_unsafe_wdf_function_binding!(
            WdfDriverCreate,
            driver,
            reg,
            core::ptr::null_mut(),
            &mut cfg,
            core::ptr::null_mut()
        )
    }
}
extern "C" fn add(_d: WDFDRIVER, mut init: PWDFDEVICE_INIT) -> NTSTATUS {
    let mut dev: WDFDEVICE = core::ptr::null_mut();
    unsafe {
        call_unsafe_wdf_function_binding!(WdfFdoInitSetFilter, init);
        call_unsafe_wdf_function_binding!(WdfDeviceCreate, &mut init, core::ptr::null_mut(), &mut dev)
    }
}
