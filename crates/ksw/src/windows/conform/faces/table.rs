//! What the faces of a case stand for, and how many references the case holds.
#![expect(unsafe_code, reason = "counts references, and calls by address")]

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kswrite_conform::faces::Face;
use windows::Win32::Foundation::E_NOINTERFACE;
use windows::core::{GUID, IUnknown, Interface};

use super::peer::Peer;

/// An interface that no object has.
const NO_INTERFACE: GUID = GUID::from_u128(0x6b73_7772_6974_65aa_bbcc_ddee_ff00_1122);

/// An object of COM.
struct Object {
    /// Its interface. The table has as many references of it as the case, and one for each call that goes on.
    address: usize,
    iid: GUID,
    name: &'static str,
    /// References of the case. At 0 the address is not valid any more.
    held: u32,
    /// Calls that go on.
    calls: u32,
    /// The other end, of a channel; it has a reference until the case has none.
    peer: Option<Arc<Peer>>,
}

/// A channel of the WTS functions.
struct Wts {
    handle: usize,
    open: bool,
}

enum Entry {
    Object(Object),
    Wts(Wts),
}

/// The faces of a case.
#[derive(Default)]
pub(crate) struct Table {
    entries: Mutex<Vec<Entry>>,
    findings: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pointer(address: usize) -> *mut c_void {
    ptr::with_exposed_provenance_mut(address)
}

fn push(entries: &mut Vec<Entry>, entry: Entry) -> Face {
    entries.push(entry);
    Face(u32::try_from(entries.len() - 1).unwrap_or(u32::MAX))
}

impl Object {
    fn add(&self) -> u32 {
        let address = pointer(self.address);
        // SAFETY: the table has a reference, so the object is there; the borrow ends before the lock of the table.
        unsafe { IUnknown::from_raw_borrowed(&address) }.map_or(0, |unknown| {
            // SAFETY: the reference is counted by the caller.
            unsafe { (unknown.vtable().AddRef)(unknown.as_raw()) }
        })
    }

    /// How many references there are afterwards.
    fn give_back(&self) -> u32 {
        let address = pointer(self.address);
        // SAFETY: as in `add`; the object may go with this call, and the borrow is not used after it.
        unsafe { IUnknown::from_raw_borrowed(&address) }.map_or(0, |unknown| {
            // SAFETY: the table had this reference, and its caller counts it off.
            unsafe { (unknown.vtable().Release)(unknown.as_raw()) }
        })
    }

    /// References that are neither the case's nor unaccounted for.
    fn own(&self) -> u32 {
        self.calls + u32::from(self.peer.as_ref().is_some_and(|peer| peer.is_connected()))
    }
}

fn object(entries: &mut [Entry], face: Face) -> Option<&mut Object> {
    match entries.get_mut(face.0 as usize) {
        Some(Entry::Object(object)) if object.held > 0 => Some(object),
        _ => None,
    }
}

impl Table {
    /// An interface that was just made, and whose one reference the case has from now on.
    pub(super) fn add<T: Interface>(
        &self,
        name: &'static str,
        interface: T,
        peer: Option<Arc<Peer>>,
    ) -> Face {
        let entry = Object {
            address: interface.into_raw().expose_provenance(),
            iid: T::IID,
            name,
            held: 1,
            calls: 0,
            peer,
        };
        push(&mut lock(&self.entries), Entry::Object(entry))
    }

    fn find(&self, what: String) {
        lock(&self.findings).push(what);
    }

    pub(super) fn add_ref(&self, face: Face) -> u32 {
        let mut entries = lock(&self.entries);
        let Some(object) = object(&mut entries, face) else {
            drop(entries);
            self.find("AddRef of an interface that was released".to_owned());
            return 0;
        };
        object.held += 1;
        object.add().saturating_sub(object.own())
    }

    /// The case gives a reference back. With its last one, nobody may have any.
    pub(super) fn release_ref(&self, face: Face) -> u32 {
        let last = {
            let mut entries = lock(&self.entries);
            object(&mut entries, face)
                .filter(|object| object.held == 1)
                .and_then(|object| object.peer.clone())
        };
        if let Some(peer) = last {
            peer.let_go();
        }
        let mut entries = lock(&self.entries);
        let Some(object) = object(&mut entries, face) else {
            drop(entries);
            self.find("Release of an interface that was released".to_owned());
            return 0;
        };
        object.held -= 1;
        let left = object.give_back().saturating_sub(object.own());
        let name = object.name;
        if object.held == 0 && left != 0 {
            drop(entries);
            self.find(format!("the last Release of an {name} left {left} references"));
        }
        left
    }

