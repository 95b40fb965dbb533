//! Events as WeChat documents them: their names, what repeats in them, and those whose protocol has an answer of its own.

/// Beginnings of names whose events have one: virtual payments of mini programs and of mini games.
const FAMILIES: [&str; 2] = ["xpay_", "minigame_"];
/// Single ones: the console's trial push.
const SINGLE: [&str; 1] = ["debug_demo"];

/// Whether WeChat wants a document of the event's own kind for an answer, such as `{"ErrCode":0,"ErrMsg":"success"}`, and
/// repeats the event until it gets one. `event`: in any case.
pub fn answers_itself(event: &str) -> bool {
    let begins =
        |family: &str| event.get(..family.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(family));
    FAMILIES.iter().any(|family| begins(family)) || SINGLE.iter().any(|name| name.eq_ignore_ascii_case(event))
}

/// What WeChat can repeat, by event in lower case: where it stands, from the top.
type Lists = (&'static str, &'static [&'static [&'static str]]);

const PICTURES: &[&[&str]] = &[&["SendPicsInfo", "PicList", "item"]];
const LISTS: [Lists; 11] = [
    ("wxa_media_check", &[&["detail"]]),
    (
        "masssendjobfinish",
        &[&["CopyrightCheckResult", "ResultList", "item"], &["ArticleUrlResult", "ResultList", "item"]],
    ),
    (
        "publishjobfinish",
        &[&["PublishEventInfo", "article_detail", "item"], &["PublishEventInfo", "fail_idx"]],
    ),
    ("pic_sysphoto", PICTURES),
    ("pic_photo_or_album", PICTURES),
    ("pic_weixin", PICTURES),
    ("subscribe_msg_popup_event", &[&["SubscribeMsgPopupEvent", "List"]]),
    ("subscribe_msg_change_event", &[&["SubscribeMsgChangeEvent", "List"]]),
    ("subscribe_msg_sent_event", &[&["SubscribeMsgSentEvent", "List"]]),
    ("shakearoundusershake", &[&["AroundBeacons", "AroundBeacon"]]),
    ("add_express_path", &[&["Actions"]]),
];

/// Where in `event`, in any case, something stands that WeChat can repeat.
pub fn lists(event: &str) -> &'static [&'static [&'static str]] {
    LISTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(event)).map_or(&[], |(_, lists)| *lists)
}

/// Types of messages, in lower case.
const MESSAGES: [&str; 13] = [
    "text",
    "image",
    "voice",
    "video",
    "shortvideo",
    "location",
    "link",
    "event",
    "miniprogrampage",
    "device_text",
    "device_event",
    "device_status",
    "hardware",
];

/// Events of official accounts and mini programs that one may want to route, in lower case.
const EVENTS: &[&str] = &[
    "add_express_path",
    "add_store_audit_info",
    "annual_renew",
    "apply_merchant_audit_info",
    "card_not_pass_check",
    "card_pass_check",
    "card_pay_order",
    "card_sku_remind",
    "click",
    "create_map_poi_audit_info",
    "create_store_audit_info",
    "debug_demo",
    "funds_order_pay",
    "funds_order_refund",
    "giftcard_pay_done",
    "giftcard_send_to_friend",
    "giftcard_user_accept",
    "guide_invite_result_event",
    "guide_qrcode_scan_event",
    "kf_close_session",
    "kf_create_session",
    "kf_msg_or_event",
    "kf_switch_session",
    "location",
    "location_select",
    "masssendjobfinish",
    "media_id",
    "merchant_order",
    "modify_store_audit_info",
    "naming_verify_fail",
    "naming_verify_success",
    "order_settlement",
    "pic_photo_or_album",
    "pic_sysphoto",
    "pic_weixin",
    "poi_check_notify",
    "publishjobfinish",
    "qualification_verify_fail",
    "qualification_verify_success",
    "scan",
    "scancode_push",
    "scancode_waitmsg",
    "shakearoundlotterybind",
    "shakearoundusershake",
    "submit_invoice_title",
    "submit_membercard_user_info",
    "subscribe",
    "subscribe_msg_change_event",
    "subscribe_msg_popup_event",
    "subscribe_msg_sent_event",
    "templatesendjobfinish",
    "trade_manage_order_settlement",
    "trade_manage_remind_access_api",
    "trade_manage_remind_shipping",
    "unsubscribe",
    "update_invoice_status",
    "update_member_card",
    "user_authorization_cancellation",
    "user_authorization_revoke",
    "user_authorize_invoice",
    "user_consume_card",
    "user_del_card",
    "user_enter_session_from_card",
    "user_enter_tempsession",
    "user_get_card",
    "user_gifting_card",
    "user_info_modified",
    "user_pay_from_pay_cell",
    "user_scan_product",
    "user_scan_product_async",
    "user_scan_product_enter_session",
    "user_scan_product_verify_action",
    "user_submit_invoice_title",
    "user_view_card",
    "verify_expired",
    "view",
    "view_limited",
    "view_miniprogram",
    "weapp_audit_delay",
    "weapp_audit_fail",
    "weapp_audit_success",
    "wificonnected",
    "wxa_appeal_record",
    "wxa_category_audit",
    "wxa_illegal_record",
    "wxa_media_check",
    "wxa_nickname_audit",
    "wxa_privacy_apply",
    "wxa_punish_event",
    "xpay_coin_pay_notify",
    "xpay_complaint_notify",
    "xpay_goods_deliver_notify",
    "xpay_refund_notify",
];

/// Names of events and of types of messages, in lower case. WeChat adds to them: one that isn't here may well exist.
pub fn names() -> impl Iterator<Item = &'static str> {
    MESSAGES.into_iter().chain(EVENTS.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_lower_case_and_ascend() {
        assert!(EVENTS.is_sorted() && names().all(|name| !name.bytes().any(|b| b.is_ascii_uppercase())));
        for (event, _) in LISTS {
            assert!(names().any(|name| name == event), "{event}");
        }
    }

    #[test]
    fn payments_and_the_trial_push_have_answers_of_their_own() {
        for event in
            ["xpay_goods_deliver_notify", "XPAY_refund_notify", "minigame_deliver_goods", "debug_demo"]
        {
            assert!(answers_itself(event), "{event}");
        }
        for event in ["", "xpay", "SCAN", "汉汉", "retail_pay_notify", "debug_demo_2", "transport_add_order"]
        {
            assert!(!answers_itself(event), "{event}");
        }
    }
}
