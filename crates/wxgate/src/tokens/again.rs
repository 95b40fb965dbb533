//! Apps whose calls go by other nodes, because WeChat refuses this one's address, are tried from here again each minute: what
//! is listed meanwhile is used without anybody's doing.

use std::sync::Arc;

use super::Tokens;
use crate::registry::App;
use crate::slots::CredentialKind;

impl Tokens {
    /// Tries those that are due, until the stop begins.
    pub async fn try_again(self) {
        if !self.0.parts.store.is_shared() {
            return;
        }
        let reach = self.0.handover.reach().clone();
        let (tasks, clock) = (&self.0.parts.tasks, &self.0.parts.clock);
        let mut learned = reach.learned().sleeper();
        loop {
            learned.mark_seen();
            let (due, next) = reach.due();
            for appid in due {
                if let Some(app) = self.0.parts.registry.live().app(&appid).cloned() {
                    tasks.spawn(self.clone().try_app(app));
                }
            }
            tokio::select! {
                () = tasks.draining.cancelled() => return,
                () = learned.woken() => {}
                () = clock.rest_until(next) => {}
            }
        }
    }

    /// The answer is heard as every answer is, and ends what it disproves.
    async fn try_app(self, app: Arc<App>) {
        if !app.entry.kind.has_token() {
            // The next call tries.
            self.0.handover.reach().taken(&app);
            return;
        }
        let _turn = self.0.background.clone().acquire_owned().await;
        if let Ok(token) = self.get(&app, CredentialKind::AccessToken).await {
            self.called(&app, &token).await;
        }
    }
}
