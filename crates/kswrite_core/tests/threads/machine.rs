//! A kernel that real threads share: a device that completes writes at once or has other threads do it.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};

use kswrite_core::{
    BufferMethod, CancelToken, Decision, Ended, FileFlags, FileObjects, Handoff, IoStatus, Kernel, NtStatus,
    Patience, ProcessorMode, Statistics, WriteCall,
    batch::Batch,
    owned::{self, Request, SentWrite},
    payload::Payload,
};

use crate::plain::Plain;

/// What the device does with a write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// Completes it before it returns.
    Inline,
    /// Keeps it until another thread completes it.
    Holds,
}

/// One write, with everything that its parties share.
pub(crate) struct Write {
    device: Device,
    pub(crate) synchronous: bool,
    batch: Option<(Arc<Batch>, Arc<AtomicU32>)>,
    handoff: Handoff,
    token: CancelToken,
    cancelled: AtomicBool,
    over: Mutex<bool>,
    woken: Condvar,
    /// What the sender, the completion and the cancel leave for the last of them.
    notes: [Plain; 3],
    finished: AtomicU32,
    ended: AtomicU32,
    status: AtomicI32,
    returned: AtomicI32,
}

const SENDER: usize = 0;
const COMPLETION: usize = 1;
const CANCEL: usize = 2;

impl Write {
    pub(crate) fn new(
        device: Device,
        synchronous: bool,
        batch: Option<(Arc<Batch>, Arc<AtomicU32>)>,
    ) -> Self {
        Self {
            device,
            synchronous,
            batch,
            handoff: Handoff::new(),
            token: CancelToken::new(),
            cancelled: AtomicBool::new(false),
            over: Mutex::new(false),
            woken: Condvar::new(),
            notes: [0; 3].map(|_| Plain::new(0)),
            finished: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            status: AtomicI32::new(NtStatus::PENDING.0),
            returned: AtomicI32::new(0),
        }
    }

    /// What the caller of the core was told.
    pub(crate) fn returned(&self, status: NtStatus) {
        self.returned.store(status.0, Ordering::Relaxed);
    }

    /// The status that the write ended with.
    pub(crate) fn ended(&self) -> NtStatus {
        NtStatus(self.status.load(Ordering::Relaxed))
    }

    /// It ended once, its IRP was freed at most once, and the caller was told so or told to wait.
    pub(crate) fn check(&self) {
        assert_eq!(self.ended.load(Ordering::Relaxed), 1);
        assert!(self.finished.load(Ordering::Relaxed) <= 1);
        let returned = NtStatus(self.returned.load(Ordering::Relaxed));
        assert!(returned == self.ended() || (returned == NtStatus::PENDING && !self.synchronous));
    }

    fn end(&self, status: NtStatus) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.status.store(status.0, Ordering::Relaxed);
        if let Some((batch, signals)) = &self.batch
            && batch.leave()
        {
            signals.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A request that was not sent.
pub(crate) struct Waiting(pub(crate) Arc<Write>);

/// A request that was sent.
#[derive(Clone)]
pub(crate) struct Sent(Arc<Write>);

/// The kernel.
pub(crate) struct Machine {
    statistics: Statistics,
    held: Mutex<Option<mpsc::Sender<Sent>>>,
}

/// Nothing is sent after this.
pub(crate) struct LastSender<'a>(&'a Machine);

impl Drop for LastSender<'_> {
    fn drop(&mut self) {
        if let Ok(mut held) = self.0.held.lock() {
            held.take();
        }
    }
}

impl Machine {
    /// A kernel whose device sends what it holds to whoever completes it.
    pub(crate) fn new(held: mpsc::Sender<Sent>) -> Self {
        Self {
            statistics: Statistics::new(),
            held: Mutex::new(Some(held)),
        }
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// When this goes nothing more will be sent, so that whoever completes writes comes to an end, also if a test
    /// has failed.
    pub(crate) fn last_sender(&self) -> LastSender<'_> {
        LastSender(self)
    }

    /// The device completes a write.
    pub(crate) fn complete(&self, sent: Sent) {
        sent.0.notes[COMPLETION].set(1);
        owned::on_complete(self, &self.statistics, sent);
    }

    /// Somebody cancels a write, which may not be sent yet, or over.
    pub(crate) fn cancel(&self, write: &Arc<Write>) {
        if write.token.cancel() {
            write.notes[CANCEL].set(1);
            owned::on_cancel(self, &self.statistics, Sent(Arc::clone(write)));
        }
    }
}

impl Kernel for Machine {
    type File = FileFlags;
    type Device = ();
    type Address = usize;
    type LockedPages = ();
    type SystemBuffer = ();
    type Mdl = ();
    type FastWrite = ();

    fn previous_mode(&self) -> ProcessorMode {
        ProcessorMode::Kernel
    }

    fn fast_table_size(&self, (): ()) -> Option<u32> {
        None
    }

    fn fast_write_slot(&self, (): ()) -> Option<()> {
        None
    }

