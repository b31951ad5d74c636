//! Who runs next: threads as coroutines, and a chooser at every point where they could be interrupted.
//!
//! One thread runs at a time, and it stops only where it says so, so a run is determined by the choices made.
//! A [`Chooser`] makes them: [`Seeded`] at random, [`Enumerate`] in every possible way, [`Replay`] as they were
//! made before.

use std::fmt;

use corosensei::{Coroutine, CoroutineResult, stack::DefaultStack};

/// Why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It could go on; others may run first.
    Ready,
    /// It waits for something.
    Blocked,
    /// It ended in the middle of what it did, and never runs again.
    Gone,
}

/// How a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// As usual. A thread that was blocked looks again at what it waits for.
    Run,
    /// Nothing can end its wait any more; it must stop waiting.
    GiveUp,
}

/// What a running thread stops by.
pub type Yielder = corosensei::Yielder<Resume, Stop>;

/// What a thread does.
pub type Body = Box<dyn FnOnce(&Yielder)>;

/// What the threads of a run belong to.
pub trait Host {
    /// Whether what a blocked thread waits for has come.
    fn can_go_on(&self, number: usize) -> bool;

    /// Which of the blocked threads gives up its wait, when nothing can end any of them. They are not none.
    fn gives_up(&self, blocked: &[usize]) -> usize {
        blocked.first().copied().unwrap_or_default()
    }

    /// The threads that were made since this was asked last. They get the next numbers.
    fn added(&self) -> Vec<Body> {
        Vec::new()
    }
}

impl<F: Fn(usize) -> bool> Host for F {
    fn can_go_on(&self, number: usize) -> bool {
        self(number)
    }
}

/// Decides which thread runs.
pub trait Chooser {
    /// Returns an index into `able`, the numbers of the threads that can run, which is never empty. `last` is
    /// the thread that stopped just now, if it is among them.
    fn choose(&mut self, able: &[usize], last: Option<usize>) -> usize;
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How often a thread was resumed.
    pub steps: u64,
    /// The numbers of the threads that had to give up a wait.
    pub gave_up: Vec<usize>,
}

/// Bytes of the stack of a thread: the routines are shallow, and tests format messages on it.
const STACK_BYTES: usize = 256 * 1024;

/// Runs threads. It keeps their stacks, so that many short runs cost little.
#[derive(Default)]
pub struct Scheduler {
    stacks: Vec<DefaultStack>,
}

type Thread = Coroutine<Resume, Stop, (), DefaultStack>;

impl Scheduler {
    /// A scheduler without stacks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the threads, and those that they add, until all are done. When every thread that is left is blocked
    /// for good, the host says which of them is told to give up.
    ///
    /// # Errors
    ///
    /// The system has no memory for a stack.
    pub fn run(
        &mut self,
        bodies: Vec<Body>,
        host: &impl Host,
        chooser: &mut dyn Chooser,
    ) -> std::io::Result<Outcome> {
        let mut threads = Vec::with_capacity(bodies.len());
        self.add(&mut threads, bodies)?;
        let mut outcome = Outcome::default();
        let mut last = None;
        while let Some((number, resume)) = next(&threads, host, last, chooser) {
            outcome.steps += 1;
            if resume == Resume::GiveUp {
                outcome.gave_up.push(number);
            }
            self.resume(&mut threads, number, resume);
            self.add(&mut threads, host.added())?;
            last = Some(number);
        }
        Ok(outcome)
    }

    fn add(&mut self, threads: &mut Vec<Option<(Thread, Stop)>>, bodies: Vec<Body>) -> std::io::Result<()> {
        for body in bodies {
            let stack = match self.stacks.pop() {
                Some(stack) => stack,
                None => DefaultStack::new(STACK_BYTES)?,
            };
            let thread = Thread::with_stack(stack, move |yielder, _first: Resume| body(yielder));
            threads.push(Some((thread, Stop::Ready)));
        }
        Ok(())
    }

    fn resume(&mut self, threads: &mut [Option<(Thread, Stop)>], number: usize, resume: Resume) {
        let Some(slot) = threads.get_mut(number) else {
            return;
        };
        let Some((mut thread, _)) = slot.take() else {
            return;
        };
        match thread.resume(resume) {
            // To drop it is to unwind it, which cannot be done where panics abort: its stack is not taken back there.
            CoroutineResult::Yield(Stop::Gone) if cfg!(panic = "unwind") => drop(thread),
            CoroutineResult::Yield(Stop::Gone) => std::mem::forget(thread),
            CoroutineResult::Yield(stop) => *slot = Some((thread, stop)),
            CoroutineResult::Return(()) => self.stacks.push(thread.into_stack()),
        }
    }
}

