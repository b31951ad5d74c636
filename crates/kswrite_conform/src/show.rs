//! How what was seen is written.

use kswrite_client::Win32Error;
use kswrite_core::NtStatus;

use crate::faces::{Answered, HResult};
use crate::win32::{LAST_ERROR_BEFORE, OverlappedState, Packet, Returned, UNTOUCHED, Waited};

/// A value that an observation can hold.
pub trait Show {
    /// The value in a few words.
    fn show(&self) -> String;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Show for $type {
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u8, u16, i64, u64, usize, str, &str, String, NtStatus);

impl Show for u32 {
    fn show(&self) -> String {
        match *self {
            UNTOUCHED => "untouched".to_owned(),
            value => value.to_string(),
        }
    }
}

impl Show for bool {
    fn show(&self) -> String {
        if *self { "TRUE" } else { "FALSE" }.to_owned()
    }
}

impl Show for Win32Error {
    fn show(&self) -> String {
        match *self {
            LAST_ERROR_BEFORE => "last error unchanged".to_owned(),
            error => error.to_string(),
        }
    }
}

impl Show for Waited {
    fn show(&self) -> String {
        match self {
            Self::Signalled => "signalled",
            Self::TimedOut => "not signalled",
            Self::IoCompletion => "a completion routine ran",
        }
        .to_owned()
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), Show::show)
    }
}

impl<T: Show, E: Show> Show for Result<T, E> {
    fn show(&self) -> String {
        match self {
            Ok(value) => value.show(),
            Err(error) => error.show(),
        }
    }
}

impl Show for () {
    fn show(&self) -> String {
        "done".to_owned()
    }
}

impl<A: Show, B: Show> Show for (A, B) {
    fn show(&self) -> String {
        format!("{}, {}", self.0.show(), self.1.show())
    }
}

impl Show for Returned {
    fn show(&self) -> String {
        let text = format!("{}, {}", self.returned.show(), self.error.show());
        match self.count {
            Some(count) => format!("{text}, count {}", count.show()),
            None => text,
        }
    }
}

impl Show for HResult {
    fn show(&self) -> String {
        let name = match *self {
            Self::OK => "S_OK",
            Self::FALSE => "S_FALSE",
            Self::POINTER => "E_POINTER",
            Self::INVALID_ARG => "E_INVALIDARG",
            Self::OUT_OF_MEMORY => "E_OUTOFMEMORY",
            Self::STG_INVALID_FUNCTION => "STG_E_INVALIDFUNCTION",
            Self::STG_INVALID_POINTER => "STG_E_INVALIDPOINTER",
            other => {
                return match other.win32() {
                    Some(error) => format!("{other}, which is {error}"),
                    None => other.to_string(),
                };
            }
        };
        name.to_owned()
    }
}

impl Show for Answered {
    fn show(&self) -> String {
        match self.count {
            Some(count) => format!("{}, count {}", self.hresult.show(), count.show()),
            None => self.hresult.show(),
        }
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> String {
        let all: Vec<String> = self.iter().map(Show::show).collect();
        if all.is_empty() {
            "none".to_owned()
        } else {
            all.join("; ")
        }
    }
}

impl Show for OverlappedState {
    fn show(&self) -> String {
        let word = |value: u64| match value {
            value if value == u64::from(UNTOUCHED) => "untouched".to_owned(),
            value => format!("{value:#x}"),
        };
        format!(
            "Internal {}, InternalHigh {}",
            word(self.internal),
            word(self.internal_high)
        )
    }
}

impl Show for Packet {
    fn show(&self) -> String {
        format!("{}, {} bytes, key {}", self.error.show(), self.bytes, self.key)
    }
}
