//! Tags, remarks, the blacklist and customer service.

use super::On::{Mini, Official};
use super::{Case, get, post};
use wechat::catalog::{
    BLACKLIST_ADD, BLACKLIST_GET, BLACKLIST_REMOVE, KF_ADD, KF_DELETE, KF_LIST, KF_ONLINE, KF_SESSION_CREATE,
    KF_SESSION_GET, KF_WAITING, TAG_MEMBERS, TAGS_CREATE, TAGS_DELETE, TAGS_GET, TAGS_OF_USER, TAGS_TAG,
    TAGS_UNTAG, TAGS_UPDATE, USER_REMARK,
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("tags.create", Official, &TAGS_CREATE, r#"{"tag":{"name":"wxgate"}}"#).harms().gives(&[("tag", "/tag/id")]),
    post("tags.create.again", Official, &TAGS_CREATE, r#"{"tag":{"name":"wxgate"}}"#).says(45157).harms(),
    post("tags.create.mini", Mini, &TAGS_CREATE, r#"{"tag":{"name":"wxgate"}}"#).says(48001),
    get("tags.get", Official, &TAGS_GET, ""),
    post("tags.update", Official, &TAGS_UPDATE, r#"{"tag":{"id":<tag>,"name":"wxgate2"}}"#).harms(),
    post("tags.update.system", Official, &TAGS_UPDATE, r#"{"tag":{"id":2,"name":"wxgate"}}"#).says(45058),
    post("tags.tag", Official, &TAGS_TAG, r#"{"openid_list":["<openid>"],"tagid":<tag>}"#).harms(),
    post("tags.tag.wrong_openid", Official, &TAGS_TAG, r#"{"openid_list":["nobody"],"tagid":<tag>}"#).says(40003).harms(),
    post("tags.of_user", Official, &TAGS_OF_USER, r#"{"openid":"<openid>"}"#),
    post("tags.members", Official, &TAG_MEMBERS, r#"{"tagid":<tag>,"next_openid":""}"#).harms(),
    post("tags.untag", Official, &TAGS_UNTAG, r#"{"openid_list":["<openid>"],"tagid":<tag>}"#).harms(),
    post("tags.delete", Official, &TAGS_DELETE, r#"{"tag":{"id":<tag>}}"#).harms(),
    post("tags.delete.again", Official, &TAGS_DELETE, r#"{"tag":{"id":<tag>}}"#).says(45159).harms(),
    post("user.remark", Official, &USER_REMARK, r#"{"openid":"<openid>","remark":"a"}"#).harms(),
    post("user.remark.wrong_openid", Official, &USER_REMARK, r#"{"openid":"nobody","remark":"a"}"#).says(40003),
    post("blacklist.add", Official, &BLACKLIST_ADD, r#"{"openid_list":["<openid>"]}"#).harms(),
    post("blacklist.add.wrong_openid", Official, &BLACKLIST_ADD, r#"{"openid_list":["nobody"]}"#).says(40003),
    post("blacklist.get", Official, &BLACKLIST_GET, r#"{"begin_openid":""}"#).harms(),
    post("blacklist.remove", Official, &BLACKLIST_REMOVE, r#"{"openid_list":["<openid>"]}"#).harms(),
    post("kf.add", Official, &KF_ADD, r#"{"kf_account":"wxgate@gh_0000000000a1","nickname":"wxgate"}"#).harms(),
    post("kf.add.no_nickname", Official, &KF_ADD, r#"{"kf_account":"wxgate2@gh_0000000000a1","nickname":""}"#).says(65403),
    get("kf.list", Official, &KF_LIST, "").harms(),
    get("kf.online", Official, &KF_ONLINE, "").harms(),
    post("kf.session.create.unknown", Official, &KF_SESSION_CREATE, r#"{"kf_account":"nobody@none","openid":"<openid>"}"#).says(65401),
    get("kf.session.get", Official, &KF_SESSION_GET, "openid=<openid>"),
    get("kf.waiting", Official, &KF_WAITING, ""),
    get("kf.delete", Official, &KF_DELETE, "kf_account=wxgate@gh_0000000000a1").harms(),
];
