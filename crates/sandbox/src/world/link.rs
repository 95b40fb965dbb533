//! Links that open a mini program: URL schemes, URL links, short links, and those of NFC tags.

use super::World;
use super::lately::{OVERHEAD, Weighs};
use super::newest::Newest;
use super::quota::LINK_VISITS;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Links remembered.
const MAX_LINKS: usize = 200_000;
/// What stands for the mini program's name in a short link.
const NAME: &str = "沙箱小程序";

/// What a link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LinkKind {
    /// `weixin://dl/business/?t=…`
    #[default]
    Scheme,
    /// The same, for an NFC tag: it never ends.
    Nfc,
    /// `https://wxaurl.cn/…`
    Url,
    /// `#小程序://…`
    Short,
}

/// What a link opens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) appid: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) env_version: String,
}

/// One link. Times are Unix seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) link: String,
    pub(crate) kind: LinkKind,
    pub(crate) target: Target,
    pub(crate) create_time: i64,
    /// 0: never.
    pub(crate) expire_time: i64,
    /// The page between, of a URL link.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) cloud_base: Value,
    /// How often it was opened.
    pub(crate) visits: u64,
}

impl Weighs for Link {
    fn weight(&self) -> usize {
        let Target { appid, path, query, env_version } = &self.target;
        let texts = self.link.len() + appid.len() + path.len() + query.len() + env_version.len();
        3 * OVERHEAD + texts + self.cloud_base.weight()
    }
}

/// All links.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Links(Newest<Link>);

impl Links {
    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// The link of this text; what a developer hung on it (`?cq=…`) left away.
    pub(crate) fn find(&self, text: &str) -> Option<&Link> {
        self.0.get(without_query(text).0)
    }

    /// Oldest first.
    pub(crate) fn list(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }
}

/// A link without what a developer hung on it, and that: `cq=a%3D1` is the query `a=1`.
pub(crate) fn without_query(text: &str) -> (&str, Option<String>) {
    let found = text.split_once("&cq=").or_else(|| text.split_once("?cq="));
    let Some((link, query)) = found else {
        return (text, None);
    };
    let query = url::form_urlencoded::parse(format!("cq={query}").as_bytes())
        .find(|(name, _)| name == "cq")
        .map(|(_, value)| value.into_owned());
    (link, query)
}

impl World {
    /// A new link; `expire_time` in Unix seconds, 0: never.
    pub(crate) fn make_link(
        &mut self,
        kind: LinkKind,
        target: Target,
        expire_time: i64,
        title: &str,
        cloud_base: Value,
    ) -> String {
        let random = &mut self.random;
        let text = match kind {
            LinkKind::Scheme | LinkKind::Nfc => {
                format!("weixin://dl/business/?t={}", random.alphanumeric(11))
            }
            LinkKind::Url => format!("https://wxaurl.cn/{}", random.alphanumeric(11)),
            LinkKind::Short if title.is_empty() => format!("#小程序://{NAME}/{}", random.alphanumeric(15)),
            LinkKind::Short => format!("#小程序://{NAME}/{title}/{}", random.alphanumeric(15)),
        };
        let link = Link {
            link: text.clone(),
            kind,
            target,
            create_time: self.now_seconds(),
            expire_time,
            cloud_base,
            visits: 0,
        };
        self.links.0.keep(text.clone(), link, MAX_LINKS);
        text
    }

    /// A user opens a link: they visit the mini program; what opens, or what is wrong.
    pub(crate) fn open_link(&mut self, text: &str, openid: &str) -> Result<Target, String> {
        let link = self.links.find(text).ok_or("link: there is no such link")?;
        if link.expire_time != 0 && self.now_seconds() >= link.expire_time {
            return Err("link: it has expired".to_owned());
        }
        let (kept, mut target, is_short) =
            (link.link.clone(), link.target.clone(), link.kind == LinkKind::Short);
        self.user_of(&target.appid, openid)?;
        if !is_short {
            let taken = self.quotas.take(&target.appid, LINK_VISITS, self.now);
            taken.map_err(|_| "link: as many as may be opened in a day were opened")?;
        }
        if let Some(query) = without_query(text).1 {
            target.query = query;
        }
        self.visit(&target.appid, openid);
        if let Some(link) = self.links.0.get_mut(&kept) {
            link.visits += 1;
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_developers_hang_on_a_link() {
        // Both from the official pages of queryscheme and query_urllink.
        let scheme = "weixin://dl/business/?t=XTSkBZlzqmn";
        assert_eq!(without_query(&format!("{scheme}&cq=a%3Dhello")), (scheme, Some("a=hello".to_owned())));
        let url = "https://wxaurl.cn/BQZRrcFCPvg";
        assert_eq!(without_query(&format!("{url}?cq=a%3Dhello")), (url, Some("a=hello".to_owned())));
        assert_eq!(without_query(url), (url, None));
    }
}
