use secrecy::ExposeSecret as _;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str) -> Result<Config, Mistakes> {
    parse(text, "wxgate.toml", Path::new("/etc/wxgate"), &Environment::new())
}

/// The keys complained about, sorted; every complaint is said in both languages.
fn wrong_keys(text: &str, environment: &Environment) -> Vec<String> {
    let problems = parse(text, "wxgate.toml", Path::new("/etc/wxgate"), environment).unwrap_err();
    for Mistake { key, text, .. } in &problems.0 {
        let is_chinese = |text: &str| text.chars().any(|c| ('\u{3400}'..='\u{9fff}').contains(&c));
        assert!(is_chinese(&text.zh) && !is_chinese(&text.en), "{key}: {text:?}");
    }
    let mut keys: Vec<String> = problems.0.into_iter().map(|mistake| mistake.key).collect();
    keys.sort();
    keys
}

#[test]
fn the_printed_defaults_are_the_defaults() {
    assert_eq!(read(DEFAULT_TOML).unwrap(), read("").unwrap());
}

/// What of a line means something; of an example too.
fn meaning(line: &str) -> &str {
    let example = line.strip_prefix("# ").filter(|rest| rest.starts_with("[[") || rest.contains(" = "));
    let text = example.unwrap_or(line);
    text.split_once(" # ").map_or(text, |(meant, _)| meant).trim_end()
}

#[test]
fn hosts_are_names_and_what_nobody_sees_in_an_appid_is_told() {
    for host in ["a b", "http://x", "", ":80", "*", "*.example.com", "a.example.com:80", "a/b", "u@h"] {
        assert_eq!(
            wrong_keys(&format!("[server]\nhosts = [\"fine\", \"{host}\"]"), &Environment::new()),
            ["server.hosts"],
            "{host}"
        );
    }
    let fine = "[server]\nhosts = [\"wxgate\", \"wx.internal\", \"a_b\", \"10.0.0.1\", \"[::1]\", \"微信.example.com\"]";
    assert!(read(fine).is_ok());
    let app = "[[apps]]\nappid = \"wx3cc8fd6963e31a32 \"\nkind = \"mini\"\nsecret = \"x\"";
    let mistakes = parse(app, "x", "".as_ref(), &Environment::new()).unwrap_err();
    assert!(mistakes.0[0].text.zh.contains("空格（第 19 个字符"), "{:?}", mistakes.0[0].text);
    assert!(mistakes.0[0].text.en.contains("holds a space (character 19"), "{:?}", mistakes.0[0].text);
}

#[test]
fn the_english_defaults_say_the_same() {
    assert_eq!(read(DEFAULT_TOML_EN).unwrap(), read("").unwrap());
    assert!(!DEFAULT_TOML_EN.contains(|c: char| ('\u{3400}'..='\u{9fff}').contains(&c)));
    assert_eq!(DEFAULT_TOML.lines().count(), DEFAULT_TOML_EN.lines().count());
    for (zh, en) in DEFAULT_TOML.lines().zip(DEFAULT_TOML_EN.lines()) {
        assert_eq!(zh.contains('#'), en.contains('#'), "{zh}\n{en}");
        let (zh, en) = (meaning(zh), meaning(en));
        let is_prose = zh.starts_with('#') || zh.starts_with("name = ");
        assert!(zh == en || is_prose, "{zh}\n{en}");
    }
}

#[test]
fn the_examples_in_the_defaults_are_valid() {
    let text: String = DEFAULT_TOML
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|l| l.starts_with("[[") || l.contains(" = ")).unwrap_or(line)
        })
        .filter(|line| !line.contains("WXGATE_"))
        .map(|line| format!("{line}\n"))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("wx.secret", "s"),
        ("shop.key", "key_0123456789abcdefghijklmn"),
        ("wx.token", "t"),
        ("audit.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ] {
        std::fs::write(dir.path().join(name), secret).unwrap();
    }
    let config = parse(&text, "x", dir.path(), &Environment::new()).unwrap();
    assert_eq!(
        config.entries.routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(),
        ["shop", "audit"]
    );
    assert_eq!(config.entries.apps[0].appid, "wx3cc8fd6963e31a32");
    assert_eq!(config.entries.callers[0].name, "shop");
}

