//! The calls of streams and channels, with a defect in front.

use kswrite_client::Win32Error;
use kswrite_conform::{
    faces::{Answered, Bound, Disconnect, Face, Faces, HResult, Reaction, Told, Traffic, WtsOpen},
    win32::{
        Access, Buffer, Count, Data, Disposition, From, Handle, LAST_ERROR_BEFORE, Open, Ov, Patience,
        Returned,
    },
};

use super::{
    Defect as D,
    calls::{DONE, Wrong, failed},
};

const PENDING: HResult = HResult::from_win32(Win32Error::IO_PENDING);
/// `E_FAIL`.
const FAIL: HResult = HResult(0x8000_4005);
/// Bytes of a header.
const HEADER: usize = 8;

impl Wrong<'_> {
    fn faces(&self) -> &dyn Faces {
        self.os().faces()
    }

    /// The buffer, or one with another first byte.
    fn changed(&self, data: Data) -> Data {
        let Data::Of(buffer) = data else { return data };
        let mut bytes = self.os().bytes(buffer);
        if let Some(first) = bytes.first_mut() {
            *first = !*first;
        }
        Data::Of(self.os().buffer(&bytes))
    }

    /// Changes the buffer itself.
    fn touch(&self, data: Data) {
        if let Data::Of(buffer) = data
            && let Some(first) = self.os().bytes(buffer).first()
        {
            self.os().set_bytes(buffer, 0, &[!first]);
        }
    }

    fn of_stream(&self, answered: Answered) -> Answered {
        let Answered { hresult, count } = answered;
        let refused = [HResult::INVALID_ARG, HResult::POINTER].contains(&hresult);
        let hresult = match self.defect() {
            D::StreamTakesAnything if refused => HResult::OK,
            D::StreamOneError if hresult != HResult::OK && hresult != PENDING => FAIL,
            _ => hresult,
        };
        Answered { hresult, count }
    }

    /// What a WTS function returned.
    fn of_wts(&self, returned: Returned) -> Returned {
        let error = returned.error;
        let forgiven = match self.defect() {
            D::WtsNeverFails => true,
            D::WtsSmallBuffer => error == Win32Error::INSUFFICIENT_BUFFER,
            D::WtsTimeoutIsSuccess => error == Win32Error::IO_INCOMPLETE,
            _ => false,
        };
        let too_small = self.is(D::WtsCountTooSmall) && returned.returned;
        Returned {
            returned: returned.returned || forgiven,
            error: if forgiven { LAST_ERROR_BEFORE } else { error },
            count: returned.count.map(|count| count.wrapping_sub(too_small.into())),
        }
    }

    /// Takes the header off what was read.
    fn without_header(&self, into: Buffer, returned: Returned) -> Returned {
        let Some(count) = returned.count.filter(|_| returned.returned) else {
            return returned;
        };
        let bytes = self.os().bytes(into);
        let data: Vec<u8> = bytes.into_iter().take(count as usize).skip(HEADER).collect();
        self.os().set_bytes(into, 0, &data);
        Returned {
            count: u32::try_from(data.len()).ok(),
            ..returned
        }
    }

    fn is_third(&self) -> bool {
        let mut seen = self.seen();
        seen.messages += 1;
        seen.messages.is_multiple_of(3)
    }
}

