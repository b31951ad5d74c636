//! What a write run is asked to do, checked once.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use kswrite_wire::file_write::MAX_BYTES;
use kswrite_wire::names::SinkKind;
use serde::{Deserialize, Serialize};

use crate::digest::hex;
use crate::face::Face;
use crate::script::ScriptText;
use crate::size::ByteSize;

/// How the program learns that a write is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// An I/O completion port; writes that complete at once post no packet.
    Iocp,
    /// One event for each write that is outstanding.
    Event,
    /// WriteFileEx, whose completion routine runs while the thread sleeps alertably.
    Apc,
    /// A handle without FILE_FLAG_OVERLAPPED: each call waits, so no more than one write is outstanding.
    Sync,
    /// An I/O ring, which Windows 11 has.
    Ioring,
}

impl Engine {
    /// The engines that keep writes outstanding on every system, in the order in which tables list them.
    pub const ALL: [Self; 3] = [Self::Iocp, Self::Event, Self::Apc];

    /// All engines.
    pub const EVERY: [Self; 5] = [Self::Iocp, Self::Event, Self::Apc, Self::Sync, Self::Ioring];

    /// The word used on the command line and in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Iocp => "iocp",
            Self::Event => "event",
            Self::Apc => "apc",
            Self::Sync => "sync",
            Self::Ioring => "ioring",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What the handle is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// `GENERIC_READ`: every write then fails, which is what this value is there to show.
    Read,
    /// `GENERIC_WRITE`: enough to write, not enough to ask a sink for its state.
    Write,
    /// Both.
    #[default]
    ReadWrite,
}

/// Win32 path of a device: one of the words `buffered`, `direct` and `neither` names a sink, everything
/// else is taken as it is.
pub fn device_path(word_or_path: &str) -> String {
    SinkKind::ALL
        .into_iter()
        .find(|kind| kind.word().eq_ignore_ascii_case(word_or_path))
        .map_or_else(|| word_or_path.to_owned(), |kind| kind.path().to_owned())
}

/// Whether a path names one of the sinks, so that the sink's own IOCTLs can be asked.
pub fn is_sink(path: &str) -> bool {
    SinkKind::ALL
        .into_iter()
        .any(|kind| kind.path().eq_ignore_ascii_case(path))
        || is_sink_interface(path)
}

/// Whether a path is one that the device interface class of the sinks enumerates.
fn is_sink_interface(path: &str) -> bool {
    let guid = kswrite_wire::names::SINK_INTERFACE;
    let [a, b, rest @ ..] = guid.data4;
    let tail = hex(&rest);
    let text = format!(
        "{{{:08x}-{:04x}-{:04x}-{a:02x}{b:02x}-{tail}}}",
        guid.data1, guid.data2, guid.data3
    );
    path.to_ascii_lowercase().contains(&text)
}

/// A write run whose numbers make sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritePlan {
    /// Win32 path of the device.
    pub device: String,
    /// The file whose bytes are written.
    pub file: PathBuf,
    /// The interface that takes the writes.
    #[serde(default)]
    pub face: Face,
    /// Bytes of one write; the last one may be shorter. 1 to 4 GiB - 1.
    pub block_bytes: u32,
    /// Writes kept outstanding. At least 1.
    pub depth: u32,
    /// How completions are learnt.
    pub engine: Engine,
    /// What the handle is opened for.
    pub access: Access,
    /// Whether the digests are compared at the end.
    pub verify: bool,
    /// What the sink is told to do.
    pub script: Option<ScriptText>,
}

/// Why a plan makes no sense. The text names the option, the cause and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// `--block` is 0.
    BlockZero,
    /// `--block` is over 4 GiB - 1.
    BlockTooLarge(u64),
    /// `--depth` is 0.
    DepthZero,
    /// `--depth` is over [`MAX_DEPTH`].
    DepthTooLarge(u32),
    /// `--engine` is one that the face does not have.
    FaceEngine(Face, Engine),
    /// `--depth` is more than the face keeps outstanding.
    FaceDepth(Face, u32),
    /// `--block` is more than KsWriteFile takes.
    FaceBlock(u64),
    /// `--script` is given for a device that is no sink.
    ScriptWithoutSink(String),
    /// The script holds writes, and each call waits: the option that says so.
    HeldForEver(String),
    /// `--verify` is given for a sink that is opened without the right to read its state.
    VerifyNeedsRead,
}

