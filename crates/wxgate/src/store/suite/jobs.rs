//! Jobs: kept once, worked on by one at a time, every item ended once.

use super::*;
use crate::store::{Added, Ended, ItemEnd, ItemState, Job, JobKind, JobState, NewJob};

const HOUR: i64 = 3_600_000;

fn batch(again: Option<&str>) -> NewJob {
    NewJob {
        kind: JobKind::Send,
        caller: "shop".to_owned(),
        again: again.map(str::to_owned),
        rate: 50,
        total: None,
        value: b"upload".to_vec(),
        until: NOW + HOUR,
    }
}

async fn add(store: &Store, new: NewJob) -> Added {
    store.add_job(new, &Random::System, NOW).await.unwrap()
}

fn id_of(added: Added) -> i64 {
    let (Added::New(id) | Added::Known(id)) = added;
    id
}

/// A job that came in, with items 1 to `count`.
async fn came(store: &Store, count: i64) -> i64 {
    let id = id_of(add(store, batch(None)).await);
    let items: Vec<_> = (1..=count).map(|n| (n, format!("o{n}"), format!("m{n}").into_bytes())).collect();
    assert!(store.add_items(id, &items, NOW, NOW + HOUR).await.unwrap());
    assert!(store.begin_job(id, count, b"answer", NOW).await.unwrap());
    id
}

async fn claimed(store: &Store, now: i64) -> Option<Job> {
    store.claim_job(JobKind::Send, (Vec::new(), 4), now, now + WHILE).await.unwrap()
}

#[tokio::test]
async fn a_callers_many_jobs_keep_nobody_elses_waiting() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for caller in ["shop", "shop", "shop", "rival"] {
        let id = id_of(add(&store, NewJob { caller: caller.to_owned(), ..batch(None) }).await);
        assert!(store.add_items(id, &[(1, "o1".into(), b"m1".to_vec())], NOW, NOW + HOUR).await.unwrap());
        assert!(store.begin_job(id, 1, b"answer", NOW).await.unwrap());
    }
    let next = async || {
        let job = store.claim_job(JobKind::Send, (Vec::new(), 2), NOW, NOW + WHILE).await.unwrap();
        job.map(|job| (job.id, job.caller))
    };
    let mut taken = Vec::new();
    while let Some(job) = next().await {
        taken.push(job);
    }
    taken.sort_by(|(_, one), (_, other)| one.cmp(other));
    let callers: Vec<&str> = taken.iter().map(|(_, caller)| &**caller).collect();
    assert_eq!(callers, ["rival", "shop", "shop"]);
    store.end_job(taken[1].0, false, NOW, NOW + HOUR).await.unwrap();
    assert_eq!(next().await.map(|(_, caller)| caller).as_deref(), Some("shop"), "one of two has ended");
}

async fn states(store: &Store, job: i64) -> Vec<(i64, ItemState)> {
    let items = store.items(job, 0, 100).await.unwrap();
    items.into_iter().map(|item| (item.n, item.state)).collect()
}

fn end(n: i64, state: ItemState, code: i64) -> ItemEnd {
    ItemEnd { n, state, msgid: format!("id{n}"), code }
}

