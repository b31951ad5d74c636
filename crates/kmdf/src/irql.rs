//! The interrupt request level.
#![expect(unsafe_code, reason = "calls the kernel")]

use wdk_sys::KIRQL;

/// Waiting is allowed at this level only.
pub const PASSIVE_LEVEL: KIRQL = 0;
/// Pageable memory may be touched up to this level.
pub const APC_LEVEL: KIRQL = 1;

unsafe extern "C" {
    // Declared here because the headers of some toolchains have it as an inline function only.
    fn KeGetCurrentIrql() -> KIRQL;
}

/// `KeGetCurrentIrql`.
///
/// IRQL: any.
///
/// <https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-kegetcurrentirql>
pub fn current() -> KIRQL {
    // SAFETY: no preconditions.
    unsafe { KeGetCurrentIrql() }
}
