//! The threads of a program.

use kswrite_core::{
    ByteOffset, Data, FileWrite, IoStatus, Kernel, NtStatus, Patience, Position, ProcessorMode, managed,
    owned,
};
use nt_model::{
    Address, BlockId, Change, Cpu, DeviceId, EventId, Fault, Irql, KERNEL_BASE, NtWrite, OwnedWrite,
    PortContext, Protection,
};

use super::op::{Buffer, How, Op, Plan};
use super::stage::{Open, Stage};

/// A write with what it needs, which is its own.
struct Ready {
    plan: Plan,
    open: Open,
    event: Option<EventId>,
    block: BlockId,
    buffer: Address,
}

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
        let mut exits = false;
        for op in plan {
            exits |= matches!(op, Op::Exit);
            self.step(cpu, number, op);
        }
        for open in &self.files {
            if open.owner.is_none_or(|owner| owner == number) {
                cpu.close_file(open.file);
            }
        }
        if exits {
            cpu.exit_thread();
        }
    }

    fn step(&self, cpu: &Cpu<'_>, number: usize, op: &Op) {
        let writer = |which: usize| self.writers.get(which % self.writers.len()).copied();
        match op {
            Op::Write(plan) => self.write(cpu, number, *plan),
            Op::Batch(plans) => self.batch(cpu, number, plans),
            Op::Cancel(back) => {
                let record = self.records.borrow().iter().rev().nth(*back).cloned();
                if let Some(record) = record {
                    record.cancel(cpu);
                }
            }
            Op::CancelIo(which) => {
                if let Some(open) = self.files.get(which % self.files.len()) {
                    // There may be nothing to cancel.
                    let _nothing = cpu.cancel_io(open.file, None);
                }
            }
            Op::Alert(which) => drop(writer(*which).map(|thread| cpu.alert(thread))),
            Op::UserApc(which) => drop(writer(*which).map(|thread| cpu.queue_user_apc(thread))),
            Op::Terminate(which) => drop(writer(*which).map(|thread| cpu.terminate(thread))),
            Op::Fault(point) => self.world.inject(Fault::at_point(*point)),
            Op::Quota(bytes) => self.world.set_quota(*bytes),
            Op::WorkingSet(pages) => self.world.set_working_set(*pages),
            Op::Dequeue => drop(cpu.dequeue(self.port)),
            Op::Pause => cpu.pause(),
            Op::Exit => {}
        }
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

    fn ready(&self, cpu: &Cpu<'_>, open: Open, plan: Plan) -> Ready {
        let mode = match plan.how {
            How::Nt => cpu.previous_mode(),
            _ => plan.mode,
        };
        let plan = Plan { mode, ..plan };
        let event = plan.event.then(|| self.world.event());
        self.events.borrow_mut().extend(event);
        let block = self.world.status_block();
        self.blocks.borrow_mut().push(block);
        Ready {
            buffer: self.buffer(&plan),
            plan,
            open,
            event,
            block,
        }
    }

    /// A buffer of the kind that is planned. What a kernel requestor says is believed, so it must be true.
    fn buffer(&self, plan: &Plan) -> Address {
        let length = plan.length as usize;
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        let user = plan.mode == ProcessorMode::User;
        match plan.buffer {
            Buffer::Kernel if !user => self.world.kernel_buffer(&bytes),
            Buffer::Forbidden if user => Address(KERNEL_BASE + 0x1000),
            Buffer::Unmapped if user => Address(0x1000),
            Buffer::Wrapping if user => Address(u64::MAX - 2),
            Buffer::ReadOnly if length > 0 => {
                let address = self.world.user_buffer(&bytes);
                self.world.change(&Change::Protect(address, Protection::ReadOnly));
                address
            }
            Buffer::Vanishing if user && length > 0 => {
                let address = self.world.user_buffer(&bytes);
                self.world.at_touch(plan.touch, Change::Unmap(address));
                address
            }
            _ => self.world.user_buffer(&bytes),
        }
    }

    fn write(&self, cpu: &Cpu<'_>, number: usize, plan: Plan) {
        let Some(open) = self.file(number, &plan, false) else {
            return;
        };
        let ready = self.ready(cpu, open, plan);
        let status = self.submit(cpu, &ready);
        let synchronous = open.flags.is_synchronous();
        self.expect(!(synchronous && status == NtStatus::PENDING), || {
            "a synchronous write is pending".to_owned()
        });
        if plan.scribbles && plan.length > 0 && !ready.buffer.is_kernel() {
            self.world
                .change(&Change::Write(ready.buffer, vec![0xEE; plan.length as usize]));
        }
        if let Some(event) = ready.event
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

    fn submit(&self, cpu: &Cpu<'_>, ready: &Ready) -> NtStatus {
        let write = ready.write();
        match ready.plan.how {
            How::Managed => managed::write(cpu, &self.statistics, &write).status,
            How::Nt => cpu.nt_write_file(&ready.nt_write()),
            How::Owned => self.submit_owned(cpu, &write),
            How::Locked => {
                let Plan { length, mode, .. } = ready.plan;
                // No bytes have no pages; what cannot be locked is not written.
                if length == 0 {
                    return NtStatus::SUCCESS;
                }
                match cpu.lock_pages(ready.buffer, length, mode) {
                    Err(status) => status,
                    Ok(mdl) => {
                        let data = Data::Locked {
                            mdl: mdl.id(),
                            address: ready.buffer,
                        };
                        self.locked.borrow_mut().push(mdl);
                        self.submit_owned(cpu, &FileWrite { data, ..write })
                    }
                }
            }
        }
    }

    fn submit_owned<'a>(&self, cpu: &Cpu<'a>, write: &FileWrite<Cpu<'a>>) -> NtStatus {
        match OwnedWrite::new(cpu, write, &self.statistics) {
            Err(status) => status,
            Ok(request) => {
                self.records.borrow_mut().push(request.record());
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
            let write = self.ready(cpu, open, Plan { how, ..*plan }).write();
            if let Ok(request) = OwnedWrite::new(cpu, &write, &self.statistics) {
                self.records.borrow_mut().push(request.record());
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

impl Ready {
    fn write<'a>(&self) -> FileWrite<Cpu<'a>> {
        let Plan {
            length, key, mode, ..
        } = self.plan;
        let context = self.plan.context.then_some(PortContext(7));
        let write = FileWrite::new(
            self.open.file,
            self.event,
            context,
            self.block,
            self.buffer,
            length,
            key,
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
            port_context: self.plan.context.then_some(PortContext(7)),
            key: self.plan.key,
            offset: match self.plan.offset {
                ByteOffset::Current => None,
                ByteOffset::At(offset) => Some(offset),
            },
            ..NtWrite::new(self.open.file, self.block, self.buffer, self.plan.length)
        }
    }
}
