use toml::{Table, Value};

use super::convert;

/// Two accounts, three environments, every key in another case.
const YAML: &str = r#"
Name: wx-proxy-api
host: 10.1.2.3
PORT: 36100
Redis:
  Host: 127.0.0.1:6379
wxAppInfo:
  - AppID: wx00000000000000a1
    AppSecret: "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
  - appid: wx00000000000000b2
    APPSECRET: b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2
    Remark: x
WxMsgMgr:
  allowMsgEvent: ["SCAN", "subscribe", "", "CLICK"]
  WXOPENIDLIST:
    - EnvName: dev
      AllowMsgEvent: [scan, unsubscribe, ""]
      HandleUrl: http://127.0.0.1:22255/v1/client/wxmsg1
      openidlist: [o-dev1, o-dev2]
    - envname: beta
      AllowMsgEvent: SCAN
      HandleUrl: http://127.0.0.1:22255/v1/client/wxmsg2
      OpenIdList: o-beta
    - EnvName: idc
      AllowMsgEvent: [SCAN, subscribe, ""]
      HandleUrl: http://127.0.0.1:22255/v1/client/wxmsg3
      OpenIdList: [o-idc]
"#;

/// The configuration as a table, and the remarks in one text.
fn import(yaml: &str) -> (Table, String) {
    let (text, remarks) = convert(yaml).unwrap();
    assert!(!remarks.join("").contains("a1a1"), "no remark shows a secret");
    (text.parse().unwrap_or_else(|error| panic!("{error}\n{text}")), remarks.join("\n"))
}

