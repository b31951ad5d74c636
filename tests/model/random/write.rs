//! One write of a random program.

use fastrand::Rng;
use kswrite_core::{
    ByteOffset, Data, FileWrite, NtStatus, Patience, Position, ProcessorMode, managed, owned,
};
use nt_model::{
    Address, BlockId, Change, Cpu, EventId, FileState, KERNEL_BASE, NtWrite, OwnedMdl, OwnedWrite,
    PAGE_BYTES, PortContext, Protection, USER_END,
};

use super::{Open, Round};
use crate::program::How;

/// The status of an injected fault, which nothing has of itself.
pub(crate) const FAULT: NtStatus = NtStatus(0xC0F0_0001_u32.cast_signed());

/// A write, and what was seen of it by its submitter.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a write")]
pub(crate) struct Written {
    /// The byte-lock key, which names it.
    pub(crate) key: u32,
    pub(crate) open: Open,
    pub(crate) how: How,
    pub(crate) block: BlockId,
    pub(crate) event: Option<EventId>,
    pub(crate) context: bool,
    pub(crate) bytes: Vec<u8>,
    /// Whether the buffer is one that a user-mode requestor cannot mean.
    pub(crate) bad: bool,
    /// Whether the program writes other bytes there as soon as it can.
    pub(crate) scribbled: bool,
    pub(crate) offset: ByteOffset,
    pub(crate) advance: bool,
    pub(crate) mode: ProcessorMode,
    pub(crate) time_limit: Option<u64>,
    /// `None`: it was one of a batch.
    pub(crate) returned: Option<NtStatus>,
    /// The file object just before and just after, if nobody else wrote to it.
    pub(crate) file: Option<(FileState, FileState)>,
    pub(crate) locked: Option<OwnedMdl>,
}

impl Written {
    fn write<'a>(&self, buffer: Address) -> FileWrite<Cpu<'a>> {
        let context = self.context.then_some(PortContext(self.key.into()));
        let length = u32::try_from(self.bytes.len()).unwrap();
        let write = FileWrite::new(
            self.open.file,
            self.event,
            context,
            self.block,
            buffer,
            length,
            self.key,
            self.mode,
        );
        FileWrite {
            offset: self.offset,
            position: if self.advance {
                Position::Advance
            } else {
                Position::LeftToDriver
            },
            time_limit: self.time_limit,
            data: self.locked.as_ref().map_or(write.data, |mdl| Data::Locked {
                mdl: mdl.id(),
                address: buffer,
            }),
            ..write
        }
    }

    fn nt_write(&self, buffer: Address) -> NtWrite {
        let length = u32::try_from(self.bytes.len()).unwrap();
        NtWrite {
            event: self.event,
            port_context: self.context.then_some(PortContext(self.key.into())),
            key: self.key,
            ..NtWrite::new(self.open.file, self.block, buffer, length)
        }
    }
}

/// A buffer that nobody can read in user mode.
fn bad_buffer(round: &Round, bytes: &[u8], rng: &mut Rng) -> Address {
    match rng.u8(..5) {
        0 => Address(KERNEL_BASE),
        1 => Address(USER_END - 1),
        2 => Address(u64::MAX - 2),
        // Nothing is mapped there.
        3 => Address(0x1000),
        _ => {
            // The second page cannot be read.
            let start = round.world.user_buffer(&[0; 8192]);
            let second = start.plus(PAGE_BYTES);
            round.world.change(&Change::Protect(second, Protection::NoAccess));
            let before = (bytes.len() as u64).div_ceil(2);
            Address(second.0 - before)
        }
    }
}

impl Round {
    fn choose_file(&self, writer: usize, rng: &mut Rng, any: fn(&Open) -> bool) -> Open {
        let usable = |open: &&Open| any(open) && open.owner.is_none_or(|owner| owner == writer);
        let files: Vec<&Open> = self.files.iter().filter(usable).collect();
        let own = files.iter().find(|open| open.owner.is_some());
        match own {
            Some(own) if rng.u8(..3) == 0 => **own,
            _ => *files[rng.usize(..files.len())],
        }
    }

