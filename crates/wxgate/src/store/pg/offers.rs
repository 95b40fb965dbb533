//! What was acknowledged lately: where a server takes over that has not all of it, it is kept there once more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::groups::Item as _;
use crate::store::backend::{AcceptedRow, DELIVERIES_PER_MESSAGE, EventRow};

/// How far a standby may be behind, milliseconds.
const LATELY: i64 = 10_000;
/// Bytes of messages that are held.
const MOST: usize = 64 << 20;

/// A message that was acknowledged here.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// In ticks.
    at: i64,
    pub(super) id: i64,
    group: Arc<Vec<EventRow>>,
    place: usize,
    /// Places of the deliveries that are known to have arrived.
    pub(super) arrived: Vec<i64>,
}

impl Offer {
    pub(super) fn event(&self) -> &EventRow {
        &self.group[self.place]
    }

    /// What hasn't arrived is anybody's.
    pub(super) fn event_to_send(&self) -> EventRow {
        let mut event = self.event().clone();
        for (place, due) in (0..).zip(&mut event.deliveries) {
            if !self.arrived.contains(&place) {
                due.lease = None;
            }
        }
        event
    }
}

/// The newest last, so that ids ascend.
#[derive(Debug, Default)]
pub(super) struct Offers(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    offers: VecDeque<Offer>,
    bytes: usize,
}

impl Held {
    fn push(&mut self, offer: Offer) {
        self.bytes += offer.event().body.len();
        // What was offered once more may have got a higher one meanwhile.
        let at = self.offers.partition_point(|held| held.id < offer.id);
        self.offers.insert(at, offer);
    }

    fn forget(&mut self, now: i64) {
        while let Some(first) = self.offers.front()
            && (now - first.at > LATELY || self.bytes > MOST)
        {
            self.bytes -= first.event().body.len();
            self.offers.pop_front();
        }
    }
}

impl Offers {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group was kept at `now`, in ticks.
    pub(super) fn kept(&self, group: &Arc<Vec<EventRow>>, outcomes: &[AcceptedRow], now: i64) {
        let mut held = self.held();
        held.forget(now);
        for (place, outcome) in outcomes.iter().enumerate() {
            if let AcceptedRow::New(id, _) = outcome {
                held.push(Offer { at: now, id: *id, group: group.clone(), place, arrived: Vec::new() });
            }
        }
    }

    /// A delivery arrived.
    pub(super) fn arrived(&self, delivery: i64) {
        let (event, place) =
            (delivery.div_euclid(DELIVERIES_PER_MESSAGE), delivery.rem_euclid(DELIVERIES_PER_MESSAGE));
        let mut held = self.held();
        if let Ok(at) = held.offers.binary_search_by_key(&event, |offer| offer.id)
            && let Some(offer) = held.offers.get_mut(at)
        {
            offer.arrived.push(place);
        }
    }

    /// All that is held at `now`, in ticks, oldest first, in groups of at most `most` that are apart.
    pub(super) fn groups(&self, most: usize, now: i64) -> Vec<Vec<Offer>> {
        let mut groups: Vec<Vec<Offer>> = Vec::new();
        let mut held = self.held();
        held.forget(now);
        for offer in held.offers.iter().cloned() {
            let has_room = |group: &&mut Vec<Offer>| {
                group.len() < most && group.iter().all(|other| offer.event().is_apart_from(other.event()))
            };
            match groups.last_mut().filter(has_room) {
                Some(group) => group.push(offer),
                None => groups.push(vec![offer]),
            }
        }
        groups
    }

    /// What `old` was is `new` now.
    pub(super) fn renamed(&self, old: i64, new: i64, arrived: &[i64]) {
        let mut held = self.held();
        if let Ok(at) = held.offers.binary_search_by_key(&old, |offer| offer.id)
            && let Some(gone) = held.offers.remove(at)
        {
            held.bytes -= gone.event().body.len();
        }
        if let Ok(at) = held.offers.binary_search_by_key(&new, |offer| offer.id)
            && let Some(offer) = held.offers.get_mut(at)
        {
            offer.arrived.extend(arrived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::backend::MessageKey;

    fn group(n: usize) -> Arc<Vec<EventRow>> {
        let row = EventRow {
            appid: String::new(),
            openid: String::new(),
            msg_type: String::new(),
            event: String::new(),
            kind: String::new(),
            scene: String::new(),
            msg_id: String::new(),
            came: String::new(),
            received_at: 0,
            seen: MessageKey { created: 0, digest: [0; 32] },
            body: vec![0; 1 << 20],
            ticket: None,
            signature: None,
            is_plain: false,
            remembered_until: 0,
            spent_until: 0,
            deliveries: Vec::new(),
        };
        Arc::new(vec![row; n])
    }

    fn new(id: i64) -> AcceptedRow {
        AcceptedRow::New(id, Vec::new())
    }

    fn ids(offers: &Offers) -> Vec<(i64, Vec<i64>)> {
        offers.groups(1, 0).into_iter().flatten().map(|offer| (offer.id, offer.arrived)).collect()
    }

    #[test]
    fn what_is_new_is_held_for_a_while_and_knows_what_arrived() {
        let offers = Offers::default();
        let duplicate = AcceptedRow::Duplicate(3, None);
        offers.kept(&group(3), &[new(5), duplicate, new(7)], 0);
        offers.arrived(7 * DELIVERIES_PER_MESSAGE + 2);
        offers.arrived(6 * DELIVERIES_PER_MESSAGE);
        assert_eq!(ids(&offers), [(5, vec![]), (7, vec![2])]);
        offers.kept(&group(1), &[new(9)], LATELY);
        assert_eq!(ids(&offers).len(), 3);
        offers.renamed(7, 9, &[2]);
        assert_eq!(ids(&offers), [(5, vec![]), (9, vec![2])]);
        offers.kept(&group(1), &[new(11)], LATELY + 1);
        assert_eq!(ids(&offers), [(9, vec![2]), (11, vec![])]);
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let offers = Offers::default();
        for id in 1..200 {
            offers.kept(&group(1), &[new(id)], 0);
        }
        assert_eq!((ids(&offers).len(), ids(&offers)[0].0), (64, 136));
    }
}
