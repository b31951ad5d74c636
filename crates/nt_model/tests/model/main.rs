//! The model, tested: what it does for a driver that behaves, and what it finds in one that does not.

mod explore;
mod findings;
mod io_manager;
mod memory;
mod stage;
mod user;
