//! Customer service of official accounts: who works there, who is being served, who waits, what was said.

use super::World;
use super::lately::{Lately, OVERHEAD, Weighs};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Workers an account has at most.
const MAX_WORKERS: usize = 100;
/// Workers that one person is, over all accounts.
const MAX_BINDINGS: usize = 5;
/// How long an invitation stands: two days.
const INVITATION: i64 = 2 * 86_400_000;
/// Records of what was said, of an account, and bytes of them.
const MAX_RECORDS: usize = 20_000;
const MAX_BYTES: usize = 8 << 20;
/// Users who wait, of an account.
const MAX_WAITING: usize = 10_000;
/// Longest time asked for at once, in seconds.
const MAX_SPAN: i64 = 86_400;
/// Records asked for at once.
const MAX_LISTED: usize = 10_000;
/// What the first worker of an account is numbered.
const FIRST: usize = 1_001;

/// By AppID.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Desks(BTreeMap<String, Desk>);

/// The customer service of one account.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Desk {
    pub(crate) workers: Vec<Worker>,
    /// Workers there ever were.
    hired: usize,
    /// By the user's openid.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Users who wait, the first first.
    pub(crate) waiting: VecDeque<Waiting>,
    records: Lately<Record>,
    /// Records there ever were.
    recorded: u64,
}

/// One worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Worker {
    /// `name@account`
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) nickname: String,
    pub(crate) portrait: String,
    /// The person's WeChat id, once he has agreed.
    pub(crate) wx: Option<String>,
    pub(crate) invitation: Option<Invitation>,
    pub(crate) is_online: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) wx: String,
    /// Unix milliseconds.
    pub(crate) expires: i64,
    pub(crate) is_rejected: bool,
}

impl Invitation {
    /// As WeChat says it.
    pub(crate) fn status(&self, now: i64) -> &'static str {
        match self {
            Self { is_rejected: true, .. } => "rejected",
            Self { expires, .. } if *expires <= now => "expired",
            _ => "waiting",
        }
    }
}

/// A user who is being served.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) account: String,
    /// Unix seconds.
    pub(crate) since: i64,
}

/// A user who wants to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) openid: String,
    /// Unix seconds of his last message.
    pub(crate) latest: i64,
}

/// Something that was said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    number: u64,
    pub(crate) openid: String,
    /// By the worker (2002), or to him (2003).
    pub(crate) is_sent: bool,
    pub(crate) text: String,
    /// Unix seconds.
    pub(crate) at: i64,
    pub(crate) account: String,
}

impl Weighs for Record {
    fn weight(&self) -> usize {
        2 * OVERHEAD + self.openid.len() + self.text.len() + self.account.len()
    }
}

impl Desks {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        let small = |desk: &Desk| desk.workers.len() + desk.sessions.len() + desk.waiting.len();
        self.0.values().map(|desk| desk.records.bytes() + 4 * OVERHEAD * small(desk)).sum()
    }
}

/// What an account is told of a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Begun(String),
    Over(String),
    /// From one worker to another.
    Handed(String, String),
}

/// `name@account`: at most ten letters, digits and underscores, then the account's WeChat id. Accounts of the sandbox have
/// none, so any that could be one does.
fn is_account(account: &str) -> bool {
    let word = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    account.split_once('@').is_some_and(|(name, of)| word(name, 10) && word(&of.replace('-', "_"), 30))
}

/// A WeChat id: 6 to 20 letters, digits, `_` and `-`, a letter or `_` first.
fn is_wx(wx: &str) -> bool {
    (6..=20).contains(&wx.len())
        && wx.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && wx.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn check_nickname(nickname: &str) -> Result<(), Refusal> {
    if (1..=16).contains(&nickname.chars().count()) { Ok(()) } else { Err(refuse(65403)) }
}

impl Desk {
    pub(crate) fn worker(&self, account: &str) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.account == account)
    }

    fn worker_mut(&mut self, account: &str) -> Result<&mut Worker, Refusal> {
        self.workers.iter_mut().find(|worker| worker.account == account).ok_or(refuse(65401))
    }

    /// Users whom a worker serves.
    pub(crate) fn served_by<'a>(
        &'a self,
        account: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Session)> {
        self.sessions.iter().filter(move |(_, session)| session.account == account)
    }

    fn record(&mut self, mut record: Record) {
        self.recorded += 1;
        record.number = self.recorded;
        self.records.add(record, MAX_RECORDS, MAX_BYTES);
    }

    /// Begins a session, or hands it from one worker to another.
    fn assign(&mut self, account: &str, openid: &str, now: i64) -> Told {
        self.waiting.retain(|waiting| waiting.openid != openid);
        let session = Session { account: account.to_owned(), since: now };
        match self.sessions.insert(openid.to_owned(), session) {
            Some(before) => Told::Handed(before.account, account.to_owned()),
            None => Told::Begun(account.to_owned()),
        }
    }
}

