//! `ksw bench`.

mod environment;
mod measured;
mod toggle;
mod venue;

use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ksw::bench::html;
use ksw::bench::plan::BenchPlan;
use ksw::bench::report::BenchReport;
use ksw::bench::suite::{self, Step};
use ksw::cli::bench::BenchArgs;
use ksw::exit::{Exit, Failure};
use ksw::size::ByteSize;
use kswrite_client::{Error, Win32Error};

use self::venue::Native;
use super::interrupt;

/// Runs the command.
pub(super) fn command(args: &BenchArgs) -> Result<Exit, Failure> {
    let plan = args
        .options()
        .check()
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    interrupt::install()?;
    let environment = environment::read();
    let measured = {
        let venue = Native::new(&plan)?;
        let bar = progress_bar();
        let measured = suite::run(&venue, &plan, interrupt::flag(), &mut |step| show(&bar, &step));
        bar.finish_and_clear();
        measured?
    };
    let report = BenchReport {
        plan,
        environment,
        measured,
    };
    write_out(args, &report)?;
    Ok(report.exit())
}

fn write_out(args: &BenchArgs, report: &BenchReport) -> Result<(), Failure> {
    let json = || serde_json::to_string(report).map_err(|error| Failure::io(&error));
    if args.json.as_deref() == Some(Path::new("-")) {
        println!("{}", json()?);
    } else {
        print!("{report}");
        if let Some(path) = &args.json {
            save(path, &json()?)?;
        }
    }
    if let Some(path) = &args.html {
        let page = html::render(report).map_err(|error| Failure::io(&error))?;
        save(path, &page)?;
    }
    Ok(())
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| {
        let code = Win32Error::from_io(&error);
        Failure::io(&Error::new(format!("write {}", path.display()), code))
    })
}

/// A bar on standard error over all runs, with an estimate; hidden where nobody watches.
fn progress_bar() -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(4));
    bar.enable_steady_tick(Duration::from_millis(500));
    // The template is a constant; should it be refused, the plain bar does.
    match ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left: {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, step: &Step<'_>) {
    bar.set_length(step.total);
    bar.set_position(step.done);
    let setting = step.setting;
    let block = ByteSize(u64::from(setting.block_bytes));
    bar.set_message(format!(
        "{} {block}, depth {} {}",
        setting.engine, setting.depth, step.variant.label
    ));
}

/// The file that a plan wants made, written whole, so that later writes do not lengthen it. When it cannot be
/// finished it is removed.
fn create_file(path: &str, bytes: u64) -> Result<(), Failure> {
    /// Bytes of one write.
    const PIECE: usize = 1 << 20;
    let failure = |error: std::io::Error| {
        let what = format!("make the file {path}, of {}", ByteSize(bytes));
        Failure::io(&Error::new(what, Win32Error::from_io(&error)))
    };
    let mut file = fs::File::create_new(path).map_err(failure)?;
    let zeroes = vec![0; PIECE];
    let mut left = bytes;
    while left > 0 && !interrupt::asked() {
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let piece = zeroes.get(..length).unwrap_or(&zeroes);
        if let Err(error) = std::io::Write::write_all(&mut file, piece) {
            drop(file);
            // The first error is the one to tell.
            let _removed = fs::remove_file(path);
            return Err(failure(error));
        }
        left -= length as u64;
    }
    if left > 0 {
        drop(file);
        let _removed = fs::remove_file(path);
        let sentence = format!("stopped while {path} was made; it is removed");
        return Err(Failure::new(Exit::Io, sentence));
    }
    Ok(())
}

/// Every file that the plan writes to.
fn targets(plan: &BenchPlan) -> Vec<&str> {
    use ksw::bench::sweep::Change;
    let compared = plan.variants.iter().filter_map(|variant| match &variant.change {
        Change::Device(path) => Some(path.as_str()),
        _ => None,
    });
    let compared: Vec<&str> = compared.collect();
    if compared.is_empty() {
        vec![plan.device.as_str()]
    } else {
        compared
    }
}
