//! Permanent media, drafts, publications and what readers say of them.

use super::Body::Picture;
use super::On::{Mini, Official};
use super::{Case, get, post};
use wechat::catalog::{
    COMMENT_LIST, COMMENT_OPEN, DRAFT_ADD, DRAFT_COUNT, DRAFT_DELETE, DRAFT_GET, DRAFT_LIST, DRAFT_UPDATE,
    MASS_GET, MASS_PREVIEW, MASS_SEND, MASS_SENDALL, MASS_SPEED_GET, MATERIAL_ADD, MATERIAL_COUNT,
    MATERIAL_DELETE, MATERIAL_GET, MATERIAL_LIST, MEDIA_UPLOADIMG, PUBLISH_ARTICLE, PUBLISH_GET,
    PUBLISH_LIST, PUBLISH_SUBMIT,
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("media.uploadimg", Official, &MEDIA_UPLOADIMG, "").sends(Picture).harms(),
    post("material.add.image", Official, &MATERIAL_ADD, "").with("type=image").sends(Picture).harms().gives(&[("cover", "/media_id")]),
    post("material.add.wrong_type", Official, &MATERIAL_ADD, "").with("type=none").sends(Picture).says(40004),
    get("material.count", Official, &MATERIAL_COUNT, ""),
    post("material.list.image", Official, &MATERIAL_LIST, r#"{"type":"image","offset":0,"count":20}"#),
    post("material.list.wrong_type", Official, &MATERIAL_LIST, r#"{"type":"none","offset":0,"count":20}"#).says(40004),
    post("material.get.wrong_id", Official, &MATERIAL_GET, r#"{"media_id":"nonsense"}"#).says(40007),
    post("draft.add", Official, &DRAFT_ADD, r#"{"articles":[{"title":"a","author":"b","content":"c","thumb_media_id":"<cover>"}]}"#).harms().gives(&[("draft", "/media_id")]),
    post("draft.add.no_title", Official, &DRAFT_ADD, r#"{"articles":[{"content":"c","thumb_media_id":"<cover>"}]}"#).says(47001).harms(),
    post("draft.add.wrong_cover", Official, &DRAFT_ADD, r#"{"articles":[{"title":"a","content":"c","thumb_media_id":"nonsense"}]}"#).says(40007),
    post("draft.get", Official, &DRAFT_GET, r#"{"media_id":"<draft>"}"#).harms(),
    post("draft.get.wrong_id", Official, &DRAFT_GET, r#"{"media_id":"nonsense"}"#).says(40007),
    get("draft.count", Official, &DRAFT_COUNT, ""),
    post("draft.list", Official, &DRAFT_LIST, r#"{"offset":0,"count":20,"no_content":1}"#).harms(),
    post("draft.update", Official, &DRAFT_UPDATE, r#"{"media_id":"<draft>","index":0,"articles":{"title":"d","content":"c","thumb_media_id":"<cover>"}}"#).harms(),
    post("publish.submit", Official, &PUBLISH_SUBMIT, r#"{"media_id":"<draft>"}"#).harms().gives(&[("publish_id", "/publish_id"), ("msg_data_id", "/msg_data_id")]),
    post("publish.submit.wrong_id", Official, &PUBLISH_SUBMIT, r#"{"media_id":"nonsense"}"#).says(40007),
    post("publish.get.under_way", Official, &PUBLISH_GET, r#"{"publish_id":"<publish_id>"}"#).harms(),
    post("publish.article.wrong_id", Official, &PUBLISH_ARTICLE, r#"{"article_id":"nonsense"}"#).says(53600),
    post("publish.list", Official, &PUBLISH_LIST, r#"{"offset":0,"count":20,"no_content":1}"#).harms(),
    post("comment.open", Official, &COMMENT_OPEN, r#"{"msg_data_id":<msg_data_id>}"#).harms(),
    post("comment.list.wrong_id", Official, &COMMENT_LIST, r#"{"msg_data_id":1,"index":0,"begin":0,"count":10,"type":0}"#).says(88001),
    post("draft.delete.wrong_id", Official, &DRAFT_DELETE, r#"{"media_id":"nonsense"}"#).says(40007),
    post("material.delete.wrong_id", Official, &MATERIAL_DELETE, r#"{"media_id":"nonsense"}"#).says(40007),
    post("mass.sendall", Official, &MASS_SENDALL, r#"{"filter":{"is_to_all":true},"msgtype":"text","text":{"content":"a"}}"#).harms().gives(&[("mass", "/msg_id")]),
    post("mass.preview", Official, &MASS_PREVIEW, r#"{"touser":"<openid>","msgtype":"text","text":{"content":"a"}}"#).harms(),
    post("mass.get", Official, &MASS_GET, r#"{"msg_id":"<mass>"}"#).harms(),
    post("mass.send.one", Official, &MASS_SEND, r#"{"touser":["<openid>"],"msgtype":"text","text":{"content":"a"}}"#).says(40130).harms(),
    post("mass.speed", Official, &MASS_SPEED_GET, "{}"),
    post("mass.mini", Mini, &MASS_SENDALL, r#"{"filter":{"is_to_all":true},"msgtype":"text","text":{"content":"a"}}"#).says(48001).harms(),
];
