//! Is everything over, and given back?

use std::fmt;

use crate::{Finding, Irql, World, event::Home, irp::Phase, state::State};

/// What is wrong, and the calls that led there. Shown, it says first what, then how.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The calls, one line each, the oldest first.
    pub trace: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        writeln!(f, "after:")?;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Report {}

impl World {
    /// Everything should be over: what was found until now, and what is outstanding.
    ///
    /// # Errors
    ///
    /// The report.
    pub fn check(&self) -> Result<(), Report> {
        let findings = self.with(|state| {
            let mut findings = state.findings.clone();
            findings.extend(state.outstanding());
            findings
        });
        if findings.is_empty() {
            return Ok(());
        }
        let trace = self.trace();
        Err(Report { findings, trace })
    }
}

impl State {
    /// What was handed out and did not come back.
    fn outstanding(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        self.irps_outstanding(&mut found);
        self.references_outstanding(&mut found);
        self.memory_outstanding(&mut found);
        self.threads_outstanding(&mut found);
        for (port, queue) in self.ports.iter() {
            let packets = queue.packets.len();
            if packets > 0 {
                found.push(Finding::PacketsQueued { port, packets });
            }
        }
        let actions = self.later.len();
        if actions > 0 {
            found.push(Finding::ActionsLeft { actions });
        }
        found
    }

    fn irps_outstanding(&self, found: &mut Vec<Finding>) {
        for (irp, slot) in self.irps.iter() {
            // One that is a packet is accounted for by its port.
            if slot.irp.as_ref().is_some_and(|irp| irp.phase != Phase::Packet) {
                found.push(Finding::IrpLeaked { irp });
            }
        }
    }

    fn references_outstanding(&self, found: &mut Vec<Finding>) {
        for (id, file) in self.files.iter() {
            let references = file.pointers.saturating_sub(file.handles);
            if references > 0 {
                found.push(Finding::FileLeaked { file: id, references });
            }
        }
        for (id, event) in self.events.iter().filter(|(_, event)| event.home == Home::Object) {
            let references = event.pointers.saturating_sub(event.handles);
            if references > 0 {
                found.push(Finding::EventLeaked {
                    event: id,
                    references,
                });
            }
        }
    }

    fn memory_outstanding(&self, found: &mut Vec<Finding>) {
        let mdls = self.memory.mdls.iter();
        found.extend(
            mdls.filter(|(_, mdl)| mdl.is_some())
                .map(|(mdl, _)| Finding::MdlLeaked { mdl }),
        );
        let pages = self.memory.locked_pages();
        if pages > 0 {
            found.push(Finding::PagesLocked { pages });
        }
        let bytes = self.process.charged;
        if bytes > 0 {
            found.push(Finding::QuotaLeaked { bytes });
        }
        let bytes = self.process.pool + self.memory.pool_bytes();
        if bytes > 0 {
            found.push(Finding::PoolLeaked { bytes });
        }
    }

    fn threads_outstanding(&self, found: &mut Vec<Finding>) {
        for (id, thread) in self.threads.iter() {
            let apcs = thread.apcs.len();
            if apcs > 0 {
                found.push(Finding::ApcsPending { thread: id, apcs });
            }
            let restored = [
                (thread.irql == Irql::Passive, "the IRQL"),
                (thread.guarded == 0, "a guarded region"),
                (thread.waiting.is_none(), "a wait"),
            ];
            let not = restored.into_iter().filter(|(restored, _)| !restored);
            found.extend(not.map(|(_, what)| Finding::NotRestored { thread: id, what }));
        }
        if let Some(thread) = self.cancel_lock {
            let what = "the cancel spin lock";
            found.push(Finding::NotRestored { thread, what });
        }
    }
}
