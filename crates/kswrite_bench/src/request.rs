//! The services of writes that the driver completes.

use std::cell::Cell;
use std::rc::Rc;

use kswrite_core::{
    CancelToken, Decision, Ended, FileWrite, Handoff, IoStatus, NtStatus, WriteCall,
    owned::{Request, SentWrite},
    payload::Payload,
};

use crate::device::report_again;
use crate::kernel::Cpu;
use crate::pool::{Irp, Pool};
use crate::thread_irps::{carried, fields};

/// What the parties of a write share. A driver has it in non-paged memory of its own and uses it again.
pub(crate) struct Context {
    handoff: Handoff,
    token: CancelToken,
    /// A write to a file object; none for one that came to a filter.
    write: Option<FileWrite<Cpu>>,
    irp: Cell<u32>,
}

impl Context {
    pub(crate) fn empty() -> Self {
        Self {
            handoff: Handoff::new(),
            token: CancelToken::new(),
            write: None,
            irp: Cell::default(),
        }
    }
}

/// A request that was not sent.
pub(crate) struct Requested(Rc<Context>);

/// Makes a request. The caller's work, not the core's.
#[inline(never)]
pub(crate) fn request(cpu: Cpu, write: Option<FileWrite<Cpu>>) -> Option<Requested> {
    let mut context = cpu.0.contexts.borrow_mut().pop()?;
    Pool::count(&cpu.0.takes);
    // Nobody else has it: it was given back.
    if let Some(context) = Rc::get_mut(&mut context) {
        context.handoff = Handoff::new();
        context.token = CancelToken::new();
        context.write = write;
    }
    Some(Requested(context))
}

impl Requested {
    #[inline]
    fn give_back(self, cpu: Cpu) {
        cpu.0.contexts.borrow_mut().push(self.0);
    }
}

/// A request that was given an IRP.
#[derive(Clone)]
pub(crate) struct Sent(pub(crate) Rc<Context>);

impl Request<Cpu> for Requested {
    type Sent = Sent;

    #[inline(never)]
    fn begin(
        self,
        kernel: &Cpu,
        call: &WriteCall<Cpu>,
        payload: Payload<Cpu>,
        _decision: Decision,
    ) -> Result<Sent, (Self, NtStatus)> {
        let pool = kernel.0;
        let Some(index) = pool.free_irps.take() else {
            return Err((self, NtStatus::INSUFFICIENT_RESOURCES));
        };
        Pool::count(&pool.takes);
        let flags = payload.owned_irp_flags();
        let slot = &pool.irps[index as usize];
        slot.irp.set(Irp {
            ..fields(call, carried(payload), flags)
        });
        slot.context.set(Some(Rc::clone(&self.0)));
        self.0.irp.set(index);
        Ok(Sent(self.0))
    }

    #[inline(never)]
    fn refuse(self, kernel: &Cpu, status: NtStatus, _decision: Decision) -> NtStatus {
        self.give_back(*kernel);
        status
    }

    #[inline(never)]
    fn complete(self, kernel: &Cpu, ended: Ended) -> NtStatus {
        let status = match &self.0.write {
            Some(write) => report_again(*kernel, write, ended),
            // The caller's own IRP is completed; that is the kernel's work.
            None => ended.io.status,
        };
        self.give_back(*kernel);
        status
    }
}

impl SentWrite<Cpu> for Sent {
    type Request = Requested;

    fn handoff(&self) -> &Handoff {
        &self.0.handoff
    }

    #[inline(never)]
    fn arm_cancel(&self, _kernel: &Cpu) -> bool {
        self.0.token.arm()
    }

    #[inline(never)]
    fn disarm_cancel(&self, _kernel: &Cpu) -> bool {
        self.0.token.disarm()
    }

    #[inline(never)]
    fn send(&self, kernel: &Cpu, (): ()) -> NtStatus {
        kernel.0.device.dispatch.get()(kernel.0, self.0.irp.get())
    }

    #[inline(never)]
    fn cancel_lower(&self, kernel: &Cpu) {
        Pool::count(&kernel.0.locks);
    }

    #[inline(never)]
    fn mark_pending(&self, _kernel: &Cpu) {}

    #[inline(never)]
    fn lower_status(&self, kernel: &Cpu) -> IoStatus {
        kernel.0.irps[self.0.irp.get() as usize].io.get()
    }

    #[inline(never)]
    fn finish(self, kernel: &Cpu) -> Requested {
        kernel.0.free_irp(self.0.irp.get());
        Requested(self.0)
    }
}
