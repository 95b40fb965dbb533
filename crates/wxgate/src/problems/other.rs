//! What is amiss with routes, quotas, the database and the certificate.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Action, Kind, Object, Problem, Problems, Severity};
use crate::lang::Words;
use crate::registry::callers::Caller;
use crate::store::{StoreError, WxQuota};
use crate::tls;

/// A backlog is counted so far.
pub const MOST_COUNTED: u32 = 100_000;
/// Dead letters of this time are growing; milliseconds.
const GROWING: i64 = 3_600_000;
/// A certificate that ends within this time is to be replaced; milliseconds.
const ENDING: i64 = 14 * 86_400_000;
/// That the database takes writes is believed so long; ticks.
const PROVEN: i64 = 30_000;
/// A quota of which so much is used, in percent, is nearly used up.
const NEARLY: i64 = 80;

impl Problems {
    pub(super) async fn others(&self) -> Vec<Problem> {
        let mut found = self.failing_routes().await;
        found.extend(self.certificate());
        found.extend(self.ending_callers());
        match self.by_the_store().await {
            Ok(more) => found.extend(more),
            Err(error) => found.push(store_away(&error)),
        }
        found
    }

    /// What the database says, which takes writes.
    async fn by_the_store(&self) -> Result<Vec<Problem>, StoreError> {
        let parts = &self.0.parts;
        self.ping().await?;
        let now = parts.clock.now();
        let mut found = Vec::new();
        for death in parts.store.deaths(now - GROWING).await? {
            found.push(dying(&death.route, death.count));
        }
        let live = parts.registry.live().clone();
        for quota in parts.store.wx_quotas().await? {
            let is_near =
                quota.limit > 0 && quota.used.saturating_mul(100) >= quota.limit.saturating_mul(NEARLY);
            let Some(app) = live.app(&quota.appid).filter(|_| is_near && quota.holds(now)) else { continue };
            let name = if app.entry.name.is_empty() { &*app.appid } else { &app.entry.name };
            found.push(nearly_used(name, &quota));
        }
        Ok(found)
    }

