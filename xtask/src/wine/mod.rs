//! A Wine session: the prefix is reset, the drivers are loaded, programs run, all of it is stopped again and
//! the drivers' log is read.

mod command;
mod drivers;
mod log;
mod prefix;
mod prng;
mod session;

pub(crate) use command::{WineOptions, command};
pub(crate) use session::{Load, Pin, Session, lock, stop_server, windows_path};
