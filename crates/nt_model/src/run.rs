//! Threads side by side.

use std::cell::RefCell;

use crate::{
    Cpu, ThreadId, World,
    schedule::{Chooser, Host, Outcome, Scheduler},
    world::SYSTEM,
};

/// A thread and what it does.
pub type Body = (ThreadId, Box<dyn FnOnce(&Cpu<'_>)>);

/// Leaves the thread of the system out of a choice while it has nothing to do: it would be one more order in which
/// nothing else happens.
struct Choice<'a> {
    world: &'a World,
    /// The number of that thread.
    system: usize,
    chooser: &'a mut dyn Chooser,
}

impl Chooser for Choice<'_> {
    fn choose(&mut self, able: &[usize], last: Option<usize>) -> usize {
        let idle = self
            .world
            .with(|state| state.later.is_empty() && state.running > 0);
        match able {
            [_, system] if idle && *system == self.system => 0,
            [others @ .., system] if idle && *system == self.system => self.chooser.choose(others, last),
            _ if idle && able.contains(&self.system) => self.choose_without_system(able, last),
            _ => self.chooser.choose(able, last),
        }
    }
}

impl Choice<'_> {
    /// The threads that were added have higher numbers than that of the system.
    fn choose_without_system(&mut self, able: &[usize], last: Option<usize>) -> usize {
        let others = able.iter().copied().filter(|number| *number != self.system);
        let others: Vec<usize> = others.collect();
        let chosen = match others.as_slice() {
            [only] => Some(*only),
            _ => others.get(self.chooser.choose(&others, last)).copied(),
        };
        able.iter()
            .position(|number| Some(*number) == chosen)
            .unwrap_or_default()
    }
}

/// The threads of a run, by number.
struct Running<'a> {
    world: &'a World,
    threads: RefCell<Vec<ThreadId>>,
}

impl Host for Running<'_> {
    fn can_go_on(&self, number: usize) -> bool {
        let thread = self.threads.borrow().get(number).copied();
        thread.is_none_or(|thread| self.world.with(|state| state.can_go_on(thread)))
    }

    /// First whoever waits only as long as something else may happen, the one that began first.
    fn gives_up(&self, blocked: &[usize]) -> usize {
        let threads = self.threads.borrow();
        let since = |number: &usize| {
            let thread = threads.get(*number)?;
            self.world
                .with(|state| state.threads[*thread].waiting?.while_others_can)
        };
        let idle = blocked
            .iter()
            .filter_map(|number| Some((since(number)?, *number)));
        let first = idle.min().map(|(_, number)| number);
        first.or(blocked.first().copied()).unwrap_or_default()
    }

    fn added(&self) -> Vec<crate::schedule::Body> {
        let added = self.world.with(|state| std::mem::take(&mut state.added));
        let mut threads = self.threads.borrow_mut();
        threads.extend(added.iter().map(|(thread, _)| *thread));
        added.into_iter().map(|body| self.world.coroutine(body)).collect()
    }
}

impl World {
    /// Runs threads side by side until all are done, in an order that the chooser makes. A thread that was
    /// terminated [exits](Cpu::exit_thread) at the end of its body.
    ///
    /// # Errors
    ///
    /// The system has no memory for stacks.
    pub fn run(
        &self,
        scheduler: &mut Scheduler,
        bodies: Vec<Body>,
        chooser: &mut dyn Chooser,
    ) -> std::io::Result<Outcome> {
        self.with(|state| {
            state.running = bodies.len();
            for (thread, _) in &bodies {
                state.threads[*thread].scheduled = true;
            }
        });
        let by_itself: Body = (SYSTEM, Box::new(|cpu: &Cpu<'_>| cpu.do_what_comes_later()));
        let bodies: Vec<Body> = bodies.into_iter().chain([by_itself]).collect();
        let threads: Vec<ThreadId> = bodies.iter().map(|(thread, _)| *thread).collect();
        let bodies = bodies.into_iter().map(|body| self.coroutine(body)).collect();
        let mut chooser = Choice {
            world: self,
            system: threads.len() - 1,
            chooser,
        };
        let threads = RefCell::new(threads);
        let host = Running { world: self, threads };
        scheduler.run(bodies, &host, &mut chooser)
    }

    fn coroutine(&self, (thread, body): Body) -> crate::schedule::Body {
        let world = self.clone();
        Box::new(move |yielder| {
            let cpu = Cpu::new(world, thread, Some(yielder));
            body(&cpu);
            if cpu.with(|state| state.threads[thread].process.is_some()) {
                cpu.leave_process();
            } else if cpu.with(|state| state.threads[thread].terminating && !state.threads[thread].exited) {
                cpu.exit_thread();
            }
            cpu.with(|state| state.leave_run(thread));
            cpu.take_apcs();
        })
    }
}
