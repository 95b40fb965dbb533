//! Why a server can't be worked with, and what to do about it.

use tokio_postgres::Error;

use crate::config::Postgres;
use crate::lang::say;
use crate::store::StoreError;

/// What is said of an error: the server's words and their code, never a row's values.
pub(super) fn unavailable(error: &Error) -> StoreError {
    let text = match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(error), _) => format!("{} ({})", error.message(), error.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    };
    StoreError::Unavailable(text.into())
}

/// Why no connection could be made to what `settings` name.
pub(super) fn unreachable(error: &Error, settings: &Postgres) -> StoreError {
    let raw = match unavailable(error) {
        StoreError::Unavailable(text) => text,
        other => return other,
    };
    let cure = cure(error.code().map(tokio_postgres::error::SqlState::code), &raw);
    StoreError::Unavailable(
        format!("{settings}: {raw}{}{cure}", if cure.is_empty() { "" } else { "; " }).into(),
    )
}

/// What to do about a refusal; "" if that isn't known.
fn cure(code: Option<&str>, raw: &str) -> &'static str {
    let says = |part: &str| raw.contains(part);
    match code {
        Some("28P01" | "28000") => say(
            "用户、密码或 pg_hba.conf 不对：检查 store.url（密码里的 @ : / # 要写成 %40 %3A %2F %23）或 PGPASSFILE",
            "user, password or pg_hba.conf: check store.url (write @ : / # in a password as %40 %3A %2F %23) or PGPASSFILE",
        ),
        Some("3D000") => say(
            "没有这个数据库：create database … owner …，或改 store.url 里的库名",
            "there is no such database: create database … owner …, or change its name in store.url",
        ),
        Some("53300") => say(
            "连接数用完了：每个节点要 9 条，调高 max_connections 或这个用户的 connection limit",
            "no connection is left: each node needs 9, raise max_connections or the role's connection limit",
        ),
        Some("57P03") => say("它正在启动或恢复，等一等", "it is starting or recovering: wait"),
        Some(_) => "",
        None if says("password missing") => say(
            "store.url 里没有密码，PGPASSFILE 里也没有这个主机的",
            "there is no password in store.url, and none for this host in PGPASSFILE",
        ),
        None if says("does not support TLS") => say(
            "服务器没有开 TLS：打开它的 ssl，或 sslmode=disable",
            "the server speaks no TLS: turn its ssl on, or use sslmode=disable",
        ),
        None if says("invalid peer certificate") => say(
            "它的证书不被信任：用 sslrootcert=CA.pem 给出签发它的 CA（verify-full 还要求主机名相符）",
            "its certificate isn't trusted: name the authority that signed it by sslrootcert=CA.pem (verify-full wants the host's name in it, too)",
        ),
        None if says("refused") => say(
            "那里没有程序在听：检查地址、端口、listen_addresses 和防火墙",
            "nothing listens there: check address, port, listen_addresses and firewalls",
        ),
        None if says("lookup") => say(
            "解析不了主机名：检查 store.url（密码里有 @ 时写成 %40）",
            "the host's name can't be looked up: check store.url (write @ in a password as %40)",
        ),
        None if says("No such file") => say(
            "没有这个套接字：检查 host= 的目录和 port=",
            "there is no such socket: check the folder in host= and port=",
        ),
        None => "",
    }
}

/// What the database must be like: it takes tables of ours, and every text.
pub(super) fn unfit(place: &str, may_create: bool, encoding: &str) -> Option<String> {
    if !encoding.eq_ignore_ascii_case("UTF8") {
        return Some(say(
            format!(
                "数据库 {place} 的编码是 {encoding}，应是 UTF8：create database … encoding 'UTF8' template template0"
            ),
            format!(
                "the database {place} has the encoding {encoding}, and must have UTF8: create database … encoding 'UTF8' template template0"
            ),
        ));
    }
    (!may_create).then(|| {
        say(
            format!("数据库 {place}：这个用户不能在其中建表。让它拥有这个库（create database … owner …），或 grant create on schema public to …"),
            format!("the database {place}: this user may make no tables in it. Let it own the database (create database … owner …), or grant create on schema public to …"),
        )
    })
}
