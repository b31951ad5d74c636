//! Where a call came from.
#![expect(unsafe_code, reason = "stack walking by the system's unwinder")]

use core::fmt;

use wdk_sys::{CONTEXT, PVOID};

use crate::{drivers, image, sys};

const FRAMES: usize = 48;

/// A code address, shown as module and offset.
pub struct Place(pub usize);

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(driver) = drivers::by_address(self.0) {
            return write!(out, "{}+{:#x}", driver.file(), self.0 - driver.base());
        }
        match image::base_of(self.0) {
            Some(base) if base == image::host_base() => write!(out, "WDFLDR.SYS+{:#x}", self.0 - base),
            Some(base) => write!(out, "{base:#x}+{:#x}", self.0 - base),
            None => write!(out, "{:#x}", self.0),
        }
    }
}

/// The innermost address on the stack that lies in a bound driver.
pub fn in_a_driver() -> Option<usize> {
    let mut context = Aligned(CONTEXT::default());
    // SAFETY: the structure is a whole, aligned CONTEXT.
    unsafe { sys::RtlCaptureContext((&raw mut context.0).cast()) };
    for _ in 0..FRAMES {
        step(&mut context.0)?;
        let address = usize::try_from(context.0.Rip).ok()?;
        if drivers::by_address(address).is_some() {
            return Some(address);
        }
    }
    None
}

#[repr(align(16))]
struct Aligned(CONTEXT);

/// Goes one frame up. `None` at the end of the stack.
fn step(context: &mut CONTEXT) -> Option<()> {
    if context.Rip == 0 {
        return None;
    }
    let mut base = 0;
    // SAFETY: `base` may be written; the lookup takes any address.
    let entry = unsafe { sys::RtlLookupFunctionEntry(context.Rip, &raw mut base, core::ptr::null_mut()) };
    if entry.is_null() {
        // A function without an entry is a leaf: its return address is on top of the stack.
        let top = usize::try_from(context.Rsp).ok()?;
        context.Rip = image::read::<u64>(top)?;
        context.Rsp += 8;
        return Some(());
    }
    let mut handler_data: PVOID = core::ptr::null_mut();
    let mut frame = 0;
    // SAFETY: base and entry are what the lookup gave for this address, and the context is a whole one.
    unsafe {
        sys::RtlVirtualUnwind(
            0,
            base,
            context.Rip,
            entry,
            (&raw mut *context).cast(),
            &raw mut handler_data,
            &raw mut frame,
            core::ptr::null_mut(),
        )
    };
    Some(())
}
