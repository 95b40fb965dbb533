//! Temporary media.

use super::Body::Picture;
use super::On::Official;
use super::{Case, get, post};
use wechat::catalog::{MEDIA_GET, MEDIA_UPLOAD};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("media.upload.image", Official, &MEDIA_UPLOAD, "").with("type=image").sends(Picture).gives(&[("media_id", "/media_id")]),
    post("media.upload.thumb", Official, &MEDIA_UPLOAD, "").with("type=thumb").sends(Picture),
    post("media.upload.wrong_type", Official, &MEDIA_UPLOAD, "").with("type=none").sends(Picture).says(40004),
    post("media.upload.no_file", Official, &MEDIA_UPLOAD, "{}").with("type=image").says(41005),
    get("media.get", Official, &MEDIA_GET, "media_id=<media_id>"),
    get("media.get.wrong_id", Official, &MEDIA_GET, "media_id=nonsense").says(40007),
];
