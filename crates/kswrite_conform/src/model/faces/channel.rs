//! IWTSVirtualChannel in the model. A thread of its own, the carrier, brings the messages to the device.

use std::{
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_faces::{
    channel::{self, Bound, ChannelCallback, Refusal, Traffic, check_write},
    chunk::CHANNEL_CHUNK_LENGTH,
    transport::{Done, Transport},
};
use nt_model::{Cpu, user::TimeOut};

use super::{
    super::{
        error::win32_error,
        kernel32::{Call, Direction, nt},
        os::ModelThread,
    },
    message,
};
use crate::{
    faces::{Disconnect, HResult, Reaction, Told},
    win32::{Count, Data, Handle, Ov, Overlapped, Returned, Win32},
};

type Logic = channel::Channel<Queue>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A write that the channel has begun.
struct Begun {
    offset: u64,
    bytes: Vec<u8>,
    done: Done,
}

/// What the channel asks of the carrier. No thread of the model changes places while a lock of it is held.
#[derive(Default)]
struct Asked {
    writes: Mutex<VecDeque<Begun>>,
    /// What is on its way is to be cancelled; from then on nothing is begun.
    cancel: AtomicBool,
    /// There is no channel any more.
    end: AtomicBool,
}

/// The device, as the channel has it.
struct Queue(Arc<Asked>);

impl Transport for Queue {
    fn start(&self, offset: u64, bytes: Vec<u8>, done: Done) {
        lock(&self.0.writes).push_back(Begun { offset, bytes, done });
    }

    fn cancel(&self) {
        self.0.cancel.store(true, Ordering::Release);
    }
}

/// The callback of the case.
struct Callback {
    reaction: Reaction,
    told: Mutex<Told>,
    /// What reactions call, until the case gives its last reference back.
    channel: OnceLock<Weak<Logic>>,
    released: AtomicBool,
}

impl Callback {
    fn react(&self, call: impl FnOnce(&Logic) -> Result<(), Refusal>) -> Option<HResult> {
        if self.released.load(Ordering::Acquire) {
            return None;
        }
        let channel = self.channel.get()?.upgrade()?;
        Some(call(&channel).map_err(HResult::from).into())
    }

    fn tell(&self, answer: Option<HResult>, told: impl FnOnce(&mut Told)) {
        let mut all = lock(&self.told);
        all.answers.extend(answer);
        told(&mut all);
    }
}

impl ChannelCallback for Callback {
    fn on_data_received(&self, message: &[u8]) {
        let answer = match self.reaction {
            Reaction::None => None,
            Reaction::WriteBack => self.react(|channel| channel.write(message)),
            Reaction::Close => self.react(Logic::close),
        };
        self.tell(answer, |told| told.received.push(message.to_vec()));
    }

    fn on_close(&self) {
        let answer = match self.reaction {
            Reaction::None | Reaction::WriteBack => None,
            Reaction::Close => self.react(Logic::close),
        };
        self.tell(answer, |told| told.closes += 1);
    }
}

/// The events between the carrier and those who call the channel.
#[derive(Clone, Copy)]
struct Signals {
    /// Set for the carrier: there is something to do. Resets itself, and is the event of its writes too.
    wake: Handle,
    /// Set by the carrier: it has begun and ended what it can.
    rest: Handle,
}

/// A channel over a handle of its own.
pub(super) struct Channel {
    logic: Arc<Logic>,
    callback: Arc<Callback>,
    asked: Arc<Asked>,
    file: Handle,
    signals: Signals,
}

impl Channel {
    pub(super) fn new(
        thread: &ModelThread<'_>,
        file: Handle,
        bound: Bound,
        reaction: Reaction,
    ) -> Result<Self, Win32Error> {
        let file = thread.duplicate(file)?;
        let signals = Signals {
            wake: thread.create_event(false, false)?,
            rest: thread.create_event(true, true)?,
        };
        let callback = Arc::new(Callback {
            reaction,
            told: Mutex::default(),
            channel: OnceLock::new(),
            released: AtomicBool::new(false),
        });
        let asked = Arc::new(Asked::default());
        let (queue, owner) = (Queue(Arc::clone(&asked)), Arc::clone(&callback));
        let logic = Arc::new(Logic::open(queue, CHANNEL_CHUNK_LENGTH, bound, owner));
        // Nobody else sets it.
        let _first = callback.channel.set(Arc::downgrade(&logic));
        let carrier = Carrier {
            asked: Arc::clone(&asked),
            file,
            signals,
        };
        let machine = Rc::clone(&thread.machine);
        let body = Box::new(move |cpu: &Cpu<'_>| carrier.run(&ModelThread::new(cpu, machine)));
        let carrying = thread.cpu.nt_create_thread(body).map_err(win32_error)?;
        thread.close_all(&[Handle(carrying.0)]);
        Ok(Self {
            logic,
            callback,
            asked,
            file,
            signals,
        })
    }

    /// Lets the carrier do what was asked for, as far as it can be done now.
    fn carry(&self, thread: &ModelThread<'_>) {
        let Signals { wake, rest } = self.signals;
        let _reset = thread.cpu.nt_set_event(nt(rest), false);
        let _set = thread.cpu.nt_set_event(nt(wake), true);
        let _rests = thread.cpu.nt_wait_for(nt(rest), TimeOut::Never);
    }

    fn is_released(&self) -> bool {
        self.callback.released.load(Ordering::Acquire)
    }

    pub(super) fn write(
        &self,
        thread: &ModelThread<'_>,
        data: Data,
        length: u32,
        reserved: bool,
    ) -> Result<(), HResult> {
        check_write(reserved, data == Data::Null, length)?;
        self.logic.write(&message(thread, data, length))?;
        self.carry(thread);
        Ok(())
    }

    pub(super) fn close(&self, thread: &ModelThread<'_>) -> Result<(), HResult> {
        self.logic.close()?;
        self.carry(thread);
        Ok(())
    }

    /// The memory of the message is the callback's for the time of the call.
    pub(super) fn deliver(&self, thread: &ModelThread<'_>, message: &[u8]) -> Result<(), HResult> {
        if self.is_released() {
            return Err(Refusal::Closed.into());
        }
        let mut lent = message.to_vec();
        let delivered = self.logic.deliver(&lent);
        lent.fill(0xDB);
        self.carry(thread);
        Ok(delivered?)
    }

    /// The device fails the write that it has; without one the other end closes the channel.
    pub(super) fn disconnect(&self, thread: &ModelThread<'_>, by: Disconnect) {
        if self.is_released() {
            return;
        }
        if by == Disconnect::Client && self.logic.traffic().messages > 0 {
            // Nothing pending: then its end is on its way.
            let _none = thread.cpu.nt_cancel_io_ex(nt(self.file), None);
        } else {
            // Closed before: then there is nothing to end.
            let _closed = self.logic.close();
        }
        self.carry(thread);
    }

    pub(super) fn told(&self) -> Told {
        lock(&self.callback.told).clone()
    }

    pub(super) fn traffic(&self) -> Traffic {
        if self.is_released() {
            Traffic::default()
        } else {
            self.logic.traffic()
        }
    }

    /// The last Release closes the channel. The carrier closes the handles when it has nothing left to do.
    pub(super) fn end(&self, thread: &ModelThread<'_>) {
        self.callback.released.store(true, Ordering::Release);
        // Closed before: there is nothing to do.
        let _closed = self.logic.close();
        self.asked.end.store(true, Ordering::Release);
        let _set = thread.cpu.nt_set_event(nt(self.signals.wake), true);
    }
}

/// The thread that brings messages to the device, one write at a time.
struct Carrier {
    asked: Arc<Asked>,
    file: Handle,
    signals: Signals,
}

/// A write that the device has.
struct Pending {
    overlapped: Ov,
    bytes: Vec<u8>,
    done: Done,
}

impl Carrier {
    fn run(self, thread: &ModelThread<'_>) {
        let mut pending: Option<Pending> = None;
        loop {
            if let Some(begun) = self.next(pending.is_some()) {
                pending = self.begin(thread, begun);
                continue;
            }
            if let Some(over) = pending.take_if(|pending| is_over(thread, pending.overlapped)) {
                let result = thread.get_overlapped_result(self.file, over.overlapped, false);
                (over.done)(result_of(result), over.bytes);
                continue;
            }
            if let (Some(pending), true) = (&pending, self.asked.cancel.load(Ordering::Acquire)) {
                // It may be over meanwhile.
                let _asked = thread.cancel_io_ex(self.file, Some(pending.overlapped));
                if is_over(thread, pending.overlapped) {
                    continue;
                }
            }
            let ended = pending.is_none() && self.asked.end.load(Ordering::Acquire);
            let _rests = thread.cpu.nt_set_event(nt(self.signals.rest), true);
            // That nobody wakes it any more, since the channel was not released, is a finding of the model.
            if ended || thread.cpu.nt_wait_for(nt(self.signals.wake), TimeOut::Never) != Ok(true) {
                break;
            }
        }
        thread.close_all(&[self.file, self.signals.wake, self.signals.rest]);
    }

    /// The next write, if the device has none.
    fn next(&self, busy: bool) -> Option<Begun> {
        if busy {
            return None;
        }
        lock(&self.asked.writes).pop_front()
    }

    fn begin(&self, thread: &ModelThread<'_>, begun: Begun) -> Option<Pending> {
        let Begun { offset, bytes, done } = begun;
        if self.asked.cancel.load(Ordering::Acquire) {
            done(Err(Win32Error::OPERATION_ABORTED), bytes);
            return None;
        }
        let overlapped = thread.machine.new_overlapped(Overlapped {
            offset,
            event: Some(self.signals.wake),
            no_packet: true,
        });
        let call = Call {
            direction: Direction::Write,
            file: nt(self.file),
            data: Data::Of(thread.machine.buffer(&bytes)),
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            count: Count::Wanted,
        };
        let returned = thread.transfer(&call, Some(overlapped));
        if returned.is_pending() {
            return Some(Pending {
                overlapped,
                bytes,
                done,
            });
        }
        done(result_of(returned), bytes);
        None
    }
}

fn is_over(thread: &ModelThread<'_>, overlapped: Ov) -> bool {
    let block = thread.machine.overlapped(overlapped).block;
    thread.machine.world.block(block).io.status != NtStatus::PENDING
}

fn result_of(returned: Returned) -> Result<u32, Win32Error> {
    if returned.returned {
        Ok(returned.count.unwrap_or_default())
    } else {
        Err(returned.error)
    }
}
