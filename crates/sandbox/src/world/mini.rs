//! What users do in mini programs: when they were there last, what they paid.

use super::World;
use super::lately::{Lately, OVERHEAD, Weighs};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long after a visit the checks of content take a user for one of the mini program.
const RECENT: i64 = 2 * 3_600_000;
/// How long after a payment its unionid is given.
const PAID: i64 = 300_000;
/// Payments remembered, and bytes of them.
const MAX_PAYMENTS: usize = 100_000;
const MAX_BYTES: usize = 32 << 20;

/// One payment to a mini program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) appid: String,
    pub(crate) openid: String,
    /// WeChat Pay's number: 28 digits.
    pub(crate) transaction_id: String,
    /// The merchant, and the order's number there.
    pub(crate) mch_id: String,
    pub(crate) out_trade_no: String,
    /// Unix milliseconds.
    at: i64,
}

/// All of it. Of visits there is one a user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Minis {
    /// Unix milliseconds of the last visit.
    visits: BTreeMap<String, BTreeMap<String, i64>>,
    payments: Lately<Payment>,
}

impl Weighs for Payment {
    fn weight(&self) -> usize {
        let texts = [&self.appid, &self.openid, &self.transaction_id, &self.mch_id, &self.out_trade_no]
            .map(String::len);
        2 * OVERHEAD + texts.iter().sum::<usize>()
    }
}

impl Minis {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        let visits: usize = self.visits.values().map(BTreeMap::len).sum();
        self.payments.bytes() + 2 * OVERHEAD * visits
    }
}

impl World {
    /// Who sends an account the results of its checks: WeChat's own user, the same every time.
    pub(crate) fn content_service(appid: &str) -> String {
        super::user::identity("wxa_media_check", appid)
    }

    /// The user is in the mini program now.
    pub(crate) fn visit(&mut self, appid: &str, openid: &str) {
        let now = self.now;
        self.minis.visits.entry(appid.to_owned()).or_default().insert(openid.to_owned(), now);
    }

    /// A user of this mini program who was there within two hours: 43104 if the openid is another account's, 40003
    /// if it is nobody's, 61010 if they weren't there.
    pub(crate) fn check_visitor(&self, appid: &str, openid: &str) -> Result<(), Refusal> {
        if self.users.of(appid, openid).is_none() {
            return Err(refuse(if self.users.is_anywhere(openid) { 43104 } else { 40003 }));
        }
        let visit = self.minis.visits.get(appid).and_then(|visits| visits.get(openid));
        match visit {
            Some(at) if self.now - at < RECENT => Ok(()),
            _ => Err(refuse(61010)),
        }
    }

    /// The user pays; merchant and order are made up where they aren't given.
    pub(crate) fn pay(&mut self, appid: &str, openid: &str, mch_id: String, out_trade_no: String) -> Payment {
        let digits = |world: &mut Self, from| world.random.number(from..from * 10).to_string();
        let or_made = |world: &mut Self, given: String, from| match given.is_empty() {
            true => digits(world, from),
            false => given,
        };
        let payment = Payment {
            appid: appid.to_owned(),
            openid: openid.to_owned(),
            transaction_id: format!("42000{}{}", digits(self, 10_000_000_000), digits(self, 100_000_000_000)),
            mch_id: or_made(self, mch_id, 1_000_000_000),
            out_trade_no: or_made(self, out_trade_no, 1_000_000_000_000_000),
            at: self.now,
        };
        self.minis.payments.add(payment.clone(), MAX_PAYMENTS, MAX_BYTES);
        payment
    }

    /// Whether this user paid within five minutes, by an order that `is_meant`.
    pub(crate) fn has_paid(&self, appid: &str, openid: &str, is_meant: impl Fn(&Payment) -> bool) -> bool {
        self.minis
            .payments
            .iter()
            .rev()
            .take_while(|paid| self.now - paid.at < PAID)
            .any(|paid| paid.appid == appid && paid.openid == openid && is_meant(paid))
    }
}

#[cfg(test)]
mod tests {
    use super::super::content::Content;
    use super::super::link::Links;
    use super::super::session::Sessions;
    use super::super::{LinkKind, Random, Target};
    use super::*;
    use serde_json::Value;

    const MINI: &str = "wx00000000000000b2";

    #[test]
    fn a_kept_mini_program_goes_on_where_it_was() {
        let mut world = World { now: 1_767_339_000_000, ..World::new(Random::default()) };
        let openid = world.users.all[0].openid(MINI).to_owned();
        let key = world.log_in(MINI, &openid);
        let keys = world.encrypt_keys(MINI, &openid).len();
        world.seal_phone(MINI, &openid).unwrap();
        let paid = world.pay(MINI, &openid, String::new(), String::new());
        let target = Target { appid: MINI.to_owned(), ..Target::default() };
        let link = world.make_link(LinkKind::Url, target, 7, "", Value::Null);

        let kept =
            serde_json::to_string(&(&world.minis, &world.sessions, &world.links, &world.content)).unwrap();
        let (minis, sessions, links, content): (Minis, Sessions, Links, Content) =
            serde_json::from_str(&kept).unwrap();
        let mut world =
            World { now: world.now, minis, sessions, links, content, ..World::new(Random::default()) };
        assert_eq!(world.check_visitor(MINI, &openid), Ok(()));
        assert!(world.has_paid(MINI, &openid, |known| known.transaction_id == paid.transaction_id));
        assert_eq!(world.links.find(&link).map(|link| link.expire_time), Some(7));
        assert_eq!(world.encrypt_keys(MINI, &openid).len(), keys);
        assert_eq!(world.log_in(MINI, &openid), key, "the login is still fresh");
    }
}
