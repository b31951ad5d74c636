//! The threads of a program.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use kswrite_core::{
    ByteOffset, FileWrite, IoStatus, Kernel, NtStatus, Patience, Position, ProcessorMode, managed, owned,
};
use nt_model::{
    Address, BlockId, Change, Cpu, DeviceId, EventId, Irql, KERNEL_BASE, NtWrite, OwnedWrite, PortContext,
    Protection, WriteRecord,
};

use super::op::{Buffer, How, LONGEST, Op, Plan};
use super::stage::{Open, Stage};

/// A write with what it needs, which is its own, and what its submitter saw of it.
pub(super) struct Written {
    /// The byte-lock key and the context of its packet, which name it.
    pub(super) key: u32,
    pub(super) plan: Plan,
    pub(super) open: Open,
    /// The previous mode of its thread.
    pub(super) previous: ProcessorMode,
    /// The number of its thread.
    pub(super) thread: usize,
    pub(super) event: Option<EventId>,
    pub(super) block: BlockId,
    buffer: Address,
    /// `None`: it was one of a batch.
    pub(super) returned: Cell<Option<NtStatus>>,
    pub(super) record: RefCell<Option<WriteRecord>>,
}

/// What a program writes over its bytes.
pub(super) const SCRIBBLE: u8 = 0xEE;

/// What is written, or the front of it: no two neighbours are the same. A constant, because libFuzzer watches every
/// comparison of a loop.
#[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
pub(super) static PATTERN: [u8; LONGEST as usize] = {
    let mut pattern = [0; LONGEST as usize];
    let mut at = 1;
    while at < pattern.len() {
        pattern[at] = (pattern[at - 1] + 1) % 251;
        at += 1;
    }
    pattern
};

impl Stage {
    /// A device completes what it holds, until there will be no more.
    pub(super) fn serve(&self, cpu: &Cpu<'_>, device: DeviceId) {
        loop {
            cpu.wait_for_work(device);
            let held = self.world.held(device);
            let Some(irp) = held.first().copied() else {
                return;
            };
            let length = self.world.stack(irp).last().map_or(0, |location| location.length);
            let (status, raised) = self.ending();
            let information = if status.is_error() { 0 } else { length as usize };
            let irql = if raised { Irql::Dispatch } else { Irql::Passive };
            let before = cpu.raise_irql(irql);
            // A cancel may be faster.
            let _won = cpu.complete_irp(irp, IoStatus { status, information });
            cpu.lower_irql(before);
        }
    }

    /// A thread does what it has planned, and closes its files.
    pub(super) fn work(&self, cpu: &Cpu<'_>, number: usize, plan: &[Op]) {
        for op in plan {
            self.step(cpu, number, op);
        }
        for open in &self.files {
            if open.owner.is_none_or(|owner| owner == number) {
                cpu.close_file(open.file);
            }
        }
        if plan.iter().any(|op| matches!(op, Op::Exit)) {
            cpu.exit_thread();
        }
    }

    fn step(&self, cpu: &Cpu<'_>, number: usize, op: &Op) {
        let writer = |which: usize| self.writers.get(which % self.writers.len()).copied();
        match op {
            Op::Write(plan) => self.write(cpu, number, *plan),
            Op::Batch(plans) => self.batch(cpu, number, plans),
            Op::Cancel(back) => {
                let record = self.record(*back);
                let _was_under_way = record.map(|record| record.cancel(cpu));
            }
            Op::CancelIo(which) => {
                if let Some(open) = self.files.get(which % self.files.len()) {
                    // There may be nothing to cancel.
                    let _nothing = cpu.cancel_io(open.file, None);
                }
            }
            Op::Alert(which) => _ = writer(*which).map(|thread| cpu.alert(thread)),
            Op::UserApc(which) => _ = writer(*which).map(|thread| cpu.queue_user_apc(thread)),
            Op::Terminate(which) => {
                self.ended.borrow_mut().push(which % self.writers.len());
                let _terminated = writer(*which).map(|thread| cpu.terminate(thread));
            }
            Op::Fault(_) | Op::Quota(_) | Op::WorkingSet(_) => self.run_short(op),
            Op::Dequeue => self.take_packets(cpu, 1),
            Op::Pause => cpu.pause(),
            Op::Exit => self.ended.borrow_mut().push(number),
        }
    }

