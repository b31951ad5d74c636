//! A command: program, arguments, environment and a time limit.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A command that is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
    timeout: Duration,
}

/// Nothing that xtask starts needs longer; a hang must not stop a CI machine for ever.
const TIMEOUT: Duration = Duration::from_mins(30);

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_os_string(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            timeout: TIMEOUT,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    pub(crate) fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variable(name.as_ref(), Some(value.as_ref().to_os_string()))
    }

    pub(crate) fn env_remove(self, name: impl AsRef<OsStr>) -> Self {
        self.variable(name.as_ref(), None)
    }

    /// What is said last of a variable holds.
    fn variable(mut self, name: &OsStr, value: Option<OsString>) -> Self {
        self.env.retain(|(other, _)| other != name);
        self.env.push((name.to_os_string(), value));
        self
    }

    pub(crate) fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same arguments and environment for another program.
    pub(crate) fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = program.as_ref().to_os_string();
        self
    }

    /// How long it may take.
    pub(crate) fn time_limit(&self) -> Duration {
        self.timeout
    }

    /// The same command, started by `program` with `args` in front: `taskset -c 1 ...`.
    pub(crate) fn under(mut self, program: &str, args: &[&str]) -> Self {
        let inner = std::mem::replace(&mut self.program, program.into());
        let front = args.iter().map(OsString::from).chain([inner]);
        self.args.splice(0..0, front);
        self
    }

    /// The form that can be started. A failing exit code is not an error of the expression itself.
    pub(crate) fn expression(&self) -> duct::Expression {
        let mut expression = duct::cmd(&self.program, &self.args).unchecked();
        for (name, value) in &self.env {
            expression = match value {
                Some(value) => expression.env(name, value),
                None => expression.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            expression = expression.dir(dir);
        }
        expression
    }
}

/// As it could be typed into a shell, without the environment.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", quoted(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        Ok(())
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_typed() {
        let command = Command::new("cargo").arg("build").arg(r"C:\a b").arg("it's");
        assert_eq!(command.to_string(), r"cargo build 'C:\a b' 'it'\''s'");
    }

    #[test]
    fn what_is_said_last_of_a_variable_holds() {
        let command = Command::new("printenv").arg("KSWRITE_WORD");
        let read = |command: Command| command.expression().read().unwrap();
        let once = command.env_remove("KSWRITE_WORD").env("KSWRITE_WORD", "a");
        assert_eq!(read(once.clone()), "a");
        assert_eq!(read(once.env("KSWRITE_WORD", "b")), "b");
    }

    #[test]
    fn a_wrapper_goes_in_front() {
        let command = Command::new("wine64").arg("x.exe").under("taskset", &["-c", "1"]);
        assert_eq!(command.to_string(), "taskset -c 1 wine64 x.exe");
    }
}
