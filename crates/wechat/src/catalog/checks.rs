//! Content checks, and what is read of pictures.

use super::{Endpoint, asks, does};

/// Content check of a text.
pub const MSG_SEC_CHECK: Endpoint = asks("wxa.msg_sec_check", "/wxa/msg_sec_check");
/// Content check of a picture.
pub const IMG_SEC_CHECK: Endpoint = asks("wxa.img_sec_check", "/wxa/img_sec_check");
/// Content check of a picture or a sound, whose result is pushed.
pub const MEDIA_CHECK_ASYNC: Endpoint = does("wxa.media_check_async", "/wxa/media_check_async");
/// OCR: bank card.
pub const OCR_BANKCARD: Endpoint = asks("cv.ocr.bankcard", "/cv/ocr/bankcard");
/// OCR: business licence.
pub const OCR_BIZLICENSE: Endpoint = asks("cv.ocr.bizlicense", "/cv/ocr/bizlicense");
/// OCR: print of any kind.
pub const OCR_COMM: Endpoint = asks("cv.ocr.comm", "/cv/ocr/comm");
/// OCR: vehicle licence.
pub const OCR_DRIVING: Endpoint = asks("cv.ocr.driving", "/cv/ocr/driving");
/// OCR: driving licence.
pub const OCR_DRIVINGLICENSE: Endpoint = asks("cv.ocr.drivinglicense", "/cv/ocr/drivinglicense");
/// OCR: identity card.
pub const OCR_IDCARD: Endpoint = asks("cv.ocr.idcard", "/cv/ocr/idcard");
/// OCR: number plate.
pub const OCR_PLATENUM: Endpoint = asks("cv.ocr.platenum", "/cv/ocr/platenum");
