//! The schema, one step an entry; steps are only ever added.

pub(super) const STEPS: &[&str] = &[
    "
create table meta (
    name  text primary key,
    value blob not null
) without rowid;

create table credentials (
    appid      text not null,
    kind       text not null,
    version    integer not null,
    value      blob not null,
    fetched_at integer not null,
    expires_at integer not null,
    history    text not null,
    primary key (appid, kind)
) without rowid;

create table once (
    key        blob primary key,
    answer     blob not null,
    expires_at integer not null
) without rowid;
create index once_expires on once (expires_at);
",
    "
-- Messages from WeChat.
create table events (
    id          integer primary key autoincrement,
    appid       text not null,
    openid      text not null,
    msg_type    text not null,
    event       text not null,
    kind        text not null,
    received_at integer not null,
    digest      blob not null,
    body        blob not null
);
create index events_received on events (received_at);
create index events_openid on events (openid, id);
create index events_appid on events (appid, id);
create index events_kind on events (kind, id);

-- What must not get through twice: messages (with the answer they got), and signatures of plain mode.
create table seen (
    key        blob primary key,
    digest     blob not null,
    event_id   integer,
    answer     blob,
    expires_at integer not null
) without rowid;
create index seen_expires on seen (expires_at);

-- One row for each message and route.
create table deliveries (
    id       integer primary key autoincrement,
    event_id integer not null references events (id) on delete cascade,
    route    text not null,
    status   text not null,
    next_at  integer not null,
    leased   integer not null,
    attempts integer not null,
    done_at  integer
);
create index deliveries_event on deliveries (event_id);
create index deliveries_route on deliveries (route, status, id);
create index deliveries_status on deliveries (status, id);
create index deliveries_due on deliveries (route, next_at) where status = 'pending';
create index deliveries_leased on deliveries (id) where leased = 1;
create index deliveries_dead on deliveries (done_at) where status = 'dead';

create table attempts (
    delivery_id integer not null references deliveries (id) on delete cascade,
    n           integer not null,
    at          integer not null,
    status      integer not null,
    ms          integer not null,
    error       text not null,
    primary key (delivery_id, n)
) without rowid;
",
];
