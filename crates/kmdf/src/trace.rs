//! Messages to a debugger.
#![expect(unsafe_code, reason = "calls the kernel")]

use core::ffi::CStr;

use wdk_sys::ntddk::DbgPrint;

/// `DbgPrint` of one line.
///
/// IRQL: `<= DIRQL`.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-dbgprint>
pub fn message(text: &'static CStr) {
    // SAFETY: the format takes one string that ends with a zero.
    let _status = unsafe { DbgPrint(c"%s\n".as_ptr(), text.as_ptr()) };
}
