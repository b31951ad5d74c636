//! The virtual channels: each write is a message, and the device gets chunks with headers.
#![expect(unsafe_code, reason = "calls a method of a COM interface")]

use std::collections::VecDeque;
use std::time::Duration;

use ksw::buffer::Buffer;
use ksw::run::{Completion, Issued, WriteEngine};
use kswrite_client::{Error, File, Reactor, Win32Error};
use kswrite_faces::channel::{Bound, Traffic};
use kswrite_faces::wts::{Flavour, VirtualChannel};
use kswrite_faces::{Connection, DeviceLink, DeviceTransport, open_channel};
use windows::Win32::System::RemoteDesktop::IWTSVirtualChannel;
use windows::core::Interface;

use super::stream::win32;

/// What WTSVirtualChannelWrite does: the call returns when the device has the message.
pub(super) struct Wts(VirtualChannel<DeviceLink>);

impl Wts {
    pub(super) fn over(file: File) -> Self {
        // Flavours differ in what a reader sees, not in what is written.
        Self(VirtualChannel::new(DeviceLink::new(file), Flavour::Static))
    }
}

impl WriteEngine for Wts {
    fn issue(&mut self, slot: usize, _offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        Ok(Issued::Done(Completion {
            slot,
            result: self.0.write(buffer.data()),
            buffer,
            immediate: true,
        }))
    }

    fn wait(&mut self, _timeout: Duration, _done: &mut Vec<Completion>) -> Result<(), Error> {
        Ok(())
    }
}

/// IWTSVirtualChannel. Write returns when the message is copied; it counts as complete when the device has it.
pub(super) struct Dynamic {
    channel: IWTSVirtualChannel,
    connection: Connection,
    /// In the order of their issue.
    waiting: VecDeque<Waiting>,
    /// Messages that the channel took.
    taken: u64,
}

/// A message that the device does not have yet.
struct Waiting {
    slot: usize,
    buffer: Buffer,
    /// Of the messages that the channel took, from 1.
    number: u64,
}

impl Dynamic {
    pub(super) fn over(file: File) -> Result<Self, Error> {
        let device = Reactor::new()?.attach(file)?;
        let channel = open_channel(DeviceTransport::new(device), Bound::Memory, None);
        let connection = channel
            .cast()
            .and_then(|unknown| Connection::of(&unknown))
            .map_err(|error| Error::new("open a channel", win32(&error)))?;
        Ok(Self {
            channel,
            connection,
            waiting: VecDeque::new(),
            taken: 0,
        })
    }

    /// Number and length of the oldest message that waits.
    fn oldest(&self) -> Option<(u64, usize)> {
        let oldest = self.waiting.front()?;
        Some((oldest.number, oldest.buffer.data().len()))
    }

    /// What became of a message; `None`: it is on its way.
    fn outcome(&self, number: u64, length: usize) -> Option<Result<u32, Win32Error>> {
        let Traffic { sent, dropped, .. } = self.connection.traffic();
        if number <= sent {
            // Longer ones are refused.
            return Some(Ok(u32::try_from(length).unwrap_or(u32::MAX)));
        }
        // Messages are dropped when the channel is closed, which the failure of the device does.
        (number <= sent + dropped).then(|| {
            let failure = self.connection.flush().err();
            Err(failure.unwrap_or(Win32Error::OPERATION_ABORTED))
        })
    }
}

impl WriteEngine for Dynamic {
    fn issue(&mut self, slot: usize, _offset: u64, buffer: Buffer) -> Result<Issued, Error> {
        // SAFETY: the bytes are copied in the call.
        let taken = unsafe { self.channel.Write(buffer.data(), None) };
        let result = match taken {
            Ok(()) => {
                self.taken += 1;
                self.outcome(self.taken, buffer.data().len())
            }
            Err(error) => Some(Err(win32(&error))),
        };
        if let Some(result) = result {
            return Ok(Issued::Done(Completion {
                slot,
                buffer,
                result,
                immediate: true,
            }));
        }
        let number = self.taken;
        self.waiting.push_back(Waiting { slot, buffer, number });
        Ok(Issued::Pending)
    }

    fn wait(&mut self, timeout: Duration, done: &mut Vec<Completion>) -> Result<(), Error> {
        let Some(fewer) = self.waiting.len().checked_sub(1) else {
            return Ok(());
        };
        // Those that are over are found below, in time or not.
        let _fewer = self.connection.wait_for_room(fewer, timeout);
        while let Some((number, length)) = self.oldest()
            && let Some(result) = self.outcome(number, length)
        {
            done.extend(self.waiting.pop_front().map(|over| Completion {
                slot: over.slot,
                buffer: over.buffer,
                result,
                immediate: false,
            }));
        }
        Ok(())
    }
}
