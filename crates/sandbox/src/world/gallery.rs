//! Pictures for articles (`media/uploadimg`): shown at the address that the call told, the newest of them.

use super::World;
use super::kept::base64;
use super::lately::{Lately, Weighs};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Pictures kept, and their bytes.
const MAX_PICTURES: usize = 2_000;
const MAX_BYTES: usize = 32 << 20;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Hung {
    url: String,
    content_type: String,
    #[serde(with = "base64")]
    bytes: Bytes,
}

impl Weighs for Hung {
    fn weight(&self) -> usize {
        self.bytes.len()
    }
}

/// The oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Gallery(Lately<Hung>);

impl Gallery {
    pub(super) const fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// What tells addresses of pictures apart: the part that is made up. What stands behind it says in which size.
fn id(url: &str) -> &str {
    url.split('/').nth(4).unwrap_or_default()
}

impl World {
    /// Keeps a picture for articles; its address.
    pub(crate) fn hang(&mut self, content_type: &str, bytes: Bytes) -> String {
        let url = self.picture_url(content_type);
        let hung = Hung { url: url.clone(), content_type: content_type.to_owned(), bytes };
        self.gallery.0.add(hung, MAX_PICTURES, MAX_BYTES);
        url
    }

    /// The picture behind an address of `mmbiz.qpic.cn`, known by the made-up part of it: one for articles, or a permanent
    /// picture of any account. Its content type and its bytes.
    pub(crate) fn picture(&self, wanted: &str) -> Option<(String, Bytes)> {
        let hung = self.gallery.0.iter().find(|hung| id(&hung.url) == wanted);
        let hung = hung.map(|hung| (hung.content_type.clone(), hung.bytes.clone()));
        let all = || self.order.iter().flat_map(|appid| self.materials(appid));
        let permanent = || all().find(|kept| !wanted.is_empty() && id(&kept.url) == wanted);
        hung.or_else(|| permanent().map(|kept| (kept.content_type.clone(), kept.bytes.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Random;

    #[test]
    fn there_is_a_bound_and_the_newest_stay() {
        let mut world = World::new(Random::default());
        let urls: Vec<String> =
            (0..40).map(|_| world.hang("image/png", Bytes::from(vec![0; 1 << 20]))).collect();
        assert!(world.gallery.bytes() <= MAX_BYTES);
        let shows = |url: &String| world.picture(id(url)).is_some();
        assert!(!shows(&urls[0]) && shows(&urls[8]) && shows(&urls[39]));
        assert!(world.picture("").is_none());
    }
}
