//! A fault at every point where a kernel service can fail, one at a time and in pairs.
//!
//! Every write of a catalogue is done once without a fault, and the model counts the points at which a service could
//! have failed. It is done again with a fault at each of them; those runs have points of their own, and a second fault
//! comes at each of the points after the first. What every run must come to follows from the services that failed and
//! the completion table.

use std::rc::Rc;

use kswrite_core::{BufferMethod, FileFlags, FileWrite, IoStatus, NtStatus, ProcessorMode, Statistics};
use nt_model::{FastRoutine, Fault, OnIrp, OwnedWrite, Script, Service, World};

use crate::{
    program::{CANCELLED, End, How, Outcome, Setup, Shape, Told, contract},
    rig::{ASYNCHRONOUS, BYTES, KINDS, LENGTH, METHODS, SYNCHRONOUS},
};

const ALERTABLE: FileFlags = FileFlags(SYNCHRONOUS.0 | FileFlags::ALERTABLE_IO.0);

/// The status of the fault at a point, which no service and no device has of itself.
fn status_at(point: usize) -> NtStatus {
    NtStatus(0xC0F0_0000_u32.cast_signed() + i32::try_from(point).unwrap())
}

/// A run with faults.
struct Faulty {
    setup: Setup,
    /// The points that were met.
    met: Vec<Service>,
    outcome: Outcome,
}

fn run(shape: Shape, faults: &[usize]) -> Faulty {
    let setup = Setup::new(shape);
    let world = setup.world.clone();
    let before = world.fault_points().len();
    for point in faults {
        let fault = Fault::at_point(*point as u64);
        world.inject(fault.with_status(status_at(*point)));
    }
    let device = setup.device;
    world.later(move |cpu| {
        // A broken wait has cancelled it, or it never came here.
        let _any = cpu.complete_any(device, NtStatus::SUCCESS);
    });
    let returned = setup.submit(&world.cpu(setup.submitter));
    world.settle();
    let met = world.fault_points().split_off(before);
    let outcome = setup.outcome(returned);
    if let Err(report) = world.check() {
        panic!("{shape:?}\nwith faults at {faults:?} of {met:?}:\n{report}");
    }
    Faulty { setup, met, outcome }
}

/// How a write must end whose services failed at these points.
fn expected(shape: &Shape, met: &[Service], faults: &[usize]) -> End {
    let mut irps = 0;
    let mut attempts_failed = [false, false];
    for (point, service) in met.iter().enumerate() {
        irps += usize::from(*service == Service::AllocateIrp);
        if !faults.contains(&point) {
            continue;
        }
        let failed = End::Inline(IoStatus::failed(status_at(point)));
        match service {
            // An exception on captured bytes is the routine's own, and the IRP decides.
            Service::FastWrite if is_captured(shape, irps) => attempts_failed[irps] = true,
            // Only a wait that may be broken is such a point; the write is cancelled and waited for.
            Service::Wait if shape.script.cancellable => return End::Pended(CANCELLED),
            Service::Wait => {}
            _ => return failed,
        }
    }
    shape.end_without(attempts_failed)
}

/// Whether the bytes of the attempt that comes after so many IRPs are the requestor's no more.
fn is_captured(shape: &Shape, irps: usize) -> bool {
    match irps {
        0 => shape.how == How::OwnedLocked,
        // What a filter was sent.
        _ => shape.script.method != BufferMethod::Neither,
    }
}

fn verify(ran: &Faulty, faults: &[usize]) {
    let shape = &ran.setup.shape;
    let met = &ran.met;
    let end = expected(shape, met, faults);
    let what = || format!("{shape:?}\nwith faults at {faults:?} of {met:?}: {end:?}");
    assert_eq!(ran.outcome, contract(shape, end), "{}", what());

    // What failed before it was sent is rejected, and the process has not counted it (KS-83).
    if !shape.filter && shape.how == How::Managed {
        let counted = ran.setup.statistics.snapshot();
        let sent = ran.setup.irps() as u64;
        let fast = u64::from(matches!(end, End::Fast(_)));
        assert_eq!(
            (counted.attempted, counted.irp, counted.fast),
            (1, sent, fast),
            "{}",
            what()
        );
        assert_eq!(counted.rejected, 1 - sent - fast, "{}", what());
        let operations = ran.setup.world.counters().write_operations;
        assert_eq!(operations, sent + fast, "{}", what());
    }
}

