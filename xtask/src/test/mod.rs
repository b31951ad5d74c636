//! `cargo xtask test`: every test, on every venue.

mod browser;
mod c;
mod totals;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use ksw::conform;
use kswrite_conform::report::Summary;

use crate::build;
use crate::interrupt;
use crate::layout::Layout;
use crate::libtest;
use crate::package;
use crate::run;
use crate::step;
use crate::tools::{self, Purpose, Tools};
use crate::wine::{Load, Pin, Session, windows_path};
use totals::Totals;

#[derive(Args)]
pub(crate) struct TestOptions {
    /// Only tests whose name contains this text.
    filter: Option<String>,
}

/// The package of the tests.
const PACKAGE: &str = "kswrite_tests";
/// The test programs that run in Wine: package and name. Only the last one needs the drivers.
const IN_WINE: [(&str, &str); 4] = [
    ("kswrite_client", "overlapped"),
    ("kswrite_faces", "com"),
    (PACKAGE, "wintrust"),
    (PACKAGE, "native"),
];
/// The test programs that inspect the built images.
const IMAGES: [&str; 2] = ["image", "fidelity"];
/// All tests of one venue.
const TIMEOUT: Duration = Duration::from_mins(20);

/// Builds, runs all tests, and closes with the totals on a line of their own.
pub(crate) fn test(layout: &Layout, options: &TestOptions) -> Result<ExitCode> {
    let tools = tools::ensure(layout, Purpose::Build)?;
    build::all(layout, &tools)?;
    let filter = options.filter.as_deref();
    let mut totals = Totals::default();
    linux(layout, filter, &mut totals)?;
    packages(layout, filter, &mut totals)?;
    if let Err(error) = wine(layout, &tools, filter, &mut totals) {
        interrupt::check()?;
        println!("{error:#}");
        totals.check("wine: the tests can be run", false);
    }
    println!("{totals}");
    Ok(if totals.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What plain `cargo test` runs: the core, the model, the wire protocol, the harness, this program.
fn linux(layout: &Layout, filter: Option<&str>, totals: &mut Totals) -> Result<()> {
    let command = tools::host_cargo(layout, "test")?
        .arg("--no-fail-fast")
        .args(filter)
        .timeout(TIMEOUT);
    let ended = step::run_to_end(layout, "tests on Linux", "test-linux", &command)?;
    totals.add("linux", &ended)
}

/// The tests of the built images, which plain `cargo test` cannot know, and of what Wine has loaded.
fn image(layout: &Layout, tools: &Tools, filter: Option<&str>, totals: &mut Totals) -> Result<()> {
    let command = tools::host_cargo(layout, "test")?
        .args(["-p", PACKAGE])
        .args(IMAGES.iter().flat_map(|name| ["--test", *name]))
        .args(filter)
        .args(["--", "--include-ignored"])
        .env("KSWRITE_ARTIFACTS", &layout.out)
        .env("KSWRITE_WINE_IMAGES", &tools.wine.images)
        .timeout(TIMEOUT);
    let ended = step::run_to_end(layout, "tests of the images", "test-image", &command)?;
    totals.add("image", &ended)
}

/// The tests of packages made of the built drivers.
fn packages(layout: &Layout, filter: Option<&str>, totals: &mut Totals) -> Result<()> {
    tools::osslsigncode(layout)?;
    let command = tools::host_cargo(layout, "test")?
        .args(["-p", "xtask", filter.unwrap_or("package::")])
        // One certificate and one log for all of them.
        .args(["--", "--ignored", "--test-threads=1"])
        .timeout(TIMEOUT);
    let ended = step::run_to_end(layout, "tests of packages", "test-package", &command)?;
    totals.add("package", &ended)
}

/// The tests that run in Wine, with the drivers loaded.
fn wine(layout: &Layout, tools: &Tools, filter: Option<&str>, totals: &mut Totals) -> Result<()> {
    let programs = native_programs(layout, tools)?;
    c::build(layout)?;
    let package = package::for_tests(layout)?;
    let session = Session::start(layout, tools, "test", Load::Filter, Pin::No)?;
    for (program, (_, name)) in programs.iter().zip(IN_WINE) {
        let mut words = vec![program.display().to_string()];
        words.extend(filter.map(str::to_owned));
        // One sink of each kind, one host, one log: what one test leaves behind must not be blamed on another.
        words.push("--test-threads=1".to_owned());
        let command = session
            .windows(&words)
            .env("KSWRITE_PACKAGE", windows_path(&package))
            .env("KSWRITE_ARTIFACTS", windows_path(&layout.out))
            .timeout(TIMEOUT);
        let log = format!("test-wine-{name}");
        let ended = step::run_to_end(layout, &format!("tests in Wine: {name}"), &log, &command)?;
        totals.add(&format!("wine, {name}"), &ended)?;
    }
    c::run(layout, &session, filter, totals)?;
    if filter.is_none() {
        sample(layout, &session, totals)?;
    }
    // While the session lasts: the next one, of another terminal perhaps, changes the drivers in the prefix.
    image(layout, tools, filter, totals)?;
    let counters = session.counters();
    match &counters {
        Ok(counters) => println!("host: {counters}"),
        Err(error) => println!("{error:#}"),
    }
    let unloaded = session.unload();
    let findings = session.finish()?;
    findings.print();
    if let Err(error) = &unloaded {
        println!("{error:#}");
    }
    totals.check(
        "wine: nothing outstanding",
        counters.is_ok_and(|counters| counters.clean()),
    );
    totals.check("wine: the drivers unload", unloaded.is_ok());
    totals.check("wine: no finding in the drivers' log", findings.clean());
    Ok(())
}

/// A small run: the rules of writing in Wine and in the model, and the page that shows all.
fn sample(layout: &Layout, session: &Session<'_>, totals: &mut Totals) -> Result<()> {
    let found = run::sample(layout, session)?;
    print!("{}{}", Summary(&found.rules), found.agreement);
    totals.check("wine: no rule of writing is broken", found.rules.passed());
    totals.check("model: no rule of writing is broken", found.model.passed());
    totals.check("wine and the model agree", found.agreement.holds());
    totals.check("wine: a small run", found.passed());
    let page = found.write(&layout.out.join("report-test"))?;
    let (_, sentence) = conform::page::verdict(&found.rules);
    let seen = browser::look(layout, &page, &sentence);
    if let Err(error) = &seen {
        println!("{error:#}");
    }
    totals.check("the page in a browser", seen.is_ok());
    Ok(())
}

/// Builds the test programs for Windows; gives their paths, in the order of [`IN_WINE`].
fn native_programs(layout: &Layout, tools: &Tools) -> Result<Vec<PathBuf>> {
    let targets = IN_WINE
        .iter()
        .flat_map(|(package, name)| ["-p", *package, "--test", *name]);
    let command = build::user_cargo(layout, tools, "test")
        .args(["--no-run", "-Zpanic-abort-tests", "--message-format=json"])
        .args(["--features", "kswrite_client/tokio"])
        .args(targets);
    let captured = step::capture(layout, "build the tests for Windows", "build-tests", &command)?;
    if captured.code != Some(0) {
        bail!("{}", captured.failure);
    }
    examples(layout, tools)?;
    IN_WINE
        .iter()
        .map(|(_, name)| libtest::program(&captured.text, name))
        .collect()
}

/// Builds the examples of the client crate beside the tests, which start them. `cargo test` would build them as tests
/// themselves.
fn examples(layout: &Layout, tools: &Tools) -> Result<()> {
    let command = build::user_cargo(layout, tools, "build")
        .args(["-p", "kswrite_client", "--examples"])
        .args(["--features", "kswrite_client/tokio"]);
    step::run(
        layout,
        "build the examples for Windows",
        "build-examples",
        &command,
    )
}
