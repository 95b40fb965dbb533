//! Uploaded files: kept for three days, the newest 10,000 of them, of 64 MiB at most.

use super::World;
use super::kept::base64;
use super::lately::OVERHEAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const LIFE: i64 = 3 * 86_400_000;
const MAX_FILES: usize = 10_000;
const MAX_BYTES: usize = 64 << 20;

/// A file as it was uploaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct File {
    /// `image`, `voice`, `video` or `thumb`.
    pub(crate) kind: String,
    /// How its name ended: `jpg`.
    pub(crate) suffix: String,
    pub(crate) content_type: String,
    #[serde(with = "base64")]
    pub(crate) bytes: Bytes,
}

/// One of them, and how long it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) appid: String,
    pub(crate) media_id: String,
    pub(crate) file: File,
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
        Self { size: files.iter().map(|media| media.file.bytes.len()).sum(), files }
    }
}

impl From<Store> for VecDeque<Media> {
    fn from(store: Store) -> Self {
        store.files
    }
}

impl Store {
    pub(super) fn bytes(&self) -> usize {
        self.size + 4 * OVERHEAD * self.files.len()
    }
}

impl World {
    /// Keeps a file; its media_id.
    pub(crate) fn keep_media(&mut self, appid: &str, file: File) -> String {
        let media_id = self.random.text::<48>();
        self.media.size += file.bytes.len();
        self.media.files.push_back(Media {
            appid: appid.to_owned(),
            media_id: media_id.clone(),
            file,
            expires: self.now + LIFE,
        });
        while (self.media.size > MAX_BYTES || self.media.files.len() > MAX_FILES)
            && let Some(oldest) = self.media.files.pop_front()
        {
            self.media.size -= oldest.file.bytes.len();
        }
        media_id
    }

    /// A file of this account.
    pub(crate) fn media(&self, appid: &str, media_id: &str) -> Option<&File> {
        self.media_of(media_id, |media| media.appid == appid)
    }

    /// Whether a message of this account may carry this: a temporary or a permanent medium.
    pub(crate) fn has_media(&self, appid: &str, media_id: &str) -> bool {
        self.media(appid, media_id).is_some() || self.material(appid, media_id).is_some()
    }

    /// Type and bytes of a file, temporary or permanent: of this account, or of any as its address is known to whoever was
    /// told it.
    pub(crate) fn file(&self, appid: Option<&str>, media_id: &str) -> Option<(String, Bytes)> {
        let temporary = self.media_of(media_id, |media| appid.is_none_or(|appid| media.appid == appid));
        let temporary = temporary.map(|file| (file.content_type.clone(), file.bytes.clone()));
        let permanent = || match appid {
            Some(appid) => self.material(appid, media_id),
            None => self.any_material(media_id),
        };
        temporary.or_else(|| permanent().map(|kept| (kept.content_type.clone(), kept.bytes.clone())))
    }

    fn media_of(&self, media_id: &str, fits: impl Fn(&Media) -> bool) -> Option<&File> {
        let mut files = self.media.files.iter();
        let found = files.find(|media| media.media_id == media_id && media.expires > self.now && fits(media));
        found.map(|media| &media.file)
    }
}
