//! What follows from WeChat's answer to a message of a batch.

use serde_json::Value;
use wechat::catalog::TEMPLATE_SEND;
use wechat::errcode::{is_account_error, is_busy, is_limit, is_passing};

use crate::slots::TokenError;
use crate::upstream::CallError;

/// What is known of a message that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is sent, under WeChat's name for it.
    Sent(String),
    /// WeChat doesn't take it.
    Refused(i64),
    /// It may have been sent.
    Unclear(i64),
    /// It wasn't sent, for a reason that passes.
    NotSent,
}

/// Of a call; `may_be_sent`: an earlier one of the same message may have gone through.
pub(super) fn of(answer: Result<Value, CallError>, may_be_sent: bool) -> Fate {
    match answer {
        Ok(answer) => Fate::Sent(match &answer["msgid"] {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        }),
        Err(CallError::Refused(error)) => match error.errcode {
            code if is_busy(code) => Fate::Unclear(code),
            code if is_passing(TEMPLATE_SEND.path, code) || error.is_dead_token() => Fate::NotSent,
            // WeChat says so whatever it knows of the message.
            code if may_be_sent && (is_limit(code) || is_account_error(code) || code == 48001) => {
                Fate::Unclear(code)
            }
            code => Fate::Refused(code),
        },
        // An account of a kind that sends nothing.
        Err(CallError::Token(TokenError::None)) => Fate::Refused(48001),
        Err(CallError::Lost(lost)) if lost.sent => Fate::Unclear(0),
        Err(CallError::Token(_) | CallError::Unknown | CallError::Again | CallError::Lost(_)) => {
            Fate::NotSent
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wechat::answer::ApiError;

    use super::*;
    use crate::transport::Lost;

    fn refused(code: i64) -> Result<Value, CallError> {
        Err(CallError::Refused(ApiError { errcode: code, errmsg: "no".to_owned() }))
    }

    #[test]
    fn what_is_known_of_a_message_follows_from_the_answer() {
        let lost = |sent| Err(CallError::Lost(Lost { sent, why: "x".into(), zh: "x".into() }));
        for (answer, may_be_sent, fate) in [
            (
                Ok(json!({"msgid": 7_000_000_000_000_000_001_u64})),
                true,
                Fate::Sent("7000000000000000001".to_owned()),
            ),
            (refused(43004), false, Fate::Refused(43004)),
            (refused(43004), true, Fate::Refused(43004)),
            (refused(-1), false, Fate::Unclear(-1)),
            (refused(45011), false, Fate::NotSent),
            (refused(45011), true, Fate::NotSent),
            (refused(45009), false, Fate::Refused(45009)),
            (refused(45009), true, Fate::Unclear(45009)),
            (refused(48001), true, Fate::Unclear(48001)),
            (refused(40013), false, Fate::Refused(40013)),
            (refused(40001), false, Fate::NotSent),
            (lost(true), false, Fate::Unclear(0)),
            (lost(false), true, Fate::NotSent),
            (Err(CallError::Again), false, Fate::NotSent),
        ] {
            let told = format!("{answer:?} {may_be_sent}");
            assert_eq!(of(answer, may_be_sent), fate, "{told}");
        }
    }
}
