//! Steps: a command is run, its output goes to a log, and a failure says all that is needed to look into it.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::interrupt;
use crate::layout::Layout;
use crate::process::Command;
use crate::progress::Progress;

/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of the log that a failure shows.
const TAIL_LINES: usize = 25;
/// Bytes at the end of a log that are looked at for them.
const TAIL_BYTES: u64 = 16 << 10;

/// How a command ended.
pub(crate) struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Everything that it printed.
    pub(crate) log: PathBuf,
}

/// Runs `command`, shown as `title`, logged to `logs/<log>.log`.
///
/// # Errors
///
/// The command cannot be started, runs too long, is interrupted, or fails; the text names the step, the
/// command and the last lines of its log.
pub(crate) fn run(layout: &Layout, title: &str, log: &str, command: &Command) -> Result<()> {
    let ended = run_to_end(layout, title, log, command)?;
    if ended.code == Some(0) {
        return Ok(());
    }
    bail!(
        "{}",
        failure(layout, title, command, &ending(ended.code), &ended.log)
    )
}

/// Like [`run`], but a failing exit code is the caller's to judge.
///
/// # Errors
///
/// The command cannot be started, runs too long, or is interrupted.
pub(crate) fn run_to_end(layout: &Layout, title: &str, log: &str, command: &Command) -> Result<Ended> {
    let (log, redirected) = logged(layout, log, command)?;
    let watch = Watch {
        layout,
        title,
        command,
        log: &log,
    };
    let code = watch.run(&redirected)?;
    Ok(Ended { code, log })
}

/// Like [`run_to_end`], but it is no error to run too long: `None` then, and the program is killed.
///
/// # Errors
///
/// The program cannot be started, or is interrupted.
pub(crate) fn run_in_time(
    layout: &Layout,
    title: &str,
    log: &str,
    command: &Command,
) -> Result<Option<Ended>> {
    let (log, redirected) = logged(layout, log, command)?;
    let watch = Watch {
        layout,
        title,
        command,
        log: &log,
    };
    Ok(match watch.watch(&redirected)? {
        Wait::Ended(code) => Some(Ended { code, log }),
        Wait::TooLong => None,
    })
}

/// A new log, with the command at its head, and the command with all its output going there.
fn logged(layout: &Layout, log: &str, command: &Command) -> Result<(PathBuf, duct::Expression)> {
    let log = layout.log(log);
    let mut file = fs::File::create(&log)?;
    writeln!(file, "$ {command}")?;
    let redirected = command
        .expression()
        .stderr_to_stdout()
        .stdout_file(file.into_file());
    Ok((log, redirected))
}

/// Like [`run`], with all output at the end of a log that others write to as well.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_appending(layout: &Layout, title: &str, log: &Path, command: &Command) -> Result<()> {
    let file = fs::OpenOptions::new().append(true).open(log)?;
    let redirected = command
        .expression()
        .stderr_to_stdout()
        .stdout_file(file.into_file());
    match (Watch {
        layout,
        title,
        command,
        log,
    })
    .run(&redirected)?
    {
        Some(0) => Ok(()),
        code => bail!("{}", failure(layout, title, command, &ending(code), log)),
    }
}

/// What a command wrote to standard output, and how it ended.
pub(crate) struct Captured {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) text: String,
    /// The text of the failure that it is if `text` is of no use.
    pub(crate) failure: String,
}

/// Like [`run_to_end`], with standard output kept apart. It goes through a file, never a pipe: Wine's server
/// would hold a pipe open long after the program has ended.
///
/// # Errors
///
/// As [`run_to_end`].
pub(crate) fn capture(layout: &Layout, title: &str, log: &str, command: &Command) -> Result<Captured> {
    let out = layout.log(&format!("{log}-out"));
    let log = layout.log(log);
    let mut file = fs::File::create(&log)?;
    writeln!(file, "$ {command}")?;
    let redirected = command
        .expression()
        .stdout_file(fs::File::create(&out)?.into_file())
        .stderr_file(file.into_file());
    let code = Watch {
        layout,
        title,
        command,
        log: &log,
    }
    .run(&redirected)?;
    Ok(Captured {
        code,
        text: String::from_utf8_lossy(&fs::read(&out)?).into_owned(),
        failure: failure(layout, title, command, &ending(code), &log),
    })
}

