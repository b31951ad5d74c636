//! `ksw conform`: which rules of WriteFile, and of the stream and channel interfaces, are kept.

pub mod page;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use kswrite_conform::case::Case;
use kswrite_conform::report::{Agreement, Text, from_json, to_json, to_junit};
use kswrite_conform::result::{Results, Row, Verdict};
use kswrite_conform::suite::{self, Runner, Selection};
use kswrite_conform::target::Target;

use crate::cli::conform::{ConformArgs, VenueArg};
use crate::exit::{Exit, Failure};
use crate::table::{Align, Table};

#[cfg(not(all(windows, target_arch = "aarch64")))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is no model")]
fn model(seed: u64) -> Result<Box<dyn Runner>, Failure> {
    Ok(Box::new(kswrite_conform::model::ModelRunner::with_seed(seed)))
}

#[cfg(all(windows, target_arch = "aarch64"))]
fn model(_seed: u64) -> Result<Box<dyn Runner>, Failure> {
    Err(usage(
        &"the model is not there on ARM64, for which its threads cannot be built: use --venue native",
    ))
}

/// Runs the command. `native` opens the native venue, where there is one.
///
/// # Errors
///
/// Those of the arguments, of the venue, and of the files that are read and written.
pub fn command(
    args: &ConformArgs,
    native: impl FnOnce() -> Result<Box<dyn Runner>, Failure>,
) -> Result<Exit, Failure> {
    let selection = args.selection();
    let cases = selection.cases().map_err(|error| usage(&error))?;
    if args.list {
        print!("{}", list(&cases, &selection.targets));
        return Ok(Exit::Success);
    }
    let total = count(&cases, &selection);
    // A rule that needs a path has a row that says so.
    if total == 0 && !selection.targets.is_empty() {
        return Err(usage(
            &"none of these rules can be seen on these targets; see `ksw conform --list`",
        ));
    }
    let earlier = args.against.as_deref().map(read).transpose()?;
    let outputs = open_outputs(args)?;
    let mut runner = match args.venue {
        VenueArg::Model => model(args.seed)?,
        VenueArg::Native => native()?,
    };
    let results = run(runner.as_mut(), &selection, total)?;
    let instead = outputs.iter().any(|output| output.file.is_none());
    if !instead {
        print!("{}", Text(&results));
    }
    for output in outputs {
        output.write(&results)?;
    }
    let agreement = earlier.map(|earlier| Agreement::of(&results, &earlier));
    if let Some(agreement) = &agreement {
        if instead {
            eprint!("{agreement}");
        } else {
            print!("{agreement}");
        }
    }
    Ok(exit(&results, agreement.as_ref()))
}

fn usage(error: &impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, error.to_string())
}

/// What the run says to the shell.
fn exit(results: &Results, agreement: Option<&Agreement>) -> Exit {
    if results.rows.iter().all(|row| row.verdict == Verdict::NotRun) {
        Exit::Absent
    } else if results.passed() && agreement.is_none_or(Agreement::holds) {
        Exit::Success
    } else {
        Exit::Verification
    }
}

/// How many rows the run will have at least.
fn count(cases: &[&Case], selection: &Selection) -> u64 {
    let rows = |target: &Target| cases.iter().filter(|case| case.targets.have(target)).count();
    let rows: usize = selection.targets().iter().map(rows).sum();
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// Runs the cases, under a bar that says which row was last.
fn run(runner: &mut dyn Runner, selection: &Selection, total: u64) -> Result<Results, Failure> {
    // Hidden when the error stream is not a terminal.
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left: {msg}") {
        bar.set_style(style);
    }
    let mut failed = 0;
    let mut progress = |row: &Row| {
        failed += u64::from(row.verdict == Verdict::Fail);
        let failed = if failed == 0 {
            String::new()
        } else {
            format!(" ({failed} FAIL)")
        };
        bar.set_message(format!("{} on {}{failed}", row.id, row.target));
        bar.inc(1);
    };
    let results = suite::run(runner, selection, &mut progress).map_err(|error| usage(&error))?;
    bar.finish_and_clear();
    Ok(results)
}

