//! Where the calls go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Venue {
    /// The model of the I/O manager, in this process.
    Model,
    /// Wine, with the drivers loaded or without.
    Wine,
    /// Windows.
    Windows,
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Model => "model",
            Self::Wine => "wine",
            Self::Windows => "windows",
        })
    }
}
