//! Events as WeChat documents them: those whose protocol has an answer of its own.

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

#[cfg(test)]
mod tests {
    use super::*;

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
