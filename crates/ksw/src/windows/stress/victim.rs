//! Processes that are ended with writes pending.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use ksw::stress::finding::{Finding, Invariant};
use ksw::stress::plan::StressPlan;
use ksw::stress::program::derive;

/// What a victim prints when its threads are at work.
pub(super) const READY: &str = "writing";
/// Microseconds that it is left alone at most after that.
const LIFE_US: u64 = 300_000;

/// Starts another `ksw stress`, and ends it in the midst of its writes.
pub(super) fn end_one(plan: &StressPlan, seed: u64) -> Result<(), Finding> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Finding::new(
            Invariant::Victim,
            format!("cannot {what} a second process: {error}"),
        )
    };
    let mut child = start(plan, seed).map_err(|error| failed("start", &error))?;
    let mut said = BufReader::new(child.stdout.take().map_or_else(
        || Box::new(std::io::empty()) as Box<dyn Read>,
        |pipe| Box::new(pipe) as Box<dyn Read>,
    ));
    let mut line = String::new();
    // Ends with the process at the latest.
    let _ = said.read_line(&mut line);
    if line.trim_end() == READY {
        thread::sleep(Duration::from_micros(derive(seed, 1) % LIFE_US));
    }
    let ended_itself = child.try_wait().map_err(|error| failed("watch", &error))?;
    // It may end by itself just now, which is judged below all the same.
    let _ = child.kill();
    let status = child.wait().map_err(|error| failed("wait for", &error))?;
    let found = ended_itself.is_some() || line.trim_end() != READY;
    if !found {
        return Ok(());
    }
    let _ = said.read_to_string(&mut line);
    let text = format!("the process ended by itself, with {status}, and said: {line}");
    Err(Finding::new(Invariant::Victim, text))
}

fn start(plan: &StressPlan, seed: u64) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "stress",
        "--victim",
        "--seed",
        &seed.to_string(),
        "--threads",
        "2",
    ]);
    for target in &plan.targets {
        command.args(["--device", target]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}
