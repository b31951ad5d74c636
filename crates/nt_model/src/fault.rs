//! Where a kernel service can fail, and making it fail.

use kswrite_core::NtStatus;

/// A point at which a kernel service can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// `IoAllocateIrp` returns NULL.
    AllocateIrp,
    /// `IoAllocateMdl` returns NULL.
    AllocateMdl,
    /// The pool is empty.
    Pool,
    /// The quota of the process is used up.
    Quota,
    /// Access to the buffer raises while it is copied.
    Copy,
    /// `MmProbeAndLockPages` raises.
    ProbeAndLock,
    /// `MmGetSystemAddressForMdlSafe` returns NULL.
    Map,
    /// The fast-I/O routine raises.
    FastWrite,
    /// The device completes the IRP at once with an error.
    Send,
    /// Something else than the object ends a wait, where the wait allows that.
    Wait,
    /// What a completion packet needs cannot be set aside.
    Packet,
}

const SERVICES: usize = 11;

impl Service {
    /// Every point.
    pub const ALL: [Self; SERVICES] = [
        Self::AllocateIrp,
        Self::AllocateMdl,
        Self::Pool,
        Self::Quota,
        Self::Copy,
        Self::ProbeAndLock,
        Self::Map,
        Self::FastWrite,
        Self::Send,
        Self::Wait,
        Self::Packet,
    ];

    /// The status with which a fault comes if it names none.
    pub const fn usual(self) -> NtStatus {
        match self {
            Self::AllocateIrp | Self::AllocateMdl | Self::Pool | Self::Map | Self::Packet => {
                NtStatus::INSUFFICIENT_RESOURCES
            }
            Self::Quota => NtStatus::QUOTA_EXCEEDED,
            Self::Copy | Self::ProbeAndLock => NtStatus::ACCESS_VIOLATION,
            Self::FastWrite | Self::Send => NtStatus::IO_DEVICE_ERROR,
            Self::Wait => NtStatus::ALERTED,
        }
    }
}

/// One failure to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    service: Option<Service>,
    calls_before: u64,
    status: Option<NtStatus>,
}

impl Fault {
    /// At the point number `n` from now, whatever it is; 0 is the next.
    #[must_use]
    pub const fn at_point(n: u64) -> Self {
        Self {
            service: None,
            calls_before: n,
            status: None,
        }
    }

    /// At the call number `n` of this service from now; 0 is the next.
    #[must_use]
    pub const fn on(service: Service, n: u64) -> Self {
        Self {
            service: Some(service),
            calls_before: n,
            status: None,
        }
    }

    /// With this status instead of the usual one.
    #[must_use]
    pub const fn with_status(self, status: NtStatus) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }
}

/// What is armed, and what was met.
#[derive(Default)]
pub(crate) struct Faults {
    armed: Vec<Fault>,
    met: Vec<Service>,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed.push(fault);
    }

    pub(crate) fn met(&self) -> &[Service] {
        &self.met
    }

    /// A point is met. `Some`: it fails, with this status.
    pub(crate) fn strikes(&mut self, service: Service) -> Option<NtStatus> {
        self.met.push(service);
        let mut struck = None;
        for fault in &mut self.armed {
            if fault.service.is_none_or(|wanted| wanted == service) {
                if fault.calls_before == 0 {
                    struck = Some(fault.status.unwrap_or(service.usual()));
                }
                // One that struck wraps and is taken out below.
                fault.calls_before = fault.calls_before.wrapping_sub(1);
            }
        }
        if struck.is_some() {
            self.armed.retain(|fault| fault.calls_before != u64::MAX);
        }
        struck
    }
}