    /// Calls a method. `None`: the case has no reference, or the interface is another.
    pub(super) fn call<T: Interface, R>(&self, face: Face, method: impl FnOnce(&T) -> R) -> Option<R> {
        let found = {
            let mut entries = lock(&self.entries);
            object(&mut entries, face)
                .filter(|object| object.iid == T::IID || T::IID == IUnknown::IID)
                .map(|object| {
                    object.add();
                    object.calls += 1;
                    object.address
                })
        };
        let Some(address) = found else {
            self.find("a call of an interface that was released".to_owned());
            return None;
        };
        let address = pointer(address);
        // SAFETY: it is an interface of this kind, and the reference that was just added keeps it.
        let result = unsafe { T::from_raw_borrowed(&address) }.map(method);
        let mut entries = lock(&self.entries);
        if let Some(Entry::Object(object)) = entries.get_mut(face.0 as usize) {
            object.calls -= 1;
            object.give_back();
        }
        result
    }

    /// The other end of a channel.
    pub(super) fn peer(&self, face: Face) -> Option<Arc<Peer>> {
        match lock(&self.entries).get(face.0 as usize) {
            Some(Entry::Object(object)) => object.peer.clone(),
            _ => None,
        }
    }

    /// Whether the rules of QueryInterface are kept: one pointer of IUnknown, and NULL where there is no interface.
    pub(super) fn has_identity(&self, face: Face) -> bool {
        let same = self.call(face, |unknown: &IUnknown| {
            let identity = || unknown.cast::<IUnknown>().map(|unknown| unknown.as_raw().addr());
            let mut found = ptr::dangling_mut::<c_void>();
            // SAFETY: both places are valid for the call.
            let none = unsafe { unknown.query(&NO_INTERFACE, &raw mut found) };
            let (one, other) = (identity(), identity());
            one.is_ok() && one == other && none == E_NOINTERFACE && found.is_null()
        });
        same.unwrap_or_default()
    }

    /// A channel of the WTS functions, which is open.
    pub(super) fn add_wts(&self, handle: usize) -> Face {
        push(&mut lock(&self.entries), Entry::Wts(Wts { handle, open: true }))
    }

    /// The handle of a channel of the WTS functions, open or not.
    pub(super) fn wts(&self, face: Face) -> usize {
        match lock(&self.entries).get(face.0 as usize) {
            Some(Entry::Wts(wts)) => wts.handle,
            _ => 0,
        }
    }

    /// A channel of the WTS functions is closed now.
    pub(super) fn wts_is_closed(&self, face: Face) {
        if let Some(Entry::Wts(wts)) = lock(&self.entries).get_mut(face.0 as usize) {
            wts.open = false;
        }
    }

    /// The handles of the channels of the WTS functions that are open.
    pub(super) fn open_wts(&self) -> Vec<(Face, usize)> {
        let entries = lock(&self.entries);
        let open = |(index, entry): (usize, &Entry)| match entry {
            Entry::Wts(Wts { handle, open: true }) => {
                Some((Face(u32::try_from(index).unwrap_or(u32::MAX)), *handle))
            }
            _ => None,
        };
        entries.iter().enumerate().filter_map(open).collect()
    }

    /// The interfaces that the case has references of, with their names.
    fn held(&self) -> Vec<(Face, &'static str)> {
        let entries = lock(&self.entries);
        let held = |(index, entry): (usize, &Entry)| match entry {
            Entry::Object(object) if object.held > 0 => {
                Some((Face(u32::try_from(index).unwrap_or(u32::MAX)), object.name))
            }
            _ => None,
        };
        entries.iter().enumerate().filter_map(held).collect()
    }

    /// What the case has not given back, which is given back now, and what else was found.
    pub(in super::super) fn settle(&self) -> Vec<String> {
        for (face, name) in self.held() {
            self.find(format!("an {name} was not released"));
            self.end_object(face);
        }
        for (face, _) in self.open_wts() {
            self.find("a channel of the WTS functions was left open".to_owned());
            super::wts::end(self, face);
        }
        std::mem::take(&mut lock(&self.findings))
    }

    fn end_object(&self, face: Face) {
        while object(&mut lock(&self.entries), face).is_some() {
            self.release_ref(face);
        }
    }

    /// Cancels what is pending in the calls of a case that hangs.
    pub(in super::super) fn unblock(&self) {
        for (face, name) in self.held() {
            if name == super::streams::NAME {
                super::streams::unblock(self, face);
            }
        }
        for (face, _) in self.open_wts() {
            super::wts::end(self, face);
        }
    }
}
