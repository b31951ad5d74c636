//! Names of the things in a world, and tables of them.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Index, IndexMut},
};

use crate::trace::Arg;

/// A name: the row of the thing in its table.
pub(crate) trait Id: Copy {
    fn new(row: usize) -> Self;
    fn row(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl Id for $name {
            fn new(row: usize) -> Self {
                Self(u32::try_from(row).unwrap_or(u32::MAX))
            }

            fn row(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl From<$name> for Arg {
            fn from(id: $name) -> Self {
                Self::Id($prefix, id.0)
            }
        }
    )*};
}

ids! {
    /// A thread.
    ThreadId = "thread ";
    /// A file object.
    FileId = "file ";
    /// An event.
    EventId = "event ";
    /// A completion port.
    PortId = "port ";
    /// A driver object.
    DriverId = "driver ";
    /// A device object.
    DeviceId = "device ";
    /// An IRP. The name is never given to another one.
    IrpId = "IRP ";
    /// An MDL. The name is never given to another one.
    MdlId = "MDL ";
    /// An I/O status block.
    BlockId = "IOSB ";
    /// A process of a program.
    ProcessId = "process ";
}

impl ThreadId {
    /// The thread that every world has.
    pub(crate) const FIRST: Self = Self(0);
}

/// Things that are never taken out, so that a name never comes to mean another thing.
pub(crate) struct Table<I, T> {
    rows: Vec<T>,
    ids: PhantomData<I>,
}

impl<I, T> Default for Table<I, T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            ids: PhantomData,
        }
    }
}

impl<I: Id, T> Table<I, T> {
    pub(crate) fn add(&mut self, row: T) -> I {
        self.rows.push(row);
        I::new(self.rows.len() - 1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        let numbered = self.rows.iter().enumerate();
        numbered.map(|(row, thing)| (I::new(row), thing))
    }
}

impl<I: Id, T> Index<I> for Table<I, T> {
    type Output = T;

    #[expect(
        clippy::indexing_slicing,
        reason = "a name is used with the world that gave it; another world is a mistake of the test"
    )]
    fn index(&self, id: I) -> &T {
        &self.rows[id.row()]
    }
}

impl<I: Id, T> IndexMut<I> for Table<I, T> {
    #[expect(
        clippy::indexing_slicing,
        reason = "a name is used with the world that gave it; another world is a mistake of the test"
    )]
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.rows[id.row()]
    }
}
