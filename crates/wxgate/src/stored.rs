//! Entries made at run time: taken up from the store when the process begins, and whenever this node or another changes them.

use std::sync::Arc;
use std::time::Duration;

use crate::entries::Origin;
use crate::lang::say;
use crate::parts::Parts;
use crate::store::{Audit, DocumentChange, EntryChange};

/// What other nodes changed is looked for so often, if nobody tells.
const LOOK: Duration = Duration::from_secs(1);

/// Takes up all there is.
pub(crate) async fn load(parts: &Parts) -> anyhow::Result<()> {
    let mut at = parts.registry.stored_at.lock().await;
    let made = parts.store.made().await?;
    parts.registry.documents.store(Arc::new(made.documents));
    let is_new = made.entries != parts.registry.stored();
    if is_new {
        parts.registry.take_stored(made.entries)?;
    }
    *at = made.revision;
    drop(at);
    if !is_new {
        return Ok(());
    }
    for aside in parts.registry.aside() {
        let why = say(aside.why.zh.to_string(), aside.why.en.to_string());
        tracing::warn!(
            list = aside.kind.list(), name = aside.name, %why, "{}",
            say("运行时加的一项没有启用", "an entry made at run time isn't in use")
        );
    }
    Ok(())
}

/// Takes up what other nodes change, until the stop begins.
pub(crate) async fn run(parts: Parts) {
    if !parts.store.is_shared() {
        return;
    }
    let mut wake = parts.store.wakes().entries.sleeper();
    loop {
        tokio::select! {
            () = parts.tasks.draining.cancelled() => return,
            () = wake.woken() => {}
            () = parts.clock.pause(LOOK) => {}
        }
        wake.mark_seen();
        // A store that is away changes nothing.
        let Ok(newest) = parts.store.entries_revision().await else { continue };
        if newest == *parts.registry.stored_at.lock().await {
            continue;
        }
        if let Err(error) = load(&parts).await {
            tracing::error!(
                %error, "{}",
                say("读不了运行时加的账号、调用方和路由", "what was made at run time can't be taken up")
            );
        }
    }
}

/// Makes changes, which hold here when this returns; `None`: somebody else changed one of them meanwhile.
pub(crate) async fn change(
    parts: &Parts,
    changes: Vec<EntryChange>,
    book: Vec<Audit>,
) -> anyhow::Result<Option<i64>> {
    let now = parts.clock.now();
    let names: Vec<String> = changes.iter().map(|change| change.name.clone()).collect();
    let changed = parts.store.change_entries(changes, book, now).await?;
    if changed.is_some() {
        load(parts).await?;
        for caller in parts.registry.live().callers.all() {
            if caller.origin == Origin::Stored && names.iter().any(|name| **name == *caller.name) {
                caller.keys.iter().for_each(|key| key.uses.made(now));
            }
        }
    }
    Ok(changed)
}

/// The same with what is no entry.
pub(crate) async fn change_documents(
    parts: &Parts,
    changes: Vec<DocumentChange>,
    book: Vec<Audit>,
) -> anyhow::Result<Option<i64>> {
    let changed = parts.store.change_documents(changes, book, parts.clock.now()).await?;
    if changed.is_some() {
        load(parts).await?;
    }
    Ok(changed)
}
