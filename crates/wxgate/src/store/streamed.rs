//! Messages for streams, opened.

use super::messages::event_name;
use super::streams::{KeptPlace, Opened, Opening, Reached, StreamQuery, StreamState, StreamedRow};
use super::{Claimed, Store, StoreError};
use crate::lang::say;

/// A message, opened.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// The user's.
    pub openid: String,
    /// The rest of it, as a delivery has it that is none.
    pub claimed: Claimed,
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

    /// Messages are sent once more: streams get them, until then.
    pub async fn keep_replays(&self, events: Vec<i64>, expires_at: i64) -> Result<(), StoreError> {
        self.backend.keep_replays(events, expires_at).await
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
