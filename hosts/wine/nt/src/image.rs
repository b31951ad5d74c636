//! Loaded images: whose an address is, the import table of a driver, the exports of a module.
#![expect(unsafe_code, reason = "reads and patches image headers in memory")]

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use wdk_sys::{PVOID, STATUS_SUCCESS};

use crate::{probe, sys};

const PAGE_READWRITE: u32 = 4;
/// Offset of the PE header's offset in the DOS header.
const LFANEW: usize = 0x3C;
/// From the PE signature to the first data directory, in a 64-bit image.
const DIRECTORIES: usize = 24 + 112;
/// From the PE signature to `SizeOfImage`.
const SIZE_OF_IMAGE: usize = 24 + 56;
const EXPORT: usize = 0;
const IMPORT: usize = 1;
const IMPORT_DESCRIPTOR_BYTES: usize = 20;
const IMPORT_BY_ORDINAL: u64 = 1 << 63;

/// Reads a value if its memory is there.
pub fn read<T: Copy>(address: usize) -> Option<T> {
    if !probe::accessible(address, size_of::<T>(), probe::Access::Read) {
        return None;
    }
    // SAFETY: the range was found readable a moment ago; images and thread stacks stay.
    Some(unsafe { core::ptr::with_exposed_provenance::<T>(address).read_unaligned() })
}

/// Reads a value in an image that is known to be mapped.
fn header<T: Copy>(address: usize) -> T {
    // SAFETY: callers pass offsets that the image's own headers name, within a mapped image.
    unsafe { core::ptr::with_exposed_provenance::<T>(address).read_unaligned() }
}

/// Base of the image that `address` lies in.
pub fn base_of(address: usize) -> Option<usize> {
    let mut base: PVOID = core::ptr::null_mut();
    // SAFETY: the address is only looked up; `base` may be written.
    unsafe { sys::RtlPcToFileHeader(core::ptr::without_provenance_mut(address), &raw mut base) };
    (!base.is_null()).then(|| base.expose_provenance())
}

/// Base of this image.
pub fn host_base() -> usize {
    base_of(host_base as fn() -> usize as usize).unwrap_or_default()
}

/// Base of Wine's `ntoskrnl.exe`.
pub fn ntoskrnl_base() -> usize {
    let address = imported(sys::IoFreeIrp as unsafe extern "C" fn(_) as usize);
    base_of(address).unwrap_or_default()
}

/// Whether `address` lies in Wine's `ntoskrnl.exe`.
pub fn is_in_ntoskrnl(address: usize) -> bool {
    static RANGE: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let [start, bytes] = &RANGE;
    if start.load(Ordering::Acquire) == 0 {
        let base = ntoskrnl_base();
        bytes.store(size(base), Ordering::Relaxed);
        start.store(base, Ordering::Release);
    }
    address.wrapping_sub(start.load(Ordering::Relaxed)) < bytes.load(Ordering::Relaxed)
}

/// Base of Wine's `ntdll.dll`, to which `RtlRaiseStatus` of its `ntoskrnl.exe` is forwarded.
pub fn ntdll_base() -> usize {
    let address = imported(sys::RtlRaiseStatus as unsafe extern "C" fn(_) -> ! as usize);
    base_of(address).unwrap_or_default()
}

/// Follows the jump through the import table that the linker puts in place of an imported function.
fn imported(address: usize) -> usize {
    const JMP_INDIRECT: u16 = 0x25FF;
    if read::<u16>(address) != Some(JMP_INDIRECT) {
        return address;
    }
    let displacement = read::<i32>(address + 2).unwrap_or_default();
    let slot = (address + 6).wrapping_add_signed(displacement as isize);
    read::<usize>(slot).unwrap_or(address)
}

fn nt_headers(base: usize) -> usize {
    base + header::<u32>(base + LFANEW) as usize
}

/// Bytes of the image at `base`.
pub fn size(base: usize) -> usize {
    header::<u32>(nt_headers(base) + SIZE_OF_IMAGE) as usize
}

fn directory(base: usize, index: usize) -> Option<usize> {
    let rva = header::<u32>(nt_headers(base) + DIRECTORIES + index * 8);
    (rva != 0).then_some(base + rva as usize)
}

fn c_string(mut address: usize) -> String {
    let mut bytes = Vec::new();
    loop {
        let byte: u8 = header(address);
        if byte == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes.push(byte);
        address += 1;
    }
}

