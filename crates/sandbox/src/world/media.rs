//! Uploaded files: kept for three days, the newest 64 MiB of them.

use super::World;
use super::kept::base64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const LIFE: i64 = 3 * 86_400_000;
const MAX_BYTES: usize = 64 << 20;

/// One file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) appid: String,
    pub(crate) media_id: String,
    pub(crate) name: String,
    pub(crate) content_type: String,
    #[serde(with = "base64")]
    pub(crate) bytes: Bytes,
    expires: i64,
}

/// All files, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "VecDeque<Media>", into = "VecDeque<Media>")]
pub(crate) struct Store {
    files: VecDeque<Media>,
    size: usize,
}

impl From<VecDeque<Media>> for Store {
    fn from(files: VecDeque<Media>) -> Self {
        Self { size: files.iter().map(|file| file.bytes.len()).sum(), files }
    }
}

impl From<Store> for VecDeque<Media> {
    fn from(store: Store) -> Self {
        store.files
    }
}

impl Store {
    pub(super) fn bytes(&self) -> usize {
        self.size
    }
}

impl World {
    /// Keeps a file; its media_id.
    pub(crate) fn keep_media(
        &mut self,
        appid: &str,
        name: String,
        content_type: String,
        bytes: Bytes,
    ) -> String {
        let media_id = self.random.text::<48>();
        self.media.size += bytes.len();
        self.media.files.push_back(Media {
            appid: appid.to_owned(),
            media_id: media_id.clone(),
            name,
            content_type,
            bytes,
            expires: self.now + LIFE,
        });
        while self.media.size > MAX_BYTES
            && let Some(oldest) = self.media.files.pop_front()
        {
            self.media.size -= oldest.bytes.len();
        }
        media_id
    }

    pub(crate) fn media(&self, appid: &str, media_id: &str) -> Option<&Media> {
        self.media
            .files
            .iter()
            .find(|file| file.media_id == media_id && file.appid == appid && file.expires > self.now)
    }
}