    /// Some service will fail.
    fn run_short(&self, op: &Op) {
        self.faulty.set(true);
        match op {
            Op::Fault(fault) => self.world.inject(*fault),
            Op::Quota(bytes) => self.world.set_quota(*bytes),
            Op::WorkingSet(pages) => self.world.set_working_set(*pages),
            _ => {}
        }
    }

    /// The record of one of the last writes that have one.
    fn record(&self, back: usize) -> Option<WriteRecord> {
        let written = self.written.borrow();
        let mut records = written
            .iter()
            .rev()
            .filter_map(|write| write.record.borrow().clone());
        records.nth(back)
    }

    /// The file of a plan, among those that the thread may write to.
    fn file(&self, number: usize, plan: &Plan, shared: bool) -> Option<Open> {
        let may = |open: &&Open| match open.owner {
            Some(owner) => owner == number && !shared,
            None => true,
        };
        let files: Vec<Open> = self.files.iter().filter(may).copied().collect();
        files.get(plan.file % files.len().max(1)).copied()
    }

    /// Makes what a write needs, and remembers it.
    fn ready(&self, cpu: &Cpu<'_>, number: usize, open: Open, plan: Plan) -> Rc<Written> {
        let mode = match plan.how {
            How::Nt => cpu.previous_mode(),
            _ => plan.mode,
        };
        let plan = Plan { mode, ..plan };
        let mut all = self.written.borrow_mut();
        let written = Rc::new(Written {
            key: u32::try_from(all.len()).unwrap_or_default() + 1,
            open,
            previous: cpu.previous_mode(),
            thread: number,
            event: plan.event.then(|| self.world.event()),
            block: self.world.status_block(),
            buffer: self.buffer(&plan),
            returned: Cell::new(None),
            record: RefCell::new(None),
            plan,
        });
        all.push(Rc::clone(&written));
        written
    }

    /// A buffer of the kind that is planned. What a kernel requestor says is believed, so it must be true.
    fn buffer(&self, plan: &Plan) -> Address {
        let length = plan.length as usize;
        let bytes = PATTERN.get(..length).unwrap_or_default();
        let user = plan.mode == ProcessorMode::User;
        match plan.buffer {
            Buffer::Kernel if !user => self.world.kernel_buffer(bytes),
            Buffer::Forbidden if user => Address(KERNEL_BASE + 0x1000),
            Buffer::Unmapped if user => Address(0x1000),
            Buffer::Wrapping if user => Address(u64::MAX - 2),
            Buffer::ReadOnly if length > 0 => {
                let address = self.world.user_buffer(bytes);
                self.world.change(&Change::Protect(address, Protection::ReadOnly));
                address
            }
            Buffer::Vanishing if user && length > 0 => {
                let address = self.world.user_buffer(bytes);
                self.world.at_touch(plan.touch, Change::Unmap(address));
                address
            }
            _ => self.world.user_buffer(bytes),
        }
    }

    fn write(&self, cpu: &Cpu<'_>, number: usize, plan: Plan) {
        let Some(open) = self.file(number, &plan, false) else {
            return;
        };
        // No bytes have no pages.
        if plan.how == How::Locked && plan.length == 0 {
            return;
        }
        let written = self.ready(cpu, number, open, plan);
        let status = self.submit(cpu, &written);
        written.returned.set(Some(status));
        if plan.scribbles && plan.length > 0 && !written.buffer.is_kernel() {
            let other = vec![SCRIBBLE; plan.length as usize];
            self.world.change(&Change::Write(written.buffer, other));
        }
        if let Some(event) = written.event
            && plan.waits
            && status == NtStatus::PENDING
        {
            self.wait(cpu, event);
        }
    }

