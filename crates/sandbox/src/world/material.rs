//! Permanent media of official accounts.

use super::World;
use super::kept::base64;
use super::lately::OVERHEAD;
use crate::refusal::{Refusal, refuse};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a medium is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Image,
    Voice,
    Video,
    Thumb,
}

/// One permanent medium.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Material {
    pub(crate) media_id: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) content_type: String,
    /// Of a picture.
    pub(crate) url: String,
    /// Of a video.
    pub(crate) title: String,
    pub(crate) description: String,
    /// Unix seconds.
    pub(crate) updated: i64,
    #[serde(with = "base64")]
    pub(crate) bytes: Bytes,
}

/// The media of all accounts, by AppID, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Materials(BTreeMap<String, Vec<Material>>);

/// Bytes that all accounts keep together.
const MAX_BYTES: usize = 128 << 20;

impl Materials {
    pub(super) fn bytes(&self) -> usize {
        self.0.values().flatten().map(Material::size).sum()
    }
}

impl Kind {
    pub(crate) fn of(name: &str) -> Option<Self> {
        let kinds =
            [("image", Self::Image), ("voice", Self::Voice), ("video", Self::Video), ("thumb", Self::Thumb)];
        kinds.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Thumbnails are listed and counted as pictures.
    pub(crate) fn listed(self) -> Self {
        if self == Self::Thumb { Self::Image } else { self }
    }

    /// How many an account may have.
    fn most(self) -> usize {
        if self.listed() == Self::Image { 100_000 } else { 1_000 }
    }
}

impl Material {
    /// About what it takes.
    fn size(&self) -> usize {
        4 * OVERHEAD + self.bytes.len() + self.name.len() + self.title.len() + self.description.len()
    }
}

impl World {
    /// The address that a picture would have on WeChat's servers.
    pub(crate) fn picture_url(&mut self, content_type: &str) -> String {
        let format = content_type.rsplit('/').next().unwrap_or_default();
        let short = if format == "jpeg" { "jpg" } else { format };
        let id = self.random.alphanumeric(86);
        format!("http://mmbiz.qpic.cn/mmbiz_{short}/{id}/0?wx_fmt={format}")
    }

    /// Keeps a permanent medium; 45001 if there is no room for it.
    pub(crate) fn keep_material(&mut self, appid: &str, mut material: Material) -> Result<Material, Refusal> {
        let size = self.materials.bytes();
        let same = |kept: &&Material| kept.kind.listed() == material.kind.listed();
        let count = self.materials.0.get(appid).map_or(0, |own| own.iter().filter(same).count());
        if size + material.size() > MAX_BYTES || count >= material.kind.most() {
            return Err(refuse(45001));
        }
        material.media_id = self.random.text::<48>();
        material.updated = self.now_seconds();
        if material.kind.listed() == Kind::Image {
            material.url = self.picture_url(&material.content_type);
        }
        self.materials.0.entry(appid.to_owned()).or_default().push(material.clone());
        Ok(material)
    }

    pub(crate) fn material(&self, appid: &str, media_id: &str) -> Option<&Material> {
        self.materials(appid).iter().find(|kept| kept.media_id == media_id)
    }

    /// Whose ever it is.
    pub(super) fn any_material(&self, media_id: &str) -> Option<&Material> {
        self.materials.0.values().flatten().find(|kept| kept.media_id == media_id)
    }

    /// The account's media, the oldest first.
    pub(crate) fn materials(&self, appid: &str) -> &[Material] {
        self.materials.0.get(appid).map_or(&[], Vec::as_slice)
    }

    /// Removes one, unless a menu gives it out (48005).
    pub(crate) fn remove_material(&mut self, appid: &str, media_id: &str) -> Result<(), Refusal> {
        self.material(appid, media_id).ok_or(refuse(40007))?;
        if self.menu_uses(appid, media_id) {
            return Err(refuse(48005));
        }
        self.materials.0.entry(appid.to_owned()).or_default().retain(|kept| kept.media_id != media_id);
        Ok(())
    }
}
