//! The one healing: a call that WeChat refused because of the token is made once more, with another, if the token is
//! found to be dead. Service calls, the pass-through and the ticket calls all go through here.

use std::sync::Arc;
use std::time::Duration;

use wechat::answer::ApiError;

use super::Tokens;
use crate::clock::Instant;
use crate::lang::say;
use crate::registry::App;
use crate::slots::{CredentialKind, Found, Token, TokenError, Way};
use crate::transport::Lost;

/// With less time left a call isn't repeated: nobody would know what came of it.
const TOO_LATE: Duration = Duration::from_millis(200);

/// A call that carries the app's access_token.
pub trait TokenCall: Sync {
    /// What a call gives.
    type Answer: Send;

    /// The path at WeChat, which is to blame if it refuses a token that lives.
    fn path(&self) -> &str;

    /// Whether it can be made again.
    fn is_repeatable(&self) -> bool {
        true
    }

    /// Makes the call, which has to be answered by `deadline`.
    fn send(
        &self,
        token: &Token,
        deadline: Instant,
    ) -> impl Future<Output = Result<(Self::Answer, Said), Lost>> + Send;
}

/// What an answer says about the token, and the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// WeChat looked at it and did what it was asked.
    Accepted,
    /// WeChat did what it was asked, on a path that may not look.
    Done,
    /// WeChat refused it.
    Refused(ApiError),
    /// WeChat refused the call for another reason.
    Failed(ApiError),
    /// Nothing: a broken edge.
    Nothing,
}

impl Said {
    /// WeChat's refusal of a call with the token.
    pub fn of(error: &ApiError) -> Self {
        let error = error.clone();
        if error.is_dead_token() { Self::Refused(error) } else { Self::Failed(error) }
    }
}

/// Why a call gave nothing.
#[derive(Clone, Debug)]
pub enum Unhealed {
    /// No token could be had.
    Token(TokenError),
    /// No usable answer.
    Lost(Lost),
    /// WeChat refuses the token, and no other helps: this path does so to everybody, or another may not be had now.
    Refused(ApiError),
    /// WeChat refused the token, and whether it is dead could not be found out. The call may be made again.
    Unknown,
    /// The token was dead and is replaced, but the body is gone, or the time: the caller may send it again.
    Again,
}

impl From<TokenError> for Unhealed {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<Lost> for Unhealed {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl Tokens {
    /// Makes `attempt` with the app's token; if that is refused and found dead, once more with another. The time of
    /// `wechat.timeout` covers the repetition as well.
    pub async fn healed<A: TokenCall>(&self, app: &Arc<App>, attempt: &A) -> Result<A::Answer, Unhealed> {
        let token = self.get(app, CredentialKind::AccessToken).await?;
        let deadline = app.transport.deadline();
        let (answer, said) = attempt.send(&token, deadline).await?;
        let Said::Refused(error) = said else {
            self.note(app, &token, attempt.path(), &said);
            return Ok(answer);
        };
        drop(answer);
        let found = self.find_out(app, &token, attempt.path()).await?;
        let fresh = match &found {
            Found::Fresh(fresh) | Found::Forced(fresh) => fresh,
            Found::Alive | Found::Spent => return Err(Unhealed::Refused(error)),
            Found::Unknown => return Err(Unhealed::Unknown),
        };
        let left = deadline.saturating_duration_since(self.0.parts.clock.instant());
        if left < TOO_LATE || !attempt.is_repeatable() {
            return Err(Unhealed::Again);
        }
        let (answer, said) = attempt.send(fresh, deadline).await?;
        self.note(app, fresh, attempt.path(), &said);
        match said {
            Said::Refused(error) => return Err(Unhealed::Refused(error)),
            // Where WeChat itself had held it for current, nobody else had a hand in it.
            Said::Accepted if matches!(found, Found::Fresh(_)) => self.died_early(app, &token),
            Said::Accepted | Said::Done | Said::Failed(_) | Said::Nothing => {}
        }
        Ok(answer)
    }

    fn note(&self, app: &App, token: &Token, path: &str, said: &Said) {
        self.heard(app, Way::Token, path, said);
        if *said == Said::Accepted {
            app.slots.of(CredentialKind::AccessToken).worked(token, path, self.now());
        }
    }

    /// A call that failed with `dead` succeeded with its successor: `dead` had died before its time.
    fn died_early(&self, app: &App, dead: &Token) {
        let now = self.now();
        if dead.expires_at <= now + 5_000 || !dead.report_once() {
            return;
        }
        app.slots.of(CredentialKind::AccessToken).note_superseded(now);
        tracing::warn!(
            appid = %app.appid,
            event = "superseded",
            at = self.0.parts.clock.now_secs(),
            left_secs = (dead.expires_at - now) / 1000,
            "{}",
            say(
                "access_token 提前失效：有别的程序用同一个 AppSecret 刷新了它。已换新；请找到那个程序，改为经由 wxgate 调用",
                "the access_token died before its time: another program refreshed it with the same AppSecret. It was replaced; find that program and let it call through wxgate",
            )
        );
    }
}
