//! Places at work: how many requests of a kind run at once, and how many of one caller.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;
use crate::registry::callers::Caller;

/// A kind of work with room of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Service calls.
    Calls,
    /// Requests passed on for callers.
    Passed,
    /// Requests passed on that were admitted by their address alone, and token calls whose body is read.
    Strangers,
    /// Callbacks whose query is signed.
    Callbacks,
    /// Callbacks whose query isn't.
    Unsigned,
    /// Logins that come back from WeChat.
    Logins,
}

/// All rooms. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rooms([Arc<Semaphore>; 6]);

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The caller has as many requests at work as it may.
    Own,
    /// The room is full.
    Room,
}

/// A place that is taken until this is dropped: it goes with the work, not with the connection.
#[derive(Debug)]
pub struct Place {
    _room: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

impl Rooms {
    /// As large as `limits` says.
    pub fn new(limits: &Limits) -> Self {
        let sizes =
            [limits.calls, limits.passed, limits.strangers, limits.callbacks, limits.unsigned, limits.logins];
        Self(sizes.map(|size| Arc::new(Semaphore::new(size))))
    }

    /// A place in `room`, and one of the caller's own `concurrency`.
    pub fn take(&self, room: Room, caller: Option<&Caller>) -> Result<Place, Full> {
        let own = match caller.and_then(|caller| caller.places.as_ref()) {
            Some(places) => Some(places.clone().try_acquire_owned().map_err(|_| Full::Own)?),
            None => None,
        };
        let room = self.0[room as usize].clone().try_acquire_owned().map_err(|_| Full::Room)?;
        Ok(Place { _room: room, _own: own })
    }
}
