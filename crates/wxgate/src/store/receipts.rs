//! Messages that were sent from here, and WeChat's receipts of them, which are messages of its own.

use super::records::Pending;
use super::{Store, StoreError};

/// A message that WeChat took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// The account's.
    pub appid: String,
    /// WeChat's number of it.
    pub msgid: String,
    /// Who sent it.
    pub caller: String,
    /// When, Unix milliseconds.
    pub sent_at: i64,
    /// Until when that is remembered, Unix milliseconds.
    pub expires_at: i64,
}

/// Digest and sealed body of a receipt.
pub(crate) type ReceiptRow = (Vec<u8>, Vec<u8>);

/// The part of a [`super::Backend`] that keeps them.
pub(crate) trait Receipts {
    /// Keeps messages, unless they are known.
    fn keep_sent(&self, rows: Vec<SentMessage>) -> Pending<'_, ()>;
    /// Who sent a message, and its latest receipt.
    fn receipt(&self, appid: &str, msgid: &str) -> Pending<'_, (Option<String>, Option<ReceiptRow>)>;
}

impl Store {
    /// Keeps what was sent.
    pub async fn keep_sent(&self, rows: Vec<SentMessage>) -> Result<(), StoreError> {
        self.backend.keep_sent(rows).await
    }

    /// Who sent a message, and its latest receipt as WeChat wrote it; as far as either is known.
    pub async fn receipt(
        &self,
        appid: &str,
        msgid: &str,
    ) -> Result<(Option<String>, Option<Vec<u8>>), StoreError> {
        let (caller, receipt) = self.backend.receipt(appid, msgid).await?;
        let Some((digest, sealed)) = receipt else { return Ok((caller, None)) };
        match self.open_body(&digest, &sealed) {
            Ok(body) => Ok((caller, Some(body))),
            Err(error) => Err(StoreError::Corrupt(format!("receipt {msgid}: {error}").into())),
        }
    }
}
