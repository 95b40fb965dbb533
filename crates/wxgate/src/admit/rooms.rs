//! Places at work: how many requests of a kind run at once, and how many of one caller.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::denied::Denied;
use crate::limits::Limits;
use crate::registry::callers::Caller;

/// A kind of work with room of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Service calls.
    Calls,
    /// Requests passed on for callers.
    Passed,
    /// Requests passed on for those who showed nothing, or need not.
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
    pub fn take(&self, room: Room, caller: Option<&Arc<Caller>>) -> Result<Place, Denied> {
        let own = match caller.and_then(|caller| Some((caller, caller.places.as_ref()?))) {
            Some((caller, places)) => {
                let busy = |_| Denied::Busy { caller: caller.clone() };
                Some(places.clone().try_acquire_owned().map_err(busy)?)
            }
            None => None,
        };
        let room = self.0[room as usize].clone().try_acquire_owned().map_err(|_| Denied::Overloaded)?;
        Ok(Place { _room: room, _own: own })
    }
}
