//! An article as whoever opens its address finds it.

use super::article::Article;
use super::{App, World, date};
use serde_json::Value;

/// What there is to read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) app: Option<App>,
    pub(crate) article: Value,
    /// `YYYY-MM-DD` in Beijing: of the publication, or of the draft's last change.
    pub(crate) date: String,
    /// Not published: only the account's own people have this address.
    pub(crate) is_draft: bool,
    pub(crate) is_deleted: bool,
    /// Addresses of the pictures of a picture message.
    pub(crate) pictures: Vec<String>,
}

impl World {
    /// The article whose address ends so.
    pub(crate) fn read_article(&self, id: &str) -> Option<Read> {
        let is_it = |url: &str| url.rsplit('/').next() == Some(id);
        self.order.iter().find_map(|appid| {
            let printed = self.publications(appid).iter().find_map(|publication| {
                let found = publication.printed.iter().find(|printed| is_it(&printed.url))?;
                Some((&found.article, publication.at, false, found.is_deleted))
            });
            let drafted = || {
                self.drafts(appid).iter().find_map(|draft| {
                    let (article, _) = draft.pages().find(|(_, url)| is_it(url))?;
                    Some((article, draft.updated, true, false))
                })
            };
            let (article, at, is_draft, is_deleted) = printed.or_else(drafted)?;
            Some(Read {
                app: self.apps.get(appid).cloned(),
                date: date::date(date::day_of(at * 1000)),
                is_draft,
                is_deleted,
                pictures: self.pictures_of(appid, article),
                article: Value::Object(article.clone()),
            })
        })
    }

    fn pictures_of(&self, appid: &str, article: &Article) -> Vec<String> {
        let list = article.get("image_info").and_then(|info| info.get("image_list")?.as_array());
        let ids = list.into_iter().flatten().filter_map(|one| one.get("image_media_id")?.as_str());
        ids.filter_map(|media_id| Some(self.material(appid, media_id)?.url.clone())).collect()
    }
}
