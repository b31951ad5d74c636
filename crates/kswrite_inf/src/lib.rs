//! INF files: read as SetupAPI reads them, and held against the rules for driver packages.
//!
//! InfVerif of the WDK is the judge on Windows. The [rules] here are those of its modes `/h` and `/w` that this
//! project's files can break, each with a name; they can be checked on any system. `$NAME$` placeholders, which
//! stampinf fills in, are accepted where [`Stage::Source`] says that they are still there.
//!
//! Pages: <https://learn.microsoft.com/windows-hardware/drivers/install/general-syntax-rules-for-inf-files>,
//! <https://learn.microsoft.com/windows-hardware/drivers/devtest/inf-validation-errors-and-warnings>.

mod install;
mod parse;
pub mod rules;
mod sddl;

pub use install::{Install, Model, Service};
pub use parse::{Entry, Inf, Problem, Section};
pub use rules::{Context, Finding, RULES, Rule, Stage, check};