    fn wait(&self, cpu: &Cpu<'_>, event: EventId) {
        let woken = cpu.wait_for(event, Patience::UNTIL_OVER);
        self.expect(woken == NtStatus::SUCCESS, || {
            format!("a wait was broken by {woken}")
        });
    }

    fn submit(&self, cpu: &Cpu<'_>, written: &Written) -> NtStatus {
        let write = written.write();
        match written.plan.how {
            How::Managed => managed::write(cpu, &self.statistics, &write).status,
            How::Nt => cpu.nt_write_file(&written.nt_write()),
            How::Owned => self.submit_owned(cpu, written, &write),
            How::Locked => {
                let Plan { length, mode, .. } = written.plan;
                match cpu.lock_pages(written.buffer, length, mode) {
                    // What cannot be locked is not written.
                    Err(status) => status,
                    Ok(mdl) => {
                        let write = write.with_mdl(mdl.id(), written.buffer);
                        self.locked.borrow_mut().push(mdl);
                        self.submit_owned(cpu, written, &write)
                    }
                }
            }
        }
    }

    fn submit_owned<'a>(&self, cpu: &Cpu<'a>, written: &Written, write: &FileWrite<Cpu<'a>>) -> NtStatus {
        match OwnedWrite::new(cpu, write, &self.statistics) {
            Err(status) => status,
            Ok(request) => {
                written.record.replace(Some(request.record()));
                owned::write(cpu, &self.statistics, write, request)
            }
        }
    }

    /// Several writes with one drain, which the thread waits for.
    fn batch(&self, cpu: &Cpu<'_>, number: usize, plans: &[Plan]) {
        let drain = self.world.drain();
        let mut writes = Vec::new();
        for plan in plans {
            let Some(open) = self.file(number, plan, true) else {
                continue;
            };
            let how = How::Owned;
            let written = self.ready(cpu, number, open, Plan { how, ..*plan });
            let write = written.write();
            if let Ok(request) = OwnedWrite::new(cpu, &write, &self.statistics) {
                written.record.replace(Some(request.record()));
                writes.push((write, request));
            }
        }
        let submission = cpu.submit_batch(&self.statistics, &drain, writes);
        if !submission.drained {
            self.wait(cpu, drain.event());
        }
        let outstanding = drain.batch().outstanding();
        self.expect(outstanding == 0, || {
            format!("{outstanding} writes of a batch are not over")
        });
        let sets = self.world.event_state(drain.event()).sets;
        let once = sets == u32::from(!submission.drained);
        self.expect(once, || {
            format!("a drain was signalled {sets} times: {submission:?}")
        });
    }
}

impl Written {
    fn context(&self) -> Option<PortContext> {
        self.plan.context.then_some(PortContext(self.key.into()))
    }

    fn write<'a>(&self) -> FileWrite<Cpu<'a>> {
        let Plan { length, mode, .. } = self.plan;
        let write = FileWrite::new(
            self.open.file,
            self.event,
            self.context(),
            self.block,
            self.buffer,
            length,
            self.key,
            mode,
        );
        FileWrite {
            offset: self.plan.offset,
            position: if self.plan.advance {
                Position::Advance
            } else {
                Position::LeftToDriver
            },
            time_limit: self.plan.limited.then_some(1),
            ..write
        }
    }

    fn nt_write(&self) -> NtWrite {
        NtWrite {
            event: self.event,
            port_context: self.context(),
            key: self.key,
            offset: match self.plan.offset {
                ByteOffset::Current => None,
                ByteOffset::At(offset) => Some(offset),
            },
            ..NtWrite::new(self.open.file, self.block, self.buffer, self.plan.length)
        }
    }
}