/// Every combination that the paths differ in.
fn catalogue() -> Vec<Shape> {
    let scripts = |method| {
        let held = Script::hold(method);
        let stubborn = Script {
            cancellable: false,
            ..held
        };
        [
            Script::inline(method).with_fast(FastRoutine::Accept),
            Script::inline(method).with_fast(FastRoutine::Decline),
            Script::inline(method).on_irp(OnIrp::InlineAsPending(NtStatus::SUCCESS)),
            held,
            stubborn,
        ]
    };
    let mut shapes = Vec::new();
    for how in [How::Managed, How::Owned, How::OwnedLocked, How::Nt] {
        for script in METHODS.into_iter().flat_map(scripts) {
            let told = [Told::File, Told::Event, Told::Port];
            let asynchronous = told.map(|told| Shape::new(how, ASYNCHRONOUS, script).told(told));
            shapes.extend(asynchronous);
            shapes.push(Shape::new(how, SYNCHRONOUS, script));
            let mut in_kernel = Shape::new(how, ALERTABLE, script);
            in_kernel.mode = ProcessorMode::Kernel;
            shapes.push(in_kernel);
        }
    }
    let filtered: Vec<Shape> = shapes.iter().map(|shape| shape.filtered()).collect();
    shapes.extend(filtered);
    shapes
}

/// KS-40, KS-53, KS-54, KS-83: whatever fails is the result, all that was taken is given back, and nobody is told
/// anything by a write that was not sent.
#[test]
fn ks_40_53_54_83_a_fault_at_every_point_and_in_pairs() {
    let (mut single, mut pairs) = (0, 0);
    let mut struck = std::collections::BTreeSet::new();
    for shape in catalogue() {
        let clean = run(shape, &[]);
        verify(&clean, &[]);
        for first in 0..clean.met.len() {
            let one = run(shape, &[first]);
            assert_eq!(one.met[..=first], clean.met[..=first], "the same until there");
            verify(&one, &[first]);
            struck.insert(one.met[first]);
            single += 1;
            for second in first + 1..one.met.len() {
                let both = [first, second];
                verify(&run(shape, &both), &both);
                pairs += 1;
            }
        }
    }
    println!("{single} single faults, {pairs} pairs");
    assert!(pairs > 0, "not every fault is the last thing that happens");
    let missing: Vec<&Service> = Service::ALL
        .iter()
        .filter(|service| !struck.contains(*service))
        .collect();
    assert!(missing.is_empty(), "never failed: {missing:?}");
}

/// KS-13: a write of no bytes to a buffered or direct device has no service that could fail but the IRP's.
#[test]
fn ks_13_a_write_of_no_bytes_has_few_points() {
    for how in [How::Managed, How::Owned, How::Nt] {
        for (method, flags) in METHODS
            .into_iter()
            .flat_map(|method| KINDS.map(|kind| (method, kind)))
        {
            let mut shape = Shape::new(how, flags, Script::inline(method));
            shape.length = 0;
            let clean = run(shape, &[]);
            verify(&clean, &[]);
            let setting_aside = [Service::Pool].into_iter().filter(|_| {
                // The event that a driver waits for.
                how == How::Owned && flags.is_synchronous()
            });
            let sending = [Service::AllocateIrp, Service::Send];
            let points: Vec<Service> = setting_aside.chain(sending).collect();
            assert_eq!(clean.met, points);
            for point in 0..points.len() {
                verify(&run(shape, &[point]), &[point]);
            }
        }
    }
}

/// A fault in one write of a batch leaves the others alone, and the drain comes all the same.
#[test]
fn a_fault_in_a_batch_is_that_of_one_write() {
    let batch = |faults: &[usize]| {
        let world = World::new();
        let device = world.device(Script::hold(BufferMethod::Direct));
        let file = world.open(device, false);
        let cpu = world.cpu(world.thread(ProcessorMode::User));
        let buffer = world.user_buffer(BYTES);
        let statistics = Rc::new(Statistics::new());
        let drain = world.drain();
        let blocks = [world.status_block(), world.status_block(), world.status_block()];
        let writes = blocks.map(|block| {
            let user = ProcessorMode::User;
            let write = FileWrite::new(file, None, None, block, buffer, LENGTH, 0, user);
            (write, OwnedWrite::new(&cpu, &write, &statistics).unwrap())
        });
        let before = world.fault_points().len();
        for point in faults {
            world.inject(Fault::at_point(*point as u64));
        }
        let submission = cpu.submit_batch(&statistics, &drain, writes.into());
        let met = world.fault_points().len() - before;
        let failed = submission.failed as usize;
        let pending = submission.pending as usize;
        assert_eq!((submission.done, failed + pending), (0, blocks.len()));
        assert_eq!(submission.drained, pending == 0);
        for _held in 0..pending {
            assert!(!world.event_state(drain.event()).signalled, "not all are over");
            assert!(world.system().complete_next(device, NtStatus::SUCCESS));
        }
        let drained = world.event_state(drain.event()).sets;
        assert_eq!(drained, u32::from(!submission.drained));
        assert_eq!(world.accepted(device).len(), pending * BYTES.len());
        world.check().unwrap();
        (met, failed)
    };
    let (points, failed) = batch(&[]);
    assert_eq!(failed, 0);
    for first in 0..points {
        let (points, failed) = batch(&[first]);
        assert_eq!(failed, 1, "the fault at {first}");
        for second in first + 1..points {
            let (_, failed) = batch(&[first, second]);
            assert_eq!(failed, 2, "the faults at {first} and {second}");
        }
    }
}