impl Faces for Wrong<'_> {
    fn add_ref(&self, face: Face) -> u32 {
        self.faces().add_ref(face)
    }

    fn release_ref(&self, face: Face) -> u32 {
        if self.is(D::ReleaseKeepsOne) {
            let left = self.faces().add_ref(face);
            self.faces().release_ref(face);
            if left == 2 {
                return 1;
            }
        }
        self.faces().release_ref(face)
    }

    fn has_identity(&self, face: Face) -> bool {
        self.faces().has_identity(face)
    }

    fn stream(&self, file: Handle) -> Result<Face, String> {
        let stream = self.faces().stream(file)?;
        self.seen().files.insert(stream, file);
        Ok(stream)
    }

    fn write_async(
        &self,
        stream: Face,
        data: Data,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered {
        let sent = if self.is(D::StreamBytesWrong) {
            self.changed(data)
        } else {
            data
        };
        let answered = self.faces().write_async(stream, sent, length, count, overlapped);
        match self.defect() {
            D::StreamTouchesBuffer => self.touch(data),
            D::StreamEventSetAtOnce => {
                if let Some(event) = self.content(overlapped).event {
                    let _set = self.os().set_event(event, true);
                }
            }
            D::StreamMovesPointer => {
                let _moved = self.faces().stream_seek(stream, length.into(), From::Current);
            }
            _ => {}
        }
        let Answered { hresult, count } = self.of_stream(answered);
        match self.defect() {
            D::StreamPendingIsOk if hresult == PENDING => Answered {
                hresult: HResult::OK,
                count,
            },
            D::StreamCountTooSmall if hresult == HResult::OK => Answered {
                hresult,
                count: count.map(|count| count.wrapping_sub(1)),
            },
            _ => Answered { hresult, count },
        }
    }

    fn read_async(
        &self,
        stream: Face,
        into: Buffer,
        length: u32,
        count: Count,
        overlapped: Option<Ov>,
    ) -> Answered {
        let answered = self.faces().read_async(stream, into, length, count, overlapped);
        self.of_stream(answered)
    }

    fn overlapped_result(&self, stream: Face, overlapped: Option<Ov>, count: Count, wait: bool) -> Answered {
        let wait = wait && !self.is(D::StreamNeverWaits);
        let answered = self.faces().overlapped_result(stream, overlapped, count, wait);
        let incomplete = answered.hresult == HResult::from_win32(Win32Error::IO_INCOMPLETE);
        if self.is(D::StreamNeverIncomplete) && incomplete {
            return Answered {
                hresult: HResult::OK,
                ..answered
            };
        }
        self.of_stream(answered)
    }

    fn stream_cancel_io(&self, stream: Face) -> HResult {
        let file = self.seen().files.get(&stream).copied().unwrap_or(Handle::INVALID);
        match self.defect() {
            D::StreamCancelsNothing => HResult::OK,
            D::StreamCancelsOwn => {
                let _cancelled = self.os().cancel_io(file);
                HResult::OK
            }
            D::StreamCancelNotFound => {
                let cancelled = self.os().cancel_io_ex(file, None);
                if cancelled.returned {
                    HResult::OK
                } else {
                    HResult::from_win32(cancelled.error)
                }
            }
            _ => self.faces().stream_cancel_io(stream),
        }
    }

    fn stream_write(&self, stream: Face, data: Data, length: u32, count: Count) -> Answered {
        self.faces().stream_write(stream, data, length, count)
    }

    fn stream_seek(&self, stream: Face, distance: i64, from: From) -> Result<u64, HResult> {
        self.faces().stream_seek(stream, distance, from)
    }

    fn channel(&self, file: Handle, bound: Bound, reaction: Reaction) -> Result<Face, String> {
        let bound = if self.is(D::ChannelUnbounded) {
            Bound::Memory
        } else {
            bound
        };
        let reaction = if self.is(D::ChannelNotReentrant) {
            Reaction::None
        } else {
            reaction
        };
        let channel = self.faces().channel(file, bound, reaction)?;
        self.seen().files.insert(channel, file);
        Ok(channel)
    }

    fn channel_write(&self, channel: Face, data: Data, length: u32, reserved: bool) -> HResult {
        if self.is(D::ChannelLosesThirds) && self.is_third() {
            return HResult::OK;
        }
        let data = if self.is(D::ChannelBytesWrong) {
            self.changed(data)
        } else {
            data
        };
        let written = self.faces().channel_write(channel, data, length, reserved);
        let refused = [HResult::INVALID_ARG, HResult::POINTER].contains(&written);
        match self.defect() {
            D::ChannelTakesAnything if refused => HResult::OK,
            D::ChannelNeverFails => HResult::OK,
            D::ChannelWaits => {
                let file = self.seen().files.get(&channel).copied();
                let _released = self.os().release(file.unwrap_or(Handle::INVALID));
                let _routines = self.os().sleep(Patience::Briefly);
                written
            }
            _ => written,
        }
    }

    fn channel_close(&self, channel: Face) -> HResult {
        match self.defect() {
            D::ChannelCloseForgets => HResult::OK,
            _ => self.faces().channel_close(channel),
        }
    }

    fn channel_deliver(&self, channel: Face, message: &[u8]) -> HResult {
        self.faces().channel_deliver(channel, message)
    }

    fn channel_disconnect(&self, channel: Face, by: Disconnect) {
        self.faces().channel_disconnect(channel, by);
    }

    fn channel_told(&self, channel: Face) -> Told {
        let mut told = self.faces().channel_told(channel);
        match self.defect() {
            D::ChannelClosesTwice => told.closes *= 2,
            D::ChannelCutsMessages => told
                .received
                .iter_mut()
                .for_each(|message| message.truncate(1600)),
            D::ChannelReadsLate => told.received.iter_mut().for_each(|message| message.fill(0xDB)),
            _ => {}
        }
        told
    }

    fn channel_traffic(&self, channel: Face) -> Traffic {
        self.faces().channel_traffic(channel)
    }

    fn wts_open(&self, open: &WtsOpen<'_>) -> Result<Face, Win32Error> {
        let mut asked = *open;
        match self.defect() {
            D::WtsNamesCut => asked.name = asked.name.map(|name| name.get(..7).unwrap_or(name)),
            D::WtsFlagsIgnored => asked.flags = asked.flags.map(|flags| flags & 1),
            D::WtsAnySession => asked.current_session = true,
            _ => {}
        }
        let mut opened = self.faces().wts_open(&asked);
        if self.is(D::WtsOpensTwice) && opened == Err(Win32Error::ALREADY_EXISTS) {
            opened = self.faces().wts_open(&WtsOpen {
                name: Some(b"AGAIN"),
                ..asked
            });
        }
        let dynamic = asked.flags.is_some_and(|flags| flags & 1 != 0);
        let channel = opened?;
        self.seen()
            .devices
            .insert(channel, (dynamic, open.device.to_owned()));
        Ok(channel)
    }

    fn wts_write(&self, channel: Face, data: Data, length: u32, count: Count) -> Returned {
        if let (D::WtsTwoMessages, Data::Of(buffer)) = (self.defect(), data)
            && length > 1
        {
            let bytes = self.os().bytes(buffer);
            let (first, second) = bytes.split_at(1);
            for part in [first, second] {
                let data = Data::Of(self.os().buffer(part));
                let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
                self.faces().wts_write(channel, data, length, count);
            }
            return Returned {
                count: Some(length),
                ..DONE
            };
        }
        let returned = self.faces().wts_write(channel, data, length, count);
        if self.is(D::WtsTouchesBuffer) {
            self.touch(data);
        }
        self.of_wts(returned)
    }

    fn wts_read(&self, channel: Face, timeout: u32, into: Buffer, size: u32, count: Count) -> Returned {
        let returned = self.faces().wts_read(channel, timeout, into, size, count);
        let dynamic = self
            .seen()
            .devices
            .get(&channel)
            .is_some_and(|(dynamic, _)| *dynamic);
        if self.is(D::WtsHidesHeaders) && dynamic {
            return self.without_header(into, returned);
        }
        self.of_wts(returned)
    }

    fn wts_query_file(&self, channel: Face) -> Result<Handle, Win32Error> {
        let file = self.faces().wts_query_file(channel)?;
        let device = self.seen().devices.get(&channel).cloned();
        match (self.defect(), device) {
            (D::WtsQueryOpens, Some((_, path))) => self.os().create_file(
                &path,
                Open {
                    access: Access::ReadWrite,
                    disposition: Disposition::OpenExisting,
                    overlapped: false,
                    write_through: false,
                    no_buffering: false,
                },
            ),
            _ => Ok(file),
        }
    }

    fn wts_purge(&self, channel: Face, input: bool) -> Returned {
        match self.defect() {
            D::WtsPurgeFails => failed(Win32Error::INVALID_HANDLE, None),
            _ => self.faces().wts_purge(channel, input),
        }
    }

    fn wts_close(&self, channel: Face) -> Returned {
        match self.defect() {
            D::WtsCloseForgets => DONE,
            _ => self.faces().wts_close(channel),
        }
    }
}
