//! The write path of the filter: what comes to it from above goes to the device below, by fast I/O or by an IRP of
//! its own.

use std::{collections::BTreeSet, rc::Rc};

use kswrite_core::{
    BufferMethod, FileFlags, FileObjects as _, IoStatus, Kernel as _, NtStatus, ProcessorMode, Snapshot,
    WriteCall, fast::TABLE_SIZE_WITH_WRITE, managed::ThreadIrps as _, payload::Payload,
};
use nt_model::{
    Address, Body, DeviceId, FastRoutine, FastTable, Fault, Header, IRP_BUFFERED_IO, IRP_WRITE_OPERATION,
    IrpId, Irql, KERNEL_BASE, Location, NtWrite, OnIrp, PAGE_BYTES, Protection, Script, Service, World,
    schedule::{Enumerate, Scheduler},
};

use crate::rig::{
    ASYNCHRONOUS, BYTES, INFORMATIONAL, KINDS, LENGTH, METHODS, Rig, SYNCHRONOUS, Signal, WHOLE, Write,
};

/// The program writes to the top of a stack: a device, and the filter above it.
struct Stack {
    rig: Rig,
    filter: DeviceId,
}

impl Stack {
    fn new(below: Script, flags: FileFlags) -> Self {
        let world = World::new();
        let device = world.device(below);
        let filter = world.attach_filter(device, false);
        Self {
            rig: Rig::on(world, device, flags),
            filter,
        }
    }

    fn statistics(&self) -> Snapshot {
        self.rig.world.statistics(self.filter).snapshot()
    }

    /// How the write went on below the filter: by fast I/O, by IRP.
    fn ways(&self) -> (usize, usize) {
        let effects = self.rig.effects();
        (effects.fast, effects.irps)
    }
}

/// The same with a third device above the filter, which holds every IRP and sends it down when it is told to. It has
/// a method of its own, so that IRPs come to the filter that carry their bytes in another way than the device
/// below the filter wants them.
struct Held {
    stack: Stack,
    irp: IrpId,
}

/// A stack with such a device, asynchronous.
fn held_stack(below: Script, above: BufferMethod) -> Stack {
    let world = World::new();
    let device = world.device(below);
    let filter = world.attach_filter(device, false);
    let script = Script {
        cancellable: false,
        ..Script::hold(above)
    };
    let _holder = world.attach(device, script);
    Stack {
        rig: Rig::on(world, device, ASYNCHRONOUS),
        filter,
    }
}

/// The IRP that the third device holds.
fn holding(stack: Stack) -> Held {
    let world = &stack.rig.world;
    let top = world.top_of(stack.filter);
    let irp = world.held(top)[0];
    Held { stack, irp }
}

impl Held {
    fn new(below: Script, above: BufferMethod, change: impl Fn(&Rig) -> Write) -> Self {
        let stack = held_stack(below, above);
        let write = change(&stack.rig);
        assert_eq!(stack.rig.submit(&write).status, NtStatus::PENDING);
        holding(stack)
    }

    /// Sends it down in the thread of the program.
    fn send(&self) {
        assert!(self.stack.rig.cpu().send_down(self.irp));
    }

    #[track_caller]
    fn assert_ended(&self, io: IoStatus) {
        assert_eq!(self.stack.rig.effects().block, Some(io));
        self.stack.rig.check();
    }
}

fn with_table(script: Script, size: u32, has_write: bool) -> Script {
    let table = Some(FastTable { size, has_write });
    Script { table, ..script }
}