fn read(path: &Path) -> Result<Results, Failure> {
    let name = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Io, format!("cannot read {name}: {error}")))?;
    from_json(&text).map_err(|error| {
        let message = format!("{name} holds no results of `ksw conform --json`: {error}");
        Failure::new(Exit::Io, message)
    })
}

/// A form of the results.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Junit,
    Html,
}

/// Where one form goes. The file is made before anything runs, so that a bad path costs no run.
struct Output {
    form: Form,
    /// `None` for standard output.
    file: Option<File>,
    name: String,
}

fn open_outputs(args: &ConformArgs) -> Result<Vec<Output>, Failure> {
    let wanted = [
        (Form::Json, &args.json),
        (Form::Junit, &args.junit),
        (Form::Html, &args.html),
    ];
    let mut outputs = Vec::new();
    for (form, path) in wanted {
        if let Some(path) = path {
            outputs.push(Output::open(form, path)?);
        }
    }
    let to_stdout = outputs.iter().filter(|output| output.file.is_none()).count();
    if to_stdout > 1 {
        return Err(usage(
            &"only one of --json, --junit and --html can go to standard output",
        ));
    }
    Ok(outputs)
}

impl Output {
    fn open(form: Form, path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = if path == Path::new("-") {
            None
        } else {
            let made = File::create(path);
            Some(made.map_err(|error| Failure::new(Exit::Io, format!("cannot make {name}: {error}")))?)
        };
        Ok(Self { form, file, name })
    }

    fn write(self, results: &Results) -> Result<(), Failure> {
        let text = match self.form {
            Form::Json => to_json(results).map_err(|error| Failure::io(&error))?,
            Form::Junit => to_junit(results).map_err(|error| Failure::io(&error))?,
            Form::Html => page::page(results).render(),
        };
        let name = self.name;
        match self.file {
            None => writeln!(io::stdout(), "{text}"),
            Some(mut file) => file.write_all(text.as_bytes()),
        }
        .map_err(|error| Failure::new(Exit::Io, format!("cannot write {name}: {error}")))
    }
}

/// The cases, as `--list` shows them: those that can be seen on one of the targets.
fn list(cases: &[&Case], targets: &[Target]) -> Table {
    let mut table = Table::new([
        ("rule", Align::Left),
        ("statement", Align::Left),
        ("targets", Align::Left),
    ]);
    let seen = |case: &&&Case| targets.is_empty() || targets.iter().any(|target| case.targets.have(target));
    for case in cases.iter().filter(seen) {
        table.row([case.id, case.statement, &case.targets.to_string()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_selected_rules_and_their_targets() {
        let selection = Selection {
            targets: vec![Target::NamedPipe],
            only: vec!["WF-47".to_owned()],
        };
        let text = list(&selection.cases().unwrap(), &selection.targets).to_string();
        assert!(text.contains("WF-47") && text.contains("named-pipe"), "{text}");
        let text = list(&selection.cases().unwrap(), &[Target::Console]).to_string();
        assert!(!text.contains("WF-47"), "{text}");
    }

    #[test]
    fn the_exit_says_whether_anything_failed_or_nothing_was_run() {
        let row = |verdict| Row {
            id: "WF-01".to_owned(),
            statement: "one".to_owned(),
            target: Target::File,
            verdict,
            reason: None,
            observations: Vec::new(),
            elapsed_ns: 0,
        };
        let results = |verdicts: &[Verdict]| Results {
            venue: kswrite_conform::Venue::Model,
            system: String::new(),
            version: String::new(),
            rows: verdicts.iter().copied().map(row).collect(),
        };
        let passed = results(&[Verdict::Pass, Verdict::Differs, Verdict::NotRun]);
        assert_eq!(exit(&passed, None), Exit::Success);
        let failed = results(&[Verdict::Pass, Verdict::Fail]);
        assert_eq!(exit(&failed, None), Exit::Verification);
        assert_eq!(exit(&results(&[Verdict::NotRun]), None), Exit::Absent);
        let agreement = Agreement::of(&passed, &failed);
        assert_eq!(exit(&passed, Some(&agreement)), Exit::Success);
        let agreement = Agreement::of(&passed, &results(&[Verdict::Fail]));
        assert_eq!(exit(&passed, Some(&agreement)), Exit::Verification);
    }
}
