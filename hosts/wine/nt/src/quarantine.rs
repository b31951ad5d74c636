//! Keeps the IRPs that Wine frees for a while.
//!
//! Wine's server sends a cancellation with the bare address of an IRP, which may be freed by the time it is
//! looked at. Wine's `ntoskrnl.exe` frees IRPs through its own import of `HeapFree`; this module stands in
//! that slot, clears the cancel routine of whatever is an IRP, and frees it 8,192 IRPs later.
#![expect(unsafe_code, reason = "stands in for HeapFree and looks at what is freed")]

use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicUsize, Ordering};

use wdk_sys::{IO_STACK_LOCATION, IRP, PVOID};

use crate::irp::{Irp, TYPE_IRP};
use crate::lock::Lock;
use crate::{image, user_irp};

type HeapFree = unsafe extern "C" fn(PVOID, u32, PVOID) -> i32;

const KEPT: usize = 8192;
/// Wine allocates at least this many stack locations, unless one was asked for.
const LEAST_LOCATIONS: usize = 8;

static REAL: AtomicUsize = AtomicUsize::new(0);
static RING: Lock<VecDeque<(usize, usize)>> = Lock::new(VecDeque::new());

/// Puts the quarantine in place. `false` when the slot was not found.
pub fn install() -> bool {
    let base = image::ntoskrnl_base();
    let Some(import) = image::imports(base)
        .into_iter()
        .find(|import| import.name == "HeapFree")
    else {
        return false;
    };
    // Room for all, so that nothing is allocated inside HeapFree.
    let mut ring = RING.lock();
    if ring.try_reserve_exact(KEPT + 1).is_err() {
        return false;
    }
    drop(ring);
    let real = image::read::<usize>(import.slot).unwrap_or_default();
    REAL.store(real, Ordering::Release);
    image::patch(import.slot, heap_free as HeapFree as usize).is_some()
}

/// Whether a block is an IRP that `IoInitializeIrp` filled in.
fn is_irp(block: PVOID) -> bool {
    // SAFETY: the block is live heap memory of at least 16 bytes, all that is read unless type and size say
    // that it is an IRP.
    let Some(view) = (unsafe { Irp::from_raw(block.cast()) }) else {
        return false;
    };
    let (kind, size) = view.kind();
    let size = usize::from(size);
    if kind != TYPE_IRP || size < size_of::<IRP>() + size_of::<IO_STACK_LOCATION>() {
        return false;
    }
    let Ok(count) = usize::try_from(view.stack_count()) else {
        return false;
    };
    let locations = if count == 1 { 1 } else { count.max(LEAST_LOCATIONS) };
    count > 0 && size == size_of::<IRP>() + locations * size_of::<IO_STACK_LOCATION>()
}

unsafe extern "C" fn heap_free(heap: PVOID, flags: u32, block: PVOID) -> i32 {
    if block.is_null() || !is_irp(block) {
        // SAFETY: the arguments are passed on as they came.
        return unsafe { real(heap, flags, block) };
    }
    // SAFETY: the block was just found to be an IRP.
    if let Some(view) = unsafe { Irp::from_raw(block.cast()) } {
        view.exchange_cancel_routine(None);
    }
    let old = {
        let mut ring = RING.lock();
        ring.push_back((heap.expose_provenance(), block.expose_provenance()));
        (ring.len() > KEPT).then(|| ring.pop_front()).flatten()
    };
    let Some((heap, block)) = old else {
        return 1;
    };
    user_irp::forget(block);
    let heap = core::ptr::with_exposed_provenance_mut(heap);
    let block = core::ptr::with_exposed_provenance_mut(block);
    // SAFETY: the block was freed into the ring by its owner, and leaves it now, once.
    unsafe { real(heap, 0, block) }
}

unsafe fn real(heap: PVOID, flags: u32, block: PVOID) -> i32 {
    let address = REAL.load(Ordering::Acquire);
    // SAFETY: the slot held the address of HeapFree.
    let real: HeapFree = unsafe { core::mem::transmute(address) };
    // SAFETY: the caller passes a block of that heap.
    unsafe { real(heap, flags, block) }
}