    fn fast_write(&self, (): (), _: &WriteCall<Self>, _: usize) -> Result<Option<IoStatus>, NtStatus> {
        Ok(None)
    }

    fn buffer_method(&self, (): ()) -> BufferMethod {
        BufferMethod::Neither
    }

    fn is_user_range(&self, _: usize, _: u32) -> bool {
        true
    }

    fn capture(&self, _: usize, _: u32) -> Result<(), NtStatus> {
        Ok(())
    }

    fn probe_and_lock(&self, _: usize, _: u32, _: ProcessorMode) -> Result<(), NtStatus> {
        Ok(())
    }

    fn partial_mdl(&self, (): (), _: u32) -> Result<(), NtStatus> {
        Ok(())
    }

    fn system_mdl(&self, _: usize, _: u32) -> Result<(), NtStatus> {
        Ok(())
    }

    fn mapped_address(&self, (): ()) -> Option<usize> {
        None
    }

    fn map(&self, (): (), _: u32) -> Result<usize, NtStatus> {
        Ok(0)
    }
}

/// The file object is its flags. What is reported to it is the business of the request here.
impl FileObjects for Machine {
    type Event = ();
    type PortContext = ();
    type StatusBlock = ();

    fn file_flags(&self, file: FileFlags) -> FileFlags {
        file
    }

    fn related_device(&self, _: FileFlags) {}

    fn locked_length(&self, (): ()) -> usize {
        0
    }

    fn current_byte_offset(&self, _: FileFlags) -> i64 {
        0
    }

    fn set_current_byte_offset(&self, _: FileFlags, _: i64) {}

    fn has_completion_port(&self, _: FileFlags) -> bool {
        false
    }

    fn completes_deferred(&self) -> bool {
        false
    }

    fn clear_event(&self, (): ()) {}

    fn clear_file_event(&self, _: FileFlags) {}

    fn count_operation(&self) {}

    fn count_transfer(&self, _: usize) {}

    fn store_status(&self, (): (), _: IoStatus) {}

    fn load_status(&self, (): ()) -> IoStatus {
        IoStatus::failed(NtStatus::SUCCESS)
    }

    fn set_event(&self, (): ()) {}

    fn set_file_event(&self, _: FileFlags) {}

    fn set_final_status(&self, _: FileFlags, _: NtStatus) {}

    fn post_packet(&self, _: FileFlags, (): (), _: IoStatus) {}
}

impl Request<Machine> for Waiting {
    type Sent = Sent;

    fn begin(
        self,
        _: &Machine,
        _: &WriteCall<Machine>,
        _: Payload<Machine>,
        _: Decision,
    ) -> Result<Sent, (Self, NtStatus)> {
        Ok(Sent(self.0))
    }

    fn refuse(self, _: &Machine, status: NtStatus, _: Decision) -> NtStatus {
        self.0.end(status);
        status
    }

    fn complete(self, _: &Machine, ended: Ended) -> NtStatus {
        self.0.end(ended.io.status);
        ended.io.status
    }
}

impl SentWrite<Machine> for Sent {
    type Request = Waiting;

    fn handoff(&self) -> &Handoff {
        &self.0.handoff
    }

    fn arm_cancel(&self, _: &Machine) -> bool {
        self.0.token.arm()
    }

    fn disarm_cancel(&self, _: &Machine) -> bool {
        self.0.token.disarm()
    }

    fn send(&self, kernel: &Machine, (): ()) -> NtStatus {
        if self.0.device == Device::Inline {
            kernel.complete(self.clone());
            return NtStatus::SUCCESS;
        }
        if let Some(held) = &*kernel.held.lock().unwrap() {
            held.send(self.clone()).unwrap();
        }
        NtStatus::PENDING
    }

    fn cancel_lower(&self, _: &Machine) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    fn mark_pending(&self, _: &Machine) {
        self.0.notes[SENDER].set(1);
    }

    fn lower_status(&self, _: &Machine) -> IoStatus {
        let cancelled = self.0.cancelled.load(Ordering::Relaxed);
        IoStatus::failed(if cancelled {
            NtStatus::CANCELLED
        } else {
            NtStatus::SUCCESS
        })
    }

    fn finish(self, _: &Machine) -> Waiting {
        // All that the parties left is here, or there is no such party.
        let [_, completion, _] = self.0.notes.each_ref().map(Plain::get);
        assert!(completion == 1 || self.0.token.is_cancelled());
        self.0.finished.fetch_add(1, Ordering::Relaxed);
        Waiting(self.0)
    }

    fn patience(&self) -> Option<Patience> {
        self.0.synchronous.then_some(Patience::UNTIL_OVER)
    }

    fn wait(&self, _: &Machine, _: Patience) -> NtStatus {
        let over = self.0.over.lock().unwrap();
        drop(self.0.woken.wait_while(over, |over| !*over).unwrap());
        NtStatus::SUCCESS
    }

    fn wake(&self, _: &Machine) {
        *self.0.over.lock().unwrap() = true;
        self.0.woken.notify_all();
    }
}
