//! Messages: both formats give the same, nothing is lost.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use wechat::message::{Format, Malformed, Message, to_xml};

fn parse(body: &str) -> Message {
    Message::parse(body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {body}"))
}

#[test]
fn both_formats_read_the_same() {
    let xml = parse(
        "\u{feff}<?xml version=\"1.0\"?>\n<xml><ToUserName><![CDATA[gh_1]]></ToUserName>
         <FromUserName>o1</FromUserName><CreateTime> 1714112445 </CreateTime>
         <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[subscribe]]></Event>
         <EventKey><![CDATA[qrscene_测试 1]]></EventKey><Ticket><![CDATA[T==]]></Ticket></xml>",
    );
    let json = parse(
        "\u{feff} {\"ToUserName\":\"gh_1\",\"FromUserName\":\"o1\",\"CreateTime\":1714112445,
         \"MsgType\":\"event\",\"Event\":\"subscribe\",\"EventKey\":\"qrscene_测试 1\",\"Ticket\":\"T==\"}",
    );
    let string_time = parse(
        r#"{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":"1714112445","MsgType":"event",
            "Event":"subscribe","EventKey":"qrscene_测试 1","Ticket":"T=="}"#,
    );
    for m in [&xml, &json, &string_time] {
        assert_eq!((&*m.to_user(), &*m.from_user(), m.create_time()), ("gh_1", "o1", 1_714_112_445));
        assert_eq!((&*m.event(), &*m.event_key(), &*m.ticket()), ("subscribe", "qrscene_测试 1", "T=="));
        assert_eq!((&*m.scene(), &*m.kind()), ("测试 1", "event.subscribe"));
        assert_eq!((&*m.msg_id(), &*m.content(), m.is_event()), ("", "", true));
    }
    assert_eq!(xml.fields(), string_time.fields());
    assert_eq!((xml.format(), json.format()), (Format::Xml, Format::Json));
}