#[test]
fn all_problems_are_reported_at_once_each_by_its_key() {
    let text = r#"
        colour = "red"
        [server]
        listen = "nowhere"
        shutdown_grace = "soon"
        trusted_proxies = ["10.0.0.0/99"]
        [wechat]
        api_base = "https://api.weixin.qq.com/cgi-bin"
        [log]
        level = "loud"
        [[apps]]
        appid = ""
        kind = "official"
        secret = "env:NOT_SET"
        [[apps]]
        appid = "wx1"
        secret = "x"
        tagz = []
        [[callers]]
        name = "a"
        key = "short"
        apps = ["tag:"]
        apis = ["cgi-bin"]
        [[callers]]
        name = "a"
        apps = ["*"]
        apis = ["*"]
    "#;
    let environment = environment(&[
        ("WXGATE_SERVER__LISTENN", "x"),
        ("WXGATE_NOPE__KEY", "x"),
        ("WXGATE_ADMIN_TOKEN", "long-enough-to-be-one-0123"),
    ]);
    assert_eq!(
        wrong_keys(text, &environment),
        [
            "WXGATE_NOPE__KEY",
            "WXGATE_SERVER__LISTENN",
            "apps[0].appid",
            "apps[0].secret",
            "apps[1].kind",
            "apps[1].tagz",
            "callers[0].apis",
            "callers[0].apps",
            "callers[0].key",
            "callers[1].name",
            "callers[1].networks",
            "colour",
            "log.level",
            "server.listen",
            "server.shutdown_grace",
            "server.trusted_proxies",
            "wechat.api_base",
        ]
    );
}

#[test]
fn a_store_is_a_file_or_a_server() {
    let none = Environment::new();
    let key = "master_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";
    let environment = environment(&[("URL", "postgres://u:p@h/d")]);
    let of = |text: &str| {
        let text = format!("[store]\n{text}\n{key}");
        parse(&text, "wxgate.toml", Path::new("/etc/wxgate"), &environment).unwrap().store
    };
    for url in ["postgres://u:p@h/d", "postgresql://u:p@h/d", "env:URL"] {
        let store = of(&format!("url = \"{url}\""));
        let Database::Postgres(server) = &store.database else { panic!("{store:?}") };
        assert_eq!(server.client.get_password(), Some(&b"p"[..]));
        assert_eq!((store.file(), store.key_file()), (None, None));
    }
    let file = of("url = \"sqlite:x.db\"");
    assert!(file.file().unwrap().ends_with("x.db") && file.key_file().is_none());
    for (url, wrong) in [
        ("postgres://u:p@h/d", "store.master_key"),
        ("postgres://u:p@h:x/d", "store.url"),
        ("mysql://h/d", "store.url"),
        ("sqlite:", "store.url"),
        ("env:NOBODY", "store.url"),
    ] {
        let found = wrong_keys(&format!("[store]\nurl = \"{url}\""), &none);
        assert!(found.contains(&wrong.to_owned()), "{url}: {found:?}");
    }
}

#[test]
fn the_environment_overrides_scalars_and_a_secret_may_come_from_elsewhere() {
    let environment = environment(&[
        ("WXGATE_SERVER__LISTEN", "127.0.0.1:5"),
        ("WXGATE_AUTH__MODE", "off"),
        ("SECRET", "from-env"),
    ]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "from-file\n").unwrap();
    std::fs::create_dir(dir.path().join("apps.d")).unwrap();
    std::fs::write(
        dir.path().join("apps.d/a.toml"),
        "[[apps]]\nappid = \"wx2\"\nkind = \"mini\"\nsecret = \"file:secret\"",
    )
    .unwrap();
    let text = "include = [\"apps.d/*.toml\"]\n[server]\nlisten = \"0.0.0.0:1\"\n\
                [[apps]]\nappid = \"wx1\"\nkind = \"mini\"\nsecret = \"env:SECRET\"";
    let config = parse(text, "wxgate.toml", dir.path(), &environment).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:5");
    assert!(config.auth.off);
    let secrets: Vec<_> = config.entries.apps.iter().map(|a| a.secret.expose_secret()).collect();
    assert_eq!(secrets, ["from-env", "from-file"]);
}

#[test]
fn an_open_gateway_on_an_outside_address_is_refused() {
    let none = Environment::new();
    assert_eq!(wrong_keys("[auth]\nmode = \"off\"", &none), ["auth.mode"]);
    assert!(read("[server]\nlisten = \"127.0.0.1:1\"\n[auth]\nmode = \"off\"").is_ok());
    assert!(read("[auth]\nmode = \"off\"\nallow_open = true").is_ok());
}

#[test]
fn fallback_hosts_are_only_assumed_for_wechat_itself() {
    assert_eq!(read("").unwrap().wechat.fallback_bases.len(), 3);
    let config = read("[wechat]\napi_base = \"http://127.0.0.1:36080\"").unwrap();
    assert!(config.wechat.fallback_bases.is_empty());
}

