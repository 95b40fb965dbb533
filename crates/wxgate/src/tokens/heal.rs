//! The one healing: a call that WeChat refused because of the token is made once more, with another, if the token is
//! found to be dead. Service calls, the pass-through and the ticket calls all go through here.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use wechat::answer::ApiError;

use super::Tokens;
use crate::clock::Instant;
use crate::handover::{CallError, PassAnswer, PassRequest, gone};
use crate::lang::say;
use crate::registry::App;
use crate::rings::Became;
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

    /// The same as another node can make it.
    fn request(&self) -> Cow<'_, PassRequest>;

    /// Reads what another node was answered.
    fn read(&self, answer: PassAnswer) -> impl Future<Output = Result<Self::Answer, Lost>> + Send;

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

    /// Whether WeChat refused the address that the call came from, which it does before it acts.
    pub fn is_of_address(&self) -> bool {
        matches!(self, Self::Failed(error) if error.is_of_address())
    }
}

/// A refusal that a call is made again after.
struct Healing {
    dead: Arc<Token>,
    error: ApiError,
    found: Found,
}

/// Once; and once more where the token that was refused last had been fetched before anybody asked about the one before.
fn may_heal(healings: &[Healing]) -> bool {
    match healings {
        [] => true,
        [only] => matches!(only.found, Found::Newer(_)),
        _ => false,
    }
}

impl Tokens {
    /// Makes `attempt` with the app's token, healed as [`Tokens::healed_here`] does. Where WeChat refuses this node's address,
    /// another node makes it, once; and while that is known, nothing is tried here first.
    pub async fn healed<A: TokenCall>(&self, app: &Arc<App>, attempt: &A) -> Result<A::Answer, CallError> {
        let is_known = self.0.handover.reach().is_refused(&app.appid);
        if is_known && let Some(answer) = Box::pin(self.elsewhere(app, attempt)).await {
            return answer;
        }
        let here = self.healed_here(app, attempt).await;
        let is_of_address = match &here {
            Ok((_, said)) => said.is_of_address(),
            Err(error) => error.is_of_address(),
        };
        if is_known || !is_of_address {
            return Ok(here?.0);
        }
        Box::pin(self.refused_here(app, attempt, here)).await
    }

    /// WeChat refuses this node's address: another node makes the call, if one takes it and its body is still there.
    async fn refused_here<A: TokenCall>(
        &self,
        app: &Arc<App>,
        attempt: &A,
        here: Result<(A::Answer, Said), CallError>,
    ) -> Result<A::Answer, CallError> {
        let is_gone = here.is_ok() && !attempt.is_repeatable();
        if !is_gone && let Some(answer) = self.elsewhere(app, attempt).await {
            return answer;
        }
        if is_gone && self.0.handover.reach().has_candidate(&app.appid) {
            return Err(gone().into());
        }
        Ok(here?.0)
    }

    /// What another node is answered, if one takes the call. To be boxed: it is rare, and large.
    async fn elsewhere<A: TokenCall>(
        &self,
        app: &Arc<App>,
        attempt: &A,
    ) -> Option<Result<A::Answer, CallError>> {
        let request = attempt.request();
        let sent = self.0.handover.send(app, &request).await?;
        Some(match sent {
            Ok(answer) => attempt.read(answer).await.map_err(CallError::Lost),
            Err(error) => Err(error),
        })
    }

    /// Makes `attempt` from here with the app's token; if that is refused and found dead, once more with another; and if that
    /// one was on its way here before and is refused too, a last time. The time of `wechat.timeout` covers the repetitions.
    pub async fn healed_here<A: TokenCall>(
        &self,
        app: &Arc<App>,
        attempt: &A,
    ) -> Result<(A::Answer, Said), CallError> {
        let mut token = self.get(app, CredentialKind::AccessToken).await?;
        let deadline = app.transport.deadline();
        let mut healings: Vec<Healing> = Vec::new();
        loop {
            let (answer, said) = attempt.send(&token, deadline).await?;
            let error = match said {
                Said::Refused(error) if may_heal(&healings) => error,
                said => {
                    self.note(app, &token, attempt.path(), &said);
                    if let Said::Refused(error) = said {
                        return Err(CallError::Refused(error));
                    }
                    self.healed_by(app, &healings, &said);
                    return Ok((answer, said));
                }
            };
            drop(answer);
            let found = self.find_out(app, &token, attempt.path()).await?;
            let fresh = match &found {
                Found::Newer(fresh) | Found::Fresh(fresh) | Found::Forced(fresh) => fresh.clone(),
                Found::Alive | Found::Spent => return Err(CallError::Refused(error)),
                Found::Unknown => return Err(CallError::Unknown),
            };
            let left = deadline.saturating_duration_since(self.0.parts.clock.instant());
            if !attempt.is_repeatable() {
                return Err(CallError::Again);
            }
            if left < TOO_LATE {
                return Err(CallError::Token(TokenError::Lost(late())));
            }
            let dead = std::mem::replace(&mut token, fresh);
            healings.push(Healing { dead, error, found });
        }
    }

    /// What is noted of the tokens whose refusals a call survived.
    fn healed_by(&self, app: &App, healings: &[Healing], said: &Said) {
        let Some(first) = healings.first() else { return };
        self.became(app, Became::Healed, first.error.errcode, None);
        // Where WeChat itself had held it for current, nobody else had a hand in it.
        let ours = |healing: &&Healing| !matches!(healing.found, Found::Forced(_));
        if *said == Said::Accepted {
            healings.iter().filter(ours).for_each(|healing| self.died_early(app, &healing.dead));
        }
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
        self.became(app, Became::Superseded, 0, None);
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

/// The token was replaced when the call's time was nearly over.
fn late() -> Lost {
    Lost::before(
        "the access_token was replaced, and the call's time is over",
        "access_token 刚换新，而这次调用的时间已经用完",
    )
}
