//! Every call of the admin API: see [`super`] for how it is written.

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Whoever reaches the port.
    Everybody,
    /// Whoever has logged in, or shows the admin token.
    Viewer,
    /// An admin, or whoever shows the admin token.
    Admin,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Who may make it.
    pub(super) who: Who,
    /// Its parameters.
    pub(super) query: &'static str,
    /// The shape that goes in; "": none.
    pub(super) body: &'static str,
    /// The shape that comes out; "": none, "stream", "file".
    pub(super) answer: &'static str,
    /// Of success.
    pub(super) status: u16,
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
}

const fn get(
    path: &'static str,
    query: &'static str,
    answer: &'static str,
    (zh, en): (&'static str, &'static str),
) -> Call {
    Call { method: "GET", path, who: Who::Viewer, query, body: "", answer, status: 200, zh, en }
}

const fn does(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    (status, answer): (u16, &'static str),
    (zh, en): (&'static str, &'static str),
) -> Call {
    Call { method, path, who: Who::Admin, query: "", body, answer, status, zh, en }
}

/// For others than is usual: viewers read, admins change.
const fn of(who: Who, call: Call) -> Call {
    Call { who, ..call }
}

const PAGES: &str = "cursor?:text limit?:int";

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    of(Who::Everybody, get("/api/v1/setup", "", "Needed", ("是否还没有用户", "Whether there is no user yet"))),
    of(Who::Everybody, does("POST", "/api/v1/setup", "SetUp", (201, "Session"), ("用设置码建第一个用户", "Makes the first user by the setup code"))),
    get("/api/v1/session", "", "Session", ("我是谁", "Who am I")),
    of(Who::Everybody, does("POST", "/api/v1/session", "Login", (200, "Session"), ("登录", "Logs in"))),
    of(Who::Viewer, does("DELETE", "/api/v1/session", "", (204, ""), ("退出；?all=true 结束所有登录", "Logs out; ?all=true ends every login"))),
    of(Who::Admin, get("/api/v1/users", "", "Users", ("用户", "Users"))),
    does("POST", "/api/v1/users", "NewUser", (201, "User"), ("建用户", "Makes a user")),
    does("PATCH", "/api/v1/users/{name}", "UserChange", (200, "User"), ("改角色或密码", "Changes role or password")),
    does("DELETE", "/api/v1/users/{name}", "", (204, ""), ("删用户", "Ends a user")),
    get("/api/v1/overview", "range?:1h|6h|24h|7d from?:int to?:int", "Overview", ("总览：哪里不对，多少流量", "What is wrong, and how much passes")),
    get("/api/v1/series", "metric:calls|api|callbacks|deliveries|waiting|dead by?:text range?:1h|6h|24h|7d from?:int to?:int step?:int appid?:text caller?:text api?:text route?:text", "Series", ("时间序列", "Series")),
    get("/api/v1/live", "topics:text appid?:text route?:text", "stream", ("正在发生什么（SSE）", "What happens (SSE)")),
    get("/api/v1/apps", "q?:text limit?:int cursor?:text tag?:text state?:ok|none|expiring|expired|trouble|superseded", "Apps", ("账号", "Accounts")),
    does("POST", "/api/v1/apps", "NewApp", (201, "App"), ("加账号；数组则全部成功或全部不做", "Makes one; of an array all or none")),
    get("/api/v1/apps/{appid}", "", "App", ("一个账号", "One account")),
    does("PATCH", "/api/v1/apps/{appid}", "AppChange", (200, "App"), ("改", "Changes it")),
    does("DELETE", "/api/v1/apps/{appid}", "", (204, ""), ("删", "Ends it")),
    does("POST", "/api/v1/apps/check", "Credentials", (200, "Tried"), ("保存前试一试凭据", "Tries credentials before they are saved")),
    does("POST", "/api/v1/apps/{appid}/check", "", (200, "Tried"), ("现在问微信行不行，结束退避", "Asks WeChat now; ends a back-off")),
    does("POST", "/api/v1/apps/{appid}/refresh", "", (200, "Tried"), ("现在取新令牌，结束退避", "Fetches a token now; ends a back-off")),
    get("/api/v1/apps/{appid}/history", PAGES, "History", ("令牌经过", "What became of its tokens")),
    get("/api/v1/callers", "q?:text limit?:int cursor?:text", "Callers", ("调用方", "Callers")),
    does("POST", "/api/v1/callers", "NewCaller", (201, "Caller"), ("建调用方；不给 key 就生成一个，只显示这一次", "Makes one; without a key one is made, and shown this once")),
    get("/api/v1/callers/{name}", "", "Caller", ("一个调用方", "One caller")),
    does("PATCH", "/api/v1/callers/{name}", "CallerChange", (200, "Caller"), ("改", "Changes it")),
    does("DELETE", "/api/v1/callers/{name}", "", (204, ""), ("删", "Ends it")),
    does("POST", "/api/v1/callers/{name}/rotate", "Force", (200, "NewKey"), ("换密钥，旧的还能用", "A new key; the old one works on")),
    get("/api/v1/routes", "q?:text limit?:int cursor?:text", "Routes", ("路由", "Routes")),
    does("POST", "/api/v1/routes", "NewRoute", (201, "Route"), ("建路由", "Makes one")),
    get("/api/v1/routes/{name}", "", "Route", ("一条路由", "One route")),
    does("PATCH", "/api/v1/routes/{name}", "RouteChange", (200, "Route"), ("改", "Changes it")),
    does("DELETE", "/api/v1/routes/{name}", "", (204, ""), ("删", "Ends it")),
    does("PUT", "/api/v1/routes/order", "Order", (200, "Routes"), ("排顺序", "Puts them in order")),
    of(Who::Viewer, does("POST", "/api/v1/routes/test", "Trial", (200, "Verdicts"), ("一条消息会走哪些路由，为什么", "Which routes a message would take, and why"))),
    does("POST", "/api/v1/routes/{name}/probe", "", (200, "Probed"), ("发一条签名的样例", "Sends a signed sample")),
    does("POST", "/api/v1/apply", "Wanted", (200, "Any"), ("一个文件的账号、调用方和路由：先看差别，再全部照做", "The accounts, callers and routes of a file: the difference first, then all of it")),
    get("/api/v1/events", "appid?:text openid?:text event?:text route?:text status?:pending|delivered|dead from?:int to?:int cursor?:text limit?:int", "Events", ("消息，新的在前", "Messages, newest first")),
    get("/api/v1/events/{id}", "", "EventWhole", ("一条消息", "One message")),
    does("POST", "/api/v1/events/{id}/replay", "Replay", (202, "Replayed"), ("重放给当时的路由", "Sends it once more where it went")),
    get("/api/v1/deliveries", "route?:text status?:pending|delivered|dead event_id?:int cursor?:text limit?:int", "Deliveries", ("投递，新的在前", "Deliveries, newest first")),
    get("/api/v1/deliveries/groups", "status?:dead route?:text from?:int to?:int", "Groups", ("死信，按路由和原因归组", "Dead letters by route and failure")),
    does("POST", "/api/v1/replay", "Selection", (202, "ReplayJob"), ("重放一批：dry_run 只数，否则成为任务", "Sends a selection once more, as a job; dry_run counts it")),
    get("/api/v1/jobs", PAGES, "Jobs", ("任务，新的在前", "Jobs, newest first")),
    get("/api/v1/jobs/{id}", "", "Job", ("一个任务", "One job")),
    does("POST", "/api/v1/jobs/{id}/stop", "", (200, "Job"), ("停止：没开始的不再开始", "Stops it: nothing more is begun")),
    get("/api/v1/refused", "appid?:text ip?:text cursor?:text limit?:int", "Refusals", ("被拒绝的回调", "Callbacks that were refused")),
    get("/api/v1/failures", "request_id?:text errcode?:int appid?:text caller?:text cursor?:text limit?:int", "Failures", ("失败的调用", "Calls that failed")),
    get("/api/v1/quota", "", "Quotas", ("微信的额度，问过的", "WeChat's quotas, as far as they were asked")),
    does("POST", "/api/v1/quota/ask", "QuotaAsked", (200, "Quota"), ("现在问微信", "Asks WeChat now")),
    get("/api/v1/differences", "", "Differences", ("微信应答与模拟器的不同之处（形状，没有值）", "How WeChat's answers differ from the sandbox's, in their form")),
    does("DELETE", "/api/v1/differences", "", (204, ""), ("忘掉已记的不同之处，还在的会再出现", "Forgets them; what is still there comes again")),
    get("/api/v1/errors", "q?:text", "Errors", ("错误码", "Error codes")),
    get("/api/v1/errors/{code}", "", "ErrorWhole", ("一个错误码", "One error code")),
    get("/api/v1/audit", "actor?:text target?:text cursor?:text limit?:int", "Audit", ("谁改了什么", "Who changed what")),
    get("/api/v1/alerts", PAGES, "Alerts", ("现在的和过去的告警", "What is amiss, and what was")),
    does("POST", "/api/v1/alerts/{id}/mute", "Mute", (204, ""), ("静音一段时间；0 取消", "Mutes it for a while; 0 ends that")),
    of(Who::Admin, get("/api/v1/channels", "", "Channels", ("告警通道", "Where alerts go"))),
    does("POST", "/api/v1/channels", "NewChannel", (201, "Channel"), ("建通道", "Makes one")),
    does("PATCH", "/api/v1/channels/{name}", "ChannelChange", (200, "Channel"), ("改", "Changes it")),
    does("DELETE", "/api/v1/channels/{name}", "", (204, ""), ("删", "Ends it")),
    does("POST", "/api/v1/channels/{name}/test", "", (200, "Sent"), ("发一条试试", "Sends a sample")),
    get("/api/v1/nodes", "", "Nodes", ("节点", "Nodes")),
    get("/api/v1/settings", "", "Settings", ("这个进程怎么运行", "What this process runs with")),
    get("/api/v1/search", "q:text", "Hits", ("找", "Finds")),
    does("POST", "/api/v1/reload", "", (200, "Reloaded"), ("重新读取配置文件", "Reads the configuration again")),
    does("POST", "/api/v1/backup", "", (200, "file"), ("数据库的一份拷贝", "A copy of the database")),
];
