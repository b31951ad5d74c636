//! The writes that are measured, and the floor beside them.

use std::fmt;
use std::hint::black_box;

use kswrite_core::{
    BufferMethod, Data, FileWrite, IoStatus, NtStatus, ProcessorMode, WriteCall, fast::TABLE_SIZE_WITH_WRITE,
    filter, managed, owned,
};

use crate::device::{FastArguments, complete_oldest, dispatch_inline, dispatch_pended, fast_accept};
use crate::kernel::{Cpu, copy};
use crate::pool::{Device, Pool};
use crate::request::request;

/// Bytes of a write.
const SIZES: [usize; 6] = [0, 64, 512, 4 << 10, 64 << 10, 1 << 20];
/// The writes that are outstanding at a time, where that is what is measured.
const OUTSTANDING: [u32; 4] = [1, 16, 256, 4096];
/// Bytes of each of those.
const OUTSTANDING_BYTES: usize = 512;

/// Which routine of the core is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// KsWriteFile: the I/O manager completes the IRP.
    Managed,
    /// The driver completes its own IRP.
    Owned,
    /// A filter passes a write on.
    Filter,
}

/// The way that a write takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// The fast-I/O routine takes it.
    Fast,
    /// By IRP, with a system buffer.
    Buffered,
    /// By IRP, with an MDL.
    Direct,
    /// By IRP, with the raw address.
    Neither,
}

/// What the device alone would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// The call of the device's routine through its pointer. The routine takes the bytes.
    Call,
    /// A copy of the bytes, then that.
    CopyAndCall,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nothing: what the measurement itself costs.
    Nothing,
    /// The floor, for writes of so many bytes.
    Floor(Floor, usize),
    /// A write of so many bytes that is complete when the routine returns.
    Write(By, Path, usize),
    /// A write that pends while so many are outstanding, and the completion of the oldest.
    Outstanding(By, u32),
}

impl Subject {
    /// The floor of this write.
    #[must_use]
    pub fn floor(self) -> Option<Self> {
        match self {
            // A filter gets the bytes of a buffered write in a system buffer already.
            Self::Write(By::Managed | By::Owned, Path::Buffered, size) => {
                Some(Self::Floor(Floor::CopyAndCall, size))
            }
            Self::Write(_, _, size) => Some(Self::Floor(Floor::Call, size)),
            _ => None,
        }
    }
}

/// `managed/fast/4096`
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "nothing"),
            Self::Floor(Floor::Call, size) => write!(f, "floor/call/{size}"),
            Self::Floor(Floor::CopyAndCall, size) => write!(f, "floor/copy/{size}"),
            Self::Write(by, path, size) => write!(f, "{}/{}/{size}", by.word(), path.word()),
            Self::Outstanding(by, count) => write!(f, "{}/outstanding/{count}", by.word()),
        }
    }
}

impl By {
    /// As in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::Owned => "owned",
            Self::Filter => "filter",
        }
    }
}

impl Path {
    /// As in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Buffered => "buffered",
            Self::Direct => "direct",
            Self::Neither => "neither",
        }
    }
}

/// Everything that is measured. The floor of a size comes just before the writes of that size, so that what else the
/// machine does falls on both alike.
pub fn subjects() -> impl Iterator<Item = Subject> {
    let paths = [Path::Fast, Path::Buffered, Path::Direct, Path::Neither];
    let by = [By::Managed, By::Owned, By::Filter];
    let sized = SIZES.into_iter().flat_map(move |size| {
        let floors = [Floor::Call, Floor::CopyAndCall].map(|floor| Subject::Floor(floor, size));
        let writes = paths
            .into_iter()
            .flat_map(move |path| by.map(|by| Subject::Write(by, path, size)));
        floors.into_iter().chain(writes)
    });
    [Subject::Nothing].into_iter().chain(sized).chain(outstanding())
}

