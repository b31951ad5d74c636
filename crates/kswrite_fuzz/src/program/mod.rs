//! Bytes as a program of the model: device stacks, file objects, and what some threads do with them, side by side.
//!
//! The first bytes are the [stage](Stage) on which it happens, the next ones what each thread [does](op), and the rest the
//! order in which they do it. In the end every rule of the model must hold, and each write must have been told of as
//! what its device did with it [asks for](judge).

mod judge;
mod op;
mod stage;
mod thread;

use std::cell::RefCell;
use std::rc::Rc;

use nt_model::{
    Body, Cpu,
    schedule::{Chooser, Scheduler},
};

use crate::{Wrong, tape::Tape};
use op::Op;
use stage::Stage;

/// Runs the program that the bytes are.
pub(crate) fn run(bytes: &[u8]) -> Result<(), Wrong> {
    thread_local! {
        // It keeps the stacks of its threads.
        static SCHEDULER: RefCell<Scheduler> = RefCell::new(Scheduler::new());
    }
    let mut bytes = Tape::new(bytes);
    let stage = Rc::new(Stage::new(&mut bytes));
    let plans: Vec<Vec<Op>> = stage.writers.iter().map(|_| Op::several(&mut bytes)).collect();
    let bodies = bodies(&stage, plans);
    let mut order = Order { bytes, turn: 0 };
    let ran = SCHEDULER.with_borrow_mut(|scheduler| stage.world.run(scheduler, bodies, &mut order));
    ran.map_err(|error| Wrong(error.to_string()))?;
    stage.end();
    judge::judge(&stage)
}

/// The devices come first: of threads that all wait, the first is told that there will never be anything.
fn bodies(stage: &Rc<Stage>, plans: Vec<Vec<Op>>) -> Vec<Body> {
    let mut bodies: Vec<Body> = Vec::new();
    for (bottom, thread) in &stage.devices {
        let (stage, device) = (Rc::clone(stage), bottom.device);
        bodies.push((*thread, Box::new(move |cpu: &Cpu<'_>| stage.serve(cpu, device))));
    }
    for (number, (thread, plan)) in stage.writers.iter().zip(plans).enumerate() {
        let (stage, thread) = (Rc::clone(stage), *thread);
        bodies.push((
            thread,
            Box::new(move |cpu: &Cpu<'_>| stage.work(cpu, number, &plan)),
        ));
    }
    bodies
}

/// The order in which threads run, by the bytes. Without any more they take turns: a thread that tries again and again
/// what another one has to make possible must not be the only one that runs.
struct Order<'a> {
    bytes: Tape<'a>,
    turn: usize,
}

impl Chooser for Order<'_> {
    fn choose(&mut self, able: &[usize], last: Option<usize>) -> usize {
        if self.bytes.is_over() {
            self.turn += 1;
            return self.turn % able.len();
        }
        let stay = last.and_then(|last| able.iter().position(|number| *number == last));
        match self.bytes.byte() {
            0 => stay.unwrap_or(0),
            byte => usize::from(byte) % able.len(),
        }
    }
}
