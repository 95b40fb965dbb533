//! What web OAuth gives: a user's own token, and a longer one to renew it by.

use super::World;
use super::lately::{OVERHEAD, Weighs};
use super::newest::Newest;
use super::random::Random;
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const TOKEN_LIFE: i64 = 7_200_000;
const REFRESH_LIFE: i64 = 30 * 86_400_000;
/// Grants remembered.
const MAX_GRANTS: usize = 200_000;

/// One authorisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) appid: String,
    pub(crate) openid: String,
    pub(crate) scope: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    token_expires: i64,
    refresh_expires: i64,
}

/// All of them, under the refresh token; user tokens point there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    by_refresh: Newest<Grant>,
    refresh_of: BTreeMap<String, String>,
}

impl Weighs for Grant {
    fn weight(&self) -> usize {
        let texts = [&self.appid, &self.openid, &self.scope, &self.token, &self.refresh_token];
        // Its token stands twice, with the refresh token behind it.
        2 * OVERHEAD
            + texts.map(String::len).iter().sum::<usize>()
            + self.token.len()
            + self.refresh_token.len()
    }
}

impl Grants {
    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.by_refresh.bytes()
    }

    /// The account of a user token.
    pub(crate) fn appid(&self, token: &str) -> Option<&str> {
        let refresh = self.refresh_of.get(token)?;
        self.by_refresh.get(refresh).map(|grant| grant.appid.as_str())
    }
}

fn user_token(random: &mut Random) -> String {
    format!("{}_{}", random.number(50..110), random.text::<66>())
}

impl World {
    pub(crate) fn grant(&mut self, appid: &str, openid: String, scope: String) -> Grant {
        let grant = Grant {
            appid: appid.to_owned(),
            openid,
            scope,
            token: user_token(&mut self.random),
            refresh_token: user_token(&mut self.random),
            token_expires: self.now + TOKEN_LIFE,
            refresh_expires: self.now + REFRESH_LIFE,
        };
        let grants = &mut self.grants;
        grants.refresh_of.insert(grant.token.clone(), grant.refresh_token.clone());
        let gone = grants.by_refresh.keep(grant.refresh_token.clone(), grant.clone(), MAX_GRANTS);
        for gone in gone {
            grants.refresh_of.remove(&gone.token);
        }
        grant
    }

    /// Renews a user token: the same while it lives, a new one after.
    pub(crate) fn renew(&mut self, appid: &str, refresh_token: &str) -> Result<Grant, Refusal> {
        let now = self.now;
        let grant = self
            .grants
            .by_refresh
            .get_mut(refresh_token)
            .filter(|grant| grant.appid == appid)
            .ok_or(refuse(40030))?;
        if now >= grant.refresh_expires {
            return Err(refuse(42002));
        }
        if now >= grant.token_expires {
            let old = std::mem::replace(&mut grant.token, user_token(&mut self.random));
            self.grants.refresh_of.remove(&old);
            self.grants.refresh_of.insert(grant.token.clone(), refresh_token.to_owned());
        }
        grant.token_expires = now + TOKEN_LIFE;
        Ok(grant.clone())
    }

    /// The grant of a user token that works, for this openid.
    pub(crate) fn check_grant(&self, token: &str, openid: &str) -> Result<&Grant, Refusal> {
        if token.is_empty() {
            return Err(refuse(41001));
        }
        let refresh = self.grants.refresh_of.get(token).ok_or(refuse(40001))?;
        let grant = self.grants.by_refresh.get(refresh).ok_or(refuse(40001))?;
        if self.now >= grant.token_expires {
            return Err(refuse(42001));
        }
        if openid.is_empty() {
            return Err(refuse(41009));
        }
        if grant.openid != openid {
            return Err(refuse(40003));
        }
        Ok(grant)
    }
}