/// Writes with many outstanding.
fn outstanding() -> impl Iterator<Item = Subject> {
    let by = [By::Managed, By::Owned];
    by.into_iter()
        .flat_map(|by| OUTSTANDING.map(|count| Subject::Outstanding(by, count)))
}

/// A subject that is ready to be measured.
pub struct Case {
    pool: &'static Pool,
    size: u32,
    /// What is measured, behind a pointer, so that what the measurement costs is the same for all.
    run: fn(&Self),
}

const CALLERS_EVENT: u32 = 0;
const STATUS_BLOCK: u32 = 0;
const KEY: u32 = 7;

impl Case {
    /// Makes the kernel for a subject, and writes until nothing is new any more.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        let (size, outstanding) = match subject {
            Subject::Nothing => (0, 1),
            Subject::Floor(_, size) | Subject::Write(_, _, size) => (size, 1),
            Subject::Outstanding(_, count) => (OUTSTANDING_BYTES, count),
        };
        let case = Self {
            pool: Pool::new(size, outstanding, device(subject)),
            size: u32::try_from(size).unwrap_or(u32::MAX),
            run: routine(subject),
        };
        // What comes to a filter comes from a program.
        let user_thread = matches!(subject, Subject::Write(By::Filter, ..));
        case.pool.file.user_thread.set(user_thread);
        if let Subject::Outstanding(by, count) = subject {
            let submit = routine(Subject::Write(by, Path::Neither, size));
            (1..count).for_each(|_| submit(&case));
        }
        (0..8).for_each(|_| case.once());
        case
    }

    /// The kernel.
    #[must_use]
    pub fn pool(&self) -> &'static Pool {
        self.pool
    }

    /// One write.
    #[inline]
    pub fn once(&self) {
        (self.run)(self);
    }

    /// The address and the length of the write, which the compiler must not know.
    #[inline]
    fn arguments(&self) -> (usize, u32) {
        black_box((0, self.size))
    }

    fn nothing(&self) {
        black_box(self.arguments());
    }

    fn call(&self) {
        let (address, length) = self.arguments();
        let arguments = FastArguments {
            offset: 0,
            length,
            wait: false,
            key: KEY,
            address,
        };
        if let Some(routine) = self.pool.device.fast.get() {
            let mut io = IoStatus::failed(NtStatus::PENDING);
            let done = routine(self.pool, &arguments, &mut io);
            let _ = (black_box(done), black_box(io));
        }
    }

    fn copy_and_call(&self) {
        let (address, length) = self.arguments();
        copy(self.pool, 0, address, length);
        self.call();
    }

    /// As a caller of KsWriteFile with an event.
    fn managed(&self) {
        let (address, length) = self.arguments();
        let _ = black_box(managed::ks_write_file(
            &Cpu(self.pool),
            &self.pool.statistics,
            (),
            Some(CALLERS_EVENT),
            None,
            STATUS_BLOCK,
            address,
            length,
            KEY,
            ProcessorMode::Kernel,
        ));
    }

    fn owned(&self) {
        let (address, length) = self.arguments();
        let cpu = Cpu(self.pool);
        let write = FileWrite::new(
            (),
            Some(CALLERS_EVENT),
            None,
            STATUS_BLOCK,
            address,
            length,
            KEY,
            ProcessorMode::Kernel,
        );
        if let Some(request) = request(cpu, Some(write)) {
            let _ = black_box(owned::write(&cpu, &self.pool.statistics, &write, request));
        }
    }

    /// As the dispatch routine of a filter, which has captured the caller's IRP.
    fn filter(&self, data: impl Fn(usize) -> Data<Cpu>) {
        let (address, length) = self.arguments();
        let cpu = Cpu(self.pool);
        let call = WriteCall {
            file: Some(()),
            device: (),
            data: data(address),
            length,
            offset: 0,
            key: KEY,
            mode: ProcessorMode::User,
            in_requestor_context: true,
            may_page: true,
            may_wait: false,
            bypasses_cache: false,
            stack_flags: 0,
            irp_flags: 0,
        };
        if let Some(request) = request(cpu, None) {
            let _ = black_box(filter::dispatch(&cpu, &self.pool.statistics, &call, request));
        }
    }
}

