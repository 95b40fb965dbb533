//! What streams of events need, in PostgreSQL.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Pg;
use super::link::{Sql, Values, text};
use crate::store::StoreError;
use crate::store::records::Pending;
use crate::store::streams::{
    KeptPlace, Opened, Opening, Reached, StreamQuery, StreamState, StreamedRow, Streams,
};

static STATE: Sql = Sql {
    text: "select (select v from counter where name = 'event'), (select min(id) from events),
                  coalesce((select v from counter where name = 'forgotten'), 0),
                  (select v from counter where name = 'replay')",
    types: &[],
};
/// The counter and the messages are of one moment: what has a number up to it is seen.
static EVENTS: Sql = Sql {
    text: "
with m as materialized (
    select *, sum(length(body)) over (order by id) - length(body) as size from (
        select id, appid, openid, received_at, digest, body from events
        where id > $1 and id <= $2 and ($3::text is null or appid = $3) and ($4::text is null or openid = $4)
        order by id limit $5) e)
select c.v, (select count(*) from m), m.id, m.appid, m.openid, m.received_at, m.digest, m.body
from counter c left join m on m.size < $6 where c.name = 'event' order by m.id",
    types: &[Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::INT8, Type::INT8],
};
static REPLAYS: Sql = Sql {
    text: "select r.id, e.id, e.appid, e.openid, e.received_at, e.digest, e.body
           from (select id, event_id from replays where id > $1 order by id limit $2) r
           left join events e on e.id = r.event_id order by r.id",
    types: &[Type::INT8, Type::INT8],
};
static KEEP_REPLAYS: Sql = Sql {
    text: "with c as (update counter set v = v + cardinality($1) where name = 'replay' returning v - cardinality($1) as base)
           insert into replays (id, event_id, expires_at)
           select base + t.ord, t.event, $2 from c, unnest($1) with ordinality as t (event, ord)",
    types: &[Type::INT8_ARRAY, Type::INT8],
};
static OPEN: Sql = Sql {
    text: "insert into streams as s (caller, name, place, replayed, epoch, expires_at)
           select $1, $2, coalesce($3, (select v from counter where name = 'event')),
                  (select v from counter where name = 'replay'), 1, $5
           on conflict (caller, name) do update set
               place = case when s.expires_at <= $4 then excluded.place
                            when $6 then s.place else coalesce($3, s.place) end,
               replayed = case when s.expires_at <= $4 then excluded.replayed else s.replayed end,
               epoch = s.epoch + 1, expires_at = excluded.expires_at
           returning place, replayed, epoch",
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::BOOL],
};
static KEEP_PLACE: Sql = Sql {
    text: "update streams set place = case when $5::int8 is null or place >= $5 then $4 else place end,
               replayed = $6, expires_at = $7
           where caller = $1 and name = $2 and epoch = $3 returning 1::int8",
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};
static ACK: Sql = Sql {
    text: "update streams set place = greatest(place, $3), expires_at = $4
           where caller = $1 and name = $2 and $3 <= (select v from counter where name = 'event')
           returning 1::int8",
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8],
};
static EPOCHS: Sql = Sql {
    text: "select s.caller, s.name, s.epoch from unnest($1, $2) as t (caller, name)
           join streams s on s.caller = t.caller and s.name = t.name",
    types: &[Type::TEXT_ARRAY, Type::TEXT_ARRAY],
};

/// Beside what a node tells of itself, what nodes left that are forgotten goes.
static TELL_LISTENERS: Sql = Sql {
    text: "
with gone as (delete from meta where starts_with(name, 'listeners ') and name <> $1
              and not exists (select from nodes where 'listeners ' || id = meta.name)),
mine as (delete from meta where name = $1 and $2 = ''::bytea)
insert into meta (name, value) select $1, $2 where $2 <> ''::bytea
on conflict (name) do update set value = excluded.value",
    types: &[Type::TEXT, Type::BYTEA],
};
static LISTENERS: Sql = Sql {
    text: "select value from meta where starts_with(name, 'listeners ') and name <> $1",
    types: &[Type::TEXT],
};

impl Pg {
    fn streamed(&self, row: &Row, at: usize) -> Option<StreamedRow> {
        Some(StreamedRow {
            id: row.get::<_, Option<i64>>(at)?,
            appid: row.get(at + 1),
            openid: row.get(at + 2),
            received_at: self.time.ours(row.get(at + 3)),
            digest: row.get(at + 4),
            body: row.get(at + 5),
        })
    }

