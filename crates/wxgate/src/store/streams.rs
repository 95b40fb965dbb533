//! What streams of events need: messages in the order of commits, what was sent once more, and how far named streams have come.

use std::fmt::Debug;

use super::messages::event_name;
use super::records::Pending;
use super::{Claimed, Store, StoreError};
use crate::lang::say;

/// The part of a [`super::Backend`] that streams stand on. Times are Unix milliseconds; each method that writes is one transaction.
pub(crate) trait Streams: Send + Sync + Debug {
    /// Where things stand.
    fn stream_state(&self) -> Pending<'_, StreamState>;
    /// Messages in the order of commits, as many as [`StreamQuery`] bounds.
    fn stream_events(&self, query: StreamQuery) -> Pending<'_, (Vec<StreamedRow>, Reached)>;
    /// What was sent once more after number `after`, in order, each with its message while that is kept.
    fn stream_replays(&self, after: i64, limit: u32) -> Pending<'_, Vec<(i64, Option<StreamedRow>)>>;
    /// A message is sent once more.
    fn keep_replay(&self, event_id: i64, expires_at: i64) -> Pending<'_, ()>;

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

/// A message, opened.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// The user's.
    pub openid: String,
    /// The rest of it, as a delivery has it that is none.
    pub claimed: Claimed,
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

impl Store {
    /// Where streams stand.
    pub async fn stream_state(&self) -> Result<StreamState, StoreError> {
        self.backend.stream_state().await
    }

    /// Messages in the order of commits, and how far that reading got. What doesn't open is left out.
    pub async fn stream_events(&self, query: StreamQuery) -> Result<(Vec<Streamed>, Reached), StoreError> {
        let (rows, reached) = self.backend.stream_events(query).await?;
        Ok((rows.into_iter().filter_map(|row| self.streamed(row)).collect(), reached))
    }

    /// One message.
    pub async fn stream_event(&self, id: i64) -> Result<Option<Streamed>, StoreError> {
        let query = StreamQuery { after: id - 1, span: 1, limit: 1, bytes: 1, ..StreamQuery::default() };
        Ok(self.stream_events(query).await?.0.pop())
    }

    /// What was sent once more after number `after`, in order, each with its message while that is kept.
    pub async fn stream_replays(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Option<Streamed>)>, StoreError> {
        let rows = self.backend.stream_replays(after, limit).await?;
        Ok(rows.into_iter().map(|(n, row)| (n, row.and_then(|row| self.streamed(row)))).collect())
    }

    /// A message is sent once more: streams get it, until then.
    pub async fn keep_replay(&self, event_id: i64, expires_at: i64) -> Result<(), StoreError> {
        self.backend.keep_replay(event_id, expires_at).await
    }

    /// Opens a named stream.
    pub async fn open_stream(&self, opening: Opening) -> Result<Opened, StoreError> {
        self.backend.open_stream(opening).await
    }

    /// Notes how far an opened stream has come; false if it was opened once more since.
    pub async fn keep_place(&self, place: KeptPlace) -> Result<bool, StoreError> {
        self.backend.keep_place(place).await
    }

    /// Notes that whoever reads a named stream is done with `place`; false if there is no such stream, or no such place.
    pub async fn ack(
        &self,
        caller: &str,
        name: &str,
        place: i64,
        expires_at: i64,
    ) -> Result<bool, StoreError> {
        self.backend.ack(caller, name, place, expires_at).await
    }

    /// Tells other nodes of the streams that are open here; "": there are none.
    pub async fn tell_listeners(&self, value: String) -> Result<(), StoreError> {
        self.backend.tell_listeners(self.owner, value).await
    }

    /// What other nodes told so, those that died among them.
    pub async fn listeners(&self) -> Result<Vec<String>, StoreError> {
        self.backend.listeners(self.owner).await
    }

    /// How often each of these streams of a caller and a name was opened; nothing where no other process can.
    pub async fn stream_epochs(
        &self,
        named: Vec<(String, String)>,
    ) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.backend.stream_epochs(named).await
    }

    fn streamed(&self, row: StreamedRow) -> Option<Streamed> {
        let StreamedRow { id, appid, openid, received_at, digest, body } = row;
        let opened = self.open_body(&digest, &body).inspect_err(|error| {
            let lost = say("消息解不开，事件流略过它", "a message doesn't open, and streams pass over it");
            tracing::warn!(event = id, %error, "{lost}");
        });
        let claimed = Claimed {
            id: 0,
            round: 0,
            attempt: 1,
            event_id: id,
            event_name: event_name(id, &digest),
            appid,
            received_at,
            body: opened.ok()?,
        };
        Some(Streamed { openid, claimed })
    }
}
