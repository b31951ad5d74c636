//! I/O rings: writes are put into a queue that the system shares, and completions are taken from another.
//!
//! Windows 11 has them, earlier systems and Wine 8 do not, so the functions are looked up when a ring is made.
//!
//! <https://learn.microsoft.com/windows/win32/api/ioringapi/>
#![expect(
    unsafe_code,
    reason = "calls functions that are looked up, and lends memory to them"
)]

use std::ffi::CStr;
use std::mem;
use std::ops::Range;
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::{E_ABORT, S_OK};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_WRITE_FLAGS, FILE_WRITE_FLAGS_NONE, HIORING, IORING_BUFFER_REF, IORING_BUFFER_REF_0, IORING_CQE,
    IORING_CREATE_FLAGS, IORING_HANDLE_REF, IORING_HANDLE_REF_0, IORING_OP_CODE, IORING_OP_WRITE,
    IORING_REF_RAW, IORING_SQE_FLAGS, IORING_VERSION, IORING_VERSION_3, IOSQE_FLAGS_NONE,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::core::{BOOL, HRESULT, w};

use super::file::File;
use super::milliseconds;
use crate::{Error, Win32Error};

type Create =
    unsafe extern "system" fn(IORING_VERSION, IORING_CREATE_FLAGS, u32, u32, *mut HIORING) -> HRESULT;
type Close = unsafe extern "system" fn(HIORING) -> HRESULT;
type Supports = unsafe extern "system" fn(HIORING, IORING_OP_CODE) -> BOOL;
type BuildWrite = unsafe extern "system" fn(
    HIORING,
    IORING_HANDLE_REF,
    IORING_BUFFER_REF,
    u32,
    u64,
    FILE_WRITE_FLAGS,
    usize,
    IORING_SQE_FLAGS,
) -> HRESULT;
type Submit = unsafe extern "system" fn(HIORING, u32, u32, *mut u32) -> HRESULT;
type Pop = unsafe extern "system" fn(HIORING, *mut IORING_CQE) -> HRESULT;

/// The functions, as the system has them.
#[derive(Clone, Copy, Debug)]
struct Functions {
    create: Create,
    close: Close,
    supports: Supports,
    build_write: BuildWrite,
    submit: Submit,
    pop: Pop,
}

/// One function of KernelBase.dll.
///
/// # Safety
///
/// `F` is the type of a function pointer with the signature that Microsoft documents for this name.
unsafe fn function<F: Copy>(name: &CStr) -> Result<F, Error> {
    const { assert!(size_of::<F>() == size_of::<usize>(), "a function pointer") };
    let missing = || {
        let what = format!(
            "use an I/O ring: KernelBase.dll has no {}",
            name.to_string_lossy()
        );
        Error::new(what, Win32Error::PROC_NOT_FOUND)
    };
    // SAFETY: the name ends with a zero.
    let module = unsafe { GetModuleHandleW(w!("kernelbase.dll")) };
    if module.is_null() {
        return Err(missing());
    }
    // SAFETY: the module stays loaded as long as the process; the name ends with a zero.
    let found = unsafe { GetProcAddress(module, name.as_ptr().cast()) }.ok_or_else(missing)?;
    // SAFETY: the caller says what the function's type is, and the sizes agree.
    Ok(unsafe { mem::transmute_copy(&found) })
}

impl Functions {
    fn find() -> Result<Self, Error> {
        Ok(Self {
            // SAFETY: the documented signature.
            create: unsafe { function::<Create>(c"CreateIoRing") }?,
            // SAFETY: the documented signature.
            close: unsafe { function::<Close>(c"CloseIoRing") }?,
            // SAFETY: the documented signature.
            supports: unsafe { function::<Supports>(c"IsIoRingOpSupported") }?,
            // SAFETY: the documented signature.
            build_write: unsafe { function::<BuildWrite>(c"BuildIoRingWriteFile") }?,
            // SAFETY: the documented signature.
            submit: unsafe { function::<Submit>(c"SubmitIoRing") }?,
            // SAFETY: the documented signature.
            pop: unsafe { function::<Pop>(c"PopIoRingCompletion") }?,
        })
    }
}

/// A write that is over.
#[derive(Debug)]
pub struct RingDone {
    /// The name that the issuer gave it.
    pub slot: usize,
    /// The buffer that was lent.
    pub buffer: Vec<u8>,
    /// Bytes written, or why not.
    pub result: Result<u32, Win32Error>,
}

/// An I/O ring. Each write has a slot, a number below the ring's length, for as long as it is under way.
///
/// Dropping it while writes are under way leaves their buffers and their file allocated for good: nobody is told of
/// the completions any more.
#[derive(Debug)]
pub struct Ring {
    functions: Functions,
    handle: HIORING,
    /// INVARIANT: the system may read the buffer of every slot that has one, and no other.
    lent: Vec<Option<Lent>>,
    under_way: usize,
}

#[derive(Debug)]
struct Lent {
    buffer: Vec<u8>,
    /// Open until the completion.
    _file: File,
}

// SAFETY: the handle may be used in any thread, one at a time, which `&mut self` ensures.
unsafe impl Send for Ring {}

impl Ring {
    /// A ring for so many writes at a time.
    ///
    /// # Errors
    ///
    /// `ERROR_PROC_NOT_FOUND` or `ERROR_NOT_SUPPORTED` where the system has no such ring, and those of `CreateIoRing`.
    pub fn new(slots: u32) -> Result<Self, Error> {
        Self::with(Functions::find()?, slots)
    }