fn ending(code: Option<i32>) -> String {
    code.map_or("was killed".to_owned(), |code| format!("ended with code {code}"))
}

/// A command that is waited for.
struct Watch<'a> {
    layout: &'a Layout,
    title: &'a str,
    command: &'a Command,
    log: &'a Path,
}

impl Watch<'_> {
    fn run(&self, redirected: &duct::Expression) -> Result<Option<i32>> {
        match self.watch(redirected)? {
            Wait::Ended(code) => Ok(code),
            Wait::TooLong => {
                let how = format!("took longer than {} s", self.command.time_limit().as_secs());
                bail!(
                    "{}",
                    failure(self.layout, self.title, self.command, &how, self.log)
                );
            }
        }
    }

    fn watch(&self, redirected: &duct::Expression) -> Result<Wait> {
        interrupt::check()?;
        let mut progress = Progress::start(self.title);
        let outcome = self.wait(redirected, &mut progress);
        progress.finish(matches!(outcome, Ok(Wait::Ended(Some(0)))));
        outcome
    }

    fn wait(&self, redirected: &duct::Expression, progress: &mut Progress) -> Result<Wait> {
        let Self {
            title, command, log, ..
        } = *self;
        let handle = redirected
            .stdin_null()
            .start()
            .with_context(|| format!("step '{title}' cannot start: {command}"))?;
        wait(&handle, command.time_limit(), || progress.tick(&last_line(log)))
    }
}

/// Runs a command on the terminal itself; gives its exit code.
///
/// # Errors
///
/// The command cannot be started, runs too long, or is interrupted.
pub(crate) fn on_terminal(command: &Command) -> Result<Option<i32>> {
    let handle = command
        .expression()
        .start()
        .with_context(|| format!("cannot start: {command}"))?;
    match wait(&handle, command.time_limit(), || ())? {
        Wait::Ended(code) => Ok(code),
        Wait::TooLong => bail!("{command} took longer than {} s", command.time_limit().as_secs()),
    }
}

/// How waiting ended.
enum Wait {
    /// With the command; `None` when a signal ended it.
    Ended(Option<i32>),
    /// With the time limit; the command is killed.
    TooLong,
}

/// Waits for a command; kills it when its time is over or the user wants to stop.
fn wait(handle: &duct::Handle, limit: Duration, mut look: impl FnMut()) -> Result<Wait> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(output) = handle.wait_timeout(LOOK)? {
            return Ok(Wait::Ended(output.status.code()));
        }
        if let Err(stop) = interrupt::check() {
            handle.kill()?;
            return Err(stop);
        }
        if Instant::now() > deadline {
            handle.kill()?;
            return Ok(Wait::TooLong);
        }
        look();
    }
}

/// The whole text of a failure.
fn failure(layout: &Layout, title: &str, command: &Command, how: &str, log: &Path) -> String {
    let mut text = format!(
        "step '{title}' {how}\n  command: {command}\n  log: {}, last lines:",
        layout.show(log)
    );
    for line in tail(log, TAIL_LINES) {
        text.push_str("\n    ");
        text.push_str(&line);
    }
    text
}

/// The last `count` lines of a file; nothing when it cannot be read.
pub(crate) fn tail(path: &Path, count: usize) -> Vec<String> {
    let text = end_of(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let skip = lines.len().saturating_sub(count);
    lines.into_iter().skip(skip).map(str::to_owned).collect()
}

fn last_line(path: &Path) -> String {
    tail(path, 1).pop().unwrap_or_default()
}

fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Does `work` while `title` is shown.
///
/// # Errors
///
/// Those of `work`, with the title in front.
pub(crate) fn work<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    interrupt::check()?;
    let progress = Progress::start(title);
    let result = work();
    progress.finish(result.is_ok());
    result.with_context(|| format!("step '{title}' failed"))
}
