//! Passwords, as argon2id keeps them.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use super::{People, Refused};
use crate::lang::Words;

/// Characters of a password.
const SHORTEST: usize = 10;
const LONGEST: usize = 256;

impl People {
    /// As it is kept.
    pub(super) async fn hashed(&self, password: &str) -> Result<String, Refused> {
        if !(SHORTEST..=LONGEST).contains(&password.chars().count()) {
            let words = Words::fixed("密码要 10 到 256 个字符", "a password has 10 to 256 characters");
            return Err(Refused::Rule(words));
        }
        let (password, salt) = (password.to_owned(), self.parts.random.bytes::<16>());
        let _place = self.waiting.try_acquire().map_err(|_| Refused::Busy)?;
        let _turn = self.hashing.acquire().await.map_err(|_| Refused::Store)?;
        let hash = move || hash(&password, &salt);
        self.parts.tasks.beside_requests(hash).await.flatten().ok_or(Refused::Store)
    }

    /// Whether it is the one that is kept. Where none is, that takes as long.
    pub(super) async fn verified(&self, password: &str, kept: Option<String>) -> Result<bool, Refused> {
        if password.chars().count() > LONGEST {
            return Ok(false);
        }
        let password = password.to_owned();
        let _place = self.waiting.try_acquire().map_err(|_| Refused::Busy)?;
        let _turn = self.hashing.acquire().await.map_err(|_| Refused::Store)?;
        let verify = move || match kept {
            Some(kept) => fits(&password, &kept),
            None => {
                hash(&password, &[0; 16]);
                false
            }
        };
        Ok(self.parts.tasks.beside_requests(verify).await.unwrap_or_default())
    }
}

fn hash(password: &str, salt: &[u8]) -> Option<String> {
    Argon2::default().hash_password_with_salt(password.as_bytes(), salt).ok().map(|hash| hash.to_string())
}

fn fits(password: &str, kept: &str) -> bool {
    PasswordHash::new(kept)
        .is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
}
