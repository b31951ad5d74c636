//! Windows, or Wine, as the place of a benchmark.

use std::fs;
use std::time::Duration;

use ksw::bench::plan::{BenchPlan, Setting, is_pipe};
use ksw::bench::sweep::Change;
use ksw::bench::venue::{Arrived, Session, Venue};
use ksw::digest::Digests;
use ksw::exit::{Exit, Failure};
use ksw::plan::{Engine, is_sink};
use ksw::report::FilterCounters;
use ksw::run::WriteEngine;
use ksw::script::ScriptText;
use ksw::size::ByteSize;
use kswrite_client::{Access, Error, OpenFlags, Ring, Win32Error};
use kswrite_wire::filter::DeviceSelector;
use kswrite_wire::sink::{RESET, SET_SCRIPT};

use super::super::device::Device;
use super::super::engine::Releasing;
use super::super::faces;
use super::toggle::Toggle;
use super::{create_file, measured, targets};

/// The system that this program runs on.
pub(super) struct Native<'a> {
    plan: &'a BenchPlan,
    toggle: Toggle,
}

impl<'a> Native<'a> {
    /// Makes the files that the plan wants, and gets hold of what a comparison switches.
    pub(super) fn new(plan: &'a BenchPlan) -> Result<Self, Failure> {
        let toggle = Toggle::new(&plan.variants)?;
        if let Some(bytes) = plan.create_bytes {
            for path in targets(plan) {
                create_file(path, bytes)?;
            }
        }
        Ok(Self { plan, toggle })
    }

    /// Says which block does not fit the sectors of a file's volume.
    fn check_sectors(&self, path: &str, file: &fs::File) -> Result<(), Failure> {
        let Some(sector) = measured::sector_bytes(file) else {
            return Ok(());
        };
        let settings = self.plan.settings.iter();
        let unfit = settings
            .map(|setting| setting.block_bytes)
            .find(|bytes| !bytes.is_multiple_of(sector));
        match unfit {
            None => Ok(()),
            Some(bytes) => Err(Failure::new(
                Exit::Usage,
                format!(
                    "--block {} with --no-buffering: the volume of {path} has sectors of {sector} bytes, and unbuffered \
                     writes are whole sectors; give a multiple",
                    ByteSize(u64::from(bytes))
                ),
            )),
        }
    }
}

fn open_error(path: &str, error: &std::io::Error) -> Failure {
    Error::new(format!("open {path}"), Win32Error::from_io(error)).into()
}

impl Venue for Native<'_> {
    type Session = Handle;

    fn unavailable(&self, engine: Engine) -> Option<String> {
        match engine {
            Engine::Ioring => Ring::new(1).err().map(|error| error.to_string()),
            Engine::Iocp | Engine::Event | Engine::Apc | Engine::Sync => None,
        }
    }

    fn end_of(&self, device: &str) -> Result<Option<u64>, Failure> {
        if is_sink(device) || is_pipe(device) {
            return Ok(None);
        }
        let file = fs::File::open(device).map_err(|error| open_error(device, &error))?;
        // What is no file tells no length.
        let length = file
            .metadata()
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|data| data.len());
        if length.is_some() && self.plan.no_buffering {
            self.check_sectors(device, &file)?;
        }
        Ok(length)
    }

    fn open(&self, device: &str, setting: Setting) -> Result<Handle, Failure> {
        let Setting {
            face, engine, depth, ..
        } = setting;
        let flags = OpenFlags {
            write_through: self.plan.write_through,
            no_buffering: self.plan.no_buffering,
            ..faces::flags(face, engine)
        };
        // A sink is asked through the same handle.
        let access = if is_sink(device) {
            Access::ReadWrite
        } else {
            Access::Write
        };
        let opened = Device::open_with(device, access, flags)?;
        if let Some(script) = &self.plan.script {
            let () = opened.ask("set the script of", SET_SCRIPT, &script.wire())?;
        }
        let mut engine = faces::new(face, engine, opened.file.clone(), depth)?;
        if self.plan.script.as_ref().is_some_and(ScriptText::holds) {
            engine = Box::new(Releasing {
                inner: engine,
                file: opened.file.clone(),
            });
        }
        Ok(Handle {
            engine,
            device: opened,
            path: device.to_owned(),
        })
    }

    fn select(&self, change: &Change) -> Result<(), Failure> {
        self.toggle.select(change)
    }

    fn counters(&self) -> Option<FilterCounters> {
        let filter = Device::filter().ok()?;
        filter.statistics(DeviceSelector::ALL).ok().map(Into::into)
    }

    fn cpu_time(&self) -> Option<Duration> {
        measured::cpu_time()
    }
}

/// A handle with its engine.
pub(super) struct Handle {
    /// Before the device, so that what is pending is cancelled first.
    engine: Box<dyn WriteEngine>,
    device: Device,
    path: String,
}

impl Session for Handle {
    fn engine(&mut self) -> &mut dyn WriteEngine {
        self.engine.as_mut()
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if is_sink(&self.path) {
            let () = self.device.ask("reset the state of", RESET, &())?;
        }
        Ok(())
    }

    fn arrived(&mut self) -> Result<Arrived, Failure> {
        if is_sink(&self.path) {
            return Ok(Arrived::Digests(Digests::from(&self.device.sink_state()?)));
        }
        let file = fs::File::open(&self.path).map_err(|error| open_error(&self.path, &error))?;
        if file.metadata().is_ok_and(|data| data.is_file()) {
            return Ok(Arrived::Content(Box::new(file)));
        }
        let sentence = format!(
            "--verify: {} is neither a sink nor a file, so nothing tells what arrived; leave --verify out",
            self.path
        );
        Err(Failure::new(Exit::Usage, sentence))
    }
}
