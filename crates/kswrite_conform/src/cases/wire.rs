//! What a channel has written: the bytes of the wire, and the chunks and messages in them.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;
use kswrite_faces::{
    channel::{Bound, Traffic},
    chunk::{CHANNEL_CHUNK_LENGTH, FLAG_FIRST, FLAG_LAST, FLAG_ONLY, HEADER_BYTES, Header, Reassembler},
};
use kswrite_wire::names::SinkKind;

use super::steps::{Outcome, at_once, length, outcome, said, with_event};
use crate::{
    case::{Ended, Stop},
    faces::{Face, Faces, HResult, Reaction, WtsOpen},
    stage::{Ends, Stage, trouble},
    win32::{Count, Data, Handle, Overlapped, Patience},
};

/// What a method of a closed channel returns: `ERROR_INVALID_STATE`.
pub(super) const CLOSED: HResult = HResult::from_win32(Win32Error(5023));
/// What a channel says when there is no room now: `ERROR_NOT_ENOUGH_QUOTA`.
pub(super) const FULL: HResult = HResult::from_win32(Win32Error(1816));
/// What a channel says of a message that there is never room for: `ERROR_INVALID_USER_BUFFER`.
pub(super) const TOO_LONG: HResult = HResult::from_win32(Win32Error::INVALID_USER_BUFFER);

/// A dynamic channel over a sink.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) faces: &'a dyn Faces,
    pub(super) ends: Ends,
    pub(super) channel: Face,
}

impl<'a> Line<'a> {
    /// A new one, which is released when the case is over.
    pub(super) fn open(stage: &Stage<'a>, bound: Bound, reaction: Reaction) -> Result<Self, Stop> {
        let faces = stage.faces();
        let ends = stage.open(true)?;
        let channel = faces.channel(ends.writer, bound, reaction);
        let channel = stage.keep_ref(channel.map_err(Stop::Trouble)?);
        Ok(Self { faces, ends, channel })
    }

    /// IWTSVirtualChannel::Write.
    pub(super) fn write(&self, stage: &Stage<'_>, message: &[u8]) -> HResult {
        let data = Data::Of(stage.os().buffer(message));
        self.faces
            .channel_write(self.channel, data, length(message), false)
    }

    /// A write that the channel must take.
    pub(super) fn take(&self, stage: &Stage<'_>, message: &[u8]) -> Ended {
        stage.expect("Write", HResult::OK, self.write(stage, message))
    }

    /// What is on its way, and what was.
    pub(super) fn traffic(&self) -> Traffic {
        self.faces.channel_traffic(self.channel)
    }

    /// Calls of OnClose.
    pub(super) fn closes(&self) -> u32 {
        self.faces.channel_told(self.channel).closes
    }

    /// Waits until nothing is on its way.
    pub(super) fn drain(&self, stage: &Stage<'_>) -> Ended {
        until(stage, "the end of the messages on their way", || {
            self.traffic().messages == 0
        })
    }

    /// Lets the write that the sink holds complete, and all that come later.
    pub(super) fn flow(&self, stage: &Stage<'_>) -> Ended {
        stage.script(&self.ends, &at_once(NtStatus::SUCCESS))?;
        stage.let_go(&self.ends, 0)?;
        self.drain(stage)
    }
}

/// Waits for something that other threads bring about, and that nothing signals.
pub(super) fn until(stage: &Stage<'_>, what: &str, mut is_there: impl FnMut() -> bool) -> Ended {
    /// It takes next to no time as a rule.
    const GLANCES: u32 = 400;
    for round in 0..GLANCES + 50 {
        if is_there() {
            return Ok(());
        }
        let patience = if round < GLANCES {
            Patience::Now
        } else {
            Patience::Briefly
        };
        let _routines = stage.os().sleep(patience);
    }
    Err(Stop::Trouble(format!("{what}: it did not come")))
}

/// Lets happen what should not.
pub(super) fn settle(stage: &Stage<'_>) {
    let _routines = stage.os().sleep(Patience::Briefly);
}

