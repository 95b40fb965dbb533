//! What readers say of an article, and what the account answers.

use super::article::Article;
use super::lately::OVERHEAD;
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The comments on one article.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Comments {
    pub(crate) is_open: bool,
    /// Only followers may comment.
    pub(crate) fans_only: bool,
    /// The oldest first.
    list: Vec<Comment>,
    count: u64,
}

/// One comment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Comment {
    id: u64,
    openid: String,
    content: String,
    /// Unix seconds.
    at: i64,
    /// Everybody sees it.
    is_elected: bool,
    reply: Option<Reply>,
    /// Its reader took it back.
    is_withdrawn: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Reply {
    content: String,
    at: i64,
}

/// Comments kept on an article; the oldest are forgotten.
const MAX_COMMENTS: usize = 1_000;
/// Comments that everybody sees.
const MAX_ELECTED: usize = 100;
/// Characters of a comment, and of a reply: as on a phone, the pages name no number.
pub(crate) const MAX_CONTENT: usize = 600;

impl Comments {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        let replied = |comment: &Comment| comment.reply.as_ref().map_or(0, |reply| reply.content.len());
        let size = |comment: &Comment| {
            2 * OVERHEAD + comment.openid.len() + comment.content.len() + replied(comment)
        };
        self.list.iter().map(size).sum()
    }

    /// As an article begins with.
    pub(super) fn of(article: &Article) -> Self {
        let is_set = |name: &str| article.get(name).is_some_and(|flag| flag == 1);
        Self {
            is_open: is_set("need_open_comment"),
            fans_only: is_set("only_fans_can_comment"),
            ..Self::default()
        }
    }

    /// A reader comments: the comment's id.
    pub(crate) fn add(&mut self, openid: &str, content: &str, at: i64) -> u64 {
        self.count += 1;
        if self.list.len() == MAX_COMMENTS {
            self.list.remove(0);
        }
        self.list.push(Comment {
            id: self.count,
            openid: openid.to_owned(),
            content: content.to_owned(),
            at,
            ..Comment::default()
        });
        self.count
    }

    /// A reader takes a comment back; false if there is none of this reader's.
    pub(crate) fn withdraw(&mut self, openid: &str, id: u64) -> bool {
        let found = self.list.iter_mut().find(|comment| comment.id == id && comment.openid == openid);
        found.map(|comment| comment.is_withdrawn = true).is_some()
    }

    /// How many there are of a type (0 all, 1 not elected, 2 elected), and a page of them, the newest first.
    pub(crate) fn page(&self, kind: u64, begin: usize, count: usize) -> (usize, Vec<Value>) {
        let is_wanted =
            |comment: &&Comment| !comment.is_withdrawn && (kind == 0 || comment.is_elected == (kind == 2));
        let wanted: Vec<&Comment> = self.list.iter().rev().filter(is_wanted).collect();
        let page = wanted.iter().skip(begin).take(count).map(|comment| comment.view());
        (wanted.len(), page.collect())
    }

    /// 88008 if there is no such comment, 88004 if its reader took it back.
    fn find(&mut self, id: u64) -> Result<&mut Comment, Refusal> {
        let comment = self.list.iter_mut().find(|comment| comment.id == id).ok_or(refuse(88008))?;
        if comment.is_withdrawn { Err(refuse(88004)) } else { Ok(comment) }
    }

    pub(crate) fn elect(&mut self, id: u64, is_elected: bool) -> Result<(), Refusal> {
        let elected = self.list.iter().filter(|comment| comment.is_elected && comment.id != id).count();
        let comment = self.find(id)?;
        if is_elected && elected >= MAX_ELECTED {
            return Err(refuse(88003));
        }
        comment.is_elected = is_elected;
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: u64) -> Result<(), Refusal> {
        self.find(id)?;
        self.list.retain(|comment| comment.id != id);
        Ok(())
    }

    pub(crate) fn reply(&mut self, id: u64, content: &str, at: i64) -> Result<(), Refusal> {
        let comment = self.find(id)?;
        if comment.reply.is_some() {
            return Err(refuse(88005));
        }
        if !(1..=MAX_CONTENT).contains(&content.chars().count()) {
            return Err(refuse(88007));
        }
        comment.reply = Some(Reply { content: content.to_owned(), at });
        Ok(())
    }

    pub(crate) fn unreply(&mut self, id: u64) -> Result<(), Refusal> {
        self.find(id)?.reply.take().map(|_| ()).ok_or(refuse(88009))
    }
}

impl Comment {
    fn view(&self) -> Value {
        let mut shown = json!({
            "user_comment_id": self.id,
            "openid": self.openid,
            "create_time": self.at,
            "content": self.content,
            "comment_type": u8::from(self.is_elected),
        });
        if let Some(reply) = &self.reply {
            shown["reply"] = json!({"content": reply.content, "create_time": reply.at});
        }
        shown
    }
}
