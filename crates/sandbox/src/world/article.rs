//! An article as its author writes it: what WeChat takes of it, and what it makes of that.

use super::World;
use super::buttons::host;
use super::material::Kind;
use crate::refusal::{Refusal, refuse};
use serde_json::{Map, Value, json};

/// Its members as `draft/get` shows them.
pub(crate) type Article = Map<String, Value>;

/// Most characters.
const MAX_TITLE: usize = 32;
const MAX_AUTHOR: usize = 16;
const MAX_DIGEST: usize = 128;
/// The content has fewer characters, and fewer bytes.
const MAX_CONTENT: (usize, usize) = (20_000, 1 << 20);
/// Bytes of the address of the original.
const MAX_SOURCE: usize = 1024;
/// Pictures of a picture message.
const MAX_PICTURES: usize = 20;
/// Characters of the content that stand for a digest that wasn't given.
const DIGEST: usize = 54;
/// What goes through as it came, if it came.
const PLAIN: [&str; 4] = ["pic_crop_235_1", "pic_crop_1_1", "cover_info", "product_info"];

fn text<'a>(given: &'a Value, name: &str) -> &'a str {
    given.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl World {
    /// An article as it is kept, or why it isn't. `is_single`: the only one of its draft, which has a digest.
    pub(crate) fn article(&self, appid: &str, given: &Value, is_single: bool) -> Result<Article, Refusal> {
        let is_pictures = match text(given, "article_type") {
            "" | "news" => false,
            "newspic" => true,
            _ => return Err(refuse(47001)),
        };
        check_texts(given)?;
        let content = clean(text(given, "content"));
        let mut digest = text(given, "digest").to_owned();
        if digest.is_empty() && is_single {
            digest = words(&content).chars().take(DIGEST).collect();
        }
        let flag = |name: &str| u8::from(given.get(name).is_some_and(|flag| flag == 1 || flag == true));
        let shown = json!({
            "article_type": if is_pictures { "newspic" } else { "news" },
            "title": text(given, "title"),
            "author": text(given, "author"),
            "digest": digest,
            "content": content,
            "content_source_url": text(given, "content_source_url"),
            "thumb_media_id": text(given, "thumb_media_id"),
            "show_cover_pic": flag("show_cover_pic"),
            "need_open_comment": flag("need_open_comment"),
            "only_fans_can_comment": flag("only_fans_can_comment"),
        });
        let Value::Object(mut shown) = shown else { return Err(refuse(47001)) };
        let cover = if is_pictures { self.pictures(appid, given)? } else { text(given, "thumb_media_id") };
        let cover = self.material(appid, cover).filter(|cover| cover.kind.listed() == Kind::Image);
        shown.insert("thumb_url".to_owned(), cover.ok_or(refuse(40007))?.url.as_str().into());
        let plain = PLAIN.iter().copied().chain(is_pictures.then_some("image_info"));
        shown.extend(plain.filter_map(|name| Some((name.to_owned(), given.get(name)?.clone()))));
        Ok(shown)
    }

    /// The pictures of a picture message, which are the account's: the media_id of the first.
    fn pictures<'a>(&self, appid: &str, given: &'a Value) -> Result<&'a str, Refusal> {
        let list = given.pointer("/image_info/image_list").and_then(Value::as_array);
        let list = list.filter(|list| !list.is_empty()).ok_or(refuse(40007))?;
        if list.len() > MAX_PICTURES {
            return Err(refuse(40215));
        }
        let is_ours = |one: &Value| self.material(appid, text(one, "image_media_id")).is_some();
        if !list.iter().all(is_ours) {
            return Err(refuse(40007));
        }
        Ok(text(&list[0], "image_media_id"))
    }

    /// Whether an article's pictures are still there.
    pub(super) fn has_pictures(&self, appid: &str, article: &Article) -> bool {
        let article = Value::Object(article.clone());
        if text(&article, "article_type") == "newspic" {
            self.pictures(appid, &article).is_ok()
        } else {
            self.material(appid, text(&article, "thumb_media_id")).is_some()
        }
    }
}

fn check_texts(given: &Value) -> Result<(), Refusal> {
    let length = |name: &str| text(given, name).chars().count();
    let content = text(given, "content");
    let source = text(given, "content_source_url");
    let code = if !given.is_object() || text(given, "title").is_empty() {
        47001
    } else if length("title") > MAX_TITLE {
        45003
    } else if length("author") > MAX_AUTHOR {
        45110
    } else if length("digest") > MAX_DIGEST {
        45004
    } else if content.is_empty() {
        44004
    } else if length("content") >= MAX_CONTENT.0 || content.len() >= MAX_CONTENT.1 {
        45002
    } else if source.len() > MAX_SOURCE {
        45005
    } else if !source.is_empty() && host(source).is_none() {
        41039
    } else {
        return Ok(());
    };
    Err(refuse(code))
}

/// The tags of a text and what is between them, in order; true of a tag.
fn pieces(content: &str) -> Vec<(bool, &str)> {
    let mut pieces = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while let Some(found) = content[at..].find('<') {
        let tag = at + found;
        at = tag + 1;
        if content[at..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            let end = content[at..].find('>').map_or(content.len(), |end| at + end + 1);
            pieces.push((false, &content[begin..tag]));
            pieces.push((true, &content[tag..end]));
            (begin, at) = (end, end);
        }
    }
    pieces.push((false, &content[begin..]));
    pieces
}

/// The content without scripts, and without pictures that aren't on WeChat's servers.
fn clean(content: &str) -> String {
    let mut clean = String::with_capacity(content.len());
    let mut is_script = false;
    for (is_tag, piece) in pieces(content) {
        let tag = if is_tag { piece.to_ascii_lowercase() } else { String::new() };
        let is_foreign = tag.starts_with("<img") && tag.contains("://") && !tag.contains(".qpic.cn/");
        if tag.starts_with("<script") {
            is_script = true;
        } else if is_script {
            is_script = !tag.starts_with("</script");
        } else if !is_foreign {
            clean.push_str(piece);
        }
    }
    clean
}

/// The content without its tags.
fn words(content: &str) -> String {
    let words = pieces(content).into_iter().filter(|(is_tag, _)| !is_tag);
    words.map(|(_, piece)| piece).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_pictures_from_elsewhere_are_left_out() {
        let given = "<p>甲<SCRIPT src=\"x\">evil()</script>乙</p><img src=\"http://a.cn/1.png\"/><img src=\"http://mmbiz.qpic.cn/1\">";
        assert_eq!(clean(given), "<p>甲乙</p><img src=\"http://mmbiz.qpic.cn/1\">");
        assert_eq!(words(&clean(given)), "甲乙");
        assert_eq!(clean("a < b <script>never closed"), "a < b ");
        assert_eq!((words("1 < 2<br"), words("")), ("1 < 2".to_owned(), String::new()));
    }
}
