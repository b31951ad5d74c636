//! `cargo xtask wine -- CMD...`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::{Load, Pin, Session};
use crate::build;
use crate::layout::Layout;
use crate::step;
use crate::tools::{self, Purpose};

#[derive(Args)]
pub(crate) struct WineOptions {
    /// Load no driver: the prefix, the programs and the INF files only.
    #[arg(long)]
    bare: bool,
    /// Put no filter above the sinks.
    #[arg(long, conflicts_with = "bare")]
    no_filter: bool,
    /// Run everything on one CPU, which is faster and steadier in Wine.
    #[arg(long)]
    pin: bool,
    /// Seconds after which the program is stopped.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    /// The program and its arguments: a Windows or a Linux path, or a name. `ksw` is the harness.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Builds, starts a session, runs the program, and ends the session.
pub(crate) fn command(layout: &Layout, options: &WineOptions) -> Result<ExitCode> {
    let tools = tools::ensure(layout, Purpose::Build)?;
    build::all(layout, &tools)?;
    let load = match options {
        WineOptions { bare: true, .. } => Load::Nothing,
        WineOptions { no_filter: true, .. } => Load::Sinks,
        _ => Load::Filter,
    };
    let pin = if options.pin { Pin::OneCpu } else { Pin::No };
    let session = Session::start(layout, &tools, "wine", load, pin)?;
    let command = session
        .windows(&options.command)
        .timeout(Duration::from_secs(options.timeout));
    let code = step::on_terminal(&command)?;
    let findings = session.finish()?;
    findings.print();
    Ok(match code {
        Some(0) if !findings.clean() => ExitCode::FAILURE,
        code => code
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
    })
}