    async fn read_stream(&self, query: StreamQuery) -> Result<(Vec<StreamedRow>, Reached), StoreError> {
        let StreamQuery { appid, openid, after, span, limit, bytes } = query;
        let until = after.saturating_add(span);
        let [appid, openid] = [appid, openid].map(|one| one.map(|one| text(&one).into_owned()));
        let found =
            self.rows.query(&EVENTS, &[&after, &until, &appid, &openid, &i64::from(limit), &bytes]).await?;
        let Some(first) = found.first() else {
            return Ok((Vec::new(), Reached { place: after, more: false }));
        };
        let (last, count): (i64, i64) = (first.get(0), first.get(1));
        let rows: Vec<StreamedRow> = found.iter().filter_map(|row| self.streamed(row, 2)).collect();
        let is_cut = rows.len() >= limit as usize || (rows.len() as i64) < count;
        let cut = rows.last().filter(|_| is_cut).map(|row| row.id);
        let place = cut.unwrap_or(until.min(last)).max(after);
        Ok((rows, Reached { place, more: place < last }))
    }
}

impl Streams for Pg {
    fn stream_state(&self) -> Pending<'_, StreamState> {
        Box::pin(async move {
            let row = self.rows.row(&STATE, &[]).await?;
            Ok(row.map_or_else(StreamState::default, |row| StreamState {
                last: row.get(0),
                oldest: row.get(1),
                forgotten: row.get(2),
                replayed: row.get(3),
            }))
        })
    }

    fn stream_events(&self, query: StreamQuery) -> Pending<'_, (Vec<StreamedRow>, Reached)> {
        Box::pin(self.read_stream(query))
    }

    fn stream_replays(&self, after: i64, limit: u32) -> Pending<'_, Vec<(i64, Option<StreamedRow>)>> {
        Box::pin(async move {
            let rows = self.rows.query(&REPLAYS, &[&after, &i64::from(limit)]).await?;
            Ok(rows.iter().map(|row| (row.get(0), self.streamed(row, 1))).collect())
        })
    }

    fn keep_replays(&self, events: Vec<i64>, expires_at: i64) -> Pending<'_, ()> {
        let expires_at = self.time.theirs(expires_at);
        Box::pin(async move { self.work.query(&KEEP_REPLAYS, &[&events, &expires_at]).await.map(drop) })
    }

    fn open_stream(&self, opening: Opening) -> Pending<'_, Opened> {
        let Opening { caller, name, place, stays, now, expires_at } = opening;
        let (now, expires_at) = (self.time.theirs(now), self.time.theirs(expires_at));
        Box::pin(async move {
            let values: Values<'_> = &[&text(&caller), &name, &place, &now, &expires_at, &stays];
            let row = self.work.row(&OPEN, values).await?;
            let row = row.ok_or_else(|| StoreError::Unavailable("a stream wasn't opened".into()))?;
            Ok(Opened { place: row.get(0), replayed: row.get(1), epoch: row.get(2) })
        })
    }

    fn keep_place(&self, kept: KeptPlace) -> Pending<'_, bool> {
        let KeptPlace { caller, name, epoch, place, done, replayed, expires_at } = kept;
        let expires_at = self.time.theirs(expires_at);
        Box::pin(async move {
            let values: Values<'_> = &[&text(&caller), &name, &epoch, &place, &done, &replayed, &expires_at];
            Ok(self.work.row(&KEEP_PLACE, values).await?.is_some())
        })
    }

    fn ack(&self, caller: &str, name: &str, place: i64, expires_at: i64) -> Pending<'_, bool> {
        let (caller, name) = (text(caller).into_owned(), name.to_owned());
        let expires_at = self.time.theirs(expires_at);
        Box::pin(
            async move { Ok(self.work.row(&ACK, &[&caller, &name, &place, &expires_at]).await?.is_some()) },
        )
    }

    fn tell_listeners(&self, node: i32, value: String) -> Pending<'_, ()> {
        Box::pin(async move {
            self.work
                .query(&TELL_LISTENERS, &[&format!("listeners {node}"), &value.into_bytes()])
                .await
                .map(drop)
        })
    }

    fn listeners(&self, node: i32) -> Pending<'_, Vec<String>> {
        Box::pin(async move {
            let rows = self.rows.query(&LISTENERS, &[&format!("listeners {node}")]).await?;
            Ok(rows.iter().map(|row| String::from_utf8_lossy(row.get(0)).into_owned()).collect())
        })
    }

    fn stream_epochs(&self, named: Vec<(String, String)>) -> Pending<'_, Vec<(String, String, i64)>> {
        Box::pin(async move {
            let callers: Vec<_> = named.iter().map(|(caller, _)| text(caller)).collect();
            let names: Vec<&str> = named.iter().map(|(_, name)| &**name).collect();
            let rows = self.rows.query(&EPOCHS, &[&callers, &names]).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
        })
    }
}
