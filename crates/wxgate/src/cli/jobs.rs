//! Following a job of a wxgate until it ends.

use std::time::Duration;

use serde_json::Value;

use super::progress::{Bar, Far};
use crate::clock::Clock;
use crate::lang::{Words, say};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// So long a server may be away, as while it starts anew.
const AWAY_MS: i64 = 120_000;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Done,
    Stopped,
}

/// A job as it was read.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) state: State,
    pub(super) total: u64,
    /// Delivered, or sent.
    pub(super) good: u64,
    pub(super) failed: u64,
    /// Of those that are sent: nobody knows whether they came.
    pub(super) unknown: u64,
}

impl Job {
    /// Of the object that an API answers; `good` is what it calls those that came out well.
    pub(super) fn read(value: &Value, good: &str) -> Option<Self> {
        let state = match value["status"].as_str()? {
            "running" => State::Running,
            "done" => State::Done,
            "stopped" => State::Stopped,
            _ => return None,
        };
        let count = |key: &str| value[key].as_u64().unwrap_or_default();
        let (total, good) = (value["total"].as_u64()?, count(good));
        Some(Self { state, total, good, failed: count("failed"), unknown: count("unknown") })
    }

    /// What has no outcome.
    pub(super) fn left(&self) -> u64 {
        self.total.saturating_sub(self.good + self.failed + self.unknown)
    }

    fn far(&self) -> Far {
        let &Self { total, good, failed, unknown, .. } = self;
        let mut words = say(format!("没成 {failed}"), format!("failed {failed}"));
        if unknown > 0 {
            words += &say(format!("，不确定 {unknown}"), format!(", unknown {unknown}"));
        }
        Far { good, bad: failed + unknown, total, words }
    }
}

/// Why a look saw nothing.
#[derive(Debug)]
pub(super) enum Unseen {
    /// It may pass: nobody answered, or said to come later.
    Away(Words),
    /// It won't.
    Refused(anyhow::Error),
}

/// Looks by `look` until the job ends. Ctrl-C leaves it running, and so does a server that stays away: `again` says how to come
/// back to it.
pub(super) async fn follow(look: impl AsyncFn() -> Result<Job, Unseen>, again: Words) -> anyhow::Result<Job> {
    let mut bar = Bar::new();
    let ended = tokio::select! {
        _ = tokio::signal::ctrl_c() => Err(None),
        ended = until_done(look, &mut bar) => ended,
    };
    bar.clear();
    ended.map_err(|error| match error {
        None => again.into(),
        Some(Unseen::Away(words)) => anyhow::Error::new(words).context(again),
        Some(Unseen::Refused(error)) => error,
    })
}

async fn until_done(
    look: impl AsyncFn() -> Result<Job, Unseen>,
    bar: &mut Bar,
) -> Result<Job, Option<Unseen>> {
    let clock = Clock::System;
    let mut away_since = None;
    loop {
        match look().await {
            Ok(job) => {
                away_since = None;
                bar.show(&job.far());
                if job.state != State::Running {
                    return Ok(job);
                }
            }
            Err(Unseen::Away(words)) => {
                let now = clock.ticks();
                if now - *away_since.get_or_insert(now) >= AWAY_MS {
                    return Err(Some(Unseen::Away(words)));
                }
            }
            Err(refused) => return Err(Some(refused)),
        }
        clock.pause(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_read_by_what_it_calls_its_numbers() {
        let value = json!({"status": "running", "total": 10, "delivered": 3, "failed": 1, "waiting": 6});
        let job = Job::read(&value, "delivered").unwrap();
        assert_eq!((job.state, job.good, job.left()), (State::Running, 3, 6));
        assert_eq!(job.far().words, "没成 1");
        let value = json!({"status": "done", "total": 10, "sent": 7, "failed": 1, "unknown": 2});
        let job = Job::read(&value, "sent").unwrap();
        assert_eq!((job.state, job.good, job.left(), job.far().bad), (State::Done, 7, 0, 3));
        assert!(job.far().words.contains("不确定 2"));
        assert!(Job::read(&json!({"status": "lost", "total": 1}), "sent").is_none());
        assert!(Job::read(&Value::Null, "sent").is_none());
    }

    #[tokio::test]
    async fn what_is_away_for_a_moment_is_waited_for_and_what_is_refused_is_not() {
        let looks = std::cell::Cell::new(0);
        const AGAIN: Words = Words::fixed("回来", "again");
        let seen = async || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => Err(Unseen::Away(Words::fixed("走了", "away"))),
                n => {
                    let status = if n < 3 { "running" } else { "done" };
                    Ok(Job::read(&json!({"status": status, "total": 2, "sent": 2}), "sent").unwrap())
                }
            }
        };
        assert_eq!(follow(seen, AGAIN).await.unwrap().state, State::Done);
        assert_eq!(looks.get(), 3);
        let refused = follow(async || Err(Unseen::Refused(anyhow::anyhow!("no"))), AGAIN).await;
        assert_eq!(refused.unwrap_err().to_string(), "no");
    }
}
