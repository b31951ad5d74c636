//! `ksw install all`.

use std::path::{Path, PathBuf};

use ksw::cli::install::InstallAll;
use ksw::exit::Exit;
use ksw::install::judge::{self, FilterWay};
use ksw::install::package::Package;
use ksw::install::steps::Steps;
use ksw::install::system::System;
use kswrite_client::{Error, Win32Error};
use kswrite_wire::names::{FILTER_SERVICE, SinkKind};
use kswrite_wire::wine_host::{ATTACH_FILTER, Stacks};

use super::super::devices::{DeviceSet, inf_class, update_driver};
use super::super::setup::{absolute, find};
use super::super::{Failure, print, service};
use super::{files, stack, store, system, wine_host};

/// Runs the command: looks first, then changes.
pub(in super::super) fn install_all(args: &InstallAll) -> Result<Exit, Failure> {
    let folder = folder(args.dir.as_deref())?;
    let system = system::read();
    // Before anything is read: without rights the rest would only fail later.
    refuse(judge::rights(&system, "installing drivers"))?;
    let [sink, filter] = Package::read_both(&folder).map_err(|said| Failure::new(Exit::Io, said))?;
    for package in [&sink, &filter] {
        refuse(judge::refusal(
            &system,
            package,
            &store::signature(&system, &package.inf),
        ))?;
    }
    let mut job = Job {
        way: args.by.unwrap_or_else(|| FilterWay::of(&system)),
        system,
        steps: Steps::default(),
    };
    let outcome = job.sinks(&sink).and_then(|()| job.filter(&filter));
    if let Err(failure) = &outcome {
        job.steps.failed("installation", &failure.message);
    }
    print(&job.steps, args.json.json)?;
    match outcome {
        Ok(()) => Ok(job.steps.exit()),
        Err(failure) => Err(Failure::new(
            failure.exit,
            "the installation is not complete; `ksw uninstall all` removes what there is",
        )),
    }
}

fn refuse(said: Option<String>) -> Result<(), Failure> {
    said.map_or(Ok(()), |said| Err(Failure::new(Exit::Refused, said)))
}

/// The folder that was given, or that of this program.
fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        return Ok(absolute(given)?.into());
    }
    let own = std::env::current_exe().map_err(|error| Failure::io(&error))?;
    Ok(own.parent().map_or_else(PathBuf::new, Path::to_path_buf))
}

struct Job {
    way: FilterWay,
    system: System,
    steps: Steps,
}

impl Job {
    fn wine(&self) -> bool {
        self.system.wine.is_some()
    }

    /// Package, devices, driver.
    fn sinks(&mut self, package: &Package) -> Result<(), Failure> {
        let added = self.add(package)?;
        let inf = package.inf.display().to_string();
        let class = inf_class(&inf)?;
        for kind in SinkKind::ALL {
            let id = kind.hardware_id();
            let state = find(id)?;
            if state.is_none() {
                let name = id.rsplit('\\').next().unwrap_or(id);
                DeviceSet::empty(&class)?.create(name, &class, id)?;
            }
            self.steps.changed(
                state.is_none(),
                format!("device {id}"),
                "created",
                "exists already",
            );
            let missing = added || state != Some(true);
            if missing {
                self.steps.restart |= update_driver(id, &inf)?;
            }
            self.steps.changed(
                missing,
                format!("driver of {id}"),
                "installed",
                "installed already",
            );
        }
        Ok(())
    }

    /// The package into the driver store. Returns whether it was not there in this version.
    fn add(&mut self, package: &Package) -> Result<bool, Failure> {
        let what = format!("package {}.inf", package.service);
        let mut known = stack::packages()?;
        known.retain(|known| known.service == package.service);
        if let Some(known) = known.iter().find(|known| known.version == package.version) {
            self.steps
                .kept(what, format!("{}, version {}", known.published, known.version));
            return Ok(false);
        }
        let published = store::add(&package.inf)?;
        self.steps
            .done(what, format!("added as {published}, version {}", package.version));
        Ok(true)
    }

    fn filter(&mut self, package: &Package) -> Result<(), Failure> {
        match self.way {
            FilterWay::Inf => {
                self.add(package)?;
                if self.wine() {
                    self.service(package)?;
                } else {
                    let restart = store::install(&package.inf)?;
                    self.steps.restart |= restart;
                    self.steps.done(
                        format!("filter {FILTER_SERVICE}"),
                        "put on its devices by the INF",
                    );
                }
            }
            FilterWay::Registry => {
                self.service(package)?;
                self.upper_filters()?;
            }
        }
        if self.wine() {
            self.attach()?;
        }
        self.look()
    }

    /// Image and service, where no INF does it.
    fn service(&mut self, package: &Package) -> Result<(), Failure> {
        let (image, copied) = files::copy_driver(&package.image)?;
        let what = format!("file {}", image.display());
        self.steps.changed(copied, what, "copied", "is there already");
        let created = service::create(FILTER_SERVICE, &image.display().to_string())?;
        self.steps.changed(
            created,
            format!("service {FILTER_SERVICE}"),
            "created",
            "exists already",
        );
        if self.wine() {
            // Windows starts it when a stack is built.
            service::start(FILTER_SERVICE)?;
        }
        Ok(())
    }

    /// The name of the filter in the value of each sink, and the stack built anew.
    fn upper_filters(&mut self) -> Result<(), Failure> {
        let set = DeviceSet::root_enumerated()?;
        for (device, id) in stack::sinks(&set)? {
            let added = stack::add_filter(&set, &device, FILTER_SERVICE)?;
            if added && !self.wine() {
                self.steps.restart |= set.restart(&device, id)?;
            }
            self.steps.changed(
                added,
                format!("UpperFilters of {id}"),
                "kswrite appended",
                "kswrite is there already",
            );
        }
        Ok(())
    }

    /// Wine does not build stacks with filters; its host does.
    fn attach(&mut self) -> Result<(), Failure> {
        let host = wine_host()?.ok_or_else(|| {
            Failure::new(
                Exit::Absent,
                "the Wine host is not there, so nothing can put the filter above the sinks",
            )
        })?;
        let Stacks { changed, filtered } = host.ask("attach the filter by", ATTACH_FILTER, &())?;
        let detail = format!("above {filtered} sinks");
        self.steps
            .changed(changed != 0, "filter, by the Wine host", &detail, &detail);
        Ok(())
    }

    /// Whether what was installed answers.
    fn look(&mut self) -> Result<(), Failure> {
        if self.steps.restart {
            return Ok(());
        }
        let status = super::super::status::read()?;
        if status.exit() == Exit::Success {
            self.steps.kept("drivers", "all answer");
            return Ok(());
        }
        let said = Error::new("reach every driver: `ksw status` shows which", Win32Error(31));
        Err(Failure::new(status.exit(), said.to_string()))
    }
}
