//! How one write may end, by the script that was in force when it was issued.

use kswrite_client::Win32Error;
use kswrite_wire::sink::{CheckedScript, FastMode};

use super::finding::{Finding, Invariant};
use super::program::{BUFFER_OVERFLOW, INSUFFICIENT_RESOURCES, IO_DEVICE_ERROR};

/// What a sink took of a write: `None` if it did not let it in, or failed it.
pub type Taken = Option<u32>;

/// What a script may make of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    length: u32,
    /// Whether it may be taken whole: by fast I/O, or because it is not its turn.
    whole: bool,
    /// What the script makes of it when it is its turn.
    turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Taken, with this many bytes.
    Taken(u32),
    /// Taken, and reported as an error.
    Warning(u32, Win32Error),
    /// Failed; nothing is taken.
    Failed(Win32Error),
}

/// What the outcome of a write says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// What the sink took, for sure.
    Took(Taken),
    /// The sink failed it as its script says.
    Failed,
    /// It was cancelled after the sink had taken this much.
    Cancelled(u32),
    /// It was cancelled with nothing taken: before it got there, or after it had been failed.
    CancelledUntaken,
    /// It was cancelled with a count of 0 that leaves open what the sink took, at most so many bytes.
    CancelledOpen(u32),
}

/// What a program sees of the statuses that scripts use.
fn seen_as(status: i32) -> Option<Win32Error> {
    match status {
        IO_DEVICE_ERROR => Some(Win32Error(1117)),
        INSUFFICIENT_RESOURCES => Some(Win32Error(1450)),
        BUFFER_OVERFLOW => Some(Win32Error(234)),
        _ => None,
    }
}

impl Expected {
    /// Of a write of `length` bytes.
    pub fn new(script: &CheckedScript, length: u32) -> Self {
        let short = length.saturating_sub(script.short_by);
        let turn = match (script.status, seen_as(script.status)) {
            (0.., _) | (_, None) => Turn::Taken(short),
            (BUFFER_OVERFLOW, Some(error)) => Turn::Warning(short, error),
            (_, Some(error)) => Turn::Failed(error),
        };
        Self {
            length,
            whole: script.fast == FastMode::Accept || script.every > 1,
            turn,
        }
    }

    /// Everything that the sink may have made of it, when its outcome is not known.
    pub fn possible(&self) -> Vec<Taken> {
        let mut possible = vec![None];
        let turn = match self.turn {
            Turn::Taken(bytes) | Turn::Warning(bytes, _) => Some(bytes),
            Turn::Failed(_) => None,
        };
        possible.extend(turn.map(Some));
        if self.whole && turn != Some(self.length) {
            possible.push(Some(self.length));
        }
        possible
    }

    /// The most bytes that can have been taken.
    pub fn most(&self) -> u32 {
        self.possible().into_iter().flatten().max().unwrap_or(0)
    }

    /// Judges an outcome: the result, and the byte count of the status block.
    ///
    /// # Errors
    ///
    /// It is none that the script allows.
    pub fn judge(&self, result: Result<u32, Win32Error>, bytes: u32) -> Result<Said, Finding> {
        let taken = |bytes: u32| self.possible().contains(&Some(bytes));
        let wrong = |invariant| {
            let outcome = match result {
                Ok(count) => format!("success with {count} bytes"),
                Err(error) => format!("{error} with {bytes} bytes"),
            };
            Finding::new(
                invariant,
                format!(
                    "a write of {} bytes ended with {outcome}, but its script allows {}",
                    self.length,
                    self.allowed()
                ),
            )
        };
        match (result, self.turn) {
            (Ok(count), _) if count != bytes => Err(wrong(Invariant::ByteCount)),
            (Ok(count), Turn::Taken(short)) if count == short => Ok(Said::Took(Some(count))),
            (Ok(count), _) if self.whole && count == self.length => Ok(Said::Took(Some(count))),
            (Ok(_), _) => Err(wrong(Invariant::ByteCount)),
            (Err(error), Turn::Failed(expected)) if error == expected => match bytes {
                0 => Ok(Said::Failed),
                _ => Err(wrong(Invariant::ByteCount)),
            },
            (Err(error), Turn::Warning(short, expected)) if error == expected => {
                if bytes == short {
                    Ok(Said::Took(Some(bytes)))
                } else {
                    Err(wrong(Invariant::ByteCount))
                }
            }
            (Err(Win32Error::OPERATION_ABORTED), _) => match bytes {
                0 if taken(0) => Ok(Said::CancelledOpen(0)),
                0 => Ok(Said::CancelledUntaken),
                _ if taken(bytes) => Ok(Said::Cancelled(bytes)),
                _ => Err(wrong(Invariant::ByteCount)),
            },
            (Err(_), _) => Err(wrong(Invariant::Outcome)),
        }
    }