impl World {
    pub(crate) fn desk(&self, appid: &str) -> Option<&Desk> {
        self.desks.0.get(appid)
    }

    fn desk_mut(&mut self, appid: &str) -> &mut Desk {
        self.desks.0.entry(appid.to_owned()).or_default()
    }

    pub(crate) fn hire(&mut self, appid: &str, account: &str, nickname: &str) -> Result<(), Refusal> {
        if !is_account(account) {
            return Err(refuse(65404));
        }
        check_nickname(nickname)?;
        let desk = self.desk_mut(appid);
        if desk.worker(account).is_some() {
            return Err(refuse(65406));
        }
        if desk.workers.len() >= MAX_WORKERS {
            return Err(refuse(65405));
        }
        desk.workers.push(Worker {
            account: account.to_owned(),
            id: (FIRST + desk.hired).to_string(),
            nickname: nickname.to_owned(),
            portrait: String::new(),
            wx: None,
            invitation: None,
            is_online: false,
        });
        desk.hired += 1;
        Ok(())
    }

    pub(crate) fn rename_worker(
        &mut self,
        appid: &str,
        account: &str,
        nickname: &str,
    ) -> Result<(), Refusal> {
        let worker = self.desk_mut(appid).worker_mut(account)?;
        check_nickname(nickname)?;
        nickname.clone_into(&mut worker.nickname);
        Ok(())
    }

    pub(crate) fn portray_worker(&mut self, appid: &str, account: &str) -> Result<(), Refusal> {
        let picture = self.random.text::<45>();
        let worker = self.desk_mut(appid).worker_mut(account)?;
        worker.portrait = format!("http://mmbiz.qpic.cn/mmbiz/{picture}/0");
        Ok(())
    }

    /// A worker goes; his sessions are over.
    pub(crate) fn dismiss(&mut self, appid: &str, account: &str) -> Result<Vec<String>, Refusal> {
        let desk = self.desk_mut(appid);
        desk.worker_mut(account)?;
        desk.workers.retain(|worker| worker.account != account);
        let openids: Vec<String> = desk.served_by(account).map(|(openid, _)| openid.clone()).collect();
        for openid in &openids {
            desk.sessions.remove(openid);
        }
        Ok(openids)
    }

    /// Asks a person to be the worker; he agrees by [`World::answer_invitation`].
    pub(crate) fn invite(&mut self, appid: &str, account: &str, wx: &str) -> Result<(), Refusal> {
        let now = self.now;
        let is_him = |worker: &&Worker| worker.wx.as_deref() == Some(wx);
        let bindings = self.desks.0.values().flat_map(|desk| &desk.workers).filter(is_him).count();
        let desk = self.desk_mut(appid);
        let is_open = |worker: &Worker| {
            worker.invitation.as_ref().filter(|open| open.status(now) == "waiting").cloned()
        };
        let worker = desk.worker(account).ok_or(refuse(65401))?;
        let refused = if !is_wx(wx) {
            65409
        } else if worker.wx.is_some() {
            65412
        } else if is_open(worker).is_some() {
            65411
        } else if desk.workers.iter().any(|worker| is_him(&worker)) {
            65407
        } else if desk.workers.iter().filter_map(is_open).any(|open| open.wx == wx) {
            65408
        } else if bindings >= MAX_BINDINGS {
            65410
        } else {
            let invitation = Invitation { wx: wx.to_owned(), expires: now + INVITATION, is_rejected: false };
            desk.worker_mut(account)?.invitation = Some(invitation);
            return Ok(());
        };
        Err(refuse(refused))
    }

    /// The person who was invited says yes or no; what is wrong, for the control call.
    pub(crate) fn answer_invitation(
        &mut self,
        appid: &str,
        account: &str,
        is_yes: bool,
    ) -> Result<(), String> {
        let now = self.now;
        let worker = self.desk_mut(appid).worker_mut(account).map_err(|_| no_worker(account))?;
        let open = worker.invitation.as_mut().filter(|open| open.status(now) == "waiting");
        let open = open.ok_or_else(|| format!("kf_account: nobody is invited to be {account:?}"))?;
        if is_yes {
            worker.wx = Some(open.wx.clone());
            worker.invitation = None;
        } else {
            open.is_rejected = true;
        }
        Ok(())
    }

