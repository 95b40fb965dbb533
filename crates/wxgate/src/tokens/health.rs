//! What answers say about an account besides its token: the one place that hears every call which carried a credential.

use wechat::answer::ApiError;
use wechat::catalog;

use super::Tokens;
use super::heal::Said;
use crate::lang::say;
use crate::places;
use crate::registry::App;
use crate::registry::usage::OTHER;
use crate::slots::Way;

impl Tokens {
    /// A call on `path` that showed WeChat what `way` tells was answered.
    pub fn heard(&self, app: &App, way: Way, path: &str, said: &Said) {
        match said {
            Said::Accepted | Said::Done => self.heard_success(app, way, path),
            Said::Refused(error) | Said::Failed(error) => self.heard_refusal(app, way, path, error),
            Said::Nothing => {}
        }
    }

    pub(super) fn heard_success(&self, app: &App, way: Way, path: &str) {
        if way == Way::Token {
            self.0.handover.reach().taken(app);
        }
        let health = app.slots.health();
        for over in health.worked(way, path, self.now()) {
            if health.is_over(over.errcode) {
                tracing::info!(
                    appid = %app.appid, errcode = over.errcode, api = known(&over.path),
                    "{}", say("账号恢复正常", "the account is well again")
                );
            }
        }
    }

    pub(super) fn heard_refusal(&self, app: &App, way: Way, path: &str, error: &ApiError) {
        if error.is_of_address() {
            self.0.handover.reach().refused(app, error.refused_ip().unwrap_or_default());
        }
        let Some(ailment) = app.slots.health().refused(way, path, error, self.now()) else { return };
        let advice = places::advice(&app.entry, error);
        tracing::warn!(
            appid = %app.appid, errcode = ailment.errcode, ip = ailment.ip, api = known(path), %advice,
            "{}",
            say(
                "账号出了问题，它的调用会失败，直到有人处理（见 /readyz 的 checks.apps）",
                "something is amiss with the account: its calls fail until somebody acts (see checks.apps of /readyz)",
            )
        );
    }
}

/// A caller's path may hold anything: only one that is known is logged.
fn known(path: &str) -> &'static str {
    catalog::by_path(path).map_or(OTHER, |known| known.path)
}