#[tokio::test]
async fn what_comes_in_is_a_job_once_all_of_it_is_there() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let id = id_of(add(&store, batch(None)).await);
    assert!(id < 1 << 53, "a number that JSON keeps");
    assert!(store.add_items(id, &[(2, "o2".into(), b"two".to_vec())], NOW, NOW + HOUR).await.unwrap());
    assert!(store.add_items(id, &[(7, "o7".into(), b"seven".to_vec())], NOW, NOW + HOUR).await.unwrap());
    assert_eq!((store.job(id).await.unwrap(), claimed(&store, NOW).await), (None, None));
    assert!(store.begin_job(id, 2, b"answer", NOW).await.unwrap());
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.total, &job.value[..], job.made_at),
        (JobState::AtWork, 2, &b"answer"[..], NOW)
    );
    let items = store.open_items(id, ItemState::Waits, 0, 10).await.unwrap();
    let shown: Vec<_> = items.iter().map(|item| (item.n, &*item.openid, &item.value[..])).collect();
    assert_eq!(shown, [(2, "o2", &b"two"[..]), (7, "o7", &b"seven"[..])]);
    assert_eq!(store.open_items(id, ItemState::Waits, 2, 10).await.unwrap().len(), 1);
    assert!(!store.add_items(id, &[(8, String::new(), Vec::new())], NOW, NOW + HOUR).await.unwrap());

    // What was given up is none.
    let other = id_of(add(&store, batch(None)).await);
    assert!(store.add_items(other, &[(1, "o".into(), b"m".to_vec())], NOW, NOW + HOUR).await.unwrap());
    store.drop_job(other, NOW).await.unwrap();
    assert!(!store.add_items(other, &[(2, "o".into(), b"m".to_vec())], NOW, NOW + HOUR).await.unwrap());
    assert!(!store.begin_job(other, 1, b"", NOW).await.unwrap());
    assert_eq!(store.jobs(None, 10).await.unwrap().len(), 1);
    let step = crate::store::Purge::new(NOW, 0, 0, 100);
    assert_eq!(store.purge(step).await.unwrap().rows, 2, "the item and the job");
}

#[tokio::test]
async fn a_name_is_one_job_and_takes_over_from_an_upload_that_was_cut() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let cut = id_of(add(&store, batch(Some("k"))).await);
    let Added::New(second) = add(&store, batch(Some("k"))).await else { panic!("the first is no job") };
    assert_ne!(cut, second);
    assert!(!store.begin_job(cut, 1, b"", NOW).await.unwrap(), "its name is another's");
    assert!(store.begin_job(second, 1, b"", NOW).await.unwrap());
    assert_eq!(add(&store, batch(Some("k"))).await, Added::Known(second));
    let other = NewJob { caller: "other".to_owned(), ..batch(Some("k")) };
    assert!(matches!(add(&store, other).await, Added::New(_)), "another caller's is another");
    assert!(matches!(add(&store, batch(Some("l"))).await, Added::New(_)));
}

#[tokio::test]
async fn a_job_is_one_process_at_a_time() {
    let fixture = Fixture::new();
    let one = fixture.open().await;
    let other = fixture.beside(&one).await;
    let id = came(&one, 2).await;
    assert_eq!(claimed(&one, NOW).await.map(|job| job.id), Some(id));
    assert_eq!(claimed(&other, NOW + WHILE - 1).await, None);
    assert_eq!(one.keep_job(id, NOW + 2 * WHILE).await.unwrap(), Some(false));
    assert_eq!(claimed(&other, NOW + WHILE).await, None, "it was kept on");
    assert!(!other.begin_items(id, vec![1], NOW).await.unwrap());
    assert!(one.begin_items(id, vec![1], NOW + 5).await.unwrap());
    let begun = other.open_items(id, ItemState::Begun, 0, 10).await.unwrap();
    assert_eq!((begun.len(), begun[0].begun_at), (1, Some(NOW + 5)));
    let except =
        other.claim_job(JobKind::Send, (vec![id], 4), NOW + 2 * WHILE, NOW + 3 * WHILE).await.unwrap();
    assert_eq!(except, None);
    assert!(claimed(&other, NOW + 2 * WHILE).await.is_some(), "the lease ran out");
    assert_eq!(one.keep_job(id, NOW + 3 * WHILE).await.unwrap(), None);
    assert!(!one.begin_items(id, vec![2], NOW).await.unwrap());
    // It can't say that nothing was sent any more; what it knows counts.
    one.end_items(id, vec![end(1, ItemState::Waits, 0)]).await.unwrap();
    assert_eq!(states(&one, id).await[0], (1, ItemState::Begun));
    one.end_items(id, vec![end(1, ItemState::Good, 0)]).await.unwrap();
    other.end_items(id, vec![end(1, ItemState::Lost, 0)]).await.unwrap();
    one.end_job(id, false, NOW, NOW + HOUR).await.unwrap();
    let job = one.job(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.good, job.lost), (JobState::AtWork, 1, 0), "the first to know says it");
    other.leave_job(id).await.unwrap();
    assert!(claimed(&one, NOW).await.is_some());
}

