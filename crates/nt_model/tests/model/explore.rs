//! Every interleaving of a few threads, with a few preemptions: the model and the routine agree in all of them.

use std::rc::Rc;

use kswrite_core::{BufferMethod, FileFlags, FileWrite, NtStatus, ProcessorMode, Statistics, managed};
use nt_model::{
    Body, Cpu, NtWrite, OnIrp, Report, Script, World,
    schedule::{Choices, Chooser, Enumerate, Replay, Scheduler, Seeded},
};

use crate::stage::{BYTES, LENGTH, Stage};

/// What a second thread does while a write is under way.
type Other = fn(&Cpu<'_>, &Stage);

const OTHERS: [Other; 5] = [
    |cpu, stage| _ = cpu.cancel_io(stage.file, None),
    |cpu, stage| cpu.close_file(stage.file),
    |cpu, stage| cpu.terminate(stage.cpu.thread()),
    |cpu, stage| cpu.alert(stage.cpu.thread()),
    |_, _| (),
];

/// How the first thread writes.
type Writer = fn(&Cpu<'_>, &Stage);

fn managed_write(cpu: &Cpu<'_>, stage: &Stage) {
    let mode = ProcessorMode::User;
    let request = FileWrite::new(stage.file, None, None, stage.block, stage.buffer, LENGTH, 0, mode);
    let status = managed::write(cpu, &stage.statistics, &request).status;
    let io = stage.world.block(stage.block).io;
    assert!(status != NtStatus::SUCCESS || io.information == BYTES.len());
}

fn owned_write(cpu: &Cpu<'_>, stage: &Stage) {
    let mode = ProcessorMode::User;
    let request = FileWrite::new(stage.file, None, None, stage.block, stage.buffer, LENGTH, 0, mode);
    let Ok((status, record)) = cpu.owned_write(&Rc::new(Statistics::new()), &request) else {
        return;
    };
    if status == NtStatus::PENDING {
        let _goes_on = record.cancel(cpu);
    }
}

fn filtered_write(cpu: &Cpu<'_>, stage: &Stage) {
    let write = NtWrite::new(stage.file, stage.block, stage.buffer, LENGTH);
    let _status = cpu.nt_write_file(&write);
}

fn program(
    writer: Writer,
    other: Other,
    flags: FileFlags,
    filtered: bool,
    chooser: &mut dyn Chooser,
    scheduler: &mut Scheduler,
) -> Result<(), Report> {
    let stage = Rc::new(Stage::new(
        Script::inline(BufferMethod::Direct).on_irp(OnIrp::Later(NtStatus::SUCCESS)),
        flags,
    ));
    let world: World = stage.world.clone();
    if filtered {
        let _top = world.attach_filter(stage.device, true);
    }
    // The handle that the writer keeps while another one is closed.
    world.cpu(stage.cpu.thread()).duplicate_file(stage.file);
    let mut bodies: Vec<Body> = Vec::new();
    let here = Rc::clone(&stage);
    bodies.push((stage.cpu.thread(), Box::new(move |cpu| writer(cpu, &here))));
    let here = Rc::clone(&stage);
    let thread = world.thread(ProcessorMode::User);
    bodies.push((thread, Box::new(move |cpu| other(cpu, &here))));
    assert!(world.run(scheduler, bodies, chooser).is_ok());
    world.check()
}

const WRITERS: [(Writer, bool); 3] = [
    (managed_write, false),
    (owned_write, false),
    (filtered_write, true),
];

fn flags() -> [FileFlags; 2] {
    [
        FileFlags::default(),
        FileFlags::SYNCHRONOUS_IO | FileFlags::ALERTABLE_IO,
    ]
}

#[test]
fn seeded_runs_end_clean() {
    let mut scheduler = Scheduler::new();
    for (writer, filtered) in WRITERS {
        for other in OTHERS {
            for flags in flags() {
                for seed in 0..200 {
                    let mut chooser = Seeded::new(seed);
                    let ended = program(writer, other, flags, filtered, &mut chooser, &mut scheduler);
                    assert!(ended.is_ok(), "seed {seed}: {ended:?}");
                }
            }
        }
    }
}

#[test]
fn a_run_can_be_made_again_from_its_choices() {
    let mut scheduler = Scheduler::new();
    let mut traces = Vec::new();
    let mut run = |chooser: &mut dyn Chooser| {
        let stage = Stage::asynchronous(Script::hold(BufferMethod::Neither));
        let file = stage.file;
        let bodies: Vec<Body> = vec![
            (stage.cpu.thread(), Box::new(|cpu| _ = cpu.world().event())),
            (
                stage.world.thread(ProcessorMode::User),
                Box::new(move |cpu| cpu.close_file(file)),
            ),
        ];
        assert!(stage.world.run(&mut scheduler, bodies, chooser).is_ok());
        traces.push(stage.world.trace());
    };
    let choices: Choices = "1,1,0".parse().expect("numbers");
    run(&mut Replay::new(choices.clone()));
    run(&mut Replay::new(choices));
    assert_eq!(traces[0], traces[1]);
}

#[test]
fn every_run_with_one_preemption_ends_clean() {
    let mut scheduler = Scheduler::new();
    for (writer, filtered) in WRITERS {
        for other in OTHERS {
            for flags in flags() {
                let explored = Enumerate::new(1)
                    .explore(|chooser| program(writer, other, flags, filtered, chooser, &mut scheduler));
                assert!(explored.as_ref().is_ok_and(|runs| *runs > 10), "{explored:?}");
            }
        }
    }
}