/// [`YAML`] with some of its text replaced.
fn changed(pairs: &[(&str, &str)]) -> (Table, String) {
    let mut yaml = YAML.to_owned();
    for (from, to) in pairs {
        assert!(yaml.contains(from), "{from}");
        yaml = yaml.replace(from, to);
    }
    import(&yaml)
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

fn routes(table: &Table) -> Vec<&Value> {
    table.get("routes").map_or(Vec::new(), |routes| routes.as_array().unwrap().iter().collect())
}

fn names(table: &Table) -> Vec<&str> {
    routes(table).iter().map(|route| route["name"].as_str().unwrap()).collect()
}

#[test]
fn accounts_and_the_keyless_caller() {
    let (table, remarks) = import(YAML);
    assert_eq!(table["server"]["listen"].as_str(), Some("10.1.2.3:36100"));
    assert!(table["server"].get("admin_listen").is_none());
    let apps = table["apps"].as_array().unwrap();
    let apps: Vec<_> = apps
        .iter()
        .map(|app| ["appid", "kind", "secret"].map(|key| app[key].as_str().unwrap().to_owned()))
        .collect();
    let secrets = ["a1".repeat(16), "b2".repeat(16)];
    assert_eq!(
        apps,
        [
            ["wx00000000000000a1", "official", &secrets[0]].map(str::to_owned),
            ["wx00000000000000b2", "official", &secrets[1]].map(str::to_owned),
        ]
    );
    let callers = table["callers"].as_array().unwrap();
    assert_eq!(callers.len(), 1);
    assert_eq!((callers[0]["name"].as_str(), callers[0]["key"].as_str()), (Some("legacy"), Some("")));
    assert_eq!(strings(&callers[0]["apis"]), ["/v1/service/wx/*"]);
    assert_eq!(strings(&callers[0]["apps"]), ["*"]);
    assert_eq!(
        strings(&callers[0]["networks"]),
        ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
    );
    for unused in ["Name、Redis", "WxAppInfo[1].Remark"] {
        assert!(remarks.contains(&format!("用不到的键：{unused}")), "{remarks}");
    }
    for appid in ["wx00000000000000a1", "wx00000000000000b2"] {
        for key in ["callback_token", "original_id", "kind"] {
            let told = |line: &str| line.contains(appid) && line.contains(key);
            assert!(remarks.lines().any(told), "{appid} {key}: {remarks}");
        }
    }
    let (text, _) = convert(YAML).unwrap();
    for key in ["# callback_token = ", "# original_id = ", "# aes_key = "] {
        assert_eq!(text.matches(key).count(), 2, "{text}");
    }
}

#[test]
fn everything_but_the_routes_is_what_this_version_reads() {
    let (text, _) = convert(YAML).unwrap();
    let without = text.split("\n[[routes]]").next().unwrap();
    let config = crate::config::parse(without, "wxgate.toml", "".as_ref(), &Default::default()).unwrap();
    assert_eq!((config.entries.apps.len(), config.entries.callers.len()), (2, 1));
    assert!(config.entries.callers[0].key.is_none());
}

#[test]
fn each_environment_is_a_route_and_all_others_go_to_the_last() {
    let (table, _) = import(YAML);
    let routes = routes(&table);
    assert_eq!(names(&table), ["dev", "beta", "idc"]);
    for (index, route) in routes.iter().enumerate() {
        let target = format!("http://127.0.0.1:22255/v1/client/wxmsg{}", index + 1);
        assert_eq!(route["target"].as_str(), Some(target.as_str()));
        assert_eq!((route["reply"].as_bool(), route["stop"].as_bool()), (Some(true), Some(true)));
        assert_eq!(route["reply_wait"].as_str(), Some("3s"));
    }
    assert_eq!(strings(&routes[0]["events"]), ["event:scan", "message:*"], "in both lists, in any case");
    assert_eq!(strings(&routes[1]["events"]), ["event:SCAN"], "a single text is a list of one");
    assert_eq!(strings(&routes[2]["events"]), ["event:SCAN", "event:subscribe", "message:*"]);
    assert_eq!(strings(&routes[0]["openids"]), ["o-dev1", "o-dev2"]);
    assert_eq!(strings(&routes[1]["openids"]), ["o-beta"]);
    assert_eq!(strings(&routes[2]["openids"]), ["!o-dev1", "!o-dev2", "!o-beta"]);
}

#[test]
fn whoever_is_listed_goes_there_or_nowhere() {
    for (from, to, said) in [
        ("AllowMsgEvent: SCAN\n", "AllowMsgEvent: [LOCATION]\n", "没有共同事件"),
        ("      AllowMsgEvent: SCAN\n", "", "没有共同事件"),
        ("http://127.0.0.1:22255/v1/client/wxmsg2", "ftp://127.0.0.1/x", "HandleUrl 不能用"),
        ("http://127.0.0.1:22255/v1/client/wxmsg2", "", "HandleUrl 不能用"),
        ("http://127.0.0.1:22255/v1/client/wxmsg2", "http://0.0.0.0:1/x", "未指定地址"),
        ("http://127.0.0.1:22255/v1/client/wxmsg2", "http://[fe80::1]/x", "链路本地"),
    ] {
        let (table, remarks) = changed(&[(from, to)]);
        assert!(remarks.contains(said), "{remarks}");
        assert_eq!(names(&table), ["dev", "idc"]);
        assert_eq!(strings(&routes(&table)[1]["openids"]), ["!o-dev1", "!o-dev2", "!o-beta"], "{to}");
    }
}

#[test]
fn an_environment_for_nobody_is_left_out_unless_it_is_the_last() {
    let (table, remarks) = changed(&[("      OpenIdList: o-beta\n", ""), ("OpenIdList: [o-idc]", "")]);
    assert_eq!(names(&table), ["dev", "idc"]);
    assert!(remarks.contains("环境 \"beta\""), "{remarks}");
    let only = YAML.split("    - envname: beta").next().unwrap();
    let (table, _) = import(only);
    assert_eq!(names(&table), ["dev"]);
    assert!(routes(&table)[0].get("openids").is_none(), "the only one gets everybody");
}

#[test]
fn an_openid_in_two_environments_goes_to_the_first() {
    let (table, remarks) = changed(&[("o-beta", "[o-dev1, o-beta, o-beta]"), ("[o-idc]", "[o-beta]")]);
    let routes = routes(&table);
    assert_eq!(strings(&routes[1]["openids"]), ["o-beta"]);
    assert_eq!(strings(&routes[2]["openids"]), ["!o-dev1", "!o-dev2", "!o-beta"]);
    for said in ["o-dev1 在环境 \"dev\" 和 \"beta\"", "o-beta 在环境 \"beta\" 和 \"idc\""] {
        assert!(remarks.contains(said), "{remarks}");
    }
}

#[test]
fn nothing_in_a_list_becomes_a_pattern() {
    let (table, remarks) = changed(&[
        ("\"CLICK\"]", "\"*\", \"!SCAN\", Scan]"),
        ("[scan, unsubscribe, \"\"]", "[scan, SCAN, '*', '!SCAN', ~]"),
        ("[o-dev1, o-dev2]", "['!o-x', '*', '', o-dev1]"),
    ]);
    let routes = routes(&table);
    assert_eq!(strings(&routes[0]["events"]), ["event:scan"]);
    assert_eq!(strings(&routes[0]["openids"]), ["o-dev1"]);
    assert_eq!(strings(&routes[2]["openids"]), ["!o-dev1", "!o-beta"]);
    for said in ["\"*\" 不是事件名", "\"!SCAN\" 不是事件名", "\"!o-x\" 不是 openid", "其中有一项不是"]
    {
        assert!(remarks.contains(said), "{said}: {remarks}");
    }
}

#[test]
fn names_are_escaped_and_unique() {
    let (table, remarks) = changed(&[
        ("EnvName: dev", "EnvName: \"a\\\"b\\n开发'\\\\\""),
        ("envname: beta", "EnvName: ''"),
        ("EnvName: idc", "EnvName: env2"),
        ("\"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\"", "\"quote\\\" \\u4e2d\\n'''\\\"\\\"\\\" end\""),
    ]);
    assert_eq!(names(&table), ["a\"b\n开发'\\", "env2", "env2-2"]);
    assert!(remarks.contains("路由取名 \"env2-2\""), "{remarks}");
    assert_eq!(table["apps"][0]["secret"].as_str(), Some("quote\" 中\n'''\"\"\" end"));
    assert!(remarks.contains("不像 32 个字母数字"), "{remarks}");
}

#[test]
fn where_it_listens() {
    for (host, port, listen, remarked) in [
        ("host: ''", "PORT: 36012", "0.0.0.0:36012", false),
        ("", "", "0.0.0.0:36012", false),
        ("Host: 0.0.0.0", "Port: '80'", "0.0.0.0:80", false),
        ("Host: '::'", "Port: 80", "[::]:80", false),
        ("Host: localhost", "Port: 80", "127.0.0.1:80", false),
        ("Host: wx.example.com", "Port: 80", "0.0.0.0:80", true),
        ("Host: 0.0.0.0", "Port: 70000", "0.0.0.0:36012", true),
        ("Host: 0.0.0.0", "Port: 0", "0.0.0.0:36012", true),
        ("Host: 0.0.0.0", "Port: 36013", "0.0.0.0:36013", false),
    ] {
        let (table, remarks) = changed(&[("host: 10.1.2.3", host), ("PORT: 36100", port)]);
        assert_eq!(table["server"]["listen"].as_str(), Some(listen), "{host} {port}");
        assert_eq!(remarks.contains("server.listen"), remarked, "{remarks}");
        let admin = table["server"].get("admin_listen").and_then(Value::as_str);
        assert_eq!(admin, listen.ends_with("36013").then_some("127.0.0.1:36014"));
    }
}

#[test]
fn what_is_no_account_is_left_out_and_said() {
    for (from, to, said) in [
        ("appid: wx00000000000000b2", "appid: wx00000000000000a1", "重复"),
        ("appid: wx00000000000000b2", "x: y", "AppID 缺少或不对"),
        ("appid: wx00000000000000b2", "appid: 'a b'", "AppID 缺少或不对"),
        ("APPSECRET: b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2", "AppSecret:", "缺少 AppSecret"),
        ("APPSECRET: b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2", "AppSecret: [x]", "缺少 AppSecret"),
        ("Remark: x", "AppId: wx1", "AppID 写了不止一次"),
    ] {
        let (table, remarks) = changed(&[(from, to)]);
        let apps = table["apps"].as_array().unwrap();
        assert_eq!(apps.len(), if to == "AppId: wx1" { 2 } else { 1 }, "{to}");
        assert!(remarks.contains(said), "{remarks}");
    }
    for nothing in ["", "a: 1", "- a", "WxAppInfo: []", "WxAppInfo: x", "WxAppInfo: [{AppID: wx1}]", "a: ["] {
        assert!(convert(nothing).is_err(), "{nothing}");
    }
    let many =
        YAML.split("    - envname: beta").next().unwrap().to_owned() + &"    - {EnvName: a}\n".repeat(1000);
    assert!(convert(&many).err().unwrap().to_string().contains("1000"));
}

#[test]
fn without_message_routes() {
    let apps = YAML.split("WxMsgMgr").next().unwrap();
    for (more, said) in [
        ("", "没有 WxMsgMgr"),
        ("WxMsgMgr: {AllowMsgEvent: [SCAN]}", "没有 WxMsgMgr.WxOpenIdList"),
        ("WxMsgMgr: {WxOpenIdList: [{EnvName: a, HandleUrl: 'http://a/'}]}", "AllowMsgEvent 是空的"),
    ] {
        let (table, remarks) = import(&format!("{apps}{more}"));
        assert!(routes(&table).is_empty());
        assert!(remarks.contains(said), "{remarks}");
    }
}
