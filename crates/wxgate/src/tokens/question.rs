//! Is a refused token dead, or does one API answer 40001 to everybody? That is found out, not guessed.
//!
//! In stable mode normal mode is asked first, which disturbs nobody: if it gives another token, that is taken. If it gives
//! back the refused one, and in classic mode at once, the probe decides: a call that every account may make, with the
//! refused token. All of it happens once for an app, however many callers wait; what was found holds for a while.

use std::sync::Arc;

use wechat::answer::errcode;
use wechat::catalog::API_DOMAIN_IP;

use super::Tokens;
use crate::registry::App;
use crate::slots::policy::Ageing;
use crate::slots::{CredentialKind, Found, Gate, Token, TokenError, ageing};
use crate::transport::json_answer;

const KIND: CredentialKind = CredentialKind::AccessToken;

/// What the probe says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probed {
    Alive,
    /// WeChat can't be asked today, and nothing says that it is dead.
    Assumed,
    Dead,
    Unknown,
}

impl Tokens {
    /// WeChat refused `used` on `path`: what is to be done about it.
    pub async fn find_out(&self, app: &Arc<App>, used: &Arc<Token>, path: &str) -> Result<Found, TokenError> {
        let slot = app.slots.of(KIND);
        let seen = slot.questions();
        let gate = slot.lock().await;
        let now = self.now();
        if let Some(token) = slot.live(now).filter(|token| token.version != used.version) {
            return Ok(Found::Fresh(token));
        }
        // Who waited for a question takes its answer.
        if let Some(found) = slot.answer_since(seen, used) {
            return Ok(found);
        }
        if slot.is_refusal_explained(used, path, now) {
            return Ok(Found::Alive);
        }
        let (used, path) = (used.clone(), path.to_owned());
        self.in_task(app, KIND, gate, async move |this: Self, app: Arc<App>, _, gate| {
            let (found, gate) = this.question(&app, &used, &path, gate).await?;
            app.slots.of(KIND).answered(&used, found.clone());
            Ok((found, gate))
        })
        .await
    }

    async fn question(
        &self,
        app: &Arc<App>,
        used: &Arc<Token>,
        path: &str,
        gate: Gate,
    ) -> Result<(Found, Gate), TokenError> {
        let has_ended = used.expires_at <= self.now();
        let mode = ageing(&app.entry, KIND);
        let mut gate = gate;
        if mode == Ageing::Stable || has_ended {
            let (token, given) = self.fetch(app, KIND, gate, false).await?;
            if token.version != used.version {
                return Ok((Found::Fresh(token), given));
            }
            gate = given;
        }
        match self.probe(app, used, path).await {
            Probed::Alive => {
                app.slots.of(KIND).found_alive(used, path, self.now());
                tracing::info!(
                    appid = %app.appid, api = path,
                    "微信拒绝了 access_token，但它是好的：这个接口对谁都这样回答，检查账号有没有它的权限"
                );
                Ok((Found::Alive, gate))
            }
            Probed::Assumed => {
                app.slots.of(KIND).found_alive(used, path, self.now());
                tracing::warn!(
                    appid = %app.appid, api = path,
                    "微信拒绝了 access_token，今天为此问微信的次数已用完：当作它是好的，不换"
                );
                Ok((Found::Alive, gate))
            }
            Probed::Unknown => Ok((Found::Unknown, gate)),
            Probed::Dead => self.replace(app, used, mode, gate).await,
        }
    }

    /// Replaces a dead token, as often as that may be.
    async fn replace(
        &self,
        app: &Arc<App>,
        dead: &Arc<Token>,
        mode: Ageing,
        gate: Gate,
    ) -> Result<(Found, Gate), TokenError> {
        let slot = app.slots.of(KIND);
        let now = self.now();
        let force = mode == Ageing::Stable;
        let may = slot.history(now, |history| match mode {
            Ageing::Stable => history.take_forced(now),
            Ageing::Classic => history.take_replaced(now),
        });
        if !may {
            tracing::warn!(appid = %app.appid, "access_token 已失效，但刚换过太多次，暂不再换：找到另一个在刷新它的程序");
            return Ok((Found::Spent, gate));
        }
        // Before it is used: an answer that is lost, or a crash, forgets no use.
        self.keep(slot, dead).await;
        let (token, gate) = self.fetch(app, KIND, gate, force).await?;
        if token.version == dead.version {
            return Ok((Found::Spent, gate));
        }
        if force {
            tracing::warn!(appid = %app.appid, "稳定版接口返回的正是已失效的 access_token，已强制刷新");
            // Whoever else was refused with it must not accuse others.
            dead.report_once();
            return Ok((Found::Forced(token), gate));
        }
        Ok((Found::Fresh(token), gate))
    }

    /// Calls what every kind of account may call, with the refused token.
    async fn probe(&self, app: &App, used: &Token, path: &str) -> Probed {
        let slot = app.slots.of(KIND);
        let now = self.now();
        if !slot.history(now, |history| history.take_probe(now)) {
            // None is left today. A path that took a token within the hour and refuses this one says that it is dead.
            return if slot.worked_lately(path, now) { Probed::Dead } else { Probed::Assumed };
        }
        self.keep(slot, used).await;
        let query = [("access_token", used.expose())];
        let transport = &self.0.transport;
        let answer = transport.send(&API_DOMAIN_IP, &query, None, transport.deadline()).await;
        let Ok(answer) = answer else { return Probed::Unknown };
        let Ok(body) = json_answer(&answer) else { return Probed::Unknown };
        match errcode(&answer.body) {
            Some(error) if error.is_dead_token() => Probed::Dead,
            None if body["ip_list"].is_array() => Probed::Alive,
            _ => Probed::Unknown,
        }
    }
}
