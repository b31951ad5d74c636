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
    bail!("{}", failure(layout, title, command, &ending(ended.code), &ended.log))
}

/// Like [`run`], but a failing exit code is the caller's to judge.
///
/// # Errors
///
/// The command cannot be started, runs too long, or is interrupted.
pub(crate) fn run_to_end(layout: &Layout, title: &str, log: &str, command: &Command) -> Result<Ended> {
    let log = layout.log(log);
    let mut file = fs::File::create(&log)?;
    writeln!(file, "$ {command}")?;
    let mut progress = Progress::start(title);
    let outcome = watch(layout, title, command, &log, file, &mut progress);
    progress.finish(matches!(outcome, Ok(Some(0))));
    Ok(Ended { code: outcome?, log })
}

/// Like [`run`], with all output at the end of a log that others write to as well.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_appending(layout: &Layout, title: &str, log: &Path, command: &Command) -> Result<()> {
    let file = fs::OpenOptions::new().append(true).open(log)?;
    let mut progress = Progress::start(title);
    let outcome = watch(layout, title, command, log, file, &mut progress);
    progress.finish(matches!(outcome, Ok(Some(0))));
    match outcome? {
        Some(0) => Ok(()),
        code => bail!("{}", failure(layout, title, command, &ending(code), log)),
    }
}

fn ending(code: Option<i32>) -> String {
    code.map_or("was killed".to_owned(), |code| format!("ended with code {code}"))
}

fn watch(
    layout: &Layout,
    title: &str,
    command: &Command,
    log: &Path,
    file: fs::File,
    progress: &mut Progress,
) -> Result<Option<i32>> {
    let handle = command
        .expression()
        .stdin_null()
        .stderr_to_stdout()
        .stdout_file(file.into_file())
        .start()
        .with_context(|| format!("step '{title}' cannot start: {command}"))?;
    let deadline = Instant::now() + command.time_limit();
    loop {
        if let Some(output) = handle.wait_timeout(LOOK)? {
            return Ok(output.status.code());
        }
        if let Err(stop) = interrupt::check() {
            handle.kill()?;
            return Err(stop);
        }
        if Instant::now() > deadline {
            handle.kill()?;
            let how = format!("took longer than {} s", command.time_limit().as_secs());
            bail!("{}", failure(layout, title, command, &how, log));
        }
        progress.tick(last_line(log).as_str());
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
