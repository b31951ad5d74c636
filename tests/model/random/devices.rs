//! The device stacks of a random program.

use kswrite_core::{BufferMethod, IoStatus, NtStatus};
use nt_model::{DeviceId, FastRoutine, Invoke, OnIrp, Script, World};

use crate::rig::INFORMATIONAL;

/// A device, with what is above it.
pub(crate) struct Stack {
    pub(crate) device: DeviceId,
    pub(crate) script: Script,
    /// Whether a driver above the device may tell its caller to wait for what was complete at once.
    pub(crate) filtered: bool,
}

fn plain(world: &World, script: Script) -> Stack {
    Stack {
        device: world.device(script),
        script,
        filtered: false,
    }
}

fn filtered(world: &World, script: Script, filters: u8) -> Stack {
    let stack = plain(world, script);
    for filter in 0..filters {
        let _top = world.attach_filter(stack.device, filter == 0);
    }
    Stack {
        filtered: true,
        ..stack
    }
}

/// One of each kind.
pub(crate) fn stacks(world: &World) -> Vec<Stack> {
    use BufferMethod::{Buffered, Direct, Neither};
    let hold = Script::hold;
    let inline = Script::inline;
    let stubborn = |method| Script {
        cancellable: false,
        ..hold(method)
    };
    let moving = |script| Script {
        moves_position: true,
        ..script
    };
    let answer = IoStatus {
        status: INFORMATIONAL,
        information: 2,
    };
    let stacks = vec![
        plain(world, moving(hold(Buffered)).with_fast(FastRoutine::Decline)),
        plain(world, stubborn(Direct).with_fast(FastRoutine::Answer(answer))),
        plain(world, hold(Neither)),
        plain(world, moving(inline(Direct)).with_fast(FastRoutine::Accept)),
        plain(
            world,
            inline(Buffered).on_irp(OnIrp::Inline(NtStatus::IO_DEVICE_ERROR)),
        ),
        plain(
            world,
            inline(Direct).on_irp(OnIrp::InlineAsPending(NtStatus::BUFFER_OVERFLOW)),
        ),
        plain(
            world,
            Script {
                takes: Some(5),
                ..moving(inline(Neither)).with_fast(FastRoutine::AcceptAsFileSystem)
            },
        ),
        plain(world, hold(Direct).on_irp(OnIrp::Later(NtStatus::SUCCESS))),
        filtered(world, hold(Direct), 1),
        filtered(world, stubborn(Neither), 2),
        filtered(world, inline(Buffered).with_fast(FastRoutine::Accept), 1),
        filtered(
            world,
            hold(Buffered).with_fast(FastRoutine::Raise(NtStatus::DEVICE_NOT_READY)),
            2,
        ),
        plain(world, moving(hold(Buffered))),
    ];
    let through = Invoke {
        on_success: true,
        on_error: true,
        on_cancel: true,
    };
    if let Some(last) = stacks.last() {
        let _top = world.attach_pass_through(last.device, through);
    }
    stacks
}
