//! The published vectors, byte for byte.

use super::*;

/// token, timestamp, nonce, signature
const PLAIN: &[[&str; 4]] = &[
    ["AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696"],
    ["AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78"],
    ["AAAAA", "1714112445", "415670741", "6c5c811b55cc85e0e1b54100749188c20beb3f5d"],
    ["spamtest", "1409735669", "1320562132", "16120ec1b8dbb870f510d87ce6bc2463eae6ca1a"],
    ["test", "1410685589", "test", "f21891de399b4e33a1a93c9a7b8a8fffb5a443ff"],
    ["789", "456", "123", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"],
];

struct Sealed {
    token: &'static str,
    key: &'static str,
    id: &'static str,
    stamp: Option<(&'static str, &'static str, &'static str)>,
    random: &'static [u8; 16],
    message: &'static str,
    cipher: &'static str,
}

#[rustfmt::skip]
const SEALED: &[Sealed] = &[
    Sealed {
        token: "AAAAA", key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", id: "wxba5fad812f8e6fb9",
        stamp: Some(("1714112445", "415670741", "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3")),
        random: b"a8eedb185eb2fecf",
        message: "{\"ToUserName\":\"gh_97417a04a28d\",\"FromUserName\":\"o9AgO5Kd5ggOC-bXrbNODIiE3bGY\",\"CreateTime\":1714112445,\"MsgType\":\"event\",\"Event\":\"debug_demo\",\"debug_str\":\"hello world\"}",
        cipher: "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=",
    },
    Sealed {
        token: "AAAAA", key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", id: "wxba5fad812f8e6fb9",
        stamp: Some(("1713424427", "415670741", "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1")),
        random: b"707722b803182950",
        message: "{\"demo_resp\":\"good luck\"}",
        cipher: "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==",
    },
    Sealed {
        token: "pamtest", key: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", id: "wxb11529c136998cb6",
        stamp: None,
        random: b"aaaabbbbccccdddd",
        message: "我是中文abcd123",
        cipher: "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==",
    },
    Sealed {
        token: "spamtest", key: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", id: "wx2c2769f8efd9abc2",
        stamp: Some(("1409735669", "1320562132", "5d197aaffba7e9b25a30732f161a50dee96bd5fa")),
        random: b"89465c840c5f116f",
        message: "<xml><ToUserName><![CDATA[gh_10f6c3c3ac5a]]></ToUserName>\n<FromUserName><![CDATA[oyORnuP8q7ou2gfYjqLzSIWZf0rs]]></FromUserName>\n<CreateTime>1409735668</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[abcdteT]]></Content>\n<MsgId>6054768590064713728</MsgId>\n</xml>",
        cipher: "hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFmOD2LdJF9FrXpbUAh0B5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVticbSnyU8dKOIbgU6ux5VTjg3yt+WGzjlpKn6NPhRjpA912xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+77TszTfRd5RJSVO/HTnifJpXgCSUdUue1v6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ4uBl9FyJvnhvQl+q5rv1ixrcpCumEPo5MJSgM9ehVsNPfUM669WuMyVWQLCzpu9GhglF2PE=",
    },
    Sealed {
        token: "123456", key: "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", id: "wx49f0ab532d5d035a",
        stamp: Some(("1411443780", "437374425", "dd6b9c95b495b3f7e2901bfbc76c664930ffdb96")),
        random: b"2304fc2fe146f1f8",
        message: "5927782489442352469",
        cipher: "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q==",
    },
    Sealed {
        token: "123456", key: "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", id: "wx49f0ab532d5d035a",
        stamp: Some(("1411525903", "461056294", "74d92dfeb87ba7c714f89d98870ae5eb62dff26d")),
        random: b"ec90b1530358d4d3",
        message: "<xml><ToUserName><![CDATA[wx49f0ab532d5d035a]]></ToUserName>\n<FromUserName><![CDATA[messense]]></FromUserName>\n<CreateTime>1411525903</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n<MsgId>4363689963896700987</MsgId>\n<AgentID>1</AgentID>\n</xml>",
        cipher: "RgqEoJj5A4EMYlLvWO1F86ioRjZfaex/gePD0gOXTxpsq5Yj4GNglrBb8I2BAJVODGajiFnXBu7mCPatfjsu6IHCrsTyeDXzF6Bv283dGymzxh6ydJRvZsryDyZbLTE7rhnus50qGPMfp2wASFlzEgMW9z1ef/RD8XzaFYgm7iTdaXpXaG4+BiYyolBug/gYNx410cvkKR2/nPwBiT+P4hIiOAQqGp/TywZBtDh1yCF2KOd0gpiMZ5jSw3e29mTvmUHzkVQiMS6td7vXUaWOMZnYZlF3So2SjHnwh4jYFxdgpkHHqIrH/54SNdshoQgWYEvccTKe7FS709/5t6NMxuGhcUGAPOQipvWTT4dShyqio7mlsl5noTrb++x6En749zCpQVhDpbV6GDnTbcX2e8K9QaNWHp91eBdCRxthuL0=",
    },
    Sealed {
        token: "123456", key: "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", id: "wx49f0ab532d5d035a",
        stamp: Some(("1411525903", "461056294", "407518b7649e86ef23978113f92d27afa9296533")),
        random: b"1234567890123456",
        message: "<xml>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>\n<ToUserName><![CDATA[messense]]></ToUserName>\n<AgentID>1</AgentID>\n<CreateTime>1411525903</CreateTime>\n</xml>",
        cipher: "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8GqxlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qvSUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3",
    },
];

#[test]
fn plain_signatures() {
    for [token, timestamp, nonce, expected] in PLAIN {
        assert_eq!(signature(&[token, timestamp, nonce]), *expected);
    }
}

#[test]
fn envelopes_both_ways() {
    for v in SEALED {
        let aes = key(v.key).unwrap();
        assert_eq!(encrypt(&aes, *v.random, v.message, v.id), v.cipher);
        assert_eq!(decrypt(&aes, v.cipher, v.id).unwrap(), v.message);
        assert_eq!(decrypt(&aes, v.cipher, "wx0"), Err("Encrypt names another appid"));
        if let Some((timestamp, nonce, expected)) = v.stamp {
            assert_eq!(signature(&[v.token, timestamp, nonce, v.cipher]), expected);
        }
    }
}

#[test]
fn what_is_no_envelope_is_refused() {
    let aes = key(SEALED[0].key).unwrap();
    for sealed in ["", "!", "AAAA", &STANDARD.encode([0u8; 32]), &STANDARD.encode([7u8; 64])] {
        assert!(decrypt(&aes, sealed, "wx0").is_err());
    }
    assert_eq!(key("short"), None);
    assert_eq!(key(&"!".repeat(43)), None);
}
