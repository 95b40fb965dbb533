//! Apps, callers and routes that were made at run time, and the book of who changed what. An entry is kept as it was written,
//! sealed; what it means is judged anew whenever it is read.

use std::fmt;

use serde_json::{Map, Value};

use super::backend::{AuditRow, EntryRow};
use super::{Document, Shelf, Store, StoreError};
use crate::entries::EntryKind;
use crate::keys::Cell;
use crate::lang::say;

/// An entry as somebody wrote it.
#[derive(Clone, PartialEq)]
pub struct StoredEntry {
    /// What it is.
    pub kind: EntryKind,
    /// Its AppID or name.
    pub name: String,
    /// Another with each change.
    pub revision: i64,
    /// Routes are tried in this order.
    pub position: i64,
    /// Its keys. Secrets are among them.
    pub members: Map<String, Value>,
    /// Unix milliseconds.
    pub changed_at: i64,
}

/// Without its keys, among which are secrets.
impl fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredEntry({} {})", place(self.kind, &self.name), self.revision)
    }
}

/// What was made at run time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// Of the newest change.
    pub revision: i64,
    /// Apps, callers and routes.
    pub entries: Vec<StoredEntry>,
    /// The rest.
    pub documents: Vec<Document>,
}

/// A change of one entry.
#[derive(Clone)]
pub struct EntryChange {
    /// What it is.
    pub kind: EntryKind,
    /// Its AppID or name.
    pub name: String,
    /// The revision that it must still have; 0: there must be none.
    pub expected: i64,
    /// See [`StoredEntry`].
    pub position: i64,
    /// What it is from now on; `None`: it ends.
    pub members: Option<Map<String, Value>>,
}

impl fmt::Debug for EntryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryChange({} {})", place(self.kind, &self.name), self.expected)
    }
}

/// A line of the book: who did what. Secrets are not in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// Ascends.
    pub id: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// Name of the user, or `token`.
    pub actor: String,
    /// `admin` or `viewer`
    pub role: String,
    /// Where from.
    pub ip: String,
    /// What was done, as `create`.
    pub action: String,
    /// To what, as `apps/wx…`.
    pub target: String,
    /// What it was; null: nothing.
    pub before: Value,
    /// What it became; null: nothing.
    pub after: Value,
}

/// Which lines of the book.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Lines before this id.
    pub before: Option<i64>,
    /// About this.
    pub target: Option<String>,
    /// By this user.
    pub actor: Option<String>,
    /// At most so many.
    pub limit: u32,
}

pub(super) fn cell(place: &str) -> Cell<'_> {
    Cell { table: "entries", row: place, column: "value" }
}

fn place(kind: EntryKind, name: &str) -> String {
    format!("{}/{name}", kind.list())
}

impl Store {
    /// Everything that was made at run time. A damaged row is said and passed over: the others work on.
    pub async fn made(&self) -> Result<Made, StoreError> {
        let (revision, rows) = self.backend.entries().await?;
        let mut made = Made { revision, entries: Vec::new(), documents: Vec::new() };
        for row in rows {
            let opened = match Shelf::of(&row.kind) {
                Some(shelf) => self.opened_document(shelf, row).map(|document| made.documents.push(document)),
                None => self.opened(row).map(|entry| made.entries.push(entry)),
            };
            match opened {
                Ok(()) => {}
                Err(error) => tracing::error!(
                    %error, "{}",
                    say(
                        "运行时加的一项读不出来，没有启用：重新建它",
                        "an entry made at run time can't be read and isn't in use: make it anew",
                    )
                ),
            }
        }
        Ok(made)
    }

    fn opened(&self, row: EntryRow) -> Result<StoredEntry, StoreError> {
        let EntryRow { kind, name, revision, position, value, changed_at } = row;
        let corrupt = || StoreError::Corrupt(format!("entries {kind}/{name}").into());
        let known = EntryKind::ALL.into_iter().find(|known| known.list() == kind).ok_or_else(corrupt)?;
        let text =
            self.keys.open(cell(&place(known, &name)), &value.unwrap_or_default()).map_err(|_| corrupt())?;
        let members = serde_json::from_slice(&text).map_err(|_| corrupt())?;
        Ok(StoredEntry { kind: known, name, revision, position, members, changed_at })
    }

    /// The revision of the newest change.
    pub async fn entries_revision(&self) -> Result<i64, StoreError> {
        self.backend.entries_revision().await
    }

    /// Makes all of these changes, with a line in the book for each, or none: `None` if one of the entries is another by now.
    /// Gives the revision that they have from now on.
    pub async fn change_entries(
        &self,
        changes: Vec<EntryChange>,
        book: Vec<Audit>,
        now: i64,
    ) -> Result<Option<i64>, StoreError> {
        let row = |change: EntryChange| {
            let EntryChange { kind, name, expected: revision, position, members } = change;
            let value = members.map(|members| {
                let text = serde_json::to_vec(&members).unwrap_or_default();
                self.keys.seal(cell(&place(kind, &name)), &text)
            });
            EntryRow { kind: kind.list().to_owned(), name, revision, position, value, changed_at: now }
        };
        let changes = changes.into_iter().map(row).collect();
        self.backend.change_entries(changes, book.into_iter().map(AuditRow::of).collect()).await
    }

    /// Writes into the book what changed no entry.
    pub async fn keep_audit(&self, line: Audit) -> Result<(), StoreError> {
        self.backend.change_entries(Vec::new(), vec![AuditRow::of(line)]).await.map(drop)
    }

    /// The book, newest first.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<Audit>, StoreError> {
        Ok(self.backend.audit(query).await?.into_iter().map(AuditRow::read).collect())
    }
}

impl AuditRow {
    pub(super) fn of(line: Audit) -> Self {
        let text = |value: Value| if value.is_null() { String::new() } else { value.to_string() };
        let Audit { id, at, actor, role, ip, action, target, before, after } = line;
        Self { id, at, actor, role, ip, action, target, before: text(before), after: text(after) }
    }

    fn read(self) -> Audit {
        let value = |text: String| serde_json::from_str(&text).unwrap_or_default();
        let Self { id, at, actor, role, ip, action, target, before, after } = self;
        Audit { id, at, actor, role, ip, action, target, before: value(before), after: value(after) }
    }
}
