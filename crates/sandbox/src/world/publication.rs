//! Articles that were published, or sent to many: where they can be read, and what readers say of them.

use super::World;
use super::article::Article;
use super::comment::Comments;
use super::draft::{Draft, size};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What became of one draft.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Publication {
    pub(crate) article_id: String,
    pub(crate) publish_id: u64,
    pub(crate) msg_data_id: u64,
    pub(crate) printed: Vec<Printed>,
    /// Unix seconds.
    pub(crate) at: i64,
    /// Sent to many, which `freepublish` doesn't show.
    pub(crate) is_mass: bool,
    /// Users it was sent to.
    #[serde(default)]
    pub(crate) target: u64,
}

/// One article that can be read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Printed {
    pub(crate) article: Article,
    pub(crate) url: String,
    pub(crate) is_deleted: bool,
    pub(crate) comments: Comments,
}

/// Why a draft wasn't published after all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// 2: not original; 3: in general; 4: the platform's reviewers refused it.
    pub(crate) publish_status: u8,
    /// The articles that failed, counted from 1; none of a failure in general.
    pub(crate) fail_idx: Vec<u64>,
}

/// By AppID.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Publications {
    /// The oldest first.
    own: BTreeMap<String, Vec<Publication>>,
    count: u64,
    /// What the next submission comes to, if it fails.
    next: BTreeMap<String, Failure>,
    /// Submissions that failed, by publish_id.
    failed: BTreeMap<String, BTreeMap<u64, Failure>>,
}

/// Bytes of all comments.
const MAX_COMMENTS: usize = 32 << 20;
/// What publish_ids begin after.
const FIRST_ID: u64 = 100_000_000;
/// Publications kept of an account, and failures; the oldest are forgotten.
const MAX_PUBLICATIONS: usize = 1_000;

impl Publications {
    /// About what they take.
    pub(super) fn size(&self) -> usize {
        let printed = self.own.values().flatten().flat_map(|publication| &publication.printed);
        size(printed.map(|printed| &printed.article))
    }

    /// About what the comments on them take.
    pub(super) fn comments(&self) -> usize {
        let printed = self.own.values().flatten().flat_map(|publication| &publication.printed);
        printed.map(|printed| printed.comments.bytes()).sum()
    }
}

impl Publication {
    /// Whether nothing of it is left to read.
    pub(crate) fn is_gone(&self) -> bool {
        self.printed.iter().all(|printed| printed.is_deleted)
    }

    /// `news_item` of `getarticle`; `content` only if asked for.
    pub(crate) fn items(&self, with_content: bool) -> Vec<Value> {
        let item = |printed: &Printed| {
            let mut item = printed.article.clone();
            if !with_content {
                item.remove("content");
            }
            item.insert("url".to_owned(), printed.url.as_str().into());
            item.insert("is_deleted".to_owned(), printed.is_deleted.into());
            Value::Object(item)
        };
        self.printed.iter().map(item).collect()
    }

    /// Its addresses, under the names that a member of the list has.
    pub(crate) fn urls(&self, index: &str, url: &str) -> Vec<Value> {
        let numbered = self.printed.iter().zip(1..);
        numbered.map(|(printed, number)| json!({index: number, url: printed.url})).collect()
    }

    /// Takes one article away, counted from 1, or all of them.
    pub(crate) fn remove(&mut self, number: usize) -> Result<(), Refusal> {
        if number > self.printed.len() {
            return Err(refuse(40114));
        }
        for (printed, at) in self.printed.iter_mut().zip(1..) {
            printed.is_deleted |= number == 0 || number == at;
        }
        Ok(())
    }
}

impl World {
    /// Whether a draft can be published as it is: the pictures that it shows must still be there (53503).
    pub(crate) fn check_draft(&self, appid: &str, media_id: &str) -> Result<(), Refusal> {
        let draft = self.draft(appid, media_id)?;
        let is_whole = draft.articles.iter().all(|article| self.has_pictures(appid, article));
        if is_whole { Ok(()) } else { Err(refuse(53503)) }
    }