/// KS-20: the filter's attempt is forbidden for a user requestor in a thread whose previous mode is kernel, only.
#[test]
fn ks_20_filter_gate() {
    use ProcessorMode::{Kernel, User};
    for (requestor, previous, allowed) in [
        (Kernel, Kernel, true),
        (Kernel, User, true),
        (User, User, true),
        (User, Kernel, false),
    ] {
        for method in METHODS {
            let stack = Stack::new(
                Script::inline(method).with_fast(FastRoutine::Accept),
                ASYNCHRONOUS,
            );
            let rig = &stack.rig;
            rig.world.set_previous_mode(rig.thread, previous);
            let mut write = Write {
                mode: requestor,
                ..rig.write()
            };
            if requestor == Kernel {
                write.data = kswrite_core::Data::Raw(rig.world.kernel_buffer(BYTES));
            }
            assert_eq!(rig.submit(&write).status, NtStatus::SUCCESS);
            let ways = if allowed { (1, 0) } else { (0, 1) };
            assert_eq!(stack.ways(), ways, "{requestor:?}/{previous:?} {method:?}");
            assert_eq!(rig.effects().block, Some(WHOLE));
            assert_eq!(rig.world.accepted(rig.device), BYTES);
            rig.check();
        }
    }
}

/// KS-21: no table below, a table that ends before the slot, and an empty slot all mean an IRP.
/// The policy of a device: no attempt is made, an IRP takes its place, and it is counted as left out.
#[test]
fn ks_20_filter_policy_without_attempts() {
    for method in METHODS {
        let below = Script::inline(method).with_fast(FastRoutine::Accept);
        let stack = Stack::new(below, ASYNCHRONOUS);
        let world = &stack.rig.world;
        world.set_fast_attempts(stack.filter, false);
        assert_eq!(stack.rig.submit(&stack.rig.write()).status, NtStatus::SUCCESS);
        assert_eq!(stack.ways(), (0, 1), "{method:?}");
        assert_eq!(stack.rig.effects().block, Some(WHOLE));
        let seen = stack.statistics();
        let counts = (seen.attempted, seen.skipped, seen.fast, seen.irp);
        assert_eq!(counts, (1, 1, 0, 1), "{method:?}");
        assert_eq!(world.accepted(stack.rig.device), BYTES);
        stack.rig.check();
    }
}

#[test]
fn ks_21_filter_above_a_device_without_a_routine() {
    for script in [
        Script::default(),
        with_table(Script::default(), TABLE_SIZE_WITH_WRITE - 1, true),
        with_table(Script::default(), TABLE_SIZE_WITH_WRITE, false),
    ] {
        let stack = Stack::new(script, ASYNCHRONOUS);
        assert_eq!(stack.rig.submit(&stack.rig.write()).status, NtStatus::SUCCESS);
        let seen = stack.statistics();
        assert_eq!((seen.skipped, seen.fast, seen.irp), (1, 0, 1), "{script:?}");
        assert_eq!(stack.rig.world.accepted(stack.rig.device), BYTES);
        stack.rig.check();
    }
    let exactly = with_table(Script::default(), TABLE_SIZE_WITH_WRITE, true);
    let stack = Stack::new(exactly, ASYNCHRONOUS);
    assert_eq!(stack.rig.submit(&stack.rig.write()).status, NtStatus::SUCCESS);
    assert_eq!(stack.ways(), (1, 0));
    stack.rig.check();
}

/// KS-24, KS-25, KS-26: only TRUE with `STATUS_SUCCESS` is done; anything else is written by IRP, once.
#[test]
fn ks_24_25_26_filter_what_counts_as_done() {
    let answer = |status| {
        FastRoutine::Answer(IoStatus {
            status,
            information: 3,
        })
    };
    let rows = [
        (FastRoutine::Accept, true),
        (FastRoutine::Decline, false),
        (answer(NtStatus::BUFFER_OVERFLOW), false),
        (answer(NtStatus::IO_DEVICE_ERROR), false),
        (answer(INFORMATIONAL), false),
        (answer(NtStatus::PENDING), false),
    ];
    for (routine, done) in rows {
        for method in METHODS {
            let stack = Stack::new(Script::inline(method).with_fast(routine), SYNCHRONOUS);
            assert_eq!(stack.rig.submit(&stack.rig.write()).status, NtStatus::SUCCESS);
            let seen = stack.statistics();
            let counts = if done { (1, 0, 0) } else { (0, 1, 1) };
            assert_eq!((seen.fast, seen.declined, seen.irp), counts, "{routine:?}");
            assert_eq!(stack.rig.effects().block, Some(WHOLE));
            assert_eq!(stack.rig.world.accepted(stack.rig.device), BYTES, "once");
            stack.rig.check();
        }
    }
}