/// The WTS functions; without them the case cannot be run.
pub(super) fn wts<'a>(stage: &Stage<'a>) -> Result<&'a dyn Faces, Stop> {
    let faces = stage.faces();
    faces
        .wts_missing()
        .map_or(Ok(faces), |why| Err(Stop::NotRun(why)))
}

/// The path of the device that plays the peer.
pub(super) fn device(stage: &Stage<'_>) -> Result<&'static str, Stop> {
    let sink = stage.target().sink().map(SinkKind::path);
    sink.ok_or_else(|| Stop::NotRun("this target is no sink".to_owned()))
}

/// WTSVirtualChannelOpen with a good name, or WTSVirtualChannelOpenEx with flags.
pub(super) fn asked(device: &str, flags: Option<u32>) -> WtsOpen<'_> {
    WtsOpen {
        device,
        current_server: true,
        current_session: true,
        name: Some(b"KSWRITE"),
        flags,
    }
}

/// A channel of the WTS functions over a sink, which is closed when the case is over; and the sink's handle.
pub(super) fn open_wts(stage: &Stage<'_>, flags: Option<u32>) -> Result<(Face, Ends), Stop> {
    let faces = wts(stage)?;
    let opened = faces.wts_open(&asked(device(stage)?, flags));
    let channel = stage.keep_channel(opened.map_err(trouble("WTSVirtualChannelOpen"))?);
    let file = faces.wts_query_file(channel);
    let writer = file.map_err(trouble("WTSVirtualChannelQuery"))?;
    Ok((channel, Ends { writer, peer: None }))
}

/// WTSVirtualChannelWrite of these bytes.
pub(super) fn write_wts(stage: &Stage<'_>, channel: Face, message: &[u8]) -> Result<Outcome, Stop> {
    let data = Data::Of(stage.os().buffer(message));
    Ok(said(wts(stage)?.wts_write(
        channel,
        data,
        length(message),
        Count::Wanted,
    )))
}

/// WTSVirtualChannelRead with a buffer of `size` bytes.
pub(super) fn read_wts(
    stage: &Stage<'_>,
    channel: Face,
    timeout: u32,
    size: usize,
) -> Result<Result<Vec<u8>, Win32Error>, Stop> {
    let into = stage.os().buffer(&vec![0; size]);
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    let returned = wts(stage)?.wts_read(channel, timeout, into, size, Count::Wanted);
    Ok(said(returned).map(|count| stage.os().bytes(into).into_iter().take(count as usize).collect()))
}

/// Everything that a sink was given, from offset 0 on.
pub(super) fn wire(stage: &Stage<'_>, file: Handle) -> Result<Vec<u8>, Stop> {
    let seen = stage.os().sink_state(file).map_err(Stop::Trouble)?;
    let bytes = usize::try_from(seen.high_water).unwrap_or_default();
    if bytes == 0 {
        return Ok(Vec::new());
    }
    read_quietly(stage, file, 0, bytes)
}

/// Reads from a handle that may have a completion port, to which nothing is told.
fn read_quietly(stage: &Stage<'_>, file: Handle, offset: u64, bytes: usize) -> Result<Vec<u8>, Stop> {
    let event = stage.event(true, false)?;
    let overlapped = stage.os().overlapped(&Overlapped {
        offset,
        event: Some(event),
        no_packet: true,
    });
    let into = stage.os().buffer(&vec![0; bytes]);
    let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
    let returned = stage
        .os()
        .read_file(file, into, wanted, Count::Null, Some(overlapped));
    let count = outcome(stage, file, overlapped, returned).map_err(trouble("ReadFile of the wire"))?;
    Ok(stage.os().bytes(into).into_iter().take(count as usize).collect())
}

/// Puts bytes on the wire as they are.
pub(super) fn put(stage: &Stage<'_>, file: Handle, offset: u64, bytes: &[u8]) -> Ended {
    let (overlapped, _) = with_event(stage, offset)?;
    let data = Data::Of(stage.os().buffer(bytes));
    let returned = stage
        .os()
        .write_file(file, data, length(bytes), Count::Null, Some(overlapped));
    let count = outcome(stage, file, overlapped, returned).map_err(trouble("WriteFile to the wire"))?;
    if count == length(bytes) {
        Ok(())
    } else {
        Err(Stop::Trouble(format!(
            "the wire took {count} of {} bytes",
            bytes.len()
        )))
    }
}