    /// The account's next submission is to fail so.
    pub(crate) fn fail_next(&mut self, appid: &str, failure: Failure) {
        self.publications.next.insert(appid.to_owned(), failure);
    }

    /// The publish_id of a submission that is to fail, if this one is, and how.
    pub(crate) fn fail_submission(&mut self, appid: &str) -> Option<(u64, Failure)> {
        let failure = self.publications.next.remove(appid)?;
        self.publications.count += 1;
        let publish_id = FIRST_ID + self.publications.count;
        let failed = self.publications.failed.entry(appid.to_owned()).or_default();
        if failed.len() == MAX_PUBLICATIONS {
            failed.pop_first();
        }
        failed.insert(publish_id, failure.clone());
        Some((publish_id, failure))
    }

    pub(crate) fn failed_submission(&self, appid: &str, publish_id: u64) -> Option<&Failure> {
        self.publications.failed.get(appid)?.get(&publish_id)
    }

    /// Publishes what was a draft.
    pub(crate) fn publish(&mut self, appid: &str, draft: Draft, is_mass: bool) -> Publication {
        self.publications.count += 1;
        let count = self.publications.count;
        let print = |article: Article| Printed {
            comments: Comments::of(&article),
            url: self.page_url(),
            is_deleted: false,
            article,
        };
        let printed = draft.articles.into_iter().map(print).collect();
        let publication = Publication {
            article_id: self.random.text::<32>(),
            publish_id: FIRST_ID + count,
            msg_data_id: 2_247_483_646 + count,
            printed,
            at: self.now_seconds(),
            is_mass,
            target: 0,
        };
        let own = self.publications.own.entry(appid.to_owned()).or_default();
        if own.len() == MAX_PUBLICATIONS {
            own.remove(0);
        }
        own.push(publication.clone());
        publication
    }

    /// A mass message's articles went to so many users.
    pub(crate) fn note_target(&mut self, appid: &str, publish_id: u64, target: usize) {
        let own = self.publications_mut(appid).iter_mut();
        for publication in own.filter(|publication| publication.publish_id == publish_id) {
            publication.target = u64::try_from(target).unwrap_or_default();
        }
    }

    /// The account's publications, the oldest first.
    pub(crate) fn publications(&self, appid: &str) -> &[Publication] {
        self.publications.own.get(appid).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn publications_mut(&mut self, appid: &str) -> &mut [Publication] {
        self.publications.own.get_mut(appid).map_or(&mut [], Vec::as_mut_slice)
    }

    /// What was published under an article_id, by itself and not as a mass message.
    pub(crate) fn publication(&self, appid: &str, article_id: &str) -> Option<&Publication> {
        let mut own = self.publications(appid).iter().filter(|publication| !publication.is_mass);
        own.find(|publication| publication.article_id == article_id)
    }

    /// Whether somebody may still comment; what is wrong, for the control call.
    pub(crate) fn check_comments(&self) -> Result<(), String> {
        if self.publications.comments() > MAX_COMMENTS {
            return Err(format!("comments take {} MiB at most: reset", MAX_COMMENTS >> 20));
        }
        Ok(())
    }

    /// The comments on the article at `index`, from 0, of what was sent or published; 88001 if there is none.
    pub(crate) fn comments(
        &mut self,
        appid: &str,
        msg_data_id: u64,
        index: usize,
    ) -> Result<&mut Comments, Refusal> {
        let own = self.publications_mut(appid).iter_mut();
        let publication = own.into_iter().find(|own| own.msg_data_id == msg_data_id).ok_or(refuse(88001))?;
        let printed = publication.printed.get_mut(index).filter(|printed| !printed.is_deleted);
        printed.map(|printed| &mut printed.comments).ok_or(refuse(88001))
    }
}