#[test]
fn a_syntax_error_names_its_line_and_quotes_no_secret() {
    let problems = read("[[apps]]\nsecret = \"planted\" \"").unwrap_err().to_string();
    assert!(problems.contains("第 2 行") && !problems.contains("planted"), "{problems}");
}

#[test]
fn a_folder_with_pattern_characters_in_its_name_is_only_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("x[1]*");
    std::fs::create_dir_all(folder.join("apps.d")).unwrap();
    let app = "[[apps]]\nappid = \"wx1\"\nkind = \"mini\"\nsecret = \"x\"";
    std::fs::write(folder.join("apps.d/a.toml"), app).unwrap();
    let none = Environment::new();
    let config = parse("include = [\"apps.d/*.toml\"]", "t", &folder, &none).unwrap();
    assert_eq!(config.entries.apps.len(), 1);
}

#[test]
fn a_secret_is_taken_without_the_newline_it_ends_in() {
    let environment = environment(&[("SECRET", " s1\n")]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s2"), "\u{feff}s2\r\n").unwrap();
    let app = |n: u8, secret: &str| {
        format!("[[apps]]\nappid = \"wx{n}\"\nkind = \"mini\"\nsecret = \"{secret}\"\n")
    };
    let text = format!("{}{}", app(1, "env:SECRET"), app(2, "file:s2"));
    let config = parse(&text, "t", dir.path(), &environment).unwrap();
    let secret = |n: usize| config.entries.apps[n].secret.expose_secret().to_owned();
    assert_eq!((secret(0).as_str(), secret(1).as_str()), ("s1", "s2"));
    assert_eq!(wrong_keys(&app(1, "   "), &environment), ["apps[0].secret"]);
    assert_eq!(wrong_keys("[store]\nurl = \"sqlite::memory:\"", &environment), ["store.url"]);
}

#[test]
fn every_mistake_in_a_route_is_named() {
    let route = |more: &str| format!("[[routes]]\nname = \"r\"\ntarget = \"http://10.0.0.1/\"\n{more}");
    let none = Environment::new();
    assert!(read(&route("")).is_ok());
    let json = "format = \"json\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";
    assert!(read(&route(json)).is_ok());
    assert!(read(&route("reply = true\nlate_reply = \"custom\"")).is_ok());
    for (more, key) in [
        ("events = [\"evnt:SCAN\"]", "events"),
        ("apps = [\"tag:\"]", "apps"),
        ("scenes = [\"[\"]", "scenes"),
        ("token = \"t\"\nformat = \"json\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", "token"),
        ("secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", "secret"),
        ("format = \"json\"", "secret"),
        ("format = \"json\"\nsecret = \"whsec_dG9vLXNob3J0\"", "secret"),
        ("format = \"xml\"", "format"),
        ("aes_key = \"short\"", "aes_key"),
        ("reply_wait = \"14.1s\"", "reply_wait"),
        ("reply = \"rough\"", "reply"),
        ("late_reply = \"custom\"", "late_reply"),
        ("reply = \"raw\"\nlate_reply = \"custom\"", "late_reply"),
        ("reply = true\nlate_reply = \"later\"", "late_reply"),
        ("concurrency = 0", "concurrency"),
        ("timeout = \"10m\"", "timeout"),
        ("retry = [\"soon\"]", "retry"),
        ("retries = []", "retries"),
    ] {
        assert_eq!(wrong_keys(&route(more), &none), [format!("routes[0].{key}")], "{more}");
    }
    for target in [
        "",
        "10.0.0.1/x",
        "ftp://10.0.0.1/",
        "http://user:password@10.0.0.1/",
        "http://169.254.169.254/",
        "http://0/",
        "http://[fe80::1]/",
    ] {
        let text = format!("[[routes]]\nname = \"r\"\ntarget = \"{target}\"");
        assert_eq!(wrong_keys(&text, &none), ["routes[0].target"], "{target}");
    }
    assert_eq!(wrong_keys(&format!("{}\n{}", route(""), route("")), &none), ["routes[1].name"]);
}

#[test]
fn callback_secrets_come_in_pairs_and_shapes() {
    let none = Environment::new();
    let app = |more: &str| format!("[[apps]]\nappid = \"wx1\"\nkind = \"mini\"\nsecret = \"s\"\n{more}");
    let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    let config =
        read(&app(&format!("aes_key = \"{key}\"\nprevious_aes_key = \"{}\"", "A".repeat(43)))).unwrap();
    assert_eq!(config.entries.apps[0].aes_keys.len(), 2);
    assert!(!format!("{config:?}").contains(key));
    assert_eq!(wrong_keys(&app("aes_key = \"short\""), &none), ["apps[0].aes_key"]);
    assert_eq!(
        wrong_keys(&app(&format!("previous_aes_key = \"{key}\"")), &none),
        ["apps[0].previous_aes_key"]
    );
    assert_eq!(
        wrong_keys(&app("previous_callback_token = \"t\""), &none),
        ["apps[0].previous_callback_token"]
    );
}

#[test]
fn public_listener_and_verify_files() {
    let none = Environment::new();
    let config =
        read("[server]\npublic_listen = \"0.0.0.0:80\"\nverify_files = { \"MP_verify_x.txt\" = \"x\" }")
            .unwrap();
    assert_eq!(config.server.verify_files["MP_verify_x.txt"], "x");
    assert_eq!(wrong_keys("[server]\npublic_listen = \"0.0.0.0:36012\"", &none), ["server.public_listen"]);
    for name in ["../x", ".x", "a/b", ""] {
        let text = format!("[server]\nverify_files = {{ \"{name}\" = \"x\" }}");
        assert_eq!(wrong_keys(&text, &none), ["server.verify_files"], "{name}");
    }
    assert_eq!(wrong_keys("[server]\nverify_files = { a = 1 }", &none), ["server.verify_files"]);
}

#[test]
fn the_admin_token_comes_from_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let (one, other) = ("the-first-token-of-24-chars", "another-token-of-24-chars");
    std::fs::write(&path, format!("{other}\n")).unwrap();
    let token = |pairs: &[(&str, &str)]| {
        let config = parse("", "t", dir.path(), &environment(pairs)).unwrap();
        config.admin_token.map(|token| token.expose_secret().to_owned())
    };
    assert_eq!(token(&[]), None);
    assert_eq!(token(&[("WXGATE_ADMIN_TOKEN", one)]).unwrap(), one);
    assert_eq!(token(&[("WXGATE_ADMIN_TOKEN_FILE", path.to_str().unwrap())]).unwrap(), other);
    for short in [" ", "1", "only-twenty-three-chars"] {
        assert_eq!(wrong_keys("", &environment(&[("WXGATE_ADMIN_TOKEN", short)])), ["WXGATE_ADMIN_TOKEN"]);
    }
    assert_eq!(
        wrong_keys("", &environment(&[("WXGATE_ADMIN_TOKEN_FILE", "/nowhere")])),
        ["WXGATE_ADMIN_TOKEN_FILE"]
    );
}