    /// Each proof is a commit: one is good for a while.
    async fn ping(&self) -> Result<(), StoreError> {
        let parts = &self.0.parts;
        let now = parts.clock.ticks();
        if now - self.0.pinged.load(Ordering::Relaxed) >= PROVEN {
            parts.store.ping().await?;
            self.0.pinged.store(now, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The routes whose deliveries fail, and how many of them wait.
    async fn failing_routes(&self) -> Vec<Problem> {
        let parts = &self.0.parts;
        let routes = parts.registry.live().routes.iter().map(Clone::clone).collect::<Vec<_>>();
        let mut found = Vec::new();
        for route in routes {
            let Some(failing) = route.lane.failing() else { continue };
            let name = &route.entry.name;
            let waiting = parts.store.backlog(name, MOST_COUNTED).await.ok();
            found.push(failing_route(name, failing.since, failing.count, waiting));
        }
        found
    }

    /// Callers whose time is over, or soon will be.
    fn ending_callers(&self) -> Vec<Problem> {
        let parts = &self.0.parts;
        let now = parts.clock.now();
        let ending = |caller: &Arc<Caller>| {
            let end = caller.expires_at?;
            (end - now < ENDING).then(|| ending_caller(&caller.name, end, end - now))
        };
        parts.registry.live().callers.all().iter().filter_map(|caller| ending(caller)).collect()
    }

    fn certificate(&self) -> Option<Problem> {
        let (_, until) = tls::validity(self.0.certificate.as_deref()?).ok()?;
        let now = self.0.parts.clock.now();
        let left = until.saturating_mul(1000) - now;
        (left < ENDING).then(|| ending(until.saturating_mul(1000), left))
    }
}

fn problem(kind: Kind, severity: Severity, object: (&str, &str), words: [Words; 3], link: String) -> Problem {
    let ([summary, impact, fix], (of, id)) = (words, object);
    Problem {
        id: if id.is_empty() { kind.name().to_owned() } else { format!("{}:{id}", kind.name()) },
        kind,
        severity,
        object: Object { kind: of.to_owned(), id: id.to_owned(), name: id.to_owned() },
        since: 0,
        ended_at: None,
        summary,
        impact,
        fix,
        copy: None,
        action: None,
        link,
    }
}

fn failing_route(name: &str, since: i64, count: u64, waiting: Option<u32>) -> Problem {
    let (waiting_zh, waiting_en) = match waiting {
        Some(n) if n >= MOST_COUNTED => {
            (format!("{n} 条以上消息在等"), format!("more than {n} messages wait"))
        }
        Some(n) => (format!("{n} 条消息在等"), format!("{n} messages wait")),
        None => ("消息在等".to_owned(), "messages wait".to_owned()),
    };
    let words = [
        Words::new(
            format!("路由 {name} 的投递失败，已 {count} 次"),
            format!("deliveries by the route {name} fail, {count} so far"),
        ),
        Words::new(
            format!("{waiting_zh}；重试用尽的成为死信"),
            format!("{waiting_en}; those whose attempts are used up become dead letters"),
        ),
        Words::fixed(
            "看这条路由最近一次的错误和后端的日志；后端好了，积压的会自己发出去",
            "see the route's last error and the backend's log; once it works again, what waits goes out by itself",
        ),
    ];
    let label = Words::fixed("试投一条", "Probe it");
    Problem {
        since,
        action: Some(Action { call: format!("routes/{name}/probe"), label }),
        ..problem(Kind::Route, Severity::Error, ("route", name), words, format!("/routes/{name}"))
    }
}

fn dying(name: &str, count: i64) -> Problem {
    let words = [
        Words::new(
            format!("路由 {name} 一小时内多了 {count} 条死信"),
            format!("dead letters of the route {name} within an hour: {count}"),
        ),
        Words::fixed(
            "这些消息不会再自动投递，留到 retention.dead_letters（默认 30 天）后删除",
            "these messages aren't delivered any more, and are deleted after retention.dead_letters (30 days by default)",
        ),
        Words::fixed(
            "先修好后端，再打开死信里的消息重放（POST /api/v1/events/…/replay）",
            "mend the backend, then open the messages among the dead letters and replay them (POST /api/v1/events/…/replay)",
        ),
    ];
    problem(Kind::Dead, Severity::Error, ("route", name), words, format!("/dead?route={name}"))
}

fn nearly_used(name: &str, quota: &WxQuota) -> Problem {
    let WxQuota { appid, api, used, limit, .. } = quota;
    let percent = used.saturating_mul(100) / limit;
    let words = [
        Words::new(
            format!("{name} 今天的 {api} 用了 {percent}%（{used}/{limit}）"),
            format!("{percent}% of today's {api} of {name} are used ({used} of {limit})"),
        ),
        Words::fixed(
            "用完后到零点（北京时间）前，调用都得到 45009",
            "once it is used up, calls get 45009 until midnight in Beijing",
        ),
        Words::fixed(
            "在配额页看哪个调用方用得多，让它缓存或降低频率；额度不够就到公众平台申请",
            "see on the quota page which caller uses most and have it cache or slow down; ask WeChat for more if it needs more",
        ),
    ];
    let severity = if used >= limit { Severity::Error } else { Severity::Warn };
    let link = format!("/quota?appid={appid}");
    let id = format!("{appid}:{api}");
    let mut problem = problem(Kind::Quota, severity, ("app", &id), words, link);
    problem.object = Object { kind: "app".to_owned(), id: appid.to_owned(), name: name.to_owned() };
    problem
}

fn store_away(error: &StoreError) -> Problem {
    let words = [
        Words::new(format!("数据库不可用：{error}"), format!("the database is away: {error}")),
        Words::fixed(
            "回调收不下（微信会再推），令牌照常用到失效",
            "callbacks aren't taken (WeChat sends them again); tokens serve until they end",
        ),
        Words::fixed(
            "检查磁盘空间和权限；PostgreSQL 则看它是否在运行、连得上",
            "check disk space and permissions, or whether PostgreSQL runs and can be reached",
        ),
    ];
    problem(Kind::Store, Severity::Error, ("store", ""), words, "/settings".to_owned())
}

/// What is over is so since then; what will be, since it was seen.
fn over_since(until: i64, left: i64) -> i64 {
    if left <= 0 { until } else { 0 }
}

fn ending_caller(name: &str, until: i64, left: i64) -> Problem {
    let days = left.max(0) / 86_400_000;
    let (summary, impact, severity) = if left <= 0 {
        let summary = Words::new(format!("调用方 {name} 已到期"), format!("the caller {name} has expired"));
        (summary, Words::fixed("它的调用都被拒绝", "all of its calls are refused"), Severity::Error)
    } else {
        let summary = Words::new(
            format!("调用方 {name} 还有 {days} 天到期"),
            format!("the caller {name} expires in {days} days"),
        );
        let impact = Words::fixed("到期后它的调用都会被拒绝", "then all of its calls are refused");
        (summary, impact, Severity::Warn)
    };
    let fix = Words::fixed(
        "还要用就改它的到期时间（expires_at），不用了就删掉它",
        "change the time it expires at (expires_at) if it is still needed, else delete it",
    );
    let link = format!("/callers/{name}");
    let words = [summary, impact, fix];
    Problem { since: over_since(until, left), ..problem(Kind::Key, severity, ("caller", name), words, link) }
}

fn ending(until: i64, left: i64) -> Problem {
    let days = left.max(0) / 86_400_000;
    let (summary, impact, severity) = if left <= 0 {
        (
            Words::fixed("TLS 证书已过期", "the TLS certificate has ended"),
            Words::fixed("调用方和微信的连接都会失败", "connections of callers and of WeChat fail"),
            Severity::Error,
        )
    } else {
        (
            Words::new(
                format!("TLS 证书还有 {days} 天到期"),
                format!("the TLS certificate ends in {days} days"),
            ),
            Words::fixed(
                "到期后调用方和微信的连接都会失败",
                "then connections of callers and of WeChat fail",
            ),
            Severity::Warn,
        )
    };
    let fix = Words::fixed(
        "换上新证书（server.tls_cert、tls_key），再运行 wxgate reload",
        "put a new certificate in place (server.tls_cert, tls_key), then run wxgate reload",
    );
    let link = "/settings".to_owned();
    let since = over_since(until, left);
    Problem {
        since,
        ..problem(Kind::Certificate, severity, ("certificate", ""), [summary, impact, fix], link)
    }
}