impl std::error::Error for PlanError {}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockZero => {
                f.write_str("--block 0: a write has at least one byte; give 1 or more, e.g. 64KiB")
            }
            Self::BlockTooLarge(bytes) => write!(
                f,
                "--block {bytes}: WriteFile takes a 32-bit length, so one write has at most {} bytes (4 GiB - 1); \
                 give a smaller block",
                u32::MAX
            ),
            Self::DepthZero => {
                f.write_str("--depth 0: no write could ever be outstanding; give 1 or more, e.g. 32")
            }
            Self::DepthTooLarge(depth) => {
                write!(
                    f,
                    "--depth {depth}: at most {MAX_DEPTH} writes are kept outstanding; give a smaller depth"
                )
            }
            Self::FaceEngine(face, engine) => {
                write!(f, "--engine {engine}: {}; leave --engine out", one_engine(*face))
            }
            Self::FaceDepth(face, depth) => write!(
                f,
                "--depth {depth}: {}, so no more than one write is outstanding; leave --depth out",
                one_engine(*face)
            ),
            Self::FaceBlock(bytes) => write!(
                f,
                "--block {bytes}: by --face ks the driver takes a copy of at most {} MiB; give a smaller block",
                MAX_BYTES >> 20
            ),
            Self::HeldForEver(option) => write!(
                f,
                "{option}: a held write would never return, for nothing is released while the call waits; give \
                 another completion, or what does not wait",
            ),
            Self::VerifyNeedsRead => f.write_str(
                "--verify: a sink is asked for its digests through the same handle, which --access write does not \
                 allow; give --access read-write",
            ),
            Self::ScriptWithoutSink(device) => write!(
                f,
                "--script: {device} is not a sink, and only sinks understand scripts; give --device buffered, \
                 direct or neither, or leave --script out"
            ),
        }
    }
}

/// How a face that has one engine learns of completions.
pub fn one_engine(face: Face) -> String {
    let way = match face.engine() {
        Some(Engine::Sync) => "waits in each call",
        Some(Engine::Iocp) => "is told of completions by a completion port of its own",
        _ => "completes by an event for each write",
    };
    format!("the face {face} {way}")
}

/// The largest depth: far beyond what a device queue holds, and small enough for one heap cell each.
pub const MAX_DEPTH: u32 = 1 << 16;

/// The depth, unless it is said.
pub const DEFAULT_DEPTH: u32 = 32;

/// The options of `ksw write` as they were given.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// A path, or a sink's short word.
    pub device: String,
    /// The file whose bytes are written.
    pub file: PathBuf,
    /// The interface that takes the writes.
    pub face: Face,
    /// Bytes of one write.
    pub block: ByteSize,
    /// Writes kept outstanding; `None`: [`DEFAULT_DEPTH`], or as many as the face keeps.
    pub depth: Option<u32>,
    /// How completions are learnt; `None`: as the face does, by a completion port if it leaves the choice.
    pub engine: Option<Engine>,
    /// What the handle is opened for.
    pub access: Access,
    /// Whether the digests are compared at the end.
    pub verify: bool,
    /// What the sink is told to do.
    pub script: Option<ScriptText>,
}

