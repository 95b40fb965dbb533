//! Is a refused token dead, or does one API answer 40001 to everybody? That is found out, not guessed.
//!
//! In stable mode normal mode is asked first, which disturbs nobody: if it gives another token, that is taken. If it gives
//! back the refused one, and in classic mode at once, the probe decides: a call that every account may make, with the
//! refused token. All of it happens once for an app, however many callers wait; what was found holds for a while.

use std::sync::Arc;

use wechat::answer::errcode;
use wechat::catalog::{self, API_DOMAIN_IP};

use super::nodes::Kept;
use super::{Said, Tokens};
use crate::lang::say;
use crate::registry::App;
use crate::registry::usage::OTHER;
use crate::slots::policy::{Ageing, Rest};
use crate::slots::{Belief, CredentialKind, Found, Gate, Slot, Token, TokenError, Way, ageing};
use crate::transport::{Lost, json_answer};

const KIND: CredentialKind = CredentialKind::AccessToken;

/// What the probe says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probed {
    Alive,
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
            return Ok(Found::Newer(token));
        }
        // Who waited for a question takes its answer.
        if let Some(found) = slot.answer_since(seen, used) {
            return Ok(found);
        }
        match slot.believed(used, path, now) {
            Some(Belief::Alive) => return Ok(Found::Alive),
            Some(Belief::Spent) => return Ok(Found::Spent),
            Some(Belief::Unknown) => return Ok(Found::Unknown),
            None => {}
        }
        let (used, path) = (used.clone(), path.to_owned());
        let version = Some(used.version);
        self.in_task(
            app,
            KIND,
            gate,
            version,
            Found::Fresh,
            async move |this: Self, app: Arc<App>, _, gate| {
                let (found, gate) = this.question(&app, &used, &path, gate).await?;
                app.slots.of(KIND).answered(&used, found.clone());
                Ok((found, gate))
            },
        )
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
        let slot = app.slots.of(KIND);
        let (probed, now) = (self.probe(app, used, path, &gate).await, self.now());
        // A caller's path may hold anything: only one that is known is logged.
        let (appid, api) = (&app.appid, catalog::by_path(path).map_or(OTHER, |known| known.path));
        match probed {
            Probed::Alive => {
                slot.found(now, |findings, _| findings.found_alive(used.version, path, now));
                tracing::info!(
                    %appid, api, "{}",
                    say(
                        "微信拒绝了 access_token，但它是好的：这个接口对谁都这样回答，检查账号有没有它的权限",
                        "WeChat refused the access_token, which is alive: this API answers everybody so, see whether the account may call it",
                    )
                );
                Ok((Found::Alive, gate))
            }
            Probed::Unknown => {
                slot.found(now, |findings, _| findings.found_nothing(used.version, now));
                tracing::warn!(%appid, api, "{}", say("微信拒绝了 access_token，而查不出它是否失效：暂不换", "WeChat refused the access_token, and whether it is dead can't be found out: it stays for now"));
                Ok((Found::Unknown, gate))
            }
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
        // Without a turn, another node may be doing the same.
        if !may || gate.turn.is_none() {
            self.spent(slot, dead, mode);
            return Ok((Found::Spent, gate));
        }
        // Before it is used: an answer that is lost, or a crash, forgets no use.
        if let Kept::Others(token) = self.keep(app, slot, dead, gate.turn).await {
            return Ok((Found::Fresh(token), gate));
        }
        let (token, gate) = self.fetch(app, KIND, gate, force).await?;
        if token.version == dead.version {
            self.spent(slot, dead, mode);
            return Ok((Found::Spent, gate));
        }
        if force {
            tracing::warn!(appid = %app.appid, "{}", say("稳定版接口返回的正是已失效的 access_token，已强制刷新", "stable_token gave the very access_token that is dead: forced another"));
            // Whoever else was refused with it must not accuse others.
            dead.report_once();
            return Ok((Found::Forced(token), gate));
        }
        Ok((Found::Fresh(token), gate))
    }

    /// Fetches the next value. One of which nobody knows how long it lives is asked about first, where a fetch would end it.
    pub(super) async fn renew(
        &self,
        app: &Arc<App>,
        kind: CredentialKind,
        gate: Gate,
    ) -> Result<(), TokenError> {
        let slot = app.slots.of(kind);
        let ageing = ageing(&app.entry, kind);
        let unsure =
            slot.newest().filter(|token| token.is_unsure && kind == KIND && ageing == Ageing::Classic);
        let Some(token) = unsure else { return self.fetch(app, kind, gate, false).await.map(drop) };
        match self.probe(app, &token, API_DOMAIN_IP.path, &gate).await {
            Probed::Alive => {
                // It counts as fetched now: should it end sooner, it is healed.
                let token = slot.made(&gate, token.expose().into(), token.life(), ageing, self.now());
                self.take(app, slot, &gate, token).await;
                Ok(())
            }
            Probed::Dead => self.fetch(app, kind, gate, false).await.map(drop),
            Probed::Unknown => {
                let lost = Lost::after("the probe found nothing out", "查不出 access_token 是否有效");
                slot.failed(lost.clone().into(), Rest::Short, self.now());
                Err(lost.into())
            }
        }
    }

    /// Notes that `dead` can't be replaced for now.
    fn spent(&self, slot: &Slot, dead: &Token, mode: Ageing) {
        let now = self.now();
        slot.found(now, |findings, history| {
            let may_again = match mode {
                Ageing::Stable => history.forced_again(),
                Ageing::Classic => history.replaced_again(),
            };
            findings.found_spent(dead.version, may_again.max(now), now);
        });
        tracing::warn!(
            appid = %slot.appid, "{}",
            say(
                "access_token 已失效，但刚换过太多次，暂不再换：找到另一个在刷新它的程序",
                "the access_token is dead, and was replaced too often to be replaced just now: find the other program that refreshes it",
            )
        );
    }

    /// Calls what every kind of account may call, with the refused token.
    async fn probe(&self, app: &App, used: &Token, path: &str, gate: &Gate) -> Probed {
        let slot = app.slots.of(KIND);
        let now = self.now();
        if !slot.history(now, |history| history.take_probe(now)) {
            // None is left today. A path that took a token within the hour and refuses this one says that it is dead.
            return if slot.worked_lately(path, now) { Probed::Dead } else { Probed::Unknown };
        }
        if let Kept::Others(_) = self.keep(app, slot, used, gate.turn).await {
            return Probed::Unknown;
        }
        self.called(app, used).await
    }

    /// Calls what every kind of account may call.
    pub(super) async fn called(&self, app: &App, token: &Token) -> Probed {
        let query = [("access_token", token.expose())];
        let transport = &app.transport;
        let mut asking = app.meter.asks(API_DOMAIN_IP.path, transport.clock().instant());
        let answer = transport.send(&API_DOMAIN_IP, &query, None, transport.deadline()).await;
        let Ok(answer) = answer else { return Probed::Unknown };
        let Ok(body) = json_answer(&answer) else { return Probed::Unknown };
        let error = errcode(&answer.body);
        asking.answered(error.as_ref().map_or(0, |error| error.errcode));
        if let Some(error) = &error {
            self.heard(app, Way::Token, API_DOMAIN_IP.path, &Said::of(error));
        }
        match error {
            Some(error) if error.is_dead_token() => Probed::Dead,
            None if body["ip_list"].is_array() => {
                self.heard(app, Way::Token, API_DOMAIN_IP.path, &Said::Accepted);
                Probed::Alive
            }
            _ => Probed::Unknown,
        }
    }
}
