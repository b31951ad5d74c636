//! What is on its way through a pipe in one direction.

use std::collections::VecDeque;

use kswrite_core::{IoStatus, NtStatus};

use crate::{Cpu, IrpId};

/// A request that is to be completed once nothing of the pipe is borrowed any more.
pub(super) struct Done {
    pub(super) irp: IrpId,
    pub(super) io: IoStatus,
    pub(super) bytes: Vec<u8>,
}

/// A request, as the queue knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiter {
    /// It is the one for which the queue is worked on now.
    Now(IrpId),
    /// It is kept.
    Kept(IrpId),
    /// It is complete; of a write, the bytes are in the buffer.
    Over,
}

impl Waiter {
    /// Takes it from a possible cancel. FALSE: a cancel has it.
    fn claim(self, cpu: &Cpu<'_>) -> Option<IrpId> {
        match self {
            Self::Now(irp) => Some(irp),
            Self::Kept(irp) => cpu.claim(irp).then_some(irp),
            Self::Over => None,
        }
    }

    fn is(self, wanted: IrpId) -> bool {
        matches!(self, Self::Now(irp) | Self::Kept(irp) if irp == wanted)
    }

    fn keep(&mut self) {
        if let Self::Now(irp) = *self {
            *self = Self::Kept(irp);
        }
    }
}

struct Entry {
    writer: Waiter,
    length: usize,
    left: VecDeque<u8>,
}

struct Read {
    reader: Waiter,
    capacity: usize,
}

/// One direction of a pipe.
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    reads: VecDeque<Read>,
    /// Bytes of the buffer.
    quota: usize,
    /// Whether messages are kept apart.
    messages: bool,
}

pub(super) fn success(information: usize) -> IoStatus {
    IoStatus {
        status: NtStatus::SUCCESS,
        information,
    }
}

impl Queue {
    pub(super) fn new(quota: usize, messages: bool) -> Self {
        Self {
            entries: VecDeque::new(),
            reads: VecDeque::new(),
            quota,
            messages,
        }
    }

    pub(super) fn has_data(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Adds a write and does what can be done. Those that are over go to `done`; if the write is not among them
    /// it is kept.
    pub(super) fn write(&mut self, cpu: &Cpu<'_>, irp: IrpId, bytes: Vec<u8>, by_message: bool) -> Vec<Done> {
        let length = bytes.len();
        self.entries.push_back(Entry {
            writer: Waiter::Now(irp),
            length,
            left: bytes.into(),
        });
        self.work(cpu, by_message)
    }

    /// The same with a read.
    pub(super) fn read(&mut self, cpu: &Cpu<'_>, irp: IrpId, capacity: u32, by_message: bool) -> Vec<Done> {
        self.reads.push_back(Read {
            reader: Waiter::Now(irp),
            capacity: capacity as usize,
        });
        self.work(cpu, by_message)
    }

    /// How many bytes of a write a pipe takes that does not wait: all that the buffer has room for besides what
    /// waiting reads take, or only what they take.
    pub(super) fn takes_now(&self, length: usize) -> usize {
        let wanted: usize = self.reads.iter().map(|read| read.capacity).sum();
        let in_use: usize = self.entries.iter().map(|entry| entry.left.len()).sum();
        let room = self.quota.saturating_sub(in_use);
        if self.messages {
            let read_whole = self.reads.front().is_some_and(|read| read.capacity >= length);
            return if read_whole || length <= room { length } else { 0 };
        }
        let left = length.saturating_sub(wanted);
        if left <= room { length } else { length - left }
    }

    fn work(&mut self, cpu: &Cpu<'_>, by_message: bool) -> Vec<Done> {
        let mut done = Vec::new();
        while !self.entries.is_empty()
            && let Some(read) = self.reads.pop_front()
        {
            // One that a cancel has gets nothing.
            if let Some(irp) = read.reader.claim(cpu) {
                self.satisfy(cpu, irp, read.capacity, by_message, &mut done);
            }
        }
        self.settle(cpu, &mut done);
        for entry in &mut self.entries {
            entry.writer.keep();
        }
        for read in &mut self.reads {
            read.reader.keep();
        }
        done
    }

    /// Gives bytes to a read.
    fn satisfy(
        &mut self,
        cpu: &Cpu<'_>,
        irp: IrpId,
        capacity: usize,
        by_message: bool,
        done: &mut Vec<Done>,
    ) {
        let mut bytes = Vec::new();
        let mut status = NtStatus::SUCCESS;
        while let Some(entry) = self.entries.front_mut() {
            let room = capacity - bytes.len();
            let taken = entry.left.len().min(room);
            bytes.extend(entry.left.drain(..taken));
            if !entry.left.is_empty() {
                if by_message {
                    status = NtStatus::BUFFER_OVERFLOW;
                }
                break;
            }
            let over = entry.writer.claim(cpu).map(|irp| (irp, entry.length));
            self.entries.pop_front();
            done.extend(over.map(|(irp, length)| Done {
                irp,
                io: success(length),
                bytes: Vec::new(),
            }));
            if by_message || bytes.len() == capacity {
                break;
            }
        }
        let information = bytes.len();
        let io = IoStatus { status, information };
        done.push(Done { irp, io, bytes });
    }

    /// Completes the writes whose bytes have room in the buffer.
    fn settle(&mut self, cpu: &Cpu<'_>, done: &mut Vec<Done>) {
        let mut in_use = 0;
        let mut cancelled = Vec::new();
        for (number, entry) in self.entries.iter_mut().enumerate() {
            in_use += entry.left.len();
            if entry.writer == Waiter::Over {
                continue;
            }
            if in_use > self.quota {
                break;
            }
            match entry.writer.claim(cpu) {
                Some(irp) => done.push(Done {
                    irp,
                    io: success(entry.length),
                    bytes: Vec::new(),
                }),
                None => cancelled.push(number),
            }
            entry.writer = Waiter::Over;
        }
        for number in cancelled.into_iter().rev() {
            self.entries.remove(number);
        }
    }

    /// A request is cancelled; what is left of a write vanishes, which makes room for others.
    pub(super) fn forget(&mut self, cpu: &Cpu<'_>, irp: IrpId, done: &mut Vec<Done>) {
        self.reads.retain(|read| !read.reader.is(irp));
        self.entries.retain(|entry| !entry.writer.is(irp));
        self.settle(cpu, done);
    }

    /// Ends all reads.
    pub(super) fn end_reads(&mut self, cpu: &Cpu<'_>, io: IoStatus, done: &mut Vec<Done>) {
        let ended = self.reads.drain(..).filter_map(|read| read.reader.claim(cpu));
        done.extend(ended.map(|irp| Done {
            irp,
            io,
            bytes: Vec::new(),
        }));
    }

    /// Ends the writes that are not complete. What is in the buffer stays.
    pub(super) fn end_writes(&mut self, cpu: &Cpu<'_>, status: NtStatus, done: &mut Vec<Done>) {
        let waits = |entry: &Entry| entry.writer != Waiter::Over;
        let ended = self.entries.iter().filter(|entry| waits(entry));
        done.extend(ended.filter_map(|entry| entry.writer.claim(cpu)).map(|irp| Done {
            irp,
            io: IoStatus::failed(status),
            bytes: Vec::new(),
        }));
        self.entries.retain(|entry| !waits(entry));
    }

    /// Throws away what is in the buffer.
    pub(super) fn empty(&mut self) {
        self.entries.clear();
    }
}
