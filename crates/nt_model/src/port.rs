//! Completion ports.

use std::collections::VecDeque;

use kswrite_core::{IoStatus, Patience};

use crate::{Cpu, FileId, IrpId, Irql, PortId, state::State, thread::WaitFor, trace::io_args};

/// The context of a completion packet: `ApcContext`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortContext(pub u64);

/// A packet, dequeued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The key of the file object in the port.
    pub key: u64,
    /// The context of the write.
    pub context: PortContext,
    /// What the write came to.
    pub io: IoStatus,
}

/// A packet in its queue.
pub(crate) struct Queued {
    packet: Packet,
    /// The IRP that became the packet, and is freed when it is dequeued.
    irp: Option<IrpId>,
}

/// A completion port.
#[derive(Default)]
pub(crate) struct Port {
    pub(crate) packets: VecDeque<Queued>,
    /// Handles of programs.
    pub(crate) handles: u32,
    /// There were handles of programs, and all are closed: nobody can dequeue.
    pub(crate) closed: bool,
}

impl State {
    /// Queues a packet for a write to a file object that has a port.
    pub(crate) fn queue_packet(
        &mut self,
        file: FileId,
        context: PortContext,
        io: IoStatus,
        irp: Option<IrpId>,
    ) {
        if let Some((port, key)) = self.files[file].port {
            let packet = Packet { key, context, io };
            self.ports[port].packets.push_back(Queued { packet, irp });
            self.empty_if_closed(port);
        }
    }

    /// `NtClose` of a handle of a program. With the last one the packets go.
    pub(crate) fn close_port(&mut self, port: PortId) {
        let open = &mut self.ports[port];
        open.handles = open.handles.saturating_sub(1);
        open.closed = open.handles == 0;
        self.empty_if_closed(port);
    }

    fn empty_if_closed(&mut self, port: PortId) {
        if self.ports[port].closed {
            for queued in std::mem::take(&mut self.ports[port].packets) {
                if let Some(irp) = queued.irp {
                    self.free_packet_irp(irp);
                }
            }
        }
    }
}

impl Cpu<'_> {
    /// `NtRemoveIoCompletion` that does not wait.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn dequeue(&self, port: PortId) -> Option<Packet> {
        self.enter("NtRemoveIoCompletion", Irql::Passive, &[port.into()]);
        let queued = self.with(|state| state.ports[port].packets.pop_front())?;
        if let Some(irp) = queued.irp {
            self.with(|state| state.free_packet_irp(irp));
        }
        let [status, bytes] = io_args(queued.packet.io);
        self.note("  dequeued", &[status, bytes]);
        Some(queued.packet)
    }

    /// `NtRemoveIoCompletion`. `None`: there will never be a packet, which is a finding.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    pub fn wait_for_packet(&self, port: PortId) -> Option<Packet> {
        let _woken = self.block(WaitFor::Packet(port), Patience::UNTIL_OVER);
        self.dequeue(port)
    }
}
