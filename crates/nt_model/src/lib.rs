//! The write path of the NT I/O manager, in process.
//!
//! A [`World`] holds everything that exists: file objects, events, completion ports, device stacks with their
//! drivers' fast-I/O tables, IRPs with stack locations, MDLs, the pages of a program, threads with their APCs, a
//! process with quota and counters. A [`Cpu`] is one of its threads, running. It implements the services that
//! [`kswrite_core`] asks of a kernel, so the routine under test runs unchanged; the model plays the devices below
//! it and the I/O manager around it, and finds by itself what goes wrong.
//!
//! # The fault model
//!
//! **What may fail.** Every allocation (IRP, MDL, pool, packet), the quota charge, the probe and lock of pages,
//! the copy of a buffer, the mapping of an MDL, the fast-I/O routine, and the device itself, each at any call
//! and with any status: [`Fault`]. A wait may end early where its arguments allow that: by an alert, a user APC,
//! the end of the thread, or its time limit. There is no clock; a time limit may be over at any moment.
//!
//! **What may change under the kernel's feet.** A page of the program may be written, protected, unmapped before
//! any single access to it: [`World::at_touch`]. A page that an MDL holds may be unmapped too, but its memory
//! stays. Another thread may cancel the write, close the file, alert or end the writing thread, complete the IRP,
//! between any two calls of kernel services: [`World::run`]. Threads run one at a time and change places only at
//! those calls; whatever happens between two calls is taken to be atomic, and reordering of memory accesses by a
//! processor is not modelled.
//!
//! **What a device may do** with an IRP: complete it before it returns, with any status and any part of the bytes;
//! mark it pending and complete it then or later, in any thread, at any IRQL up to `DISPATCH_LEVEL`; return
//! another status than it completes with; ignore a cancel, or lose the race against one. Its fast-I/O table may
//! be absent, too short, or have an empty slot; its routine may accept, decline, answer with any status, or raise.
//!
//! **What may not happen** is a [`Finding`]: an IRP that is completed twice, never, with `STATUS_PENDING`, or
//! with its cancel routine set; one that is used, or whose last stage runs, after it was freed; a dispatch
//! routine that returns `STATUS_PENDING` unmarked, or marks and returns something else; a reference dropped that
//! nobody took, or taken and not dropped; an MDL, a page lock, pool, quota, a packet, an APC left over; memory of
//! the kernel touched that is not there; a service called above its IRQL, or where the APC that it depends on
//! cannot come; a wait that nobody will end, or that is on memory that may be paged out; a fast-I/O routine made
//! to believe a user's address. [`World::check`] returns them with the calls that led there.
//!
//! **What may go wrong in the program**, and is no finding: bad addresses, closed handles, a thread that ends
//! with writes under way. The kernel has to cope.
//!
//! # What a program sees
//!
//! [`user`] has processes with handles, and the system calls of the write path: NtWriteFile and NtReadFile, events,
//! completion ports, completion routines, the three ways to cancel, byte-range locks; and drivers of a disk, pipes,
//! mailslots, sockets, a console, a serial port, a volume. A device may be given [`Routines`] of its own.
//!
//! # What is not here
//!
//! Requests but reads and writes, the cache of a file system, security, power. All processes have one address space
//! and one quota. Paging is here as pages that raise; large MDL chains are not. It is a model: what it says of Windows
//! is from the public documentation, and it was not run against Windows.
//!
//! # Example
//!
//! A write to a device that completes it later. The last `check` proves that nothing is left over.
//!
//! ```
//! use kswrite_core::{BufferMethod, NtStatus, ProcessorMode, Statistics, managed};
//! use nt_model::{OnIrp, Script, World};
//!
//! let world = World::new();
//! let script = Script::inline(BufferMethod::Direct).on_irp(OnIrp::Later(NtStatus::SUCCESS));
//! let device = world.device(script);
//! let file = world.open(device, true);
//! let cpu = world.cpu(world.thread(ProcessorMode::User));
//!
//! let (block, buffer) = (world.status_block(), world.user_buffer(b"hello"));
//! let (statistics, mode) = (Statistics::new(), ProcessorMode::User);
//! let status =
//!     managed::ks_write_file(&cpu, &statistics, file, None, None, block, buffer, 5, 0, mode);
//!
//! assert_eq!(status, NtStatus::SUCCESS);
//! assert_eq!(world.block(block).io.information, 5);
//! assert_eq!(world.accepted(device), b"hello");
//! world.check().unwrap();
//! ```
//!
//! The same with two threads, in every order with up to one preemption: one writes, the other cancels.
//!
//! ```
//! use kswrite_core::{BufferMethod, NtStatus, ProcessorMode};
//! use nt_model::{Body, NtWrite, OnIrp, Script, World, schedule::{Enumerate, Scheduler}};
//!
//! let mut scheduler = Scheduler::new();
//! let explored = Enumerate::new(1).explore(|chooser| {
//!     let world = World::new();
//!     let script = Script::inline(BufferMethod::Buffered).on_irp(OnIrp::Later(NtStatus::SUCCESS));
//!     let device = world.device(script);
//!     let filter = world.attach_filter(device, true);
//!     let file = world.open(device, false);
//!     let write = NtWrite::new(file, world.status_block(), world.user_buffer(b"hello"), 5);
//!     let bodies: Vec<Body> = vec![
//!         (world.thread(ProcessorMode::User), Box::new(move |cpu| _ = cpu.nt_write_file(&write))),
//!         (world.thread(ProcessorMode::User), Box::new(move |cpu| _ = cpu.cancel_io(file, None))),
//!     ];
//!     world.run(&mut scheduler, bodies, chooser).expect("memory for two stacks");
//!     world.check()
//! });
//! // On failure: the choices of the run, which `schedule::Replay` makes again, and the report.
//! assert!(explored.is_ok(), "{explored:?}");
//! ```

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
mod held;
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
mod record;
mod routines;
mod run;
pub mod schedule;
mod seen;
mod state;
mod thread;
mod thread_irps;
mod trace;
mod transfer;
pub mod user;
mod world;

pub use check::Report;
pub use cpu::Cpu;
pub use device::{FastRoutine, FastTable, FastWriteRoutine, Invoke, Misbehaviour, OnIrp, Script};
pub use event::{Block, EventState, UNTOUCHED};
pub use fault::{Fault, Service};
pub use file::FileState;
pub use filter::{FilterRequest, FilterSent};
pub use finding::Finding;
pub use id::{BlockId, DeviceId, DriverId, EventId, FileId, IrpId, MdlId, PortId, ProcessId, ThreadId};
pub use irp::{
    Header, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, IRP_DEFER_IO_COMPLETION, IRP_MJ_READ, IRP_MJ_WRITE,
    IRP_READ_OPERATION, IRP_SYNCHRONOUS_API, IRP_WRITE_OPERATION, Location, SL_INVOKE_ON_CANCEL,
    SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED,
};
pub use mdl::OwnedMdl;
pub use memory::{Address, Change, KERNEL_BASE, PAGE_BYTES, Protection, USER_END};
pub use nt_write::NtWrite;
pub use owned::{OwnedSent, OwnedWrite};
pub use pool::PoolBuffer;
pub use port::{Packet, PortContext};
pub use process::Counters;
pub use record::{Drain, WriteRecord};
pub use routines::{Arrived, Reply, Routines};
pub use run::Body;
pub use seen::{Came, FastArguments, Seen};
pub use thread::{Irql, UserApc};
pub use thread_irps::UnsentIrp;
pub use world::World;
