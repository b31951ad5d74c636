//! A write to a file object: the arguments of KsWriteFile, and where it reports.

use crate::{
    Completion, Data, Ended, FileFlags, FileObjects, IoStatus, NtStatus, Patience, ProcessorMode, WriteCall,
    defect,
    fast::{self, Outcome, Skip},
};

/// `IRP_WRITE_OPERATION`: the I/O manager counts the bytes as written.
const IRP_WRITE_OPERATION: u32 = 0x200;
/// `IRP_NOCACHE`.
const IRP_NOCACHE: u32 = 0x1;
/// `IRP_DEFER_IO_COMPLETION`.
const IRP_DEFER_IO_COMPLETION: u32 = 0x800;
/// `SL_WRITE_THROUGH`.
const SL_WRITE_THROUGH: u8 = 0x4;

/// Where a write starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOffset {
    /// At the `CurrentByteOffset` of the file object, as it is when the write is submitted. This is what
    /// KsWriteFile does.
    Current,
    /// At this offset in bytes. -1 (`FILE_WRITE_TO_END_OF_FILE`) is for the device to understand, -2
    /// (`FILE_USE_FILE_POINTER_POSITION`) is the same as [`Current`](Self::Current).
    At(i64),
}

/// Who moves `CurrentByteOffset` of a synchronous file object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The driver below, if it does. This is what KsWriteFile does.
    LeftToDriver,
    /// This routine, to the byte after the last one written, wherever the driver may have moved it.
    Advance,
}

/// A write to a file object.
pub struct FileWrite<K: FileObjects> {
    /// The file object. Its related device is the target.
    pub file: K::File,
    /// An event of the object manager, signalled when the write is over. Must be `None` for a synchronous
    /// file object.
    pub event: Option<K::Event>,
    /// The context of the completion packet, if the file object has a port. `None`: no packet.
    pub port_context: Option<K::PortContext>,
    /// Where the status goes. It is always trusted, and must stay until the write is over.
    pub status_block: K::StatusBlock,
    /// The bytes.
    pub data: Data<K>,
    /// Bytes to write; 0 is a write too.
    pub length: u32,
    /// The byte-lock key, 0 for none.
    pub key: u32,
    /// The mode that the buffer is probed in.
    pub mode: ProcessorMode,
    /// Where the write starts.
    pub offset: ByteOffset,
    /// Who moves the position.
    pub position: Position,
    /// How long a synchronous write may take before it is cancelled, in units of 100 nanoseconds. `None`:
    /// as long as it takes.
    pub time_limit: Option<u64>,
}

impl<K: FileObjects> Clone for FileWrite<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: FileObjects> Copy for FileWrite<K> {}

impl<K: FileObjects> FileWrite<K> {
    /// The eight arguments of KsWriteFile, in its order.
    #[expect(clippy::too_many_arguments, reason = "the signature of the routine")]
    pub fn new(
        file_object: K::File,
        event: Option<K::Event>,
        port_context: Option<K::PortContext>,
        io_status_block: K::StatusBlock,
        buffer: K::Address,
        length: u32,
        key: u32,
        requestor_mode: ProcessorMode,
    ) -> Self {
        Self {
            file: file_object,
            event,
            port_context,
            status_block: io_status_block,
            data: Data::Raw(buffer),
            length,
            key,
            mode: requestor_mode,
            offset: ByteOffset::Current,
            position: Position::LeftToDriver,
            time_limit: None,
        }
    }

    /// The same write, with its bytes in pages that the caller has locked. `address` is where the
    /// requestor sees them. The pages stay locked, and the caller's, until the write is over.
    #[must_use]
    pub fn with_mdl(self, mdl: K::LockedPages, address: K::Address) -> Self {
        let data = Data::Locked { mdl, address };
        Self { data, ..self }
    }

    /// The same write, at an offset.
    #[must_use]
    pub fn at(self, offset: ByteOffset) -> Self {
        Self { offset, ..self }
    }

    /// How the submitting thread waits for the end of this write, if the file object is synchronous: in the
    /// requestor's mode, and alertable if the file object is.
    pub fn patience(&self, flags: FileFlags) -> Patience {
        Patience {
            mode: self.mode,
            alertable: flags.is_alertable(),
            time_limit: self.time_limit,
        }
    }