impl WriteOptions {
    /// Checks every number and resolves the device's short word.
    ///
    /// # Errors
    ///
    /// The first option that makes no sense.
    pub fn check(self) -> Result<WritePlan, PlanError> {
        let ByteSize(block) = self.block;
        if block == 0 {
            return Err(PlanError::BlockZero);
        }
        let block_bytes = u32::try_from(block).map_err(|_| PlanError::BlockTooLarge(block))?;
        if self.face == Face::Ks && block_bytes > MAX_BYTES {
            return Err(PlanError::FaceBlock(block));
        }
        let engine = self.engine()?;
        let depth = self.depth()?;
        let device = device_path(&self.device);
        if self.script.is_some() && !is_sink(&device) {
            return Err(PlanError::ScriptWithoutSink(device));
        }
        if engine == Engine::Sync && self.script.as_ref().is_some_and(ScriptText::holds) {
            return Err(PlanError::HeldForEver(waiting_option(self.face)));
        }
        if self.verify && self.access == Access::Write && is_sink(&device) {
            return Err(PlanError::VerifyNeedsRead);
        }
        Ok(WritePlan {
            device,
            file: self.file,
            face: self.face,
            block_bytes,
            depth,
            engine,
            access: self.access,
            verify: self.verify,
            script: self.script,
        })
    }

    fn engine(&self) -> Result<Engine, PlanError> {
        match (self.face.engine(), self.engine) {
            (None, given) => Ok(given.unwrap_or(Engine::Iocp)),
            (Some(only), Some(given)) if given != only => Err(PlanError::FaceEngine(self.face, given)),
            (Some(only), _) => Ok(only),
        }
    }

    fn depth(&self) -> Result<u32, PlanError> {
        let waits = self.face.engine() == Some(Engine::Sync);
        match self.depth {
            None if waits => Ok(1),
            None => Ok(DEFAULT_DEPTH),
            Some(0) => Err(PlanError::DepthZero),
            Some(depth) if depth > MAX_DEPTH => Err(PlanError::DepthTooLarge(depth)),
            Some(depth) if waits && depth > 1 => Err(PlanError::FaceDepth(self.face, depth)),
            Some(depth) => Ok(depth),
        }
    }
}

