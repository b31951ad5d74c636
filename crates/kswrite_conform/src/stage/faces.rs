//! Interfaces and channels of a case.

use kswrite_faces::channel::Bound;

use super::Stage;
use crate::{
    case::Stop,
    faces::{Face, Faces, Reaction},
    win32::{Handle, Returned},
};

/// What is given back when the case is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A reference of an interface.
    Reference(Face),
    /// An open channel of the WTS functions.
    Channel(Face),
}

impl<'a> Stage<'a> {
    /// The stream and channel interfaces, where the venue has them.
    pub fn faces(&self) -> Result<&'a dyn Faces, Stop> {
        let none = || Stop::NotRun("this venue has no stream and channel interfaces".to_owned());
        self.os.faces().ok_or_else(none)
    }

    /// A stream over the file of this handle. Its reference is given back when the case is over.
    pub fn stream(&self, file: Handle) -> Result<Face, Stop> {
        let stream = self.faces()?.stream(file).map_err(Stop::Trouble)?;
        Ok(self.keep_reference(stream))
    }

    /// A channel over the file of this handle. Its reference is given back when the case is over.
    pub fn channel(&self, file: Handle, bound: Bound, reaction: Reaction) -> Result<Face, Stop> {
        let channel = self.faces()?.channel(file, bound, reaction);
        Ok(self.keep_reference(channel.map_err(Stop::Trouble)?))
    }

    /// Gives a reference back when the case is over.
    pub fn keep_reference(&self, face: Face) -> Face {
        self.kept.borrow_mut().push(Kept::Reference(face));
        face
    }

    /// Gives a reference back now; how many are left.
    pub fn release(&self, face: Face) -> Result<u32, Stop> {
        self.forget(Kept::Reference(face));
        Ok(self.faces()?.release_ref(face))
    }

    /// Closes a channel of the WTS functions when the case is over.
    pub fn keep_channel(&self, channel: Face) -> Face {
        self.kept.borrow_mut().push(Kept::Channel(channel));
        channel
    }

    /// Closes a channel of the WTS functions now.
    pub fn close_channel(&self, channel: Face) -> Result<Returned, Stop> {
        self.forget(Kept::Channel(channel));
        Ok(self.faces()?.wts_close(channel))
    }

    fn forget(&self, kept: Kept) {
        let mut all = self.kept.borrow_mut();
        if let Some(index) = all.iter().position(|one| *one == kept) {
            all.remove(index);
        }
    }

    /// Gives everything back, whatever became of the case.
    pub(super) fn clear_faces(&self) {
        let Ok(faces) = self.faces() else { return };
        for kept in self.kept.take().into_iter().rev() {
            match kept {
                Kept::Reference(face) => _ = faces.release_ref(face),
                Kept::Channel(channel) => _ = faces.wts_close(channel),
            }
        }
    }
}