#[tokio::test]
async fn what_became_of_items_is_counted_and_forgotten_with_the_job() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let id = came(&store, 5).await;
    claimed(&store, NOW).await.unwrap();
    assert!(store.begin_items(id, vec![1, 2, 3, 4], NOW).await.unwrap());
    let ends = vec![
        end(1, ItemState::Good, 0),
        end(2, ItemState::Bad, 43004),
        end(3, ItemState::Lost, -1),
        end(4, ItemState::Waits, 0),
    ];
    store.end_items(id, ends.clone()).await.unwrap();
    store.end_items(id, ends).await.unwrap();
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!((job.good, job.bad, job.lost), (1, 1, 1), "told twice, counted once");
    let items = store.items(id, 0, 10).await.unwrap();
    let shown: Vec<_> =
        items.iter().map(|item| (item.state, &*item.msgid, item.code, item.begun_at)).collect();
    assert_eq!(shown[0], (ItemState::Good, "id1", 0, Some(NOW)));
    assert_eq!(
        (shown[1].0, shown[1].2, shown[2].0, shown[2].2),
        (ItemState::Bad, 43004, ItemState::Lost, -1)
    );
    assert_eq!((shown[3].0, shown[3].3, shown[4].0), (ItemState::Waits, None, ItemState::Waits));
    let waiting = store.open_items(id, ItemState::Waits, 0, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|item| &item.value[..]).collect::<Vec<_>>(), [b"m4", b"m5"]);
    store.end_items(id, vec![end(4, ItemState::Good, 0), end(5, ItemState::Good, 0)]).await.unwrap();
    store.end_job(id, false, NOW + 9, NOW + HOUR).await.unwrap();
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.good, job.ended_at), (JobState::Done, 3, Some(NOW + 9)));
    assert_eq!(
        (claimed(&store, i64::MAX / 2).await, store.stop_job(id, NOW, NOW).await.unwrap()),
        (None, false)
    );
    let purge = async |now| store.purge(crate::store::Purge::new(now, 0, 0, 100)).await.unwrap().rows;
    assert_eq!((purge(NOW + HOUR - 1).await, purge(NOW + HOUR).await), (0, 6));
    assert_eq!(store.job(id).await.unwrap(), None);
}

#[tokio::test]
async fn a_job_that_is_stopped_begins_nothing_and_is_brought_to_an_end() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let id = came(&store, 3).await;
    claimed(&store, NOW).await.unwrap();
    assert!(store.begin_items(id, vec![1], NOW).await.unwrap());
    assert!(store.stop_job(id, NOW + 1, NOW + HOUR).await.unwrap());
    assert!(!store.stop_job(id, NOW + 2, NOW + HOUR).await.unwrap());
    assert!(!store.begin_items(id, vec![2], NOW).await.unwrap());
    assert_eq!(store.keep_job(id, NOW + WHILE).await.unwrap(), Some(true));
    assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Stopping);
    // Whoever had it is dead: another ends it.
    let other = fixture.beside(&store).await;
    assert_eq!(claimed(&other, NOW + WHILE).await.unwrap().state, JobState::Stopping);
    other.end_items(id, vec![end(1, ItemState::Lost, 0)]).await.unwrap();
    other.end_job(id, true, NOW + 5, NOW + HOUR).await.unwrap();
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.ended_at, job.lost), (JobState::Stopped, Some(NOW + 1), 1));
    let second = came(&store, 1).await;
    let ids = async |before| {
        let jobs = store.jobs(before, 10).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let (first, last) = (id.min(second), id.max(second));
    assert_eq!((ids(None).await, ids(Some(last)).await), (vec![last, first], vec![first]), "newest first");
}