/// The option that makes each call wait.
pub(crate) fn waiting_option(face: Face) -> String {
    if face == Face::File {
        "--engine sync".to_owned()
    } else {
        format!("--face {face}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> WriteOptions {
        WriteOptions {
            device: "Direct".to_owned(),
            file: PathBuf::from("f"),
            face: Face::File,
            block: ByteSize(65536),
            depth: None,
            engine: None,
            access: Access::ReadWrite,
            verify: true,
            script: None,
        }
    }

    #[test]
    fn short_words_are_resolved_and_paths_are_kept() {
        assert_eq!(options().check().unwrap().device, r"\\.\KsSinkDirect");
        assert_eq!(device_path(r"C:\temp\x"), r"C:\temp\x");
    }

    #[test]
    fn sinks_are_known_by_name_and_by_interface() {
        assert!(is_sink(r"\\.\kssinkbuffered"));
        assert!(is_sink(
            r"\\?\root#kssinkdirect#0000#{6f0c6e3b-2a0a-4f57-9d6b-7c1c2f4f5a10}"
        ));
        assert!(!is_sink(r"\\.\KsWrite"));
    }

    #[test]
    fn limits_are_checked_at_their_edges() {
        let block = |bytes| {
            WriteOptions {
                block: ByteSize(bytes),
                ..options()
            }
            .check()
        };
        assert_eq!(block(0), Err(PlanError::BlockZero));
        assert_eq!(block(1).unwrap().block_bytes, 1);
        assert_eq!(block((1 << 32) - 1).unwrap().block_bytes, u32::MAX);
        assert_eq!(block(1 << 32), Err(PlanError::BlockTooLarge(1 << 32)));
        let depth = |depth| {
            let depth = Some(depth);
            WriteOptions { depth, ..options() }.check()
        };
        assert_eq!(depth(0), Err(PlanError::DepthZero));
        assert_eq!(depth(4096).unwrap().depth, 4096);
        assert_eq!(depth(MAX_DEPTH + 1), Err(PlanError::DepthTooLarge(MAX_DEPTH + 1)));
    }

    #[test]
    fn a_script_needs_a_sink() {
        let script = Some("completion=inline".parse().unwrap());
        let refused = WriteOptions {
            device: "x.bin".to_owned(),
            script,
            ..options()
        }
        .check();
        assert_eq!(refused, Err(PlanError::ScriptWithoutSink("x.bin".to_owned())));
    }

    #[test]
    fn a_write_that_waits_is_not_held() {
        let refused = |face, engine| {
            let script = Some("completion=held".parse().unwrap());
            WriteOptions {
                face,
                engine,
                script,
                ..options()
            }
            .check()
        };
        for (face, engine, option) in [
            (Face::File, Some(Engine::Sync), "--engine sync"),
            (Face::Wts, None, "--face wts"),
        ] {
            let held = Err(PlanError::HeldForEver(option.to_owned()));
            assert_eq!(refused(face, engine), held);
        }
        for face in [Face::File, Face::Ks, Face::Stream, Face::Dvc] {
            assert!(refused(face, None).is_ok(), "{face}");
        }
    }

    #[test]
    fn a_face_has_the_engine_and_the_depth_that_it_has() {
        let of = |face, engine, depth| {
            WriteOptions {
                face,
                depth,
                engine,
                ..options()
            }
            .check()
        };
        for (face, engine, depth) in [
            (Face::File, Engine::Iocp, 32),
            (Face::Ks, Engine::Event, 32),
            (Face::Stream, Engine::Event, 32),
            (Face::Wts, Engine::Sync, 1),
            (Face::Dvc, Engine::Iocp, 32),
        ] {
            let plan = of(face, None, None).unwrap();
            assert_eq!((plan.engine, plan.depth), (engine, depth), "{face}");
            assert_eq!(of(face, Some(engine), Some(1)).unwrap().face, face);
            let refused = Err(PlanError::FaceEngine(face, Engine::Apc));
            let apc = of(face, Some(Engine::Apc), None);
            assert!(
                if face == Face::File {
                    apc.is_ok()
                } else {
                    apc == refused
                },
                "{face}"
            );
        }
        assert_eq!(
            of(Face::Wts, None, Some(2)),
            Err(PlanError::FaceDepth(Face::Wts, 2))
        );
        let block = |face, bytes| {
            WriteOptions {
                face,
                block: ByteSize(bytes),
                ..options()
            }
            .check()
        };
        let most = u64::from(MAX_BYTES);
        assert!(block(Face::Ks, most).is_ok() && block(Face::Dvc, most + 1).is_ok());
        assert_eq!(block(Face::Ks, most + 1), Err(PlanError::FaceBlock(most + 1)));
    }

    #[test]
    fn a_sink_is_verified_through_a_readable_handle() {
        let verify = |access, device: &str| {
            let device = device.to_owned();
            WriteOptions {
                device,
                access,
                ..options()
            }
            .check()
            .map(drop)
        };
        assert_eq!(verify(Access::Write, "direct"), Err(PlanError::VerifyNeedsRead));
        assert_eq!(verify(Access::ReadWrite, "direct"), Ok(()));
        assert_eq!(verify(Access::Write, "plain.bin"), Ok(()));
    }

    #[test]
    fn every_error_names_its_option() {
        for (error, option) in [
            (PlanError::BlockZero, "--block"),
            (PlanError::BlockTooLarge(1 << 32), "--block"),
            (PlanError::DepthZero, "--depth"),
            (PlanError::DepthTooLarge(1 << 20), "--depth"),
            (PlanError::ScriptWithoutSink(String::new()), "--script"),
            (PlanError::VerifyNeedsRead, "--verify"),
            (PlanError::HeldForEver("--engine sync".to_owned()), "--engine"),
            (PlanError::FaceEngine(Face::Ks, Engine::Apc), "--engine apc"),
            (PlanError::FaceDepth(Face::Wts, 2), "--depth 2"),
            (PlanError::FaceBlock(1 << 30), "--block"),
        ] {
            assert!(error.to_string().starts_with(option), "{error}");
        }
    }
}
