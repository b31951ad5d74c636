//! The write path of the NT I/O manager, in process: file objects, IRPs, MDLs, APCs, ports, threads, devices.

mod cancel;
mod check;
mod complete;
mod cpu;
mod device;
mod dispatch;
mod event;
mod fast;
mod fault;
mod file;
mod file_objects;
mod filter;
mod finding;
mod id;
mod irp;
mod kernel;
mod lower;
mod mdl;
mod memory;
mod misbehave;
mod nt_write;
mod owned;
mod pool;
mod port;
mod process;
pub mod schedule;
mod state;
mod thread;
mod thread_irps;
mod trace;
mod world;

pub use check::Report;
pub use cpu::Cpu;
pub use device::{
    Came, FastArguments, FastRoutine, FastTable, FastWriteRoutine, Invoke, Misbehaviour, OnIrp, Script, Seen,
};
pub use event::{Block, EventState, UNTOUCHED};
pub use fault::{Fault, Service};
pub use file::FileState;
pub use filter::{FilterRequest, FilterSent};
pub use finding::Finding;
pub use id::{BlockId, DeviceId, DriverId, EventId, FileId, IrpId, MdlId, PortId, ThreadId};
pub use irp::{
    Header, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, IRP_DEFER_IO_COMPLETION, IRP_MJ_WRITE,
    IRP_SYNCHRONOUS_API, IRP_WRITE_OPERATION, Location, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR,
    SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED,
};
pub use mdl::OwnedMdl;
pub use memory::{Address, Change, KERNEL_BASE, PAGE_BYTES, Protection, USER_END};
pub use nt_write::NtWrite;
pub use owned::{Drain, OwnedSent, OwnedWrite, WriteRecord};
pub use pool::PoolBuffer;
pub use port::{Packet, PortContext};
pub use process::Counters;
pub use thread::Irql;
pub use thread_irps::UnsentIrp;
pub use world::{Body, World};