    /// A worker comes or goes; what is wrong, for the control call.
    pub(crate) fn attend(&mut self, appid: &str, account: &str, is_online: bool) -> Result<(), String> {
        let worker = self.desk_mut(appid).worker_mut(account).map_err(|_| no_worker(account))?;
        if worker.wx.is_none() {
            return Err(format!("kf_account: {account:?} is bound to no WeChat id"));
        }
        worker.is_online = is_online;
        Ok(())
    }

    /// A worker takes a user on: news, unless he serves him already. 65414 if another one does.
    pub(crate) fn begin_session(
        &mut self,
        appid: &str,
        account: &str,
        openid: &str,
    ) -> Result<Option<Told>, Refusal> {
        let now = self.now_seconds();
        let desk = self.desk_mut(appid);
        let worker = desk.worker_mut(account)?;
        if worker.wx.is_none() {
            return Err(refuse(65402));
        }
        if !worker.is_online {
            return Err(refuse(65415));
        }
        match desk.sessions.get(openid) {
            Some(session) if session.account == account => Ok(None),
            Some(_) => Err(refuse(65414)),
            None => Ok(Some(desk.assign(account, openid, now))),
        }
    }

    /// A worker lets a user go.
    pub(crate) fn end_session(&mut self, appid: &str, account: &str, openid: &str) -> Result<Told, Refusal> {
        let desk = self.desk_mut(appid);
        desk.worker_mut(account)?;
        match desk.sessions.get(openid) {
            None => Err(refuse(65413)),
            Some(session) if session.account != account => Err(refuse(65414)),
            Some(_) => {
                desk.sessions.remove(openid);
                Ok(Told::Over(account.to_owned()))
            }
        }
    }

    /// A worker hands a user to another one; what is wrong, for the control call.
    pub(crate) fn hand_session(
        &mut self,
        appid: &str,
        openid: &str,
        from: &str,
        to: &str,
    ) -> Result<Told, String> {
        let now = self.now_seconds();
        let desk = self.desk_mut(appid);
        if !desk.worker(to).is_some_and(|worker| worker.is_online) {
            return Err(format!("to: {to:?} is not at work"));
        }
        match desk.sessions.get(openid) {
            Some(session) if session.account == from && from != to => Ok(desk.assign(to, openid, now)),
            _ => Err(format!("openid: {openid:?} is not served by {from:?}")),
        }
    }

    /// The account's backend hands a user to the workers, or to one of them: he is served at once if that one is at work,
    /// else he waits.
    pub(crate) fn transfer(&mut self, appid: &str, openid: &str, account: Option<&str>) -> Option<Told> {
        if let Some(account) = account
            && let Ok(told) = self.begin_session(appid, account, openid)
        {
            return told;
        }
        let latest = self.now_seconds();
        let desk = self.desk_mut(appid);
        if !desk.sessions.contains_key(openid) {
            desk.waiting.retain(|waiting| waiting.openid != openid);
            if desk.waiting.len() < MAX_WAITING {
                desk.waiting.push_back(Waiting { openid: openid.to_owned(), latest });
            }
        }
        None
    }

    /// What a user says while he is served, or what a worker says.
    pub(crate) fn record_talk(&mut self, appid: &str, openid: &str, account: Option<&str>, text: &str) {
        let at = self.now_seconds();
        let Some(desk) = self.desks.0.get_mut(appid) else { return };
        let served_by = || desk.sessions.get(openid).map(|session| session.account.clone());
        let Some(worker) = account.map(str::to_owned).or_else(served_by) else { return };
        desk.record(Record {
            number: 0,
            openid: openid.to_owned(),
            is_sent: account.is_some(),
            text: text.to_owned(),
            at,
            account: worker,
        });
    }

    /// What was said from one second to another, from a number on, and the number to go on with.
    pub(crate) fn talks(
        &self,
        appid: &str,
        (from, to): (i64, i64),
        first: u64,
        most: usize,
    ) -> Result<(Vec<&Record>, u64), Refusal> {
        if from > to || first == 0 || !(1..=MAX_LISTED).contains(&most) {
            return Err(refuse(65416));
        }
        if to.saturating_sub(from) > MAX_SPAN {
            return Err(refuse(65417));
        }
        let records = self.desk(appid).into_iter().flat_map(|desk| desk.records.iter());
        let meant = records.filter(|record| record.number >= first && (from..=to).contains(&record.at));
        let found: Vec<&Record> = meant.take(most).collect();
        let next = found.last().map_or(first, |record| record.number + 1);
        Ok((found, next))
    }
}

fn no_worker(account: &str) -> String {
    format!("kf_account: there is no {account:?}")
}
