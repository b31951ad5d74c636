//! The end of the host: visible, and with the place.
#![expect(unsafe_code, reason = "exports the symbols that the linker asks for by name")]

use core::panic::PanicInfo;

use wdk_sys::{PDRIVER_OBJECT, PUNICODE_STRING, STATUS_UNSUCCESSFUL};
use wine_nt::report;

/// "RPNC", as the drivers' own panic handler says.
const RUST_PANIC: u32 = u32::from_be_bytes(*b"RPNC");

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    report::line(format_args!("{info}"));
    report::bug_check(RUST_PANIC, [0; 4])
}

/// The entry of the image. Wine does not call it, since the image imports nothing but `ntoskrnl.exe`.
#[unsafe(export_name = "HostEntry")]
extern "system" fn host_entry(_driver: PDRIVER_OBJECT, _path: PUNICODE_STRING) -> i32 {
    STATUS_UNSUCCESSFUL
}