/// What to do for one write of a subject.
fn routine(subject: Subject) -> fn(&Case) {
    match subject {
        Subject::Nothing => Case::nothing,
        Subject::Floor(Floor::Call, _) => Case::call,
        Subject::Floor(Floor::CopyAndCall, _) => Case::copy_and_call,
        Subject::Write(By::Managed, ..) => Case::managed,
        Subject::Write(By::Owned, ..) => Case::owned,
        Subject::Write(By::Filter, Path::Fast | Path::Neither, _) => |case| case.filter(Data::Raw),
        Subject::Write(By::Filter, Path::Buffered, _) => |case| case.filter(Data::System),
        Subject::Write(By::Filter, Path::Direct, _) => |case| {
            case.filter(|address| Data::Locked {
                mdl: address,
                address,
            });
        },
        Subject::Outstanding(By::Managed, _) => |case| {
            case.managed();
            complete_oldest(case.pool);
        },
        Subject::Outstanding(By::Owned | By::Filter, _) => |case| {
            case.owned();
            complete_oldest(case.pool);
        },
    }
}

/// The device that a subject is measured on.
fn device(subject: Subject) -> Device {
    let (method, fast) = match subject {
        Subject::Write(_, Path::Buffered, _) => (BufferMethod::Buffered, false),
        Subject::Write(_, Path::Direct, _) => (BufferMethod::Direct, false),
        // With many outstanding no buffer of its own: what grows is IRPs and contexts.
        Subject::Write(_, Path::Neither, _) | Subject::Outstanding(..) => (BufferMethod::Neither, false),
        Subject::Write(_, Path::Fast, _) | Subject::Floor(..) | Subject::Nothing => {
            (BufferMethod::Neither, true)
        }
    };
    let dispatch = match subject {
        Subject::Outstanding(..) => dispatch_pended,
        _ => dispatch_inline,
    };
    Device {
        method: method.into(),
        table_size: Some(TABLE_SIZE_WITH_WRITE).into(),
        fast: fast.then_some(fast_accept as _).into(),
        dispatch: (dispatch as crate::device::Dispatch).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A benchmark that measures another way than it says is worse than none.
    #[test]
    fn every_write_takes_its_path() {
        for subject in subjects() {
            let case = Case::new(subject);
            let pool = case.pool;
            pool.statistics.reset();
            let operations = pool.file.operations.get();
            case.once();
            let seen = pool.statistics.snapshot();
            let counted = pool.file.operations.get() - operations;
            let expected = match subject {
                Subject::Nothing | Subject::Floor(..) => (0, 0, 0, 0, 0),
                Subject::Write(By::Managed, Path::Fast, _) => (1, 0, 0, 0, 1),
                Subject::Write(_, Path::Fast, _) => (1, 0, 0, 0, 0),
                Subject::Write(By::Managed, ..) => (0, 1, 1, 0, 1),
                Subject::Write(..) => (0, 1, 1, 0, 0),
                Subject::Outstanding(By::Managed, _) => (0, 1, 0, 1, 1),
                Subject::Outstanding(..) => (0, 1, 0, 1, 0),
            };
            assert_eq!(
                (seen.fast, seen.irp, seen.inline, seen.pended, counted),
                expected,
                "{subject}"
            );
        }
    }

    /// Nothing is used up: as many slots are free after a write as before it.
    #[test]
    fn everything_is_given_back() {
        for subject in subjects() {
            let case = Case::new(subject);
            let free = case.pool.free();
            (0..3).for_each(|_| case.once());
            assert_eq!(case.pool.free(), free, "{subject}");
            assert_eq!(
                case.pool.file.event_references.get(),
                case.pool.file.references.get()
            );
        }
    }
}
