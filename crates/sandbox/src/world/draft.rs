//! The drafts of official accounts.

use super::World;
use super::article::Article;
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One draft: a message of one to eight articles.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) media_id: String,
    pub(crate) articles: Vec<Article>,
    /// Where the account's people can look at it.
    urls: Vec<String>,
    /// Unix seconds.
    created: i64,
    pub(crate) updated: i64,
}

/// By AppID, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Drafts(BTreeMap<String, Vec<Draft>>);

const MAX_ARTICLES: usize = 8;
/// Drafts of an account.
const MAX_DRAFTS: usize = 1_000;
/// Bytes of all articles, drafts and others.
const MAX_BYTES: usize = 64 << 20;

impl Draft {
    /// `news_item` of `draft/get`; `content` only if asked for.
    pub(crate) fn items(&self, with_content: bool) -> Vec<Value> {
        let item = |(article, url): (&Article, &String)| {
            let mut item = article.clone();
            item.insert("url".to_owned(), url.as_str().into());
            if !with_content {
                item.remove("content");
            }
            Value::Object(item)
        };
        self.articles.iter().zip(&self.urls).map(item).collect()
    }

    /// Its articles, and where each can be looked at.
    pub(super) fn pages(&self) -> impl Iterator<Item = (&Article, &str)> {
        self.articles.iter().zip(self.urls.iter().map(String::as_str))
    }

    /// As `draft/get` shows it.
    pub(crate) fn view(&self, with_content: bool) -> Value {
        json!({
            "news_item": self.items(with_content),
            "create_time": self.created,
            "update_time": self.updated,
        })
    }
}

/// About what articles take.
pub(super) fn size<'a>(articles: impl Iterator<Item = &'a Article>) -> usize {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), str::len);
    articles.map(|article| 512 + article.values().map(text).sum::<usize>()).sum()
}

impl Drafts {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.0.values().flatten().map(|draft| size(draft.articles.iter())).sum()
    }
}

impl World {
    /// Keeps a new draft: its media_id.
    pub(crate) fn keep_draft(&mut self, appid: &str, articles: &[Value]) -> Result<String, Refusal> {
        let code = match articles.len() {
            0 => Some(44003),
            1..=MAX_ARTICLES => None,
            _ => Some(45008),
        };
        if let Some(code) = code {
            return Err(refuse(code));
        }
        let is_single = articles.len() == 1;
        let articles = articles.iter().map(|given| self.article(appid, given, is_single));
        let articles = articles.collect::<Result<Vec<_>, _>>()?;
        self.check_room(&articles)?;
        if self.drafts(appid).len() >= MAX_DRAFTS {
            return Err(refuse(45001));
        }
        let draft = Draft {
            media_id: self.random.text::<48>(),
            urls: articles.iter().map(|_| self.page_url()).collect(),
            articles,
            created: self.now_seconds(),
            updated: self.now_seconds(),
        };
        let media_id = draft.media_id.clone();
        self.drafts.0.entry(appid.to_owned()).or_default().push(draft);
        Ok(media_id)
    }

    /// Whether there is room for more articles.
    fn check_room(&self, more: &[Article]) -> Result<(), Refusal> {
        let kept = self.drafts.bytes() + self.publications.size() + size(more.iter());
        if kept > MAX_BYTES { Err(refuse(45001)) } else { Ok(()) }
    }

    /// An address as WeChat gives articles.
    pub(super) fn page_url(&mut self) -> String {
        format!("http://mp.weixin.qq.com/s/{}", self.random.alphanumeric(22))
    }

    /// The account's drafts, the oldest first.
    pub(crate) fn drafts(&self, appid: &str) -> &[Draft] {
        self.drafts.0.get(appid).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn draft(&self, appid: &str, media_id: &str) -> Result<&Draft, Refusal> {
        self.drafts(appid).iter().find(|draft| draft.media_id == media_id).ok_or(refuse(40007))
    }

    /// Takes a draft out of the box.
    pub(crate) fn take_draft(&mut self, appid: &str, media_id: &str) -> Result<Draft, Refusal> {
        let own = self.drafts.0.get_mut(appid).ok_or(refuse(40007))?;
        let at = own.iter().position(|draft| draft.media_id == media_id).ok_or(refuse(40007))?;
        Ok(own.remove(at))
    }

    /// Replaces one article of a draft.
    pub(crate) fn change_draft(
        &mut self,
        appid: &str,
        media_id: &str,
        index: usize,
        given: &Value,
    ) -> Result<(), Refusal> {
        let draft = self.draft(appid, media_id)?;
        let old = draft.articles.get(index).ok_or(refuse(40114))?;
        let is_single = draft.articles.len() == 1;
        let mut given = given.clone();
        // A picture message stays one, even if the call doesn't say so.
        if let Some(given) = given.as_object_mut() {
            given
                .entry("article_type")
                .or_insert_with(|| old.get("article_type").cloned().unwrap_or_default());
        }
        let article = self.article(appid, &given, is_single)?;
        self.check_room(std::slice::from_ref(&article))?;
        let now = self.now_seconds();
        let own = self.drafts.0.entry(appid.to_owned()).or_default();
        if let Some(draft) = own.iter_mut().find(|draft| draft.media_id == media_id) {
            draft.articles[index] = article;
            draft.updated = now;
        }
        Ok(())
    }
}
