//! What else is made at run time: who may look at the console, who is told when something is amiss. Kept beside apps, callers and
//! routes and in their manner: sealed, by revision, with a line in the book for each change.

use std::fmt;

use serde_json::{Map, Value};

use super::backend::{AuditRow, EntryRow};
use super::entries::cell;
use super::{Audit, Store, StoreError};

/// Which kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// People who may log in, with their sessions.
    Users,
    /// Where alerts go.
    Channels,
    /// The code that makes the first user.
    Setup,
}

impl Shelf {
    const ALL: [Self; 3] = [Self::Users, Self::Channels, Self::Setup];

    /// The list it is called.
    pub fn list(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Channels => "channels",
            Self::Setup => "setup",
        }
    }

    pub(super) fn of(list: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shelf| shelf.list() == list)
    }
}

/// One of a shelf.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// Where it stands.
    pub shelf: Shelf,
    /// Names it among those of its shelf.
    pub name: String,
    /// Another with each change.
    pub revision: i64,
    /// What it says. Secrets are among it.
    pub members: Map<String, Value>,
    /// Unix milliseconds.
    pub changed_at: i64,
}

/// Without what it says, among which are secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}/{} {})", self.shelf.list(), self.name, self.revision)
    }
}

/// A change of one document.
#[derive(Clone)]
pub struct DocumentChange {
    /// Where it stands.
    pub shelf: Shelf,
    /// Names it.
    pub name: String,
    /// The revision that it must still have; 0: there must be none.
    pub expected: i64,
    /// What it says from now on; `None`: it ends.
    pub members: Option<Map<String, Value>>,
}

impl fmt::Debug for DocumentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentChange({}/{} {})", self.shelf.list(), self.name, self.expected)
    }
}

fn place(shelf: Shelf, name: &str) -> String {
    format!("{}/{name}", shelf.list())
}

impl Store {
    pub(super) fn opened_document(&self, shelf: Shelf, row: EntryRow) -> Result<Document, StoreError> {
        let EntryRow { kind: _, name, revision, position: _, value, changed_at } = row;
        let corrupt = || StoreError::Corrupt(place(shelf, &name).into());
        let text =
            self.keys.open(cell(&place(shelf, &name)), &value.unwrap_or_default()).map_err(|_| corrupt())?;
        let members = serde_json::from_slice(&text).map_err(|_| corrupt())?;
        Ok(Document { shelf, name, revision, members, changed_at })
    }

    /// Makes all of these changes, with lines in the book, or none: `None` if one of them is another by now. Gives the revision
    /// that they have from now on.
    pub async fn change_documents(
        &self,
        changes: Vec<DocumentChange>,
        book: Vec<Audit>,
        now: i64,
    ) -> Result<Option<i64>, StoreError> {
        let row = |change: DocumentChange| {
            let DocumentChange { shelf, name, expected: revision, members } = change;
            let value = members.map(|members| {
                let text = serde_json::to_vec(&members).unwrap_or_default();
                self.keys.seal(cell(&place(shelf, &name)), &text)
            });
            EntryRow { kind: shelf.list().to_owned(), name, revision, position: 0, value, changed_at: now }
        };
        let changes = changes.into_iter().map(row).collect();
        self.backend.change_entries(changes, book.into_iter().map(AuditRow::of).collect()).await
    }
}
