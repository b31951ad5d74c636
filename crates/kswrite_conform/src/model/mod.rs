//! The model venue: the calls of a case go to a model of the I/O manager, in this process.
//!
//! Each case has a world of its own. Its threads run one at a time and change places wherever the schedule says,
//! which a seed makes, so a case that depends on who is faster fails under some seed. At the end the world is
//! checked: nothing may hang, leak, or be pending.

mod error;
mod faces;
mod kernel32;
mod machine;
mod os;
mod sink;

use std::rc::Rc;

use kswrite_wire::names::SinkKind;
use nt_model::{
    Body, Report, World,
    schedule::{Chooser, Scheduler, Seeded},
};

use crate::{
    Venue,
    suite::{CaseBody, Runner},
    target::Target,
};
use machine::{Machine, Special};
use os::ModelThread;

/// Who decides the order of threads.
enum Schedule<'a> {
    /// Each case begins with this seed.
    Seed(u64),
    /// This, all the time.
    Chooser(&'a mut dyn Chooser),
}

/// Runs cases in the model.
pub struct ModelRunner<'a> {
    scheduler: Scheduler,
    schedule: Schedule<'a>,
    special: Special,
    report: Option<Report>,
}

impl ModelRunner<'static> {
    /// With the schedule of this seed, for each case anew.
    pub fn with_seed(seed: u64) -> Self {
        Self::new(Schedule::Seed(seed))
    }
}

impl<'a> ModelRunner<'a> {
    /// With schedules that are chosen elsewhere, such as all there are.
    pub fn with_chooser(chooser: &'a mut dyn Chooser) -> Self {
        Self::new(Schedule::Chooser(chooser))
    }

    fn new(schedule: Schedule<'a>) -> Self {
        Self {
            scheduler: Scheduler::new(),
            schedule,
            special: Special::Nothing,
            report: None,
        }
    }

    /// What the model found wrong in the last case, with the calls that led there.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

impl Runner for ModelRunner<'_> {
    fn venue(&self) -> Venue {
        Venue::Model
    }

    fn system(&self) -> String {
        match &self.schedule {
            Schedule::Seed(seed) => format!("nt_model, schedule of seed {seed}"),
            Schedule::Chooser(_) => "nt_model".to_owned(),
        }
    }

    fn prepare(&mut self, target: &Target) -> Result<(), String> {
        self.special = match target {
            Target::Filtered(_) => Special::Filter,
            Target::Serial(path) => Special::Serial(path.clone()),
            Target::Volume(path) => Special::Volume(path.clone()),
            Target::Device(path) if !SinkKind::ALL.iter().any(|kind| kind.path() == path) => {
                return Err(format!("the model has no device {path}"));
            }
            _ => Special::Nothing,
        };
        Ok(())
    }

    fn run(&mut self, body: CaseBody) -> Result<(), String> {
        let world = World::new();
        let machine = Rc::new(Machine::new(&world, self.special.clone()));
        let of_case = Rc::clone(&machine);
        let main: Body = (
            world.thread_of(world.process()),
            Box::new(move |cpu| body(&ModelThread::new(cpu, of_case))),
        );
        let mut seeded;
        let chooser: &mut dyn Chooser = match &mut self.schedule {
            Schedule::Seed(seed) => {
                seeded = Seeded::new(*seed);
                &mut seeded
            }
            Schedule::Chooser(chooser) => &mut **chooser,
        };
        let ran = world.run(&mut self.scheduler, vec![main], chooser);
        ran.map_err(|error| format!("the system has no memory for stacks: {error}"))?;
        self.report = world.check().err();
        let mut findings = machine.faces.settle();
        if let Some(report) = &self.report {
            findings.extend(report.findings.iter().map(ToString::to_string));
        }
        if findings.is_empty() {
            Ok(())
        } else {
            Err(findings.join("; "))
        }
    }
}