/// A chunk as it is on the wire.
pub(super) struct Seen {
    pub(super) header: Header,
    pub(super) data: Vec<u8>,
}

/// Cuts the wire where chunks of `CHANNEL_CHUNK_LENGTH` end, whatever their headers say but for the length.
pub(super) fn chunks(wire: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut rest = wire;
    let mut left = 0;
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let header = Header::from_bytes(*header);
        if left == 0 {
            left = header.length as usize;
        }
        let here = left.min(CHANNEL_CHUNK_LENGTH).min(behind.len());
        let (data, behind) = behind.split_at(here);
        left -= here;
        rest = behind;
        all.push(Seen {
            header,
            data: data.to_vec(),
        });
    }
    all
}

/// The flags of a chunk in words.
pub(super) fn flags(header: Header) -> String {
    match header.flags {
        FLAG_ONLY => "ONLY".to_owned(),
        FLAG_FIRST => "FIRST".to_owned(),
        FLAG_LAST => "LAST".to_owned(),
        0 => "MIDDLE".to_owned(),
        other => format!("{other:#x}"),
    }
}

/// Words, with those that follow each other counted.
pub(super) fn runs(words: impl IntoIterator<Item = String>) -> String {
    let mut all: Vec<(String, u32)> = Vec::new();
    for word in words {
        match all.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => all.push((word, 1)),
        }
    }
    let words: Vec<String> = all
        .into_iter()
        .map(|(word, count)| {
            if count == 1 {
                word
            } else {
                format!("{count} times {word}")
            }
        })
        .collect();
    words.join(", ")
}

/// The messages on the wire, which must be whole.
pub(super) fn messages(wire: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    let mut all = Vec::new();
    let mut reassembler = Reassembler::new(CHANNEL_CHUNK_LENGTH, u32::MAX);
    let pushed = reassembler.push(wire, |message| all.push(message));
    match pushed {
        Ok(()) if reassembler.is_within_message() => {
            Err(Stop::Trouble("the wire ends within a message".to_owned()))
        }
        Ok(()) => Ok(all),
        Err(error) => Err(Stop::Trouble(format!("the wire holds no messages: {error}"))),
    }
}

/// The wire must hold these messages, in this order.
pub(super) fn expect_messages(stage: &Stage<'_>, file: Handle, expected: &[Vec<u8>]) -> Ended {
    let seen = messages(&wire(stage, file)?)?;
    stage.expect("messages on the wire", expected.len(), seen.len())?;
    for (expected, seen) in expected.iter().zip(&seen) {
        stage.expect_bytes("a message on the wire", expected, seen)?;
    }
    Ok(())
}

/// A message that says whose and which it is.
pub(super) fn numbered(writer: u8, number: u8, length: usize) -> Vec<u8> {
    let mut message = crate::stage::pattern(length);
    for (byte, said) in message.iter_mut().zip([writer, number]) {
        *byte = said;
    }
    message
}

/// Every message of every writer must be on the wire once and whole, each writer's in order.
pub(super) fn expect_each_in_order(
    stage: &Stage<'_>,
    file: Handle,
    writers: u8,
    each: u8,
    length: usize,
) -> Ended {
    let seen = messages(&wire(stage, file)?)?;
    let all = usize::from(writers) * usize::from(each);
    stage.expect("messages on the wire", all, seen.len())?;
    for writer in 0..writers {
        let theirs = seen.iter().filter(|message| message.first() == Some(&writer));
        let whole = theirs.clone().count() == usize::from(each)
            && theirs
                .zip(0..each)
                .all(|(message, number)| *message == numbered(writer, number, length));
        stage.expect("the messages of a writer are whole and in order", true, whole)?;
    }
    Ok(())
}