    fn with(functions: Functions, slots: u32) -> Result<Self, Error> {
        let mut handle = ptr::null_mut();
        let flags = IORING_CREATE_FLAGS::default();
        let completions = slots.saturating_mul(2);
        // SAFETY: room for the handle.
        let made =
            unsafe { (functions.create)(IORING_VERSION_3, flags, slots, completions, &raw mut handle) };
        checked(made).map_err(|error| Error::new("create an I/O ring", error))?;
        let ring = Self {
            functions,
            handle,
            lent: (0..slots).map(|_| None).collect(),
            under_way: 0,
        };
        // SAFETY: the ring is open.
        if unsafe { (functions.supports)(handle, IORING_OP_WRITE) } == 0 {
            return Err(Error::new("write through an I/O ring", Win32Error::NOT_SUPPORTED));
        }
        Ok(ring)
    }

    /// Starts a write of the bytes `part` of the buffer at `offset`, and hands it to the system.
    ///
    /// # Errors
    ///
    /// The buffer, with `ERROR_INVALID_PARAMETER` when the slot is in use or there is none, or the part is not inside
    /// the buffer; otherwise with what `BuildIoRingWriteFile` said.
    pub fn write_part_at(
        &mut self,
        slot: usize,
        file: &File,
        offset: u64,
        mut buffer: Vec<u8>,
        part: Range<usize>,
    ) -> Result<(), (Vec<u8>, Win32Error)> {
        let Some(place @ None) = self.lent.get_mut(slot) else {
            return Err((buffer, Win32Error::INVALID_PARAMETER));
        };
        let Some(bytes) = buffer.get_mut(part) else {
            return Err((buffer, Win32Error::INVALID_PARAMETER));
        };
        let Ok(length) = u32::try_from(bytes.len()) else {
            return Err((buffer, Win32Error::INVALID_PARAMETER));
        };
        let data = IORING_BUFFER_REF {
            Kind: IORING_REF_RAW,
            Buffer: IORING_BUFFER_REF_0 {
                Address: bytes.as_mut_ptr().cast(),
            },
        };
        let target = IORING_HANDLE_REF {
            Kind: IORING_REF_RAW,
            Handle: IORING_HANDLE_REF_0 { Handle: file.raw() },
        };
        let (build, none) = (self.functions.build_write, FILE_WRITE_FLAGS_NONE);
        // SAFETY: the ring is open; buffer and file are kept in the slot until the completion is taken.
        let queued = unsafe {
            build(
                self.handle,
                target,
                data,
                length,
                offset,
                none,
                slot,
                IOSQE_FLAGS_NONE,
            )
        };
        if let Err(error) = checked(queued) {
            return Err((buffer, error));
        }
        let file = file.clone();
        *place = Some(Lent { buffer, _file: file });
        self.under_way += 1;
        // Should it be refused, the entry stays in the queue, and the next call hands it over.
        // SAFETY: the ring is open; nothing is waited for.
        unsafe { (self.functions.submit)(self.handle, 0, 0, ptr::null_mut()) };
        Ok(())
    }

    /// Waits until a write is over, and appends all that are. Appends nothing when none is under way, or the time runs
    /// out first.
    ///
    /// # Errors
    ///
    /// Those of `SubmitIoRing`, which waits, but for the end of the time.
    pub fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<RingDone>) -> Result<(), Win32Error> {
        let before = done.len();
        self.take(done);
        if done.len() > before || self.under_way == 0 {
            return Ok(());
        }
        // SAFETY: the ring is open.
        let waited =
            unsafe { (self.functions.submit)(self.handle, 1, milliseconds(timeout), ptr::null_mut()) };
        self.take(done);
        match checked(waited) {
            Err(error) if done.len() == before && timeout.is_none() => Err(error),
            _ => Ok(()),
        }
    }

    fn take(&mut self, done: &mut Vec<RingDone>) {
        let mut entry = IORING_CQE::default();
        // S_FALSE: there is none.
        // SAFETY: the ring is open; room for the entry.
        while unsafe { (self.functions.pop)(self.handle, &raw mut entry) } == S_OK {
            let Some(Lent { buffer, .. }) = self.lent.get_mut(entry.UserData).and_then(Option::take) else {
                continue;
            };
            self.under_way -= 1;
            let bytes = u32::try_from(entry.Information).unwrap_or(u32::MAX);
            done.push(RingDone {
                slot: entry.UserData,
                buffer,
                result: checked(entry.ResultCode).map(|()| bytes),
            });
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.under_way > 0 {
            mem::forget(mem::take(&mut self.lent));
        }
        // SAFETY: the ring is open, and this is its last use.
        unsafe { (self.functions.close)(self.handle) };
    }
}

/// The Win32 code inside an HRESULT; one of another facility keeps its bits.
fn checked(result: HRESULT) -> Result<(), Win32Error> {
    /// `HRESULT_FROM_WIN32` puts a code below this.
    const WIN32: u32 = 0x8007_0000;
    match result {
        0.. => Ok(()),
        E_ABORT => Err(Win32Error::OPERATION_ABORTED),
        _ if result.cast_unsigned() & 0xFFFF_0000 == WIN32 => {
            Err(Win32Error(result.cast_unsigned() & 0xFFFF))
        }
        _ => Err(Win32Error(result.cast_unsigned())),
    }
}
