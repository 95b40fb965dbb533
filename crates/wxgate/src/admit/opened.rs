//! Gateway tokens that were opened lately, so that one is opened once and not for every call. What a token grants is fixed;
//! whether its holder still may is asked each time.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use subtle::ConstantTimeEq as _;

use crate::keys::{Grant, Keys};

/// Tables, so that threads hardly meet at one.
const TABLES: usize = 16;
/// Tokens in a table; with more, all of it are forgotten.
const TOKENS: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Opened {
    tables: [Mutex<HashMap<u64, Known>>; TABLES],
    hasher: RandomState,
}

struct Known {
    token: Box<str>,
    grant: Grant,
    /// Unix milliseconds.
    ends: i64,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

impl Opened {
    /// What `token` grants at `now`.
    pub(super) fn grant(&self, keys: &Keys, token: &str, now: i64) -> Option<Grant> {
        let hash = self.hasher.hash_one(token);
        let table = &self.tables[(hash >> 32) as usize % TABLES];
        if let Some(known) = table.lock().unwrap_or_else(PoisonError::into_inner).get(&hash)
            && bool::from(known.token.as_bytes().ct_eq(token.as_bytes()))
        {
            return (now < known.ends).then(|| known.grant.clone());
        }
        let (grant, ends) = keys.opened(token)?;
        if now >= ends {
            return None;
        }
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= TOKENS {
            table.clear();
        }
        table.insert(hash, Known { token: token.into(), grant: grant.clone(), ends });
        Some(grant)
    }
}
