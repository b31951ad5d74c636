//! The device: its routines, and what the I/O manager does when it completes an IRP.

use std::hint::black_box;
use std::rc::Rc;

use kswrite_core::{Ended, FileWrite, IoStatus, NtStatus, Statistics, owned};

use crate::kernel::Cpu;
use crate::pool::{Carried, Irp, Pool};
use crate::request::{Context, Sent};

/// What a fast-I/O routine is given.
#[expect(
    dead_code,
    reason = "this one reads few of them; that they are filled is what counts"
)]
pub(crate) struct FastArguments {
    pub(crate) offset: i64,
    pub(crate) length: u32,
    pub(crate) wait: bool,
    pub(crate) key: u32,
    pub(crate) address: usize,
}

/// `FastIoWrite`.
pub(crate) type FastRoutine = fn(&Pool, &FastArguments, &mut IoStatus) -> bool;
/// The dispatch routine for writes.
pub(crate) type Dispatch = fn(&'static Pool, u32) -> NtStatus;

fn written(length: u32) -> IoStatus {
    IoStatus {
        status: NtStatus::SUCCESS,
        information: length as usize,
    }
}

/// Takes bytes at an address.
fn take(pool: &Pool, address: usize, length: u32) {
    pool.taken
        .borrow_mut()
        .copy(&pool.memory.borrow(), address, length as usize);
}

/// Takes all at once.
pub(crate) fn fast_accept(pool: &Pool, arguments: &FastArguments, io: &mut IoStatus) -> bool {
    let arguments = black_box(arguments);
    take(pool, arguments.address, arguments.length);
    *io = written(arguments.length);
    true
}

/// Takes the bytes of an IRP.
fn take_irp(pool: &Pool, irp: &Irp) {
    let irp = black_box(irp);
    match irp.carried {
        Carried::Nothing => {}
        Carried::Buffer(index) => {
            let buffer = pool.buffers[index as usize].borrow();
            pool.taken.borrow_mut().copy(&buffer, 0, irp.length as usize);
        }
        Carried::Mdl(index) => {
            let pages = pool.mdls[index as usize].get();
            take(pool, black_box(&pages).address, irp.length);
        }
        Carried::Borrowed(address) | Carried::Raw(address) => take(pool, address, irp.length),
    }
}

/// Takes the bytes and completes the IRP before it returns.
pub(crate) fn dispatch_inline(pool: &'static Pool, irp: u32) -> NtStatus {
    let fields = pool.irps[irp as usize].irp.get();
    take_irp(pool, &fields);
    complete(pool, irp, fields.length);
    NtStatus::SUCCESS
}

/// Takes the bytes and keeps the IRP.
pub(crate) fn dispatch_pended(pool: &'static Pool, irp: u32) -> NtStatus {
    take_irp(pool, &pool.irps[irp as usize].irp.get());
    pool.hold(irp);
    NtStatus::PENDING
}

/// The device completes an IRP. TRUE: the completion routine of a driver took it back.
fn complete(pool: &'static Pool, irp: u32, length: u32) -> bool {
    let slot = &pool.irps[irp as usize];
    slot.io.set(written(length));
    let context = slot.context.take();
    let owned = context.is_some();
    if let Some(context) = context {
        core_again(Cpu(pool), &pool.statistics, context);
    }
    owned
}

/// Where a service enters the core: its instructions count again.
#[inline(never)]
pub(crate) fn core_again(cpu: Cpu, statistics: &Statistics, context: Rc<Context>) {
    owned::on_complete(&cpu, statistics, Sent(context));
}

/// The same for the report of a write's end, which the core makes for its request.
#[inline(never)]
pub(crate) fn report_again(cpu: Cpu, write: &FileWrite<Cpu>, ended: Ended) -> NtStatus {
    write.report(&cpu, ended)
}

/// The device completes the oldest IRP that it holds.
#[inline(never)]
pub(crate) fn complete_oldest(pool: &'static Pool) {
    let Some(irp) = pool.release() else { return };
    let owned = complete(pool, irp, pool.irps[irp as usize].irp.get().length);
    if !owned {
        last_stage(pool, irp);
    }
}

/// What the I/O manager does at the end of an IRP of its own.
pub(crate) fn last_stage(pool: &Pool, irp: u32) {
    let slot = &pool.irps[irp as usize];
    let fields = slot.irp.get();
    let io = slot.io.get();
    Pool::count(&pool.locks);
    pool.status_blocks[fields.status_block as usize].set(io);
    pool.file
        .transferred
        .set(pool.file.transferred.get() + io.information as u64);
    match fields.event {
        Some(event) => {
            pool.events[event as usize].set(true);
            pool.file
                .event_references
                .set(pool.file.event_references.get() - 1);
        }
        None => pool.file.event.set(true),
    }
    pool.file.references.set(pool.file.references.get() - 1);
    pool.free_irp(irp);
}
