//! Content checks, and what is read of pictures.

use super::{Auth, Effect, Endpoint, Method, api};

/// Content check of a text.
pub const MSG_SEC_CHECK: Endpoint =
    api("wxa.msg_sec_check", Method::Post, "/wxa/msg_sec_check", Auth::AccessToken, Effect::Reads);
/// Content check of a picture.
pub const IMG_SEC_CHECK: Endpoint =
    api("wxa.img_sec_check", Method::Post, "/wxa/img_sec_check", Auth::AccessToken, Effect::Reads);
/// Content check of a picture or a sound, whose result is pushed.
pub const MEDIA_CHECK_ASYNC: Endpoint =
    api("wxa.media_check_async", Method::Post, "/wxa/media_check_async", Auth::AccessToken, Effect::Writes);
/// OCR: bank card.
pub const OCR_BANKCARD: Endpoint =
    api("cv.ocr.bankcard", Method::Post, "/cv/ocr/bankcard", Auth::AccessToken, Effect::Reads);
/// OCR: business licence.
pub const OCR_BIZLICENSE: Endpoint =
    api("cv.ocr.bizlicense", Method::Post, "/cv/ocr/bizlicense", Auth::AccessToken, Effect::Reads);
/// OCR: print of any kind.
pub const OCR_COMM: Endpoint =
    api("cv.ocr.comm", Method::Post, "/cv/ocr/comm", Auth::AccessToken, Effect::Reads);
/// OCR: vehicle licence.
pub const OCR_DRIVING: Endpoint =
    api("cv.ocr.driving", Method::Post, "/cv/ocr/driving", Auth::AccessToken, Effect::Reads);
/// OCR: driving licence.
pub const OCR_DRIVINGLICENSE: Endpoint =
    api("cv.ocr.drivinglicense", Method::Post, "/cv/ocr/drivinglicense", Auth::AccessToken, Effect::Reads);
/// OCR: identity card.
pub const OCR_IDCARD: Endpoint =
    api("cv.ocr.idcard", Method::Post, "/cv/ocr/idcard", Auth::AccessToken, Effect::Reads);
/// OCR: number plate.
pub const OCR_PLATENUM: Endpoint =
    api("cv.ocr.platenum", Method::Post, "/cv/ocr/platenum", Auth::AccessToken, Effect::Reads);