/// The thread to resume, and how. `None`: all are done.
fn next(
    threads: &[Option<(Thread, Stop)>],
    host: &impl Host,
    last: Option<usize>,
    chooser: &mut dyn Chooser,
) -> Option<(usize, Resume)> {
    let left = || {
        let numbered = threads.iter().enumerate();
        numbered.filter_map(|(number, thread)| Some((number, thread.as_ref()?.1)))
    };
    let able: Vec<usize> = left()
        .filter(|(number, stop)| *stop == Stop::Ready || host.can_go_on(*number))
        .map(|(number, _)| number)
        .collect();
    if able.is_empty() {
        let blocked: Vec<usize> = left().map(|(number, _)| number).collect();
        return (!blocked.is_empty()).then(|| (host.gives_up(&blocked), Resume::GiveUp));
    }
    let last = last.filter(|last| able.contains(last));
    let chosen = match able.as_slice() {
        [only] => *only,
        _ => *able.get(chooser.choose(&able, last)).or(able.first())?,
    };
    Some((chosen, Resume::Run))
}

/// The choices of a run, to make them again. As text, numbers with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(Vec<usize>);

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, choice) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{choice}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Choices {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split(',').filter(|part| !part.trim().is_empty());
        numbers
            .map(|part| part.trim().parse())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Chooses at random; the same seed makes the same run.
#[derive(Clone, Debug)]
pub struct Seeded(fastrand::Rng);

impl Seeded {
    /// The choices of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }
}

impl Chooser for Seeded {
    fn choose(&mut self, able: &[usize], _last: Option<usize>) -> usize {
        self.0.usize(..able.len())
    }
}

/// Makes the choices of an earlier run. After them, the first thread that can run does.
#[derive(Clone, Debug)]
pub struct Replay {
    choices: std::vec::IntoIter<usize>,
}

impl Replay {
    /// These choices.
    #[must_use]
    pub fn new(choices: Choices) -> Self {
        let choices = choices.0.into_iter();
        Self { choices }
    }
}

impl Chooser for Replay {
    fn choose(&mut self, _able: &[usize], _last: Option<usize>) -> usize {
        self.choices.next().unwrap_or_default()
    }
}

/// One point at which a choice was made.
#[derive(Clone, Copy, Debug)]
struct Branch {
    taken: usize,
    of: usize,
    /// The index that the thread which stopped has among those that can run.
    stay: Option<usize>,
}

impl Branch {
    /// The options in the order in which they are tried: staying with the thread comes first.
    fn index(self) -> usize {
        match self.stay {
            None => self.taken,
            Some(stay) if self.taken == 0 => stay,
            Some(stay) => self.taken - usize::from(self.taken <= stay),
        }
    }
}

/// Makes every choice there is, one run after the other, depth first. A run may take a thread off that could
/// go on at most `preemptions` times: almost all races need few, and the number of runs stays countable.
#[derive(Clone, Debug)]
pub struct Enumerate {
    path: Vec<Branch>,
    depth: usize,
    preemptions: usize,
    left: usize,
}

impl Enumerate {
    /// All runs with at most this many preemptions.
    #[must_use]
    pub fn new(preemptions: usize) -> Self {
        Self {
            path: Vec::new(),
            depth: 0,
            preemptions,
            left: preemptions,
        }
    }

    /// Runs the program in every way. It is given this chooser, and must be the same program each time.
    /// Returns the number of runs.
    ///
    /// # Errors
    ///
    /// What the program returned first, with the choices of that run.
    pub fn explore<E>(
        mut self,
        mut program: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<u64, (Choices, E)> {
        let mut runs = 0;
        loop {
            runs += 1;
            self.depth = 0;
            self.left = self.preemptions;
            if let Err(error) = program(&mut self) {
                return Err((self.choices(), error));
            }
            self.path.truncate(self.depth);
            if !self.next_path() {
                return Ok(runs);
            }
        }
    }

    /// The choices of the present run.
    #[must_use]
    pub fn choices(&self) -> Choices {
        let made = self.path.iter().take(self.depth);
        Choices(made.map(|branch| branch.index()).collect())
    }

    fn next_path(&mut self) -> bool {
        while let Some(branch) = self.path.last_mut() {
            if branch.taken + 1 < branch.of {
                branch.taken += 1;
                return true;
            }
            self.path.pop();
        }
        false
    }
}

impl Chooser for Enumerate {
    fn choose(&mut self, able: &[usize], last: Option<usize>) -> usize {
        let stay = last.and_then(|last| able.iter().position(|number| *number == last));
        let of = if stay.is_some() && self.left == 0 {
            1
        } else {
            able.len()
        };
        let branch = if let Some(branch) = self.path.get(self.depth) {
            *branch
        } else {
            let branch = Branch { taken: 0, of, stay };
            self.path.push(branch);
            branch
        };
        self.depth += 1;
        let index = branch.index();
        if stay.is_some_and(|stay| stay != index) {
            self.left = self.left.saturating_sub(1);
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

    use super::*;

    type Log = Rc<RefCell<String>>;

    fn writer(log: &Log, name: char, steps: usize) -> Body {
        let log = Rc::clone(log);
        Box::new(move |yielder| {
            for step in 0..steps {
                log.borrow_mut().push(name);
                if step + 1 < steps {
                    yielder.suspend(Stop::Ready);
                }
            }
        })
    }

    fn runs(preemptions: usize) -> BTreeSet<String> {
        let mut scheduler = Scheduler::new();
        let mut seen = BTreeSet::new();
        let explored = Enumerate::new(preemptions).explore(|chooser| {
            let log = Log::default();
            let bodies = vec![writer(&log, 'a', 2), writer(&log, 'b', 2)];
            scheduler.run(bodies, &|_: usize| true, chooser).expect("stacks");
            assert!(seen.insert(log.take()), "the same run twice");
            Ok::<(), ()>(())
        });
        assert_eq!(explored, Ok(seen.len() as u64));
        seen
    }

    #[test]
    fn every_interleaving_is_met_once() {
        let all = ["aabb", "abab", "abba", "baab", "baba", "bbaa"];
        assert_eq!(runs(9), all.map(String::from).into());
    }

    #[test]
    fn preemptions_are_bounded() {
        assert_eq!(runs(0), ["aabb", "bbaa"].map(String::from).into());
        assert!(runs(1).is_subset(&runs(9)));
    }

    #[test]
    fn a_failing_run_can_be_made_again() {
        let run = |chooser: &mut dyn Chooser| {
            let log = Log::default();
            let bodies = vec![writer(&log, 'a', 3), writer(&log, 'b', 3)];
            Scheduler::new()
                .run(bodies, &|_: usize| true, chooser)
                .expect("stacks");
            log.take()
        };
        let wanted = "abbaab";
        let (choices, ()) = Enumerate::new(9)
            .explore(|chooser| if run(chooser) == wanted { Err(()) } else { Ok(()) })
            .expect_err("it is one of them");
        let text = choices.to_string();
        let read: Choices = text.parse().expect("its own text");
        assert_eq!(run(&mut Replay::new(read)), wanted, "{text}");
        assert_eq!(run(&mut Seeded::new(7)), run(&mut Seeded::new(7)));
    }

    #[test]
    fn a_thread_that_waits_for_nothing_gives_up() {
        let waiter: Body = Box::new(|yielder| while yielder.suspend(Stop::Blocked) != Resume::GiveUp {});
        let outcome = Scheduler::new()
            .run(vec![waiter], &|_: usize| false, &mut Seeded::new(1))
            .expect("stacks");
        assert_eq!(outcome.gave_up, [0]);
    }

    #[test]
    fn a_blocked_thread_runs_when_its_wait_is_over() {
        let log = Log::default();
        let (seen, set) = (Rc::clone(&log), Rc::clone(&log));
        let waiter: Body = Box::new(move |yielder| {
            assert_eq!(yielder.suspend(Stop::Blocked), Resume::Run);
            seen.borrow_mut().push('w');
        });
        let ready = Rc::clone(&log);
        let bodies = vec![waiter, writer(&set, 's', 1)];
        let outcome = Scheduler::new()
            .run(
                bodies,
                &move |_: usize| !ready.borrow().is_empty(),
                &mut Seeded::new(3),
            )
            .expect("stacks");
        assert!(outcome.gave_up.is_empty());
        assert_eq!(log.take(), "sw");
    }

    /// One thread that adds another, and ends in the middle of what it does.
    struct Adder(RefCell<Vec<Body>>);

    impl Host for Adder {
        fn can_go_on(&self, _number: usize) -> bool {
            false
        }

        fn gives_up(&self, blocked: &[usize]) -> usize {
            *blocked.last().expect("one is blocked")
        }

        fn added(&self) -> Vec<Body> {
            self.0.take()
        }
    }

    #[test]
    fn threads_are_added_and_end_in_the_middle() {
        let log = Log::default();
        let (first, second) = (Rc::clone(&log), Rc::clone(&log));
        let waiter: Body = Box::new(move |yielder| {
            assert_eq!(yielder.suspend(Stop::Blocked), Resume::GiveUp);
            second.borrow_mut().push('b');
        });
        let host = Adder(RefCell::new(vec![waiter]));
        let gone: Body = Box::new(move |yielder| {
            first.borrow_mut().push('a');
            yielder.suspend(Stop::Gone);
            first.borrow_mut().push('x');
        });
        let outcome = Scheduler::new()
            .run(vec![gone], &host, &mut Seeded::new(1))
            .expect("stacks");
        assert_eq!((log.take().as_str(), outcome.gave_up), ("ab", vec![1]));
    }
}
