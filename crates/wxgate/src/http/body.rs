//! Reading requests' bodies: in one buffer, within what its sender may hold of the byte budget, and no slower than a rate.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body as _;

use crate::clock::Instant;
use crate::lang::say;
use crate::net::{self, Cut, Inbound, Pace, Spool, Spooled, Upload};
use crate::parts::Parts;
use crate::shares::{For, Place, Room, Share};
use crate::transport::Payload;

/// A buffer begins with so much.
const FIRST: usize = 4096;

/// Why a request's body isn't there.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Longer than it may be.
    TooLarge,
    /// Cut off, or too slow.
    Cut(String),
    /// No room for it, in memory or on disk.
    NoRoom,
}

/// A body in memory, and the part of the byte budget that it takes up while it or what was made of it lives.
#[derive(Debug)]
pub(crate) struct Kept {
    /// All of it.
    pub(crate) bytes: Bytes,
    /// `None`: it is empty.
    pub(crate) place: Option<Place>,
}

/// A body to be passed on; see [`Kept`].
pub(crate) struct Passable {
    pub(crate) payload: Payload,
    pub(crate) place: Option<Place>,
}

/// One body on its way in.
pub(crate) struct Reader<'a> {
    parts: &'a Parts,
    by: &'a Arc<Share>,
    body: Inbound,
    pace: Pace,
    /// Not later than this, however fast it comes.
    until: Option<Instant>,
}

impl<'a> Reader<'a> {
    /// Of `body`, which is held for `by`.
    pub(crate) fn new(parts: &'a Parts, by: &'a Arc<Share>, body: Inbound) -> Self {
        let pace = Pace::new(&parts.limits);
        Self { parts, by, body, pace, until: None }
    }

    /// The whole of it has to be there by `until`.
    pub(crate) fn until(self, until: Instant) -> Self {
        Self { until: Some(until), ..self }
    }

    /// All of it, if it is no longer than `limit`.
    pub(crate) async fn whole(mut self, limit: usize) -> Result<Kept, Unread> {
        if self.body.size_hint().lower() > limit as u64 {
            return Err(Unread::TooLarge);
        }
        match self.read(limit).await? {
            (kept, true) => Ok(kept),
            (_, false) => Err(Unread::TooLarge),
        }
    }

    /// What comes next of a body that is looked at as it comes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Unread> {
        self.piece().await
    }

    /// All of it for WeChat, which wants its length: one that came without is collected, in memory as long as it is
    /// short, then by `spool`; one that is long and whose length is known goes through as it comes.
    pub(crate) async fn passable(mut self, spool: &Spool) -> Result<Passable, Unread> {
        let limits = &self.parts.limits;
        let declared = self.body.size_hint().exact();
        if declared.is_none() && self.body.size_hint().lower() > limits.collected as u64 {
            return Err(Unread::TooLarge);
        }
        let (Kept { bytes, place }, whole) = self.read(limits.kept).await?;
        if whole {
            return Ok(Passable { payload: Payload::Kept(bytes), place });
        }
        if declared.is_some() {
            let payload = Payload::Stream(Upload::new(bytes, self.body, limits.silence, self.pace));
            return Ok(Passable { payload, place });
        }
        let (file, place) = self.spooled(spool, bytes).await?;
        Ok(Passable { payload: Payload::Spooled(file), place: Some(place) })
    }

    /// Up to `limit`, and whether that is all.
    async fn read(&mut self, limit: usize) -> Result<(Kept, bool), Unread> {
        if self.body.is_end_stream() {
            return Ok((Kept { bytes: Bytes::new(), place: None }, true));
        }
        let nothing = self.parts.shares.take(Room::Bodies, 0, For::from(self.by));
        let mut place = nothing.map_err(|_| Unread::NoRoom)?;
        let declared = usize::try_from(self.body.size_hint().exact().unwrap_or(0)).unwrap_or(usize::MAX);
        // What is longer is read until it is, by a piece at most.
        let wanted = if declared > limit { limit + self.parts.limits.head } else { declared };
        let mut buffer = Vec::new();
        self.make_room(&mut buffer, wanted, &mut place).await?;
        while let Some(data) = self.piece().await? {
            let length = buffer.len() + data.len();
            if length > buffer.capacity() {
                let wanted = length.max((2 * buffer.capacity()).min(limit)).max(FIRST.min(limit));
                self.make_room(&mut buffer, wanted, &mut place).await?;
            }
            buffer.extend_from_slice(&data);
            if length > limit || (length == limit && declared > limit) {
                return Ok((Kept { bytes: buffer.into(), place: Some(place) }, false));
            }
        }
        Ok((Kept { bytes: buffer.into(), place: Some(place) }, true))
    }

    /// Grows `buffer` to `size`, once the budget has as much for it.
    async fn make_room(
        &mut self,
        buffer: &mut Vec<u8>,
        size: usize,
        place: &mut Place,
    ) -> Result<(), Unread> {
        let more = size.saturating_sub(buffer.capacity());
        self.wait_for(place, more).await?;
        buffer.reserve_exact(size - buffer.len().min(size));
        Ok(())
    }

    /// Takes `more` of what `place` is.
    async fn wait_for(&mut self, place: &mut Place, more: usize) -> Result<(), Unread> {
        let Parts { clock, limits, .. } = self.parts;
        let deadline = clock.instant() + limits.budget_time;
        let deadline = self.until.map_or(deadline, |until| until.min(deadline));
        if place.grow(more, clock, deadline).await { Ok(()) } else { Err(Unread::NoRoom) }
    }

    /// What comes next; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Unread> {
        let Parts { clock, limits, .. } = self.parts;
        let asked = clock.instant();
        let patience = self.pace.left().min(limits.silence);
        let patience = self.until.map_or(patience, |until| patience.min(until - asked));
        let piece = net::piece(&mut self.body, patience).await.map_err(|cut| match cut {
            Cut::Stalled(_) => Unread::Cut("too slow".to_owned()),
            Cut::Broken(why) => Unread::Cut(why),
        })?;
        if let Some(data) = &piece {
            self.pace.came(data.len(), clock.instant() - asked);
        }
        Ok(piece)
    }

    /// `first` and the rest in a file.
    async fn spooled(&mut self, spool: &Spool, first: Bytes) -> Result<(Spooled, Place), Unread> {
        let nothing = self.parts.shares.take(Room::Spooled, 0, For::from(self.by));
        let mut place = nothing.map_err(|_| Unread::NoRoom)?;
        let mut file = spool.open().await.map_err(|error| disk(&error))?;
        let mut next = Some(first);
        while let Some(data) = next {
            if file.length() + data.len() > self.parts.limits.collected {
                return Err(Unread::TooLarge);
            }
            self.wait_for(&mut place, data.len()).await?;
            file = file.write(data).await.map_err(|error| disk(&error))?;
            next = self.piece().await?;
        }
        Ok((file.end(), place))
    }
}

/// A disk that is full is like a budget that is.
fn disk(error: &std::io::Error) -> Unread {
    let words = say(
        "请求体存不进临时文件（检查 store.run_dir 的磁盘空间和权限）",
        "a request's body can't be put into a file (look at the disk and the rights of store.run_dir)",
    );
    tracing::warn!(%error, "{words}");
    Unread::NoRoom
}
