//! What the host says: one line each, by `DbgPrint`, which Wine shows on channel `warn+debugstr`.
#![expect(unsafe_code, reason = "DbgPrint and KeBugCheckEx are foreign functions")]

use alloc::string::String;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::{caller, drivers, sys};

static FINDINGS: AtomicU32 = AtomicU32::new(0);

/// Given as the driver's name where only the caller's address tells it.
pub const UNKNOWN: &str = "?";

/// Wine cuts a line after this many bytes.
const LINE_BYTES: usize = 1000;

/// Prints `kswine: ` and the text.
pub fn line(text: fmt::Arguments<'_>) {
    let mut line = String::new();
    if write!(line, "kswine: {text}").is_err() {
        return;
    }
    let mut end = line.len().min(LINE_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line.retain(|char| char != '\0');
    line.push('\n');
    line.push('\0');
    // SAFETY: the format takes one NUL-terminated string, and `line` is one.
    unsafe { sys::DbgPrint(c"%s".as_ptr().cast(), line.as_ptr()) };
}

/// Reports something wrong, with the driver that did it and where it called from.
///
/// `caller` is a return address in the driver; without one the stack is searched.
pub fn finding(driver: &str, caller: Option<usize>, text: fmt::Arguments<'_>) {
    FINDINGS.fetch_add(1, Ordering::Relaxed);
    let address = caller.or_else(caller::in_a_driver);
    let found = address.filter(|_| driver == UNKNOWN).map(drivers::name_at);
    let driver = found.as_deref().unwrap_or(driver);
    match address {
        Some(address) => line(format_args!(
            "finding: {driver}: {text} [{}]",
            caller::Place(address)
        )),
        None => line(format_args!("finding: {driver}: {text} [caller unknown]")),
    }
}

/// How many findings there were.
pub fn count() -> u32 {
    FINDINGS.load(Ordering::Relaxed)
}

/// Ends the process where the documented answer to a driver's error is a bug check.
pub fn bug_check(code: u32, parameters: [usize; 4]) -> ! {
    let [first, second, third, fourth] = parameters;
    // SAFETY: any code and parameters may be given; Wine prints them and ends the process.
    unsafe { sys::KeBugCheckEx(code, first, second, third, fourth) }
}
