//! The functions of `kswrite_client.dll`, which is beside this program.
#![expect(unsafe_code, reason = "loads a library, and takes its functions by name")]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

const NAME: &str = "kswrite_client.dll";

type Handle = *mut c_void;
type OfChannel = unsafe extern "C" fn(Handle) -> i32;

/// The functions, with the signatures that `kswrite_client.h` declares.
pub(super) struct Functions {
    pub(super) set_device: unsafe extern "C" fn(*const u16) -> i32,
    pub(super) open: unsafe extern "C" fn(Handle, u32, *const u8) -> Handle,
    pub(super) open_ex: unsafe extern "C" fn(u32, *const u8, u32) -> Handle,
    pub(super) write: unsafe extern "C" fn(Handle, *mut u8, u32, *mut u32) -> i32,
    pub(super) read: unsafe extern "C" fn(Handle, u32, *mut u8, u32, *mut u32) -> i32,
    pub(super) query: unsafe extern "C" fn(Handle, i32, *mut Handle, *mut u32) -> i32,
    pub(super) free: unsafe extern "C" fn(Handle),
    pub(super) close: OfChannel,
    pub(super) purge_input: OfChannel,
    pub(super) purge_output: OfChannel,
    /// What the functions are in.
    _library: Library,
}

/// The functions.
///
/// # Errors
///
/// Why they are not there, and what helps.
pub(super) fn get() -> Result<&'static Functions, String> {
    static LOADED: OnceLock<Result<Functions, String>> = OnceLock::new();
    LOADED.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn place() -> PathBuf {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent);
    folder.map_or_else(|| PathBuf::from(NAME), |folder| folder.join(NAME))
}

fn load() -> Result<Functions, String> {
    let path = place();
    functions(&path).map_err(|error| {
        format!(
            "{} cannot be used: {error}; `cargo xtask build` puts it beside ksw.exe",
            path.display()
        )
    })
}

fn functions(path: &Path) -> Result<Functions, libloading::Error> {
    // SAFETY: what it runs when it is loaded is the runtime of Rust alone.
    let library = unsafe { Library::new(path) }?;
    macro_rules! function {
        ($name:literal) => {
            // SAFETY: the header declares the function of this name with this signature; the library stays.
            unsafe { *library.get($name)? }
        };
    }
    Ok(Functions {
        set_device: function!(b"KswSetChannelDevice\0"),
        open: function!(b"KswVirtualChannelOpen\0"),
        open_ex: function!(b"KswVirtualChannelOpenEx\0"),
        write: function!(b"KswVirtualChannelWrite\0"),
        read: function!(b"KswVirtualChannelRead\0"),
        query: function!(b"KswVirtualChannelQuery\0"),
        free: function!(b"KswFreeMemory\0"),
        close: function!(b"KswVirtualChannelClose\0"),
        purge_input: function!(b"KswVirtualChannelPurgeInput\0"),
        purge_output: function!(b"KswVirtualChannelPurgeOutput\0"),
        _library: library,
    })
}
