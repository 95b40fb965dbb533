//! What goes into calls of the admin API and comes out of them: see [`super`] for how it is written.

pub(super) const SHAPES: &[(&str, &str)] = &[
    ("Refusal", "title:text? status:int detail:text"),
    ("Needed", "needed:bool"),
    ("SetUp", "code:text password:text"),
    ("Login", "name?:text password?:text once?:text"),
    ("Session", "name:text role:admin|viewer csrf:text expires_at:int server:Server"),
    ("Server", "version:text node:int now:int public_url:text? listen:text"),
    ("User", "name:text role:admin|viewer created_at:int last_login_at:int?"),
    ("NewUser", "name:text role:admin|viewer password:text"),
    ("UserChange", "role?:admin|viewer password?:text old_password?:text"),
    ("Users", "items:[User] next:text?"),
    ("Node", "id:int version:text address:text routes:int self:bool"),
    ("Nodes", "items:[Node] next:text?"),
    (
        "Settings",
        "version:text node:int store:StoreKind admin_url:text? public_url:text? listen:text retention_hours:{int}",
    ),
    ("StoreKind", "kind:sqlite|postgres place:text"),
    ("Reloaded", "ok:bool said:text"),
    ("Hit", "kind:app|caller|route|event|openid|request|errcode title:text subtitle:text link:text"),
    ("Hits", "items:[Hit] next:text?"),
    // Overview and series.
    (
        "Overview",
        "now:int rev:int problems:[Problem] figures:Figures sparks:Sparks apps:AppCount top:Top steps:Steps",
    ),
    ("AppCount", "total:int bad:int"),
    (
        "Figures",
        "calls_min:[number?] bad_rate:[number?] p95:[number?] callbacks_min:[number?] waiting:[number?] dead:[number?]",
    ),
    (
        "Sparks",
        "calls_min:[number?] bad_rate:[number?] p95:[number?] callbacks_min:[number?] waiting:[number?] dead:[number?]",
    ),
    ("Top", "errcodes:[Counted] routes:[Counted] callers:[Counted]"),
    ("Counted", "key:text n:int bad?:int text?:text?"),
    ("Steps", "app:bool caller:bool call:bool message:bool"),
    (
        "Problem",
        "id:text kind:ip|secret|account|refresh|superseded|callbacks|route|dead|breaker|quota|store|certificate|key|node \
         severity:error|warn object:Object since:int ended_at:int? summary:text impact:text fix:text copy:text? action:Action? \
         link:text muted_until:int? node:int?",
    ),
    ("Object", "type:app|route|caller|store|certificate|node id:text name:text"),
    ("Action", "call:text label:text"),
    ("Series", "from:int to:int step:int partial_from:int? items:[SeriesItem]"),
    ("SeriesItem", "key:text n:[number?] bad:[number?] p50:[number?] p95:[number?] p99:[number?]"),
    // Accounts, callers, routes: with the keys of the configuration.
    (
        "App",
        "appid:text origin:file|store file?:text revision?:int unused?:text credential?:Credential trouble?:Trouble? \
         superseded_at?:int? callback?:Callback callers?:[text] calls24?:Calls24 *:any",
    ),
    ("Apps", "items:[App] next:text?"),
    (
        "Credential",
        "mode:stable|classic state:none|ok|expiring|expired|trouble|superseded fetched_at:int? expires_at:int? next_at:int?",
    ),
    ("Trouble", "errcode:int? since:int retry_at:int? advice:text ip:text?"),
    ("Callback", "url:text mode:plain|compatible|safe? last_at:int? refused_at:int? reason:text?"),
    ("Calls24", "n:int bad:int"),
    ("Tried", "ok:bool errcode:int? advice:text? ip:text? ms:int"),
    ("Credentials", "appid:text secret:text"),
    ("History", "items:[TokenEvent] next:text?"),
    ("TokenEvent", "at:int event:fetched|failed|superseded|healed errcode:int? ms:int? node:any"),
    (
        "Caller",
        "name:text origin?:file|store file?:text revision?:int unused?:text last_used_at?:int? calls?:{int} since?:int? refused?:int \
         keys?:[Key] expires_at?:any quotas?:{text} used?:{Used} key?:any *:any",
    ),
    ("Callers", "items:[Caller] next:text?"),
    ("Key", "slot:key|previous_key hint:text? created_at:int? last_used_at:int?"),
    ("Used", "used:int? limit:int resets_at:int"),
    ("NewKey", "key:text"),
    ("Force", "force?:bool"),
    (
        "Route",
        "name:text origin:file|store file?:text revision?:int unused?:text position?:int paused?:bool waiting?:int? dead?:int? p95?:number? \
         failing_since?:int? last_error?:text? breaker?:open|closed *:any",
    ),
    ("Routes", "items:[Route] next:text?"),
    ("Order", "names:[text]"),
    ("Trial", "appid?:text kind?:text event?:text scene?:text openid?:text msg_type?:text event_id?:any"),
    ("Verdicts", "items:[Verdict] next:text?"),
    ("Verdict", "route:text matched:bool why:[Condition] stopped_by:text? reply:any paused?:bool"),
    ("Condition", "cond:text ok:bool given:any wanted:any"),
    ("Probed", "ok:bool status:int? ms:int error:text?"),
    (
        "NewApp",
        "appid:text kind:official|mini|open secret:text name?:text? tags?:[text]? original_id?:text? token_mode?:stable|classic \
         callback_token?:text? previous_callback_token?:text? aes_key?:text? previous_aes_key?:text? allow_plain?:bool \
         oauth_redirects?:[text]? proxy?:text? ca_file?:text?",
    ),
    (
        "AppChange",
        "kind?:official|mini|open secret?:text name?:text? tags?:[text]? original_id?:text? token_mode?:stable|classic \
         callback_token?:text? previous_callback_token?:text? aes_key?:text? previous_aes_key?:text? allow_plain?:bool \
         oauth_redirects?:[text]? proxy?:text? ca_file?:text?",
    ),
    (
        "NewCaller",
        "name:text key?:text? apps:[text] apis:[text] networks?:[text]? rate?:int concurrency?:int export_token?:bool may_reply?:bool \
         expires_at?:text? quotas?:{text}?",
    ),
    (
        "CallerChange",
        "key?:text? previous_key?:text? apps?:[text] apis?:[text] networks?:[text]? rate?:int? concurrency?:int? export_token?:bool? may_reply?:bool? \
         expires_at?:text? quotas?:{text}?",
    ),
    (
        "NewRoute",
        "name:text target:text apps?:[text]? events?:[text]? openids?:[text]? scenes?:[text]? format?:wechat|json token?:text? \
         aes_key?:text? reply?:any reply_wait?:text? late_reply?:text? stop?:bool retry?:[text]? timeout?:text? concurrency?:int? paused?:bool ordered?:bool",
    ),
    (
        "RouteChange",
        "target?:text apps?:[text]? events?:[text]? openids?:[text]? scenes?:[text]? format?:wechat|json token?:text? \
         aes_key?:text? reply?:any reply_wait?:text? late_reply?:text? stop?:bool? retry?:[text]? timeout?:text? concurrency?:int? paused?:bool? ordered?:bool?",
    ),
    ("ChannelChange", "url?:text secret?:text? kind?:text lang?:zh|en"),
    (
        "Wanted",
        "apps?:[NewApp] callers?:[NewCaller] routes?:[NewRoute] prune?:bool dry_run?:bool revision?:int",
    ),
    ("Any", "*:any"),
    // Messages.
    (
        "Event",
        "id:int appid:text openid:text msg_type:text event:text scene:text received_at:int received_ms:int request_id:text? \
         mode:text? crypt:text? deliveries:[Delivery]",
    ),
    ("Events", "items:[Event] next:text?"),
    (
        "EventWhole",
        "id:int appid:text openid:text msg_type:text event:text scene:text received_at:int received_ms:int request_id:text? \
         mode:text? crypt:text? deliveries:[Delivery] message:any raw:text why:[Verdict]",
    ),
    (
        "Delivery",
        "id:int event_id:int route:text status:pending|delivered|dead attempts:[Attempt] next_at:int?",
    ),
    ("Attempt", "at:int status:int ms:int error:text answer?:text"),
    ("Replay", "routes?:[text]?"),
    ("Replayed", "queued:[text] waiting:[text]"),
    ("Selection", "filter?:Filter? ids?:[int]? rate?:int? dry_run?:bool?"),
    (
        "Filter",
        "route?:text? status?:dead|delivered? error_status?:int? error?:text? from?:int? to?:int? appid?:text? openid?:text? \
         event?:text?",
    ),
    ("ReplayJob", "job_id?:text total?:int count?:int oldest?:int? newest?:int? skipped?:int"),
    (
        "Job",
        "id:text kind:send|replay status:running|done|stopped total:int delivered?:int sent?:int failed:int unknown?:int waiting:int \
         rate:int made_at:int ended_at:int? actor:text filter:any",
    ),
    ("Jobs", "items:[Job] next:text?"),
    ("Deliveries", "items:[Delivery] next:text?"),
    ("Group", "route:text status:int error:text count:int oldest:int newest:int"),
    ("Groups", "items:[Group] next:text?"),
    ("Refused", "id:int at:int request_id:text appid:text? ip:text? mode:text? reason:text fix:text?"),
    ("Refusals", "items:[Refused] next:text?"),
    (
        "Failure",
        "id:int at:int request_id:text caller:text? appid:text? api:text status:int errcode:int? rid:text? ms:int",
    ),
    ("Failures", "items:[Failure] next:text?"),
    // The rest.
    ("AuditLine", "id:int at:int actor:text role:text ip:text action:text target:text before:any after:any"),
    ("Audit", "items:[AuditLine] next:text?"),
    ("Quota", "appid:text api:text limit:int? used:int? remain:int? rate:any asked_at:int? callers:[any]"),
    ("Quotas", "items:[Quota] next:text?"),
    ("QuotaAsked", "appid:text api:text"),
    ("Error", "code:int ours:int? errmsg:text? zh:text en:text cause:any fix:any retry:bool seen:int"),
    ("Errors", "items:[Error] next:text?"),
    (
        "ErrorWhole",
        "code:int ours:int? errmsg:text? zh:text en:text cause:any fix:any retry:bool seen:int samples:[Failure] by:{[Counted]}",
    ),
    (
        "Difference",
        "api:text place:text what:gone|new|type|body|mark|status|content_type|header|code|words|rid known:text seen:text count:int \
         first_at:int last_at:int",
    ),
    (
        "Differences",
        "on:bool alike:int different:int unknown:int unread:int forgotten:int items:[Difference] next:text?",
    ),
    ("Alerts", "now:[Problem] items:[Problem] next:text?"),
    ("Mute", "seconds:int"),
    (
        "Channel",
        "name:text kind:wecom|dingtalk|feishu|bark|webhook lang:text? url:bool secret:bool revision:int last_at:int? last_error:text?",
    ),
    ("Channels", "items:[Channel] next:text?"),
    ("NewChannel", "name:text kind:wecom|dingtalk|feishu|bark|webhook url:text secret?:text lang?:text"),
    ("Sent", "ok:bool status:int? error:text?"),
];
