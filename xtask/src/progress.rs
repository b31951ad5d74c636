//! What the user sees while a step runs: a line that lives on a terminal, two plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One running step.
pub(crate) struct Progress {
    title: String,
    start: Instant,
    bar: Option<ProgressBar>,
    shown: bool,
}

/// A step that is quicker than this is not worth a line where nothing can be taken back.
const QUIET: Duration = Duration::from_millis(500);
/// A step that is slower than this says so while it lasts.
const SLOW: Duration = Duration::from_secs(5);

impl Progress {
    pub(crate) fn start(title: &str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(title.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            title: title.to_owned(),
            start: Instant::now(),
            bar,
            shown: false,
        }
    }

    /// Called every now and then with what the step says last.
    pub(crate) fn tick(&mut self, last_line: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(last_line.to_owned());
        } else if !self.shown && self.start.elapsed() > SLOW {
            self.shown = true;
            eprintln!("{} ...", self.title);
        }
    }

    /// The step is over; a long one leaves a line with its time.
    pub(crate) fn finish(self, ok: bool) {
        let elapsed = self.start.elapsed();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if elapsed > QUIET || !ok {
            let word = if ok { "" } else { " (failed)" };
            eprintln!("{}: {:.1} s{word}", self.title, elapsed.as_secs_f64());
        }
    }
}