    fn allowed(&self) -> String {
        let mut ways = Vec::new();
        if self.whole {
            ways.push(format!("{} bytes", self.length));
        }
        ways.push(match self.turn {
            Turn::Taken(bytes) => format!("{bytes} bytes"),
            Turn::Warning(bytes, error) => format!("{error} with {bytes} bytes"),
            Turn::Failed(error) => format!("{error} with 0 bytes"),
        });
        ways.dedup();
        format!("{}, or a cancel with what was taken", ways.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use kswrite_wire::sink::Script;

    use super::*;

    const ABORTED: Result<u32, Win32Error> = Err(Win32Error::OPERATION_ABORTED);

    fn expected(script: Script, length: u32) -> Expected {
        Expected::new(&script.check().unwrap(), length)
    }

    fn declining() -> Script {
        Script {
            fast: FastMode::Decline as u32,
            ..Script::default()
        }
    }

    #[test]
    fn a_plain_script_takes_all() {
        let plain = expected(Script::default(), 10);
        assert_eq!(plain.judge(Ok(10), 10), Ok(Said::Took(Some(10))));
        assert_eq!(plain.judge(ABORTED, 0), Ok(Said::CancelledUntaken));
        assert_eq!(plain.judge(ABORTED, 10), Ok(Said::Cancelled(10)));
        for (result, bytes) in [(Ok(9), 9), (Ok(10), 9), (ABORTED, 9), (Ok(0), 0)] {
            assert_eq!(
                plain.judge(result, bytes).unwrap_err().invariant,
                Invariant::ByteCount,
                "{result:?}"
            );
        }
        let other = plain.judge(Err(Win32Error(1117)), 0).unwrap_err();
        assert_eq!(other.invariant, Invariant::Outcome);
        assert!(other.text.contains("ERROR_IO_DEVICE"), "{other}");
    }

    #[test]
    fn a_short_write_is_the_scripts() {
        let short = Script {
            short_by: 3,
            ..declining()
        };
        assert_eq!(expected(short, 10).judge(Ok(7), 7), Ok(Said::Took(Some(7))));
        assert!(expected(short, 10).judge(Ok(10), 10).is_err());
        assert_eq!(expected(short, 10).judge(ABORTED, 7), Ok(Said::Cancelled(7)));
        let often = Script { every: 2, ..short };
        assert_eq!(expected(often, 10).judge(Ok(10), 10), Ok(Said::Took(Some(10))));
        assert_eq!(expected(often, 10).possible(), [None, Some(7), Some(10)]);
        assert_eq!(expected(often, 10).most(), 10);
    }

    #[test]
    fn errors_and_warnings_are_the_scripts() {
        let failing = Script {
            status: IO_DEVICE_ERROR,
            ..declining()
        };
        let error = Err(Win32Error(1117));
        assert_eq!(expected(failing, 10).judge(error, 0), Ok(Said::Failed));
        assert!(expected(failing, 10).judge(error, 10).is_err());
        assert!(expected(failing, 10).judge(Ok(10), 10).is_err());
        assert_eq!(expected(failing, 10).possible(), [None]);
        let warning = Script {
            status: BUFFER_OVERFLOW,
            ..declining()
        };
        assert_eq!(
            expected(warning, 10).judge(Err(Win32Error(234)), 10),
            Ok(Said::Took(Some(10)))
        );
        assert!(expected(warning, 10).judge(Err(Win32Error(234)), 0).is_err());
    }

    #[test]
    fn whether_a_cancelled_write_of_nothing_was_counted_is_not_known() {
        assert_eq!(
            expected(declining(), 0).judge(ABORTED, 0),
            Ok(Said::CancelledOpen(0))
        );
    }
}
