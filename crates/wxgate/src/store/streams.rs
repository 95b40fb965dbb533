//! What streams of events need: messages in the order of commits, what was sent once more, and how far named streams have come.

use std::fmt::Debug;

use super::records::Pending;

/// The part of a [`super::Backend`] that streams stand on. Times are Unix milliseconds; each method that writes is one transaction.
pub(crate) trait Streams: Send + Sync + Debug {
    /// Where things stand.
    fn stream_state(&self) -> Pending<'_, StreamState>;
    /// Messages in the order of commits, as many as [`StreamQuery`] bounds.
    fn stream_events(&self, query: StreamQuery) -> Pending<'_, (Vec<StreamedRow>, Reached)>;
    /// What was sent once more after number `after`, in order, each with its message while that is kept.
    fn stream_replays(&self, after: i64, limit: u32) -> Pending<'_, Vec<(i64, Option<StreamedRow>)>>;
    /// Messages are sent once more.
    fn keep_replays(&self, events: Vec<i64>, expires_at: i64) -> Pending<'_, ()>;

    /// Opens a named stream: a new one, or one that was forgotten at `now`, begins now.
    fn open_stream(&self, opening: Opening) -> Pending<'_, Opened>;
    /// Notes how far an opened stream has come; false if it was opened once more since.
    fn keep_place(&self, place: KeptPlace) -> Pending<'_, bool>;
    /// Notes that whoever reads a named stream is done with `place`; false if there is no such stream, or no such place.
    fn ack(&self, caller: &str, name: &str, place: i64, expires_at: i64) -> Pending<'_, bool>;
    /// Tells other processes of the streams that `node` has; "": none.
    fn tell_listeners(&self, _node: i32, _value: String) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// What other processes than `node` told so.
    fn listeners(&self, _node: i32) -> Pending<'_, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// How often each of these was opened, where other processes may do that.
    fn stream_epochs(&self, _named: Vec<(String, String)>) -> Pending<'_, Vec<(String, String, i64)>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Where things stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// The number given out last: whatever has one up to it is there, or is forgotten.
    pub last: i64,
    /// The first message that is kept.
    pub oldest: Option<i64>,
    /// The last message that was forgotten; 0: none was, as far as is known.
    pub forgotten: i64,
    /// The number of what was sent once more last.
    pub replayed: i64,
}

impl StreamState {
    /// Whether something after `place` is there no more.
    pub fn has_forgotten(&self, place: i64) -> bool {
        match self.forgotten {
            0 => self.oldest.is_some_and(|oldest| place > 0 && oldest > place + 1),
            forgotten => forgotten > place,
        }
    }
}

/// Which messages are read: those after `after` among the next `span` numbers, `limit` of them and about so many bytes at most.
#[derive(Clone, Debug, Default)]
pub struct StreamQuery {
    /// Of this app.
    pub appid: Option<String>,
    /// Of this user.
    pub openid: Option<String>,
    /// After this number.
    pub after: i64,
    /// Among so many numbers.
    pub span: i64,
    /// So many messages.
    pub limit: u32,
    /// The last begins before so many bytes of those before it.
    pub bytes: i64,
}

/// How far a reading got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Nothing up to here is left.
    pub place: i64,
    /// There are numbers after that.
    pub more: bool,
}

/// A message as a row.
#[derive(Clone, Debug)]
pub(crate) struct StreamedRow {
    pub(crate) id: i64,
    pub(crate) appid: String,
    pub(crate) openid: String,
    pub(crate) received_at: i64,
    pub(crate) digest: Vec<u8>,
    /// Sealed.
    pub(crate) body: Vec<u8>,
}

/// A named stream is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Whose.
    pub caller: String,
    /// Its name.
    pub name: String,
    /// Where it goes on, if its reader says so.
    pub place: Option<i64>,
    /// That holds for a new one only.
    pub stays: bool,
    /// Unix milliseconds.
    pub now: i64,
    /// When it is forgotten.
    pub expires_at: i64,
}

/// A named stream, opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// It goes on after this message.
    pub place: i64,
    /// And after this replay.
    pub replayed: i64,
    /// How often it was opened.
    pub epoch: i64,
}

/// How far a named stream has come.
#[derive(Clone, Debug)]
pub struct KeptPlace {
    /// Whose.
    pub caller: String,
    /// Its name.
    pub name: String,
    /// Which opening of it.
    pub epoch: i64,
    /// In messages.
    pub place: i64,
    /// That holds only if its reader is done with this message.
    pub done: Option<i64>,
    /// In replays.
    pub replayed: i64,
    /// When it is forgotten.
    pub expires_at: i64,
}
