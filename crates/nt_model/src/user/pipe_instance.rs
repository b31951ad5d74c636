//! An instance of a pipe: two ends, and what is on its way between them.

use std::collections::HashMap;

use kswrite_core::{IoStatus, NtStatus};

use super::{
    pipe_queue::{Done, Queue, success},
    status,
};
use crate::{Arrived, Cpu, FileId, IrpId};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Listening,
    Connected,
    Disconnected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Pipe,
    Socket,
}

#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) open: bool,
    /// Reads by message.
    pub(super) by_message: bool,
    /// `PIPE_WAIT`.
    pub(super) waits: bool,
}

pub(super) struct Instance {
    pub(super) name: Option<String>,
    pub(super) nature: Nature,
    pub(super) phase: Phase,
    pub(super) messages: bool,
    pub(super) ends: [End; 2],
    /// By the end that reads.
    pub(super) queues: [Queue; 2],
}

/// The server's, and the reader's of an anonymous pipe.
pub(super) const SERVER: usize = 0;
pub(super) const CLIENT: usize = 1;

#[derive(Default)]
pub(super) struct Table {
    pub(super) instances: Vec<Instance>,
    pub(super) opens: HashMap<FileId, (usize, usize)>,
}

impl Instance {
    pub(super) fn new(name: Option<String>, nature: Nature, messages: bool, quota: usize) -> Self {
        let end = |open| End {
            open,
            by_message: false,
            waits: true,
        };
        Self {
            name,
            nature,
            phase: Phase::Connected,
            messages,
            ends: [end(true), end(false)],
            queues: [Queue::new(quota, messages), Queue::new(quota, messages)],
        }
    }

    pub(super) fn end(&self, end: usize) -> End {
        let closed = End {
            open: false,
            by_message: false,
            waits: true,
        };
        self.ends.get(end).copied().unwrap_or(closed)
    }

    pub(super) fn queue(&mut self, end: usize) -> &mut Queue {
        let [server, client] = &mut self.queues;
        if end == SERVER { server } else { client }
    }

    pub(super) fn check_phase(&self) -> Result<(), NtStatus> {
        match self.phase {
            Phase::Listening => Err(status::PIPE_LISTENING),
            Phase::Disconnected => Err(status::PIPE_DISCONNECTED),
            Phase::Connected => Ok(()),
        }
    }

    /// `Ok(None)`: the request is kept.
    pub(super) fn write(
        &mut self,
        cpu: &Cpu<'_>,
        end: usize,
        write: &Arrived,
        mut bytes: Vec<u8>,
        done: &mut Vec<Done>,
    ) -> Result<Option<IoStatus>, NtStatus> {
        self.check_phase()?;
        let reader = self.end(1 - end);
        if !reader.open {
            return Err(match self.nature {
                Nature::Pipe => status::PIPE_CLOSING,
                Nature::Socket => status::CONNECTION_RESET,
            });
        }
        if bytes.is_empty() && !self.messages {
            return Ok(Some(success(0)));
        }
        let waits = self.end(end).waits;
        let queue = self.queue(1 - end);
        if !waits {
            let taken = queue.takes_now(bytes.len());
            let refused = taken == 0 && !bytes.is_empty();
            if refused {
                return Ok(Some(success(0)));
            }
            bytes.truncate(taken);
        }
        let over = queue.write(cpu, write.irp, bytes, reader.by_message);
        Ok(own_part(over, write.irp, done).map(|(io, _)| io))
    }

    pub(super) fn read(
        &mut self,
        cpu: &Cpu<'_>,
        end: usize,
        read: &Arrived,
        done: &mut Vec<Done>,
    ) -> Result<Option<(IoStatus, Vec<u8>)>, NtStatus> {
        self.check_phase()?;
        let me = self.end(end);
        let writer_open = self.end(1 - end).open;
        let nature = self.nature;
        let queue = self.queue(end);
        if !queue.has_data() {
            if !writer_open {
                return match nature {
                    Nature::Pipe => Err(status::PIPE_BROKEN),
                    Nature::Socket => Ok(Some((success(0), Vec::new()))),
                };
            }
            if !me.waits {
                return Err(status::PIPE_EMPTY);
            }
        }
        let over = queue.read(cpu, read.irp, read.length, me.by_message);
        Ok(own_part(over, read.irp, done))
    }

    pub(super) fn close(&mut self, cpu: &Cpu<'_>, end: usize, done: &mut Vec<Done>) {
        if let Some(end) = self.ends.get_mut(end) {
            end.open = false;
        }
        let (mine, broken) = match self.nature {
            Nature::Pipe => (status::PIPE_BROKEN, IoStatus::failed(status::PIPE_BROKEN)),
            Nature::Socket => (status::CONNECTION_RESET, success(0)),
        };
        let to_me = self.queue(end);
        to_me.end_reads(cpu, IoStatus::failed(mine), done);
        to_me.end_writes(cpu, mine, done);
        to_me.empty();
        let from_me = self.queue(1 - end);
        from_me.end_writes(cpu, mine, done);
        if !from_me.has_data() {
            from_me.end_reads(cpu, broken, done);
        }
    }

    pub(super) fn disconnect(&mut self, cpu: &Cpu<'_>, done: &mut Vec<Done>) {
        self.phase = Phase::Disconnected;
        for queue in &mut self.queues {
            queue.end_reads(cpu, IoStatus::failed(status::PIPE_DISCONNECTED), done);
            queue.end_writes(cpu, status::PIPE_DISCONNECTED, done);
            queue.empty();
        }
    }
}

/// The end of the request itself, if it is over; the others go to `done`.
fn own_part(over: Vec<Done>, irp: IrpId, done: &mut Vec<Done>) -> Option<(IoStatus, Vec<u8>)> {
    let mut own = None;
    for one in over {
        if one.irp == irp {
            own = Some((one.io, one.bytes));
        } else {
            done.push(one);
        }
    }
    own
}

impl Table {
    pub(super) fn end(&mut self, file: FileId) -> Result<(&mut Instance, usize), NtStatus> {
        let (number, end) = *self.opens.get(&file).ok_or(NtStatus::INVALID_DEVICE_REQUEST)?;
        let instance = self.instances.get_mut(number);
        instance
            .map(|instance| (instance, end))
            .ok_or(NtStatus::INVALID_DEVICE_REQUEST)
    }
}
