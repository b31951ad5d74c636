//! `ksw trace`.

use std::collections::VecDeque;
use std::fmt;
use std::io::{StdoutLock, Write, stdout};
use std::thread::sleep;
use std::time::Duration;

use ksw::cli::trace::TraceArgs;
use ksw::exit::Exit;
use ksw::trace::{Joiner, Lost, TraceLine, Whose};
use kswrite_client::{Filter, TraceBatch, TraceReader};
use serde::Serialize;

use super::{Failure, etw, interrupt};

/// How long a reader that follows waits when there was nothing.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Runs the command.
pub(super) fn command(args: &TraceArgs) -> Result<Exit, Failure> {
    if args.etw {
        return etw::follow(args);
    }
    let filter = Filter::open()?;
    if args.on {
        filter.set_trace(Some(args.records))?;
        println!("the trace is on, for {} records", args.records);
    } else if args.off {
        filter.set_trace(None)?;
        println!("the trace is off");
    } else if args.follow {
        return follow(&filter, args);
    } else {
        return show(&filter, args);
    }
    Ok(Exit::Success)
}

/// What is kept, whatever comes meanwhile.
fn show(filter: &Filter, args: &TraceArgs) -> Result<Exit, Failure> {
    let state = filter.trace_state()?;
    if state.on == 0 {
        let message = "the trace is off, so nothing is kept: `ksw trace --follow` shows writes as they come, `ksw \
                       trace --on` keeps records";
        return Err(Failure::new(Exit::Absent, message));
    }
    let (mut joiner, mut lines) = (Joiner::default(), VecDeque::new());
    let most = args
        .count
        .map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let mut keep = |line| {
        lines.push_back(line);
        if lines.len() > most {
            lines.pop_front();
        }
    };
    let (mut from, mut lost) = (state.oldest, 0);
    while from < state.next {
        let batch = filter.read_trace(from)?;
        from = batch.next;
        lost += batch.lost;
        wanted(batch, args.whose(), &mut joiner).for_each(&mut keep);
    }
    joiner.outstanding(state.now).for_each(keep);
    let mut out = Output::new(args.json)?;
    out.lost(lost)?;
    lines.iter().try_for_each(|line| out.line(line))?;
    out.flush()?;
    Ok(Exit::Success)
}

/// What comes, until Ctrl-C or enough has come.
fn follow(filter: &Filter, args: &TraceArgs) -> Result<Exit, Failure> {
    interrupt::install()?;
    let mut reader = TraceReader::follow(filter, args.records)?;
    let mut joiner = Joiner::default();
    let mut out = Output::new(args.json)?;
    out.flush()?;
    let mut left = args.count.unwrap_or(u64::MAX);
    while !interrupt::asked() {
        let batch = reader.read()?;
        let nothing = batch.records.is_empty();
        out.lost(batch.lost)?;
        for line in wanted(batch, args.whose(), &mut joiner) {
            out.line(&line)?;
            left -= 1;
            if left == 0 {
                out.flush()?;
                return Ok(Exit::Success);
            }
        }
        if nothing {
            out.flush()?;
            sleep(PAUSE);
        }
    }
    let now = filter.trace_state()?.now;
    joiner.outstanding(now).try_for_each(|line| out.line(&line))?;
    out.flush()?;
    Ok(Exit::Success)
}

fn wanted(batch: TraceBatch, whose: Whose, joiner: &mut Joiner) -> impl Iterator<Item = TraceLine> {
    let records = batch.records.into_iter();
    records
        .filter(move |record| whose.includes(record))
        .filter_map(|record| joiner.add(record))
}

/// Lines of text under heads, or of JSON.
pub(super) struct Output {
    out: StdoutLock<'static>,
    json: bool,
}

impl Output {
    fn new(json: bool) -> Result<Self, Failure> {
        let mut output = Self::without_heads(json);
        if !json {
            output.text(&TraceLine::head())?;
        }
        Ok(output)
    }

    pub(super) fn without_heads(json: bool) -> Self {
        Self {
            out: stdout().lock(),
            json,
        }
    }

    pub(super) fn line<T: fmt::Display + Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        if !self.json {
            return self.text(value);
        }
        let text = serde_json::to_string(value).map_err(|error| Failure::io(&error))?;
        self.text(&text)
    }

    pub(super) fn lost(&mut self, lost: u64) -> Result<(), Failure> {
        if lost == 0 {
            return Ok(());
        }
        self.line(&Lost { lost })
    }

    fn text(&mut self, text: &impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.out, "{text}").map_err(|error| Failure::io(&error))
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Failure::io(&error))
    }
}