    /// The captured write, without what only an IRP needs, and the flags of the file object.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER`: an event for a synchronous file object, an offset that is negative and not
    /// one of the two special values, or an MDL that does not cover the write. Nothing has been touched then.
    #[inline]
    pub(crate) fn capture(&self, kernel: &K) -> Result<(WriteCall<K>, FileFlags), NtStatus> {
        let flags = kernel.file_flags(self.file);
        if self.event.is_some() && flags.is_synchronous() && !defect!("ro-19") {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if let Data::Locked { mdl, .. } = self.data
            && kernel.locked_length(mdl) < self.length as usize
        {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let offset = match self.offset {
            ByteOffset::Current | ByteOffset::At(-2) => kernel.current_byte_offset(self.file),
            ByteOffset::At(offset) if offset < -1 => return Err(NtStatus::INVALID_PARAMETER),
            ByteOffset::At(offset) => offset,
        };
        let call = WriteCall {
            file: Some(self.file),
            device: kernel.related_device(self.file),
            data: self.data,
            length: self.length,
            offset,
            key: self.key,
            mode: self.mode,
            in_requestor_context: true,
            may_page: true,
            may_wait: flags.is_synchronous(),
            // A fast-I/O routine sees the flags of the file object, and there are no others.
            bypasses_cache: false,
            stack_flags: 0,
            irp_flags: 0,
        };
        Ok((call, flags))
    }

    /// Whether the buffer is not where a user-mode requestor's can be. Asked by a defect only: the routine
    /// leaves it to whoever touches the buffer.
    pub(crate) fn is_outside(&self, kernel: &K) -> bool {
        match self.data {
            Data::Raw(address) => {
                self.mode == ProcessorMode::User && !kernel.is_user_range(address, self.length)
            }
            _ => false,
        }
    }

    /// The attempt of this write. Where a completion packet would be due it is not made: an IRP becomes
    /// the packet, and cannot fail to be one.
    #[inline]
    pub(crate) fn attempt(&self, kernel: &K, flags: FileFlags, call: &WriteCall<K>) -> Outcome {
        if self.owes_packet(kernel, flags, NtStatus::SUCCESS, false) {
            return Outcome::Skipped(Skip::Packet);
        }
        fast::attempt(kernel, call)
    }

    /// Whether the end of this write is to be queued to the port of its file object.
    #[inline]
    fn owes_packet(&self, kernel: &K, flags: FileFlags, status: NtStatus, pended: bool) -> bool {
        let skipped = !pended && status.is_success() && flags.skips_completion_port();
        self.port_context.is_some() && !skipped && kernel.has_completion_port(self.file)
    }

    /// Reports the end of a write that this side completes: status block, position, events, packet, in
    /// this order, so that whoever is woken finds everything in place. Returns the status for the caller of
    /// the routine.
    ///
    /// This is what the I/O manager does for an IRP of its own:
    ///
    /// | | status block | event, or else that of the file object | packet |
    /// |---|---|---|---|
    /// | at once, with an error | untouched | not signalled | no |
    /// | pended, synchronous, with an error | untouched | signalled | no |
    /// | anything else | written | signalled | yes |
    pub fn report(&self, kernel: &K, ended: Ended) -> NtStatus {
        let flags = kernel.file_flags(self.file);
        let Ended { io, completion, .. } = ended;
        let pended = match completion {
            Completion::Fast => return self.report_fast(kernel, flags, io),
            Completion::Inline { returned } if io.status.is_error() => return returned,
            Completion::Inline { .. } => false,
            Completion::Pended => true,
        };
        let silent = io.status.is_error() && flags.is_synchronous();
        if !silent {
            kernel.store_status(self.status_block, io);
        }
        if let Some(event) = self.event {
            kernel.set_event(event);
        } else {
            kernel.set_final_status(self.file, io.status);
            self.signal_file(kernel, flags);
        }
        if !silent
            && let Some(context) = self.port_context
            && self.owes_packet(kernel, flags, io.status, pended)
        {
            kernel.post_packet(self.file, context, io);
        }
        match completion {
            Completion::Inline { returned } => returned,
            _ => io.status,
        }
    }

    /// Reports a write that fast I/O did. No packet is due, or the attempt would not have been made.
    #[inline]
    pub(crate) fn report_fast(&self, kernel: &K, flags: FileFlags, io: IoStatus) -> NtStatus {
        kernel.store_status(self.status_block, io);
        match self.event {
            Some(_) if flags.skips_event_on_fast_io() || defect!("ro-03") => {}
            Some(event) => kernel.set_event(event),
            None => self.signal_file(kernel, flags),
        }
        io.status
    }

    fn signal_file(&self, kernel: &K, flags: FileFlags) {
        if flags.is_synchronous() || !flags.skips_file_event() {
            kernel.set_file_event(self.file);
        }
    }

    /// Whether this write moves the position: only that of a synchronous file object means something.
    pub(crate) fn advances(&self, flags: FileFlags) -> bool {
        self.position == Position::Advance && flags.is_synchronous()
    }

    /// Moves the position after a write that is over, if this write is told to. `start` is where the write
    /// began. An append has no known start, and moves nothing.
    #[inline]
    pub(crate) fn advance(&self, kernel: &K, flags: FileFlags, start: i64, io: IoStatus) {
        if self.advances(flags) && !io.status.is_error() && start >= 0 {
            let written = i64::try_from(io.information).unwrap_or(i64::MAX);
            kernel.set_current_byte_offset(self.file, start.saturating_add(written));
        }
    }
}

impl<K: FileObjects> WriteCall<K> {
    /// Adds what only an IRP needs: `Irp->Flags` and the flags of the stack location, as those of the file
    /// object ask for them.
    pub(crate) fn prepare_irp(&mut self, kernel: &K, file: FileFlags) {
        if defect!("ro-15") {
            return;
        }
        self.irp_flags = IRP_WRITE_OPERATION;
        if file.is_uncached() {
            self.irp_flags |= IRP_NOCACHE;
        }
        if kernel.completes_deferred() {
            self.irp_flags |= IRP_DEFER_IO_COMPLETION;
        }
        if file.is_write_through() {
            self.stack_flags |= SL_WRITE_THROUGH;
        }
    }
}
