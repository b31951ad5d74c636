//! One captured write.

use crate::Kernel;

/// Whose word the arguments are: `KPROCESSOR_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessorMode {
    /// A kernel component; its pointers are believed.
    Kernel,
    /// A program; its pointers are allegations.
    User,
}

/// Where the bytes of a write are.
pub enum Data<K: Kernel> {
    /// At an address of the requestor, which nobody has checked or locked.
    Raw(K::Address),
    /// In a system buffer that was filled before the write came here.
    System(K::Address),
    /// In pages that are locked already.
    Locked {
        /// The MDL of the pages; it stays its owner's.
        mdl: K::LockedPages,
        /// The address at which the requestor sees them.
        address: K::Address,
    },
}

impl<K: Kernel> Clone for Data<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernel> Copy for Data<K> {}

/// A write, captured: every argument is read from its source once, when this is built.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of the context, each read once"
)]
pub struct WriteCall<K: Kernel> {
    /// The file object that the write is for, if it has one.
    pub file: Option<K::File>,
    /// The device that the write goes to.
    pub device: K::Device,
    /// The bytes.
    pub data: Data<K>,
    /// Bytes to write; 0 is a write too.
    pub length: u32,
    /// Byte offset, with the special values as the caller gave them.
    pub offset: i64,
    /// `Parameters.Write.Key`, 0 for none.
    pub key: u32,
    /// The mode of the requestor.
    pub mode: ProcessorMode,
    /// Whether this thread is in the address space in which raw addresses mean what the requestor meant.
    pub in_requestor_context: bool,
    /// Whether this thread may touch pageable memory: its IRQL is at most `APC_LEVEL`.
    pub may_page: bool,
    /// Whether the caller may be kept waiting: the `Wait` argument of a fast-I/O routine.
    pub may_wait: bool,
    /// Whether the request itself, and not its file object, says that the data is to go past the cache:
    /// see [`bypasses_cache`]. A fast-I/O routine goes by the file object and cannot see that.
    pub bypasses_cache: bool,
    /// `SL_*` flags of the stack location.
    pub stack_flags: u8,
    /// `IRP_*` flags that say how to write: `IRP_NOCACHE`, `IRP_WRITE_OPERATION`, ...
    pub irp_flags: u32,
}

/// Whether the flags of a request (`IRP_*`, and `SL_*` of its stack location) say that its data is to go past
/// the cache: `IRP_NOCACHE`, `IRP_PAGING_IO`, `IRP_SYNCHRONOUS_PAGING_IO`, `SL_WRITE_THROUGH`.
#[must_use]
pub const fn bypasses_cache(irp_flags: u32, stack_flags: u8) -> bool {
    const UNCACHED: u32 = 0x1 | 0x2 | 0x40;
    const WRITE_THROUGH: u8 = 0x4;
    irp_flags & UNCACHED != 0 || stack_flags & WRITE_THROUGH != 0
}

impl<K: Kernel> Clone for WriteCall<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernel> Copy for WriteCall<K> {}