    /// A write that was not submitted, and its buffer.
    fn plan(&self, cpu: &Cpu<'_>, open: Open, how: How, rng: &mut Rng) -> (Written, Address) {
        let key = self.next_key.replace_with(|key| *key + 1);
        let lengths = [0, 1, 7, 28, 100, 5000];
        // No bytes have no pages.
        let shortest = usize::from(how == How::OwnedLocked);
        let length = lengths[rng.usize(shortest..lengths.len())];
        let bytes: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
        let synchronous = open.flags.is_synchronous();
        let mode = if how == How::Nt {
            cpu_mode(cpu)
        } else {
            [ProcessorMode::User, ProcessorMode::Kernel][rng.usize(..2)]
        };
        let user = mode == ProcessorMode::User;
        let bad = user && how != How::OwnedLocked && length > 1 && rng.u8(..10) == 0;
        let buffer = if bad {
            bad_buffer(self, &bytes, rng)
        } else {
            self.world.user_buffer(&bytes)
        };
        let given = how != How::Nt && rng.u8(..4) == 0;
        let written = Written {
            key,
            open,
            how,
            block: self.world.status_block(),
            event: (!synchronous && rng.bool()).then(|| self.world.event()),
            context: rng.u8(..4) > 0,
            bytes,
            bad,
            scribbled: !bad && rng.u8(..4) == 0,
            offset: if given {
                ByteOffset::At(rng.i64(-1..1 << 40))
            } else {
                ByteOffset::Current
            },
            advance: how != How::Nt && rng.u8(..4) == 0,
            mode,
            time_limit: (how != How::Nt && rng.u8(..4) == 0).then_some(1),
            returned: None,
            file: None,
            locked: None,
        };
        (written, buffer)
    }

    pub(crate) fn write(&self, cpu: &Cpu<'_>, writer: usize, rng: &mut Rng) {
        let open = self.choose_file(writer, rng, |_| true);
        let hows = [How::Managed, How::Managed, How::Owned, How::OwnedLocked, How::Nt];
        let how = hows[rng.usize(..hows.len())];
        let (mut written, buffer) = self.plan(cpu, open, how, rng);
        if how == How::OwnedLocked {
            let length = u32::try_from(written.bytes.len()).unwrap();
            match cpu.lock_pages(buffer, length, written.mode) {
                Ok(mdl) => written.locked = Some(mdl),
                // A fault: there is nothing to write from.
                Err(_) => return,
            }
        }
        let file = open.owner.map(|_| {
            self.world.set_file_event(open.file, false);
            self.world.file_state(open.file)
        });
        let status = self.submit(cpu, &written, buffer);
        written.returned = Some(status);
        written.file = file.map(|before| (before, self.world.file_state(open.file)));
        if written.scribbled {
            let other = written.bytes.iter().map(|byte| !byte).collect();
            self.world.change(&Change::Write(buffer, other));
        }
        let event = written.event;
        self.written.borrow_mut().push(written);
        if let Some(event) = event
            && status == NtStatus::PENDING
            && rng.bool()
        {
            let woken = cpu.wait_for(event, Patience::UNTIL_OVER);
            assert_eq!(woken, NtStatus::SUCCESS);
        }
    }

    fn submit(&self, cpu: &Cpu<'_>, written: &Written, buffer: Address) -> NtStatus {
        match written.how {
            How::Managed => managed::write(cpu, &self.statistics, &written.write(buffer)).status,
            How::Nt => cpu.nt_write_file(&written.nt_write(buffer)),
            How::Owned | How::OwnedLocked => {
                let write = written.write(buffer);
                match OwnedWrite::new(cpu, &write, &self.statistics) {
                    Ok(request) => {
                        self.records.borrow_mut().push(request.record());
                        owned::write(cpu, &self.statistics, &write, request)
                    }
                    Err(status) => status,
                }
            }
        }
    }

    /// Several writes with one drain, which the submitter waits for.
    pub(crate) fn batch(&self, cpu: &Cpu<'_>, writer: usize, rng: &mut Rng) {
        let drain = self.world.drain();
        let mut all = Vec::new();
        for _write in 0..rng.u8(1..=4) {
            let open = self.choose_file(writer, rng, |open| open.owner.is_none());
            let (mut written, buffer) = self.plan(cpu, open, How::Owned, rng);
            written.scribbled = false;
            let write = written.write(buffer);
            if let Ok(request) = OwnedWrite::new(cpu, &write, &self.statistics) {
                self.records.borrow_mut().push(request.record());
                all.push((write, request));
                self.written.borrow_mut().push(written);
            }
        }
        let submission = cpu.submit_batch(&self.statistics, &drain, all);
        if !submission.drained {
            let woken = cpu.wait_for(drain.event(), Patience::UNTIL_OVER);
            assert_eq!(woken, NtStatus::SUCCESS);
        }
        assert_eq!(drain.batch().outstanding(), 0);
        let sets = self.world.event_state(drain.event()).sets;
        assert_eq!(sets, u32::from(!submission.drained));
    }
}

/// The previous mode of the thread, which is the requestor's mode of NtWriteFile.
fn cpu_mode(cpu: &Cpu<'_>) -> ProcessorMode {
    use kswrite_core::Kernel;
    cpu.previous_mode()
}
