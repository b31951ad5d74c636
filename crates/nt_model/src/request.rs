//! Requests, IRPs, and what they carry.

use std::{cell::RefCell, rc::Rc};

use kswrite_core::{Handoff, IoStatus};

use crate::{Address, kernel::State};

/// Pages that are locked already, of the caller's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Where the requestor sees them.
    pub address: Address,
    /// Their system address, if they have one.
    pub mapped: Option<Address>,
}

/// A system buffer of the filter; counted until dropped.
pub struct Pool {
    pub(crate) bytes: Vec<u8>,
    pub(crate) state: Rc<RefCell<State>>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.state.borrow_mut().ledger.buffers -= 1;
    }
}

/// An MDL of the filter; counted until dropped, and unlocked if it was locked here.
pub struct Mdl {
    pub(crate) address: Address,
    pub(crate) length: u32,
    pub(crate) locked: bool,
    pub(crate) state: Rc<RefCell<State>>,
}

impl Drop for Mdl {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        state.ledger.mdls -= 1;
        if self.locked && !state.memory.unlock(self.address, self.length) {
            state.finding("an MDL was unlocked whose pages were not locked");
        }
    }
}

/// The caller's request. Dropping it without completing it is a finding.
pub struct Request {
    pub(crate) completed: bool,
    pub(crate) state: Rc<RefCell<State>>,
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.completed {
            self.state.borrow_mut().finding("a request was forgotten");
        }
    }
}

/// The lower IRP of the write in flight.
pub(crate) struct LowerIrp {
    pub(crate) payload: crate::kernel::Carried,
    pub(crate) length: u32,
    pub(crate) request: Option<Request>,
    pub(crate) handoff: Rc<Handoff>,
    pub(crate) status: Option<IoStatus>,
    pub(crate) sent: bool,
    pub(crate) cancel: bool,
}

/// Handle of a write in flight.
#[derive(Clone, Debug)]
pub struct Sent {
    pub(crate) index: usize,
    pub(crate) handoff: Rc<Handoff>,
}
