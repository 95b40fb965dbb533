//! The schema, one step an entry; steps are only ever added.

pub(super) const STEPS: &[&str] = &["
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
"];