/// KS-30: an exception on the requestor's own address is the result; with captured data the IRP decides.
#[test]
fn ks_30_filter_above_a_raising_routine() {
    for method in METHODS {
        let script = Script::inline(method).with_fast(FastRoutine::Raise(NtStatus::ACCESS_VIOLATION));
        let stack = Stack::new(script, ASYNCHRONOUS);
        let told = stack.rig.submit(&stack.rig.write()).status;
        let seen = stack.statistics();
        let raw = method == BufferMethod::Neither;
        let (status, counts) = if raw {
            (NtStatus::ACCESS_VIOLATION, (1, 0, 1))
        } else {
            (NtStatus::SUCCESS, (1, 1, 0))
        };
        assert_eq!(told, status, "{method:?}");
        assert_eq!((seen.faulted, seen.irp, seen.rejected), counts, "{method:?}");
        assert_eq!(stack.rig.effects().accepted, if raw { 0 } else { BYTES.len() });
        stack.rig.check();
    }
}

/// Sends a write to the top of the stack as a driver may fill it.
fn send_filled(stack: &Stack, fill: impl Fn(&mut WriteCall<nt_model::Cpu<'static>>)) -> NtStatus {
    let rig = &stack.rig;
    let cpu = rig.cpu();
    let device = cpu.related_device(rig.file);
    let write = rig.write();
    let mut call = WriteCall {
        file: Some(rig.file),
        device,
        data: write.data,
        length: LENGTH,
        offset: 0,
        key: 0,
        mode: ProcessorMode::User,
        in_requestor_context: true,
        may_page: true,
        may_wait: false,
        bypasses_cache: false,
        stack_flags: 0,
        irp_flags: IRP_WRITE_OPERATION,
    };
    fill(&mut call);
    let payload = Payload::System(cpu.capture(rig.buffer, LENGTH).unwrap());
    let irp = cpu.allocate_irp(&write, &call, None, payload).unwrap();
    cpu.reference_file(rig.file);
    let (returned, queued) = cpu.queue_and_send(irp, device);
    assert_eq!(
        rig.world.irp(queued),
        None,
        "without deferral an APC has ended it"
    );
    returned
}

/// KS-31: a write that says of itself that it is to go past the cache, or is for paging, is an IRP whatever the table
/// below says: a fast-I/O routine could not know.
#[test]
fn ks_31_writes_that_a_fast_routine_must_not_see() {
    const IRP_NOCACHE: u32 = 0x1;
    const IRP_PAGING_IO: u32 = 0x2;
    const IRP_SYNCHRONOUS_PAGING_IO: u32 = 0x40;
    const SL_WRITE_THROUGH: u8 = 0x4;
    let rows = [
        (0, 0, true),
        (IRP_NOCACHE, 0, false),
        (IRP_PAGING_IO, 0, false),
        (IRP_SYNCHRONOUS_PAGING_IO, 0, false),
        (0, SL_WRITE_THROUGH, false),
    ];
    for (irp_flags, stack_flags, attempted) in rows {
        let stack = Stack::new(Script::default().with_fast(FastRoutine::Accept), ASYNCHRONOUS);
        let told = send_filled(&stack, |call| {
            call.irp_flags |= irp_flags;
            call.stack_flags = stack_flags;
        });
        assert_eq!(told, NtStatus::SUCCESS);
        assert_eq!(stack.ways(), if attempted { (1, 0) } else { (0, 1) });
        let seen = stack.statistics();
        assert_eq!(seen.skipped, u64::from(!attempted));
        if !attempted {
            let (header, location) = stack.rig.irp();
            assert_eq!(header.flags & irp_flags, irp_flags, "it still says so");
            assert_eq!(location.flags, stack_flags);
        }
        assert_eq!(stack.rig.world.accepted(stack.rig.device), BYTES);
        stack.rig.check();
    }
}

/// KS-31: the same by way of the flags of the file object.
#[test]
fn ks_31_file_objects_that_go_past_the_cache() {
    for flags in [FileFlags::NO_INTERMEDIATE_BUFFERING, FileFlags::WRITE_THROUGH] {
        let stack = Stack::new(Script::default().with_fast(FastRoutine::Accept), flags);
        assert_eq!(stack.rig.submit(&stack.rig.write()).status, NtStatus::SUCCESS);
        assert_eq!(stack.ways(), (0, 1), "{flags:?}");
        stack.rig.check();
    }
}

/// KF-22: at `DISPATCH_LEVEL` nothing pageable is touched: no attempt, and the bytes go down in what carries them. (A raw
/// address goes down as it is.)
#[test]
fn kf_22_a_write_at_dispatch_level() {
    for method in METHODS {
        let held = Held::new(
            Script::inline(method).with_fast(FastRoutine::Accept),
            method,
            Rig::write,
        );
        let cpu = held.stack.rig.cpu();
        let before = cpu.raise_irql(Irql::Dispatch);
        held.send();
        cpu.lower_irql(before);
        assert_eq!(held.stack.ways(), (0, 1), "{method:?}");
        let seen = held.stack.rig.world.seen(held.stack.rig.device);
        assert_eq!(seen[0].irql, Irql::Dispatch);
        assert_eq!(held.stack.statistics().skipped, 1);
        held.assert_ended(WHOLE);
    }
}

/// PF-15, KF-18, KF-19: a raw address of a user is used in the requestor's thread only: in another one it is neither given
/// to a fast routine, nor copied, nor locked.
#[test]
fn pf_15_kf_18_19_a_raw_address_in_another_thread() {
    for below in [BufferMethod::Buffered, BufferMethod::Direct] {
        for in_context in [true, false] {
            let script = Script::inline(below).with_fast(FastRoutine::Accept);
            let held = Held::new(script, BufferMethod::Neither, Rig::write);
            let rig = &held.stack.rig;
            let touches = rig.world.touches();
            if in_context {
                held.send();
                assert_eq!(held.stack.ways(), (1, 0));
                held.assert_ended(WHOLE);
            } else {
                assert!(rig.world.system().send_down(held.irp));
                assert_eq!(rig.world.touches(), touches, "no page was touched");
                assert_eq!(held.stack.ways(), (0, 0));
                assert_eq!(held.stack.statistics().rejected, 1);
                held.assert_ended(IoStatus::failed(NtStatus::ACCESS_VIOLATION));
            }
        }
    }
    // Bytes that are captured or locked go on in any thread.
    for above in [BufferMethod::Buffered, BufferMethod::Direct] {
        for below in METHODS {
            // To a device that asks for raw addresses, those of locked pages are a user's.
            if (above, below) == (BufferMethod::Direct, BufferMethod::Neither)
                || captured_for_raw(above, below)
            {
                continue;
            }
            let held = Held::new(Script::inline(below), above, Rig::write);
            assert!(held.stack.rig.world.system().send_down(held.irp));
            assert_eq!(held.stack.ways(), (0, 1));
            held.assert_ended(WHOLE);
        }
    }
}

/// KS-50, KS-52, KS-56: whatever carries the bytes to the filter, they reach a device of every method in the way that
/// it wants, whole, however it ends the write.
#[test]
fn ks_50_52_56_filter_payloads() {
    let ends = [
        OnIrp::Inline(NtStatus::SUCCESS),
        OnIrp::InlineAsPending(NtStatus::SUCCESS),
        OnIrp::Hold,
    ];
    for below in METHODS {
        for above in METHODS {
            for end in ends {
                for kernel in [true, false] {
                    if !kernel && captured_for_raw(above, below) {
                        continue;
                    }
                    let held = Held::new(Script::inline(below).on_irp(end), above, |rig| {
                        if !kernel {
                            return rig.write();
                        }
                        let data = kswrite_core::Data::Raw(rig.world.kernel_buffer(BYTES));
                        let mode = ProcessorMode::Kernel;
                        Write {
                            data,
                            mode,
                            ..rig.write()
                        }
                    });
                    held.send();
                    let rig = &held.stack.rig;
                    assert_carried(below, &rig.irp().0);
                    assert_eq!(rig.effects().block.is_none(), end == OnIrp::Hold);
                    if end == OnIrp::Hold {
                        assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
                    }
                    assert_eq!(rig.world.seen(rig.device)[0].bytes, Ok(BYTES.to_vec()));
                    assert_eq!(
                        rig.world.accepted(rig.device),
                        BYTES,
                        "{above:?} to {below:?} {end:?}"
                    );
                    held.assert_ended(WHOLE);
                }
            }
        }
    }
}

/// A program's bytes in a system buffer, and a device that wants addresses: it would take that of the buffer for one that
/// the program alleges, and refuse it. A filter has the method of the device below (KF-04), so that this does not occur.
fn captured_for_raw(above: BufferMethod, below: BufferMethod) -> bool {
    (above, below) == (BufferMethod::Buffered, BufferMethod::Neither)
}

/// One field carries the bytes: that of the method.
#[track_caller]
fn assert_carried(method: BufferMethod, header: &Header) {
    let fields = (
        header.system_buffer.is_some(),
        header.mdl.is_some(),
        header.user_buffer.is_some(),
    );
    let (wanted, flags) = match method {
        BufferMethod::Buffered => ((true, false, false), IRP_BUFFERED_IO),
        BufferMethod::Direct => ((false, true, false), 0),
        BufferMethod::Neither => ((false, false, true), 0),
    };
    assert_eq!(fields, wanted, "{method:?}");
    assert_eq!(header.flags, IRP_WRITE_OPERATION | flags);
}

/// KF-04: the filter takes its bytes in the way of the device below, so nothing is copied or locked a second time.
#[test]
fn kf_04_the_filter_has_the_method_of_the_device_below() {
    for (method, copies, locks) in [
        (BufferMethod::Buffered, 1, 0),
        (BufferMethod::Direct, 0, 1),
        (BufferMethod::Neither, 0, 0),
    ] {
        let stack = Stack::new(Script::hold(method), ASYNCHRONOUS);
        let rig = &stack.rig;
        assert_eq!(rig.submit(&rig.write()).status, NtStatus::PENDING);
        assert_eq!(rig.calls("ExAllocatePoolQuotaZero"), copies, "{method:?}");
        assert_eq!(rig.calls("MmProbeAndLockPages"), locks, "{method:?}");
        assert_eq!(rig.world.locks_of(rig.buffer), u32::try_from(locks).unwrap());
        assert!(rig.world.system().complete_next(rig.device, NtStatus::SUCCESS));
        assert_eq!(rig.effects().block, Some(WHOLE));
        rig.check();
    }
}

/// KF-07, KS-51, KS-55: a zero-length write reaches the device below, and nothing is copied, locked or allocated for
/// its bytes, wherever they are said to be.
#[test]
fn kf_07_ks_51_55_filter_zero_length() {
    for method in METHODS {
        for address in [Address(0), Address(KERNEL_BASE), Address(u64::MAX)] {
            let stack = Stack::new(Script::inline(method), ASYNCHRONOUS);
            let rig = &stack.rig;
            for service in [Service::Pool, Service::AllocateMdl, Service::Map] {
                rig.world.inject(Fault::on(service, 0));
            }
            let write = Write {
                data: kswrite_core::Data::Raw(address),
                length: 0,
                ..rig.write()
            };
            assert_eq!(
                rig.submit(&write).status,
                NtStatus::SUCCESS,
                "{method:?} {address}"
            );
            let (header, location) = rig.irp();
            assert_eq!(location.length, 0);
            assert_eq!((header.system_buffer, header.mdl), (None, None));
            let raw = (method == BufferMethod::Neither).then_some(address);
            assert_eq!(header.user_buffer, raw);
            assert_eq!(stack.statistics().irp, 1);
            let nothing = IoStatus {
                information: 0,
                ..WHOLE
            };
            assert_eq!(rig.effects().block, Some(nothing));
            rig.check();
        }
    }
}

/// KS-40, KS-53, KS-54, PF-04: whatever fails before the send is the result of the write; the device below is not
/// called, and everything is given back.
#[test]
fn ks_40_53_54_pf_04_filter_failures_before_the_send() {
    use BufferMethod::{Buffered, Direct, Neither};
    let mut rows = vec![
        (Neither, Buffered, Service::Pool),
        (Neither, Buffered, Service::Quota),
        (Neither, Buffered, Service::Copy),
        (Neither, Direct, Service::AllocateMdl),
        (Neither, Direct, Service::ProbeAndLock),
        (Buffered, Direct, Service::AllocateMdl),
        (Direct, Direct, Service::AllocateMdl),
        (Direct, Buffered, Service::Map),
    ];
    let pairs = METHODS
        .into_iter()
        .flat_map(|above| METHODS.map(|below| (above, below)));
    rows.extend(pairs.map(|(above, below)| (above, below, Service::AllocateIrp)));
    for (above, below, service) in rows {
        let held = Held::new(Script::inline(below), above, Rig::write);
        held.stack.rig.world.inject(Fault::on(service, 0));
        held.send();
        let seen = held.stack.statistics();
        assert_eq!((seen.rejected, seen.irp, seen.in_flight), (1, 0, 0));
        assert_eq!(held.stack.ways(), (0, 0), "{above:?} to {below:?}: {service:?}");
        held.assert_ended(IoStatus::failed(service.usual()));
    }
}

/// KS-53, KS-57, KS-59: a bad address is the exception that it raises; the device below is not called.
#[test]
fn ks_53_57_59_filter_bad_addresses() {
    for below in [BufferMethod::Buffered, BufferMethod::Direct] {
        let first = Address(0x4000_0000);
        for (address, length) in [
            (Address(0x7000), LENGTH),
            (Address(KERNEL_BASE), LENGTH),
            (Address(KERNEL_BASE - 1), 2),
            (Address(u64::MAX - 3), LENGTH),
            (first.plus(PAGE_BYTES - 4), 8),
        ] {
            // What comes to the filter is a raw address, which nobody has looked at.
            let stack = Stack::new(Script::inline(BufferMethod::Neither), ASYNCHRONOUS);
            let rig = &stack.rig;
            rig.world.set_script(rig.device, Script::inline(below));
            rig.world.map(first, &[1; 16], Protection::ReadWrite);
            let data = kswrite_core::Data::Raw(address);
            let write = Write {
                data,
                length,
                ..rig.write()
            };
            let told = rig.submit(&write).status;
            assert_eq!(told, NtStatus::ACCESS_VIOLATION, "{below:?} {address}");
            assert_eq!(stack.ways(), (0, 0), "{below:?} {address}");
            rig.check();
        }
    }
}

/// KF-23, KS-41, KS-42, KS-43, PF-22: the IRP of the filter is built by hand: file object, offset, key, length and the flags
/// that say how to write are those that came from above; how the upper IRP is completed is not in it; its
/// thread is the one that sends it.
#[test]
fn kf_23_ks_41_42_43_pf_22_the_irp_of_the_filter() {
    const IRP_NOCACHE: u32 = 0x1;
    const SL_WRITE_THROUGH: u8 = 0x4;
    let flags = SYNCHRONOUS | FileFlags::NO_INTERMEDIATE_BUFFERING | FileFlags::WRITE_THROUGH;
    for method in METHODS {
        let stack = Stack::new(Script::inline(method), flags);
        let rig = &stack.rig;
        rig.world.set_position(rig.file, 0x1_0000_0005);
        let key = 0x1234;
        let write = Write { key, ..rig.write() };
        assert_eq!(rig.submit(&write).status, NtStatus::SUCCESS);
        let (header, location) = rig.irp();
        let Location {
            major,
            minor,
            flags,
            length,
            key,
            offset,
            file,
            device,
            ..
        } = location;
        assert_eq!(
            (major, minor, flags),
            (nt_model::IRP_MJ_WRITE, 0, SL_WRITE_THROUGH)
        );
        assert_eq!((length, key, offset), (LENGTH, 0x1234, 0x1_0000_0005));
        assert_eq!((file, device), (Some(rig.file), Some(rig.device)));
        let buffered = if method == BufferMethod::Buffered {
            IRP_BUFFERED_IO
        } else {
            0
        };
        assert_eq!(header.flags, IRP_WRITE_OPERATION | IRP_NOCACHE | buffered);
        assert_eq!(
            (header.thread, header.requestor_mode),
            (Some(rig.thread), ProcessorMode::User)
        );
        assert_eq!(
            (header.user_iosb, header.user_event, header.user_apc_context),
            (None, None, None)
        );
        assert_eq!((header.cancel, header.has_cancel_routine), (false, false));
        assert_eq!(header.stack_count, 1);
        rig.check();
    }
}

/// KS-60: the end below is the end above: status, bytes, and whether it pended.
#[test]
fn ks_60_the_end_of_a_filtered_write_is_that_of_the_device() {
    for flags in KINDS {
        for status in crate::rig::STATUSES {
            for end in [OnIrp::Inline(status), OnIrp::InlineAsPending(status)] {
                let script = Script {
                    takes: Some(9),
                    ..Script::default().on_irp(end)
                };
                let stack = Stack::new(script, flags);
                let told = stack.rig.submit(&stack.rig.write()).status;
                let io = IoStatus {
                    status,
                    information: 9,
                };
                let pends = end != OnIrp::Inline(status);
                let synchronous = flags.is_synchronous();
                let waits = pends && !synchronous;
                assert_eq!(told, if waits { NtStatus::PENDING } else { status });
                let written = !status.is_error() || waits;
                let effects = stack.rig.effects();
                assert_eq!(effects.block, written.then_some(io), "{flags:?} {end:?}");
                let seen = stack.statistics();
                assert_eq!((seen.inline, seen.pended), (u64::from(!pends), u64::from(pends)));
                assert_eq!((seen.irp_bytes, seen.in_flight), (9, 0));
                stack.rig.check();
            }
        }
    }
}

/// KS-35, PF-19: a filter with a `FastIoWrite` of its own passes the call on to the routine below, with the device below,
/// and FALSE if there is none; one without makes every write an IRP. Either way the filter sees every write.
#[test]
fn ks_35_pf_19_a_filter_is_transparent_for_fast_io() {
    let accepting = Script::default().with_fast(FastRoutine::Accept);
    let rows = [
        (true, accepting, (1, 0)),
        (true, Script::default(), (0, 1)),
        (
            true,
            with_table(accepting, TABLE_SIZE_WITH_WRITE - 1, true),
            (0, 1),
        ),
        (true, with_table(accepting, TABLE_SIZE_WITH_WRITE, false), (0, 1)),
        (true, Script::default().with_fast(FastRoutine::Decline), (1, 1)),
        // By an IRP to the filter, which makes the attempt itself.
        (false, accepting, (1, 0)),
    ];
    for (publishes, script, below) in rows {
        let world = World::new();
        let device = world.device(script);
        let filter = world.attach_filter(device, publishes);
        let rig = Rig::on(world, device, SYNCHRONOUS);
        rig.world.set_position(rig.file, 77);
        let write = Write {
            key: 5,
            ..rig.write()
        };
        assert_eq!(rig.submit(&write).status, NtStatus::SUCCESS);
        let effects = rig.effects();
        // A routine that declined is asked again on behalf of the IRP.
        let asked_twice = publishes && script.fast == FastRoutine::Decline;
        assert_eq!(
            (effects.fast, effects.irps),
            (below.0 + usize::from(asked_twice), below.1)
        );
        assert_eq!(effects.block, Some(WHOLE));
        assert_eq!(effects.file_event, Signal::Set);
        let seen = rig.world.statistics(filter).snapshot();
        let came_fast = rig.world.seen(filter).len();
        assert_eq!(came_fast, usize::from(publishes));
        let forwarded = publishes && below.0 == 1;
        assert_eq!(seen.forwarded_fast, u64::from(forwarded));
        let came_by_irp = !(forwarded && script.fast == FastRoutine::Accept);
        assert_eq!(seen.attempted, u64::from(came_by_irp));
        for seen in rig.world.seen(device) {
            if let Some(arguments) = seen.came.fast() {
                assert_eq!((arguments.file, arguments.offset), (Some(rig.file), 77));
                assert_eq!((arguments.length, arguments.key), (LENGTH, 5));
            }
        }
        // The model finds a routine that is given a device of another driver.
        rig.check();
    }
}

/// KF-15: marking cancelable can fail: a request that was cancelled before it came is not sent, and ends with
/// `STATUS_CANCELLED`, once.
#[test]
fn kf_15_a_request_that_was_cancelled_before_it_came() {
    for method in METHODS {
        let held = Held::new(Script::hold(method), method, Rig::write);
        let rig = &held.stack.rig;
        assert!(!rig.world.system().cancel_irp(held.irp), "only the flag is set");
        held.send();
        assert_eq!(held.stack.ways(), (0, 0), "nothing is sent");
        let seen = held.stack.statistics();
        assert_eq!((seen.rejected, seen.irp), (1, 0));
        held.assert_ended(IoStatus::failed(NtStatus::CANCELLED));
    }
}

/// KS-70, KS-71, KS-72, KS-73, KF-14, KF-15, PF-01, PF-06: a cancel of the filter's request and the end of the write below
/// meet in every way: the request completes once, pended or not as it was marked, the bytes are written whole or
/// not at all, the lower IRP is cancelled only while it exists, and everything is given back.
#[test]
fn ks_70_71_72_73_kf_14_15_pf_01_06_cancel_and_completion_through_the_filter() {
    let ends = [
        OnIrp::Inline(NtStatus::SUCCESS),
        OnIrp::InlineAsPending(NtStatus::SUCCESS),
        OnIrp::Hold,
    ];
    let mut scheduler = Scheduler::new();
    let mut outcomes = BTreeSet::new();
    for end in ends {
        for cancellable in [true, false] {
            let explored = Enumerate::new(2).explore(|chooser| {
                let script = Script {
                    cancellable,
                    ..Script::default().on_irp(end)
                };
                let stack = Rc::new(Stack::new(script, ASYNCHRONOUS));
                let world = stack.rig.world.clone();
                let threads = [(); 2].map(|()| world.thread(ProcessorMode::User));
                let (writer, file, device) = (Rc::clone(&stack), stack.rig.file, stack.rig.device);
                let bodies: Vec<Body> = vec![
                    (
                        stack.rig.thread,
                        Box::new(move |cpu| {
                            let rig = &writer.rig;
                            let told =
                                cpu.nt_write_file(&NtWrite::new(rig.file, rig.block, rig.buffer, LENGTH));
                            let pends = end != OnIrp::Inline(NtStatus::SUCCESS);
                            let inline = !pends && told == NtStatus::SUCCESS;
                            assert!(inline || told == NtStatus::PENDING || told == NtStatus::CANCELLED);
                        }),
                    ),
                    (
                        threads[0],
                        Box::new(move |cpu| {
                            let _there_may_be_none = cpu.cancel_io(file, None);
                        }),
                    ),
                    (
                        threads[1],
                        Box::new(move |cpu| {
                            cpu.complete_oldest(device, NtStatus::SUCCESS);
                        }),
                    ),
                ];
                world.run(&mut scheduler, bodies, chooser).unwrap();
                world.system().complete_oldest(device, NtStatus::SUCCESS);
                let effects = stack.rig.effects();
                let whole = effects.accepted == BYTES.len();
                let io = if whole {
                    WHOLE
                } else {
                    IoStatus::failed(NtStatus::CANCELLED)
                };
                // A request that was refused before it was marked is an error at once: nothing is written.
                let refused = stack.statistics().rejected == 1;
                assert_eq!(effects.block, (!refused).then_some(io));
                assert!(!refused || !whole);
                assert_eq!(stack.statistics().in_flight, 0);
                outcomes.insert((refused, whole));
                world.check()
            });
            assert!(
                explored.is_ok(),
                "{end:?} cancellable: {cancellable} {explored:?}"
            );
        }
    }
    let all = [(false, false), (false, true), (true, false)];
    assert_eq!(outcomes, BTreeSet::from(all), "every outcome was met");
}