#[test]
fn a_problem_names_its_entry() {
    let caller = |name: &str, key: &str| {
        format!("[[callers]]\nname = \"{name}\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]\n")
    };
    let key = "key_0123456789abcdefghijklmn";
    let text = [caller("crm", key), caller("erp", "short"), caller("shop", key), caller("crm", "")].concat();
    let said = read(&text).unwrap_err().text(false);
    for part in [
        "callers[1].key（callers[1] \"erp\"）：",
        "callers[3].networks（callers[3] \"crm\"）：",
        "callers[2].key（callers[2] \"shop\"）：与 callers[0] \"crm\" 的密钥相同",
        "callers[3].name（callers[3] \"crm\"）：",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let app = "[[apps]]\nappid = \"wx1\"\nkind = \"mini\"\nsecret = \"\"\n[[routes]]\ntarget = \"http://10.0.0.1/\"\n";
    let said = read(app).unwrap_err().text(true);
    assert!(
        said.contains("apps[0].secret (apps[0] \"wx1\"): ") && said.contains("routes[0].name: "),
        "{said}"
    );
}

#[test]
fn every_wrong_oauth_redirect_is_named_with_its_mend() {
    let app = |patterns: &str| {
        format!("[[apps]]\nappid = \"wx1\"\nkind = \"open\"\nsecret = \"s\"\noauth_redirects = {patterns}")
    };
    let config = read(&app("[\"https://*.example.com/\", \"http://127.0.0.1:8080/app/\"]")).unwrap();
    assert!(config.entries.apps[0].oauth_redirects.allows("https://a.example.com/x").is_some());
    let problems = read(&app("[\"https://a.example.com/\", \"https://*.com/\"]")).unwrap_err();
    let Mistake { key, text, .. } = &problems.0[0];
    assert_eq!(key, "apps[0].oauth_redirects");
    assert!(text.zh.contains("\"https://*.com/\"") && text.en.contains("*.example.com"), "{text:?}");
}