/// One imported function.
pub struct Import {
    /// Its module.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Address of its slot in the import table.
    pub slot: usize,
}

/// Every function that the image at `base` imports by name.
pub fn imports(base: usize) -> Vec<Import> {
    let mut found = Vec::new();
    let Some(mut descriptor) = directory(base, IMPORT) else {
        return found;
    };
    loop {
        let name = header::<u32>(descriptor + 12) as usize;
        if name == 0 {
            return found;
        }
        let mut lookup = base + header::<u32>(descriptor) as usize;
        let mut slot = base + header::<u32>(descriptor + 16) as usize;
        loop {
            let entry: u64 = header(lookup);
            if entry == 0 {
                break;
            }
            if entry & IMPORT_BY_ORDINAL == 0 {
                found.push(Import {
                    module: c_string(base + name),
                    // Two bytes of hint stand before the name.
                    name: c_string(base + entry as usize + 2),
                    slot,
                });
            }
            lookup += 8;
            slot += 8;
        }
        descriptor += IMPORT_DESCRIPTOR_BYTES;
    }
}

fn c_string_order(mut address: usize, name: &str) -> core::cmp::Ordering {
    for wanted in name.bytes().chain(core::iter::once(0)) {
        let byte: u8 = header(address);
        let order = byte.cmp(&wanted);
        if order.is_ne() {
            return order;
        }
        address += 1;
    }
    core::cmp::Ordering::Equal
}

/// Address of an exported function. For a forwarder it is that of the forwarder's text.
pub fn export(base: usize, name: &str) -> Option<usize> {
    let table = directory(base, EXPORT)?;
    let functions_at = base + header::<u32>(table + 28) as usize;
    let names_at = base + header::<u32>(table + 32) as usize;
    let ordinals_at = base + header::<u32>(table + 36) as usize;
    // Names are sorted.
    let (mut low, mut high) = (0, header::<u32>(table + 24) as usize);
    while low < high {
        let middle = usize::midpoint(low, high);
        let at = base + header::<u32>(names_at + middle * 4) as usize;
        match c_string_order(at, name) {
            core::cmp::Ordering::Less => low = middle + 1,
            core::cmp::Ordering::Greater => high = middle,
            core::cmp::Ordering::Equal => {
                let ordinal = header::<u16>(ordinals_at + middle * 2) as usize;
                return Some(base + header::<u32>(functions_at + ordinal * 4) as usize);
            }
        }
    }
    None
}

/// Writes `function` into an import slot and gives what was there.
pub fn patch(slot: usize, function: usize) -> Option<usize> {
    let mut page = core::ptr::with_exposed_provenance_mut(slot);
    let mut bytes = size_of::<usize>() as u64;
    let mut protection = 0;
    // SAFETY: the range is one import slot of a loaded image; all results may be written.
    let status = unsafe {
        sys::ZwProtectVirtualMemory(
            sys::CURRENT_PROCESS,
            &raw mut page,
            &raw mut bytes,
            PAGE_READWRITE,
            &raw mut protection,
        )
    };
    if status != STATUS_SUCCESS {
        return None;
    }
    let at = core::ptr::with_exposed_provenance_mut::<usize>(slot);
    // SAFETY: the slot is mapped and was made writable; nothing runs in the driver yet.
    let old = unsafe { at.replace(function) };
    let mut ignored = 0;
    // SAFETY: as above; this gives the page its protection back.
    unsafe {
        sys::ZwProtectVirtualMemory(
            sys::CURRENT_PROCESS,
            &raw mut page,
            &raw mut bytes,
            protection,
            &raw mut ignored,
        )
    };
    Some(old)
}

/// Keeps this image loaded for good: its functions stay in Wine's tables after the last driver unloads.
pub fn pin_host() -> bool {
    type AddRef = unsafe extern "C" fn(u32, usize) -> i32;
    const LDR_ADDREF_DLL_PIN: u32 = 1;
    let Some(address) = export(ntdll_base(), "LdrAddRefDll") else {
        return false;
    };
    // SAFETY: the address is the export of that name, which has this signature.
    let add_ref: AddRef = unsafe { core::mem::transmute(address) };
    // SAFETY: the base is that of a loaded module, this one.
    unsafe { add_ref(LDR_ADDREF_DLL_PIN, host_base()) == STATUS_SUCCESS }
}