#[test]
fn scenes() {
    let scene = |event: &str, key: &str| {
        parse(&json!({"MsgType": "event", "Event": event, "EventKey": key}).to_string()).scene().into_owned()
    };
    assert_eq!(scene("SCAN", "a"), "a");
    assert_eq!(scene("scan", "qrscene_a"), "qrscene_a");
    assert_eq!(scene("subscribe", ""), "");
    assert_eq!(scene("subscribe", "last_trade_no_4001"), "");
    assert_eq!(scene("CLICK", "a"), "");
    assert_eq!(parse(r#"{"MsgType":"text","Event":"SCAN","EventKey":"a"}"#).scene(), "");
}

#[test]
fn ids_keep_their_64_bits() {
    assert_eq!(parse(r#"{"MsgId":6054768590064713728}"#).msg_id(), "6054768590064713728");
    assert_eq!(parse(r#"{"MsgID":2097683633284153344}"#).msg_id(), "2097683633284153344");
    assert_eq!(parse("<xml><MsgID>200163836</MsgID></xml>").msg_id(), "200163836");
    let m = parse(
        r#"{"a":9007199254740992,"b":9007199254740993,"c":-9007199254740993,"d":18446744073709551615,"e":1.5,"f":1e308}"#,
    );
    let expected = json!({"a": 9_007_199_254_740_992_u64, "b": "9007199254740993", "c": "-9007199254740993",
        "d": "18446744073709551615", "e": 1.5, "f": 1e308});
    assert_eq!(m.into_value(), expected);
}

#[test]
fn lists_are_arrays_even_of_one() {
    let xml = "<xml><SendPicsInfo><Count>1</Count><PicList><item><PicMd5Sum>a</PicMd5Sum></item></PicList></SendPicsInfo>
        <SubscribeMsgPopupEvent><List><TemplateId>T</TemplateId></List><List><TemplateId>U</TemplateId></List></SubscribeMsgPopupEvent>
        <Other>1</Other><Other>2</Other><Empty></Empty><None/></xml>";
    let expected = json!({
        "SendPicsInfo": {"Count": "1", "PicList": {"item": [{"PicMd5Sum": "a"}]}},
        "SubscribeMsgPopupEvent": {"List": [{"TemplateId": "T"}, {"TemplateId": "U"}]},
        "Other": "1", "Empty": "", "None": "",
    });
    let message = parse(xml);
    assert_eq!(message.text("Other"), "1", "the first counts");
    assert_eq!(message.into_value(), expected);
    let one = parse(r#"{"List":{"TemplateId":"T"},"a":[{"item":"x"}]}"#).into_value();
    assert_eq!(one, json!({"List": [{"TemplateId": "T"}], "a": [{"item": ["x"]}]}));
    assert_eq!(parse(r#"{"List":[1,2]}"#).into_value(), json!({"List": [1, 2]}));
}

#[test]
fn text_in_all_its_spellings() {
    let content =
        |inner: &str| parse(&format!("<xml><Content>{inner}</Content></xml>")).content().into_owned();
    assert_eq!(content("<![CDATA[ a\r\n<b>&amp; ]]>"), " a\r\n<b>&amp; ");
    assert_eq!(content("\n  <![CDATA[a]]>\n"), "a");
    assert_eq!(content("<![CDATA[a]]]]><![CDATA[>b]]>"), "a]]>b");
    assert_eq!(content("x<![CDATA[a]]> y"), "xa y");
    assert_eq!(content(" a &lt;b&gt; &amp;&quot;&apos; &#x1F600;&#128512; "), "a <b> &\"' 😀😀");
    assert_eq!(
        content("<![CDATA[<!DOCTYPE x [<!ENTITY a \"b\">]>😀]]>"),
        "<!DOCTYPE x [<!ENTITY a \"b\">]>😀"
    );
    assert_eq!(content("a]]>b"), "a]]>b");
    assert_eq!(content("a<!-- c -->b"), "ab");
}

#[test]
fn a_json_reply_becomes_xml() {
    let reply = parse(
        r#"{"ToUserName":"o1","CreateTime":1714112445,"MsgType":"news","ArticleCount":1,
            "Articles":[{"Title":"a]]>b","Url":"https://x/?a=1&b=2"}],"On":true,"Off":null}"#,
    );
    assert!(reply.is_reply());
    assert_eq!(
        reply.to_xml().unwrap(),
        "<xml><ToUserName><![CDATA[o1]]></ToUserName><CreateTime>1714112445</CreateTime>\
         <MsgType><![CDATA[news]]></MsgType><ArticleCount>1</ArticleCount>\
         <Articles><item><Title><![CDATA[a]]]]><![CDATA[>b]]></Title>\
         <Url><![CDATA[https://x/?a=1&b=2]]></Url></item></Articles><On>true</On><Off></Off></xml>"
    );
    let standard = r#"{"MsgType":"news","Articles":{"item":[{"Title":"a"},{"Title":"b"}]}}"#;
    assert_eq!(
        parse(standard).to_xml().unwrap(),
        "<xml><MsgType><![CDATA[news]]></MsgType><Articles><item><Title><![CDATA[a]]></Title></item>\
         <item><Title><![CDATA[b]]></Title></item></Articles></xml>"
    );
    for bad in [r#"{"a b":1}"#, r#"{"<x>":1}"#, r#"{"":1}"#, r#"{"1":1}"#, r#"{"a":[[1]]}"#] {
        assert_eq!(parse(bad).to_xml(), Err(Malformed::Name), "{bad}");
    }
    let control = Map::from_iter([("a".to_owned(), json!("x\u{1}\u{b}\u{7f}\t\ny\u{ffff}"))]);
    assert_eq!(to_xml(&control).unwrap(), "<xml><a><![CDATA[x\t\ny]]></a></xml>");
}

#[test]
fn an_xml_reply_becomes_json() {
    let reply = parse("<xml><MsgType>text</MsgType><CreateTime>12</CreateTime><Content>a\"b</Content></xml>");
    assert_eq!(reply.to_json(), r#"{"MsgType":"text","CreateTime":12,"Content":"a\"b"}"#);
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z_][A-Za-z0-9_.-]{0,8}"
        .prop_filter("lists and Articles apart", |n| !matches!(n.as_str(), "item" | "List" | "Articles"))
}

/// What XML can hold: strings, objects that aren't empty, lists under their names.
fn fields() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = "([^\\x00-\\x1f\\x7f\u{fffe}\u{ffff}]|[\\r\\n\\t]|\\]\\]>|&lt;){0,12}".prop_map(Value::String);
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let member = (name(), inner.clone());
        let object = prop::collection::vec(member, 1..4).prop_map(|m| Value::Object(Map::from_iter(m)));
        let list =
            prop::collection::vec(inner, 1..3).prop_map(|items| json!({ "item": items, "List": ["x"] }));
        prop_oneof![object, list]
    });
    prop::collection::vec((name(), value), 0..6).prop_map(Map::from_iter)
}

proptest! {
    #[test]
    fn fields_survive_xml(fields in fields()) {
        let xml = to_xml(&fields).unwrap();
        let message = Message::parse(xml.as_bytes()).unwrap();
        prop_assert_eq!(message.fields(), &fields);
        prop_assert_eq!(message.to_xml().unwrap(), xml);
    }

    #[test]
    fn fields_survive_json(fields in fields()) {
        let message = Message::parse(Value::Object(fields.clone()).to_string().as_bytes()).unwrap();
        prop_assert_eq!(message.fields(), &fields);
    }

    #[test]
    fn nothing_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(&body);
    }

    #[test]
    fn no_markup_panics(body in "<xml>([<>&;/!?\\[\\]a#x0-9\"'= -]|CDATA|<a>|</a>|<a/>|<!\\[CDATA\\[|\\]\\]>){0,40}(</xml>)?") {
        if let Ok(message) = Message::parse(body.as_bytes()) {
            let _ = message.to_xml();
            let _ = message.kind();
        }
    }
}

/// What a user writes, as WeChat's XML holds it without escaping: a text that ends its element and goes on by itself.
fn text_of(content: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oWRITER]]></FromUserName>\
         <CreateTime>1714112445</CreateTime><MsgType><![CDATA[text]]></MsgType>\
         <Content><![CDATA[{content}]]></Content><MsgId>1</MsgId></xml>"
    )
}

#[test]
fn user_text_cant_leave_its_field() {
    let scan = "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[SCAN]]></Event>\
                <EventKey><![CDATA[login_1]]></EventKey><Ticket>t</Ticket>";
    let cases = [
        format!("hi]]></Content><FromUserName><![CDATA[oVICTIM]]></FromUserName>{scan}<Content><![CDATA["),
        format!("hi]]></Content>{scan}<Content><![CDATA["),
        "hi]]></Content><MsgId>2</MsgId><Content><![CDATA[".to_owned(),
        "hi]]></Content><ToUserName>gh_2</ToUserName><Content><![CDATA[".to_owned(),
        "hi]]></Content><CreateTime>1</CreateTime><Content><![CDATA[".to_owned(),
        "hi]]></Content><msgtype>event</msgtype><Content><![CDATA[".to_owned(),
        "hi]]></Content><!-- x --><Content><![CDATA[".to_owned(),
        "hi]]></Content><?x y?><Content><![CDATA[".to_owned(),
        "hi]]></Content><a:FromUserName xmlns:a=\"x\">oVICTIM</a:FromUserName><Content><![CDATA[".to_owned(),
        "hi]]></Content><a:Other>x</a:Other><Content><![CDATA[".to_owned(),
        "hi]]></Content><Encrypt>zzz</Encrypt><Content><![CDATA[".to_owned(),
        "hi]]><b>x</b><![CDATA[".to_owned(),
    ];
    for content in cases {
        let m = parse(&text_of(&content));
        assert!(m.is_suspect(), "{content}");
        assert_eq!((&*m.to_user(), &*m.from_user(), m.create_time()), ("gh_1", "oWRITER", 1_714_112_445));
        assert_eq!((&*m.kind(), &*m.event(), &*m.event_key(), &*m.ticket()), ("message.text", "", "", ""));
        assert_eq!((&*m.scene(), &*m.msg_id()), ("", ""), "{content}");
    }
    // The events of another message don't count either where nothing stands twice.
    let lone = parse(&text_of("hi]]></Content><Event>SCAN</Event><EventKey>k</EventKey><Content><![CDATA["));
    assert_eq!((&*lone.event(), &*lone.event_key(), &*lone.scene()), ("", "", ""));
    for plain in ["hi", "<MsgType>event</MsgType>", "a]]]]><![CDATA[>b"] {
        assert!(!parse(&text_of(plain)).is_suspect(), "{plain}");
    }
}

#[test]
fn nothing_that_matters_is_taken_from_behind_the_users_text() {
    let m = parse(
        "<xml><Content>hi</Content><FromUserName>oVICTIM</FromUserName><CreateTime>1</CreateTime>\
         <MsgType>event</MsgType><Event>SCAN</Event><EventKey>login_1</EventKey></xml>",
    );
    assert_eq!((&*m.from_user(), m.create_time(), &*m.msg_type(), &*m.scene()), ("", 0, "", ""));
}

#[test]
fn repeated_members_of_json_are_as_suspect() {
    let m = parse(
        r#"{"ToUserName":"gh_1","FromUserName":"oWRITER","CreateTime":1714112445,"MsgType":"text","Content":"hi",
            "FromUserName":"oVICTIM","MsgType":"event","Event":"SCAN","EventKey":"login_1","MsgId":1}"#,
    );
    assert!(m.is_suspect());
    assert_eq!((&*m.from_user(), &*m.kind(), &*m.event(), &*m.scene()), ("oWRITER", "message.text", "", ""));
    assert_eq!(m.fields()["FromUserName"], "oWRITER", "the first counts");
    // By names that other readers take for the same.
    for (from, event) in [
        ("FromU\u{17f}erName", "Event"),
        ("FROMUSERNAME", "Event"),
        ("X", "Event\u{212a}ey"),
        ("X", "encrypt"),
    ] {
        let text = r#"{"ToUserName":"gh_1","FromUserName":"oWRITER","CreateTime":1,"MsgType":"text","EventKey":"","Content":"hi""#;
        assert!(
            parse(&format!("{text},\"{from}\":\"oVICTIM\",\"{event}\":\"login_1\"}}")).is_suspect(),
            "{from} {event}"
        );
    }
    // In an event as well, where the first are WeChat's own.
    let event = parse(
        r#"{"FromUserName":"o1","CreateTime":1,"MsgType":"event","Event":"scancode_push","EventKey":"k",
            "Event":"SCAN","EventKey":"login_1"}"#,
    );
    assert_eq!((&*event.event(), &*event.scene(), event.is_suspect()), ("scancode_push", "", true));
    assert!(!parse(r#"{"MsgType":"text","item":1,"item":2}"#).is_suspect(), "lists may repeat");
}

#[test]
fn what_an_event_can_repeat_is_a_list_whatever_its_count_and_format() {
    let xml = |event: &str, rest: &str| {
        let head = "<ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime><MsgType>event</MsgType>";
        parse(&format!("<xml>{head}<Event>{event}</Event>{rest}</xml>")).into_value()
    };
    let json = |event: &str, rest: &str| {
        let head = r#""ToUserName":"gh_1","FromUserName":"o1","CreateTime":1,"MsgType":"event""#;
        parse(&format!("{{{head},\"Event\":\"{event}\"{rest}}}")).into_value()
    };
    // None, one, two; by XML and by JSON.
    let detail =
        |count: usize| xml("wxa_media_check", &"<detail><errcode>0</errcode></detail>".repeat(count));
    for count in 0..3 {
        assert_eq!(detail(count)["detail"], json!(vec![json!({"errcode": "0"}); count]));
    }
    assert_eq!(json("wxa_media_check", r#","detail":{"errcode":0}"#)["detail"], json!([{"errcode": 0}]));
    assert_eq!(json("WXA_media_check", "")["detail"], json!([]));
    assert_eq!(json("wxa_media_check", r#","detail":null"#)["detail"], json!([]));
    assert_eq!(xml("pic_sysphoto", "").pointer("/SendPicsInfo/PicList/item"), Some(&json!([])));
    let nothing = xml("MASSSENDJOBFINISH", "<ArticleUrlResult/>");
    assert_eq!(nothing.pointer("/ArticleUrlResult/ResultList/item"), Some(&json!([])));
    for (event, empty, one, at) in [
        (
            "MASSSENDJOBFINISH",
            "<CopyrightCheckResult><Count>0</Count><ResultList></ResultList></CopyrightCheckResult>",
            "<CopyrightCheckResult><ResultList><item>a</item></ResultList></CopyrightCheckResult>",
            "/CopyrightCheckResult/ResultList/item",
        ),
        (
            "PUBLISHJOBFINISH",
            "<PublishEventInfo><publish_id>1</publish_id></PublishEventInfo>",
            "<PublishEventInfo><fail_idx>a</fail_idx></PublishEventInfo>",
            "/PublishEventInfo/fail_idx",
        ),
        (
            "pic_weixin",
            "<SendPicsInfo><Count>0</Count><PicList/></SendPicsInfo>",
            "<SendPicsInfo><PicList><item>a</item></PicList></SendPicsInfo>",
            "/SendPicsInfo/PicList/item",
        ),
        (
            "ShakearoundUserShake",
            "<AroundBeacons></AroundBeacons>",
            "<AroundBeacons><AroundBeacon>a</AroundBeacon></AroundBeacons>",
            "/AroundBeacons/AroundBeacon",
        ),
        ("add_express_path", "", "<Actions>a</Actions>", "/Actions"),
    ] {
        assert_eq!(xml(event, empty).pointer(at), Some(&json!([])), "{event}");
        assert_eq!(xml(event, one).pointer(at), Some(&json!(["a"])), "{event}");
    }
    // A user's text makes no list of a text, and takes the place of none.
    let text = |more: &str| {
        parse(&format!("<xml><MsgType>text</MsgType><Content>a</Content>{more}</xml>")).into_value()
    };
    for more in [
        "",
        "<Content>b</Content>",
        "<Content><b>c</b></Content><Content/>",
        "<Content><item>d</item></Content>",
    ] {
        assert_eq!(text(more)["Content"], "a", "{more}");
    }
    assert_eq!(xml("wxa_media_check", "<detail>a</detail><detail>b</detail>")["detail"], json!(["a", "b"]));
    let twice = xml(
        "scancode_push",
        "<ScanCodeInfo><ScanType>a</ScanType></ScanCodeInfo><ScanCodeInfo><ScanType>b</ScanType></ScanCodeInfo>",
    );
    assert_eq!(twice["ScanCodeInfo"], json!({"ScanType": "a"}));
    // Not of events that have none of it.
    assert_eq!(xml("SCAN", "").get("detail"), None);
}