/// Dead letters of `route`, so many.
async fn dead_letters(store: &Store, route: &str, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.extend(keep(store, message(store, &format!("{route}{n}"), &[route])).await.1);
    }
    for claimed in claim(store, route, NOW).await {
        record(store, &claimed, 502, Fate::Dead).await;
    }
    ids
}

#[tokio::test]
async fn what_has_ended_is_sent_once_more_and_watched() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let ids = dead_letters(&store, "r", 5).await;
    let (first, next) = store.ended(Ended::Dead, None, 0, 3).await.unwrap();
    assert_eq!((first.iter().map(|one| one.id).collect::<Vec<_>>(), next), (ids[..3].to_vec(), Some(ids[2])));
    let one = &first[0];
    assert_eq!((&*one.route, one.status, &*one.error), ("r", 502, "HTTP 502"));
    assert_eq!((&*one.appid, &*one.openid, &*one.kind, one.received_at), ("wx1", "o1", "text", NOW));
    assert_eq!(store.ended(Ended::Delivered, None, 0, 3).await.unwrap(), (vec![], None));
    let named = store.ended(Ended::Any, Some(vec![ids[1], ids[4], 7]), 0, 9).await.unwrap().0;
    assert_eq!(named.iter().map(|one| one.id).collect::<Vec<_>>(), [ids[1], ids[4]]);

    let replay = NewJob { kind: JobKind::Replay, total: Some(4), ..batch(None) };
    let job = id_of(add(&store, replay).await);
    assert!(
        !store.replay_step(job, ids[..1].to_vec(), Ended::Dead, Some(ids[0]), NOW).await.unwrap(),
        "it isn't ours"
    );
    let claimed = store.claim_job(JobKind::Replay, (Vec::new(), i64::MAX), NOW, NOW + WHILE).await.unwrap();
    assert_eq!(claimed.map(|job| job.id), Some(job));
    assert!(store.replay_step(job, ids[..2].to_vec(), Ended::Delivered, Some(ids[1]), NOW).await.unwrap());
    assert_eq!(store.items(job, 0, 9).await.unwrap().len(), 0, "none of them has arrived");
    assert!(store.replay_step(job, ids[..3].to_vec(), Ended::Dead, Some(ids[2]), NOW).await.unwrap());
    assert!(
        store.replay_step(job, ids[2..3].to_vec(), Ended::Dead, None, NOW).await.unwrap(),
        "it waits already"
    );
    let row = store.job(job).await.unwrap().unwrap();
    assert_eq!((row.total, row.place), (3, i64::MAX), "what was begun in the end");
    assert_eq!(store.fold_job(job, 0, 2).await.unwrap(), Some(ids[1]));
    assert_eq!(store.job(job).await.unwrap().unwrap().good, 0);

    let again = claim(&store, "r", NOW).await;
    assert_eq!(
        again.iter().map(|one| (one.id, one.round)).collect::<Vec<_>>(),
        [(ids[0], 1), (ids[1], 1), (ids[2], 1)]
    );
    record(&store, &again[0], 200, Fate::Delivered).await;
    record(&store, &again[1], 502, Fate::Dead).await;
    // Somebody sends it once more: the round before has ended all the same.
    assert!(store.replay(ids[0], NOW).await.unwrap());
    for _ in 0..2 {
        assert_eq!(store.fold_job(job, 0, 9).await.unwrap(), None);
        let row = store.job(job).await.unwrap().unwrap();
        assert_eq!((row.good, row.bad, row.lost), (1, 1, 0));
    }
    assert_eq!(store.open_items(job, ItemState::Begun, 0, 9).await.unwrap().len(), 1);
    assert!(store.stop_job(job, NOW, NOW + HOUR).await.unwrap());
    assert!(!store.replay_step(job, ids[3..].to_vec(), Ended::Dead, None, NOW).await.unwrap());
    assert_eq!(
        store
            .deliveries(DeliveryQuery {
                status: Some(crate::store::Status::Dead),
                limit: 9,
                ..DeliveryQuery::default()
            })
            .await
            .unwrap()
            .len(),
        3
    );
}
