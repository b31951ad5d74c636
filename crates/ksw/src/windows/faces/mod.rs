//! Engines over the interfaces that a device is written to through.

mod channels;
mod ks;
mod stream;

use ksw::face::Face;
use ksw::plan::Engine;
use ksw::run::WriteEngine;
use kswrite_client::{Error, File, OpenFlags};

use self::channels::{Dynamic, Wts};
use self::ks::ByControlDevice;
use self::stream::ByStream;
use super::engine::{self, EventEngine};

/// The engine for writes to the file through a face, at most `slots` at a time. Nothing outlives it but what the file
/// itself keeps: dropping it cancels what is pending.
pub(super) fn new(face: Face, engine: Engine, file: File, slots: u32) -> Result<Box<dyn WriteEngine>, Error> {
    Ok(match face {
        Face::File => return engine::new(engine, file, slots),
        Face::Ks => Box::new(EventEngine::new(ByControlDevice::open(file)?)),
        Face::Stream => Box::new(EventEngine::new(ByStream::over(file))),
        Face::Wts => Box::new(Wts::over(file)),
        Face::Dvc => Box::new(Dynamic::over(file)?),
    })
}

/// How a file is opened for the face: only WriteFile by the engine `sync` wants a handle that waits.
pub(super) fn flags(face: Face, engine: Engine) -> OpenFlags {
    OpenFlags {
        synchronous: face == Face::File && engine == Engine::Sync,
        ..OpenFlags::default()
    }
}
