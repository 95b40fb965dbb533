use super::*;

fn at(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap_or_else(|_| panic!("{ip}")), 80)
}

/// Refused, whether loopback is allowed or not.
const NEVER: &[(&str, Why)] = &[
    // This network.
    ("0.0.0.0", Forbidden::Unspecified),
    ("0.0.0.1", Forbidden::Unspecified),
    ("0.1.2.3", Forbidden::Unspecified),
    ("0.255.255.255", Forbidden::Unspecified),
    ("::", Forbidden::Unspecified),
    // Link-local, and what lives there: AWS, Azure, GCP, ECS, EKS, Tencent, Oracle.
    ("169.254.0.0", Forbidden::LinkLocal),
    ("169.254.0.1", Forbidden::LinkLocal),
    ("169.254.0.23", Forbidden::LinkLocal),
    ("169.254.45.1", Forbidden::LinkLocal),
    ("169.254.169.123", Forbidden::LinkLocal),
    ("169.254.169.253", Forbidden::LinkLocal),
    ("169.254.169.254", Forbidden::LinkLocal),
    ("169.254.170.2", Forbidden::LinkLocal),
    ("169.254.170.23", Forbidden::LinkLocal),
    ("169.254.255.255", Forbidden::LinkLocal),
    ("fe80::", Forbidden::LinkLocal),
    ("fe80::1", Forbidden::LinkLocal),
    ("fe80::a9fe:a9fe", Forbidden::LinkLocal),
    ("fe90::1", Forbidden::LinkLocal),
    ("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Forbidden::LinkLocal),
    ("fec0::1", Forbidden::LinkLocal),
    ("feff::1", Forbidden::LinkLocal),
    // Metadata elsewhere.
    ("100.100.100.200", Forbidden::Metadata),
    ("168.63.129.16", Forbidden::Metadata),
    ("192.0.0.192", Forbidden::Metadata),
    ("fd00:ec2::254", Forbidden::Metadata),
    ("fd00:ec2::23", Forbidden::Metadata),
    ("fd20:ce::254", Forbidden::Metadata),
    ("fd00:ec2:0:0:0:0:0:254", Forbidden::Metadata),
    ("fd00:0ec2:0000::0254", Forbidden::Metadata),
    // Multicast, reserved, broadcast.
    ("224.0.0.0", Forbidden::Multicast),
    ("224.0.0.251", Forbidden::Multicast),
    ("239.255.255.250", Forbidden::Multicast),
    ("239.255.255.255", Forbidden::Multicast),
    ("ff00::", Forbidden::Multicast),
    ("ff02::1", Forbidden::Multicast),
    ("ff05::1:3", Forbidden::Multicast),
    ("ff0e::1", Forbidden::Multicast),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Forbidden::Multicast),
    ("240.0.0.0", Forbidden::Reserved),
    ("250.10.20.30", Forbidden::Reserved),
    ("255.255.255.254", Forbidden::Reserved),
    ("255.255.255.255", Forbidden::Reserved),
    // IPv4-mapped.
    ("::ffff:0.0.0.0", Forbidden::Unspecified),
    ("::ffff:0.0.0.1", Forbidden::Unspecified),
    ("::ffff:169.254.169.254", Forbidden::LinkLocal),
    ("::ffff:a9fe:a9fe", Forbidden::LinkLocal),
    ("0:0:0:0:0:ffff:a9fe:a9fe", Forbidden::LinkLocal),
    ("::ffff:100.100.100.200", Forbidden::Metadata),
    ("::ffff:6464:64c8", Forbidden::Metadata),
    ("::ffff:224.0.0.1", Forbidden::Multicast),
    ("::ffff:255.255.255.255", Forbidden::Reserved),
    // IPv4-compatible and IPv4-translated.
    ("::2", Forbidden::Unspecified),
    ("::169.254.169.254", Forbidden::LinkLocal),
    ("::a9fe:a9fe", Forbidden::LinkLocal),
    ("::100.100.100.200", Forbidden::Metadata),
    ("::ffff:0:169.254.169.254", Forbidden::LinkLocal),
    ("::ffff:0:6464:64c8", Forbidden::Metadata),
    // NAT64, the well-known prefix.
    ("64:ff9b::", Forbidden::Unspecified),
    ("64:ff9b::169.254.169.254", Forbidden::LinkLocal),
    ("64:ff9b::a9fe:a9fe", Forbidden::LinkLocal),
    ("64:ff9b::100.100.100.200", Forbidden::Metadata),
    ("64:ff9b::239.1.2.3", Forbidden::Multicast),
    ("64:ff9b::255.255.255.255", Forbidden::Reserved),
    // NAT64 for local use, with prefixes of 48, 56, 64 and 96 bits.
    ("64:ff9b:1::", Forbidden::Unspecified),
    ("64:ff9b:1:a9fe:a9:fe00::", Forbidden::LinkLocal),
    ("64:ff9b:1:6464:64:c800::", Forbidden::Metadata),
    ("64:ff9b:1:12a9:fe:a9fe::", Forbidden::LinkLocal),
    ("64:ff9b:1:1264:64:64c8::", Forbidden::Metadata),
    ("64:ff9b:1:1234:a9:fea9:fe00:0", Forbidden::LinkLocal),
    ("64:ff9b:1:1234:64:6464:c800:0", Forbidden::Metadata),
    ("64:ff9b:1::169.254.169.254", Forbidden::LinkLocal),
    ("64:ff9b:1:12::169.254.169.254", Forbidden::LinkLocal),
    // Read as 255.254.0.0, which it may be.
    ("64:ff9b:1:fffe::10.0.0.1", Forbidden::Reserved),
    // A translator doesn't look at what stands behind the address.
    ("64:ff9b:1:a9fe:a9:fe00:a00:1", Forbidden::LinkLocal),
    ("64:ff9b:1:abcd:1234:5678:6464:64c8", Forbidden::Metadata),
    // 6to4.
    ("2002::", Forbidden::Unspecified),
    ("2002:a9fe:a9fe::", Forbidden::LinkLocal),
    ("2002:a9fe:a9fe::1", Forbidden::LinkLocal),
    ("2002:6464:64c8::1", Forbidden::Metadata),
    ("2002:e000:1::1", Forbidden::Multicast),
    ("2002:ffff:ffff::1", Forbidden::Reserved),
    // Teredo.
    ("2001::", Forbidden::Teredo),
    ("2001::1", Forbidden::Teredo),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Forbidden::Teredo),
    ("2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Forbidden::Teredo),
];

/// Refused unless loopback is allowed.
const LOOPBACK: &[&str] = &[
    "127.0.0.0",
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.255",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "::7f00:1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::127.0.0.1",
    "64:ff9b:1:7f00:0:100::",
    "64:ff9b:1:127f:0:1::",
    "64:ff9b:1:1234:7f:0:100:0",
    "2002:7f00:1::",
    "2002:7f00:1::1",
];

const LEGAL: &[&str] = &[
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "10.0.0.0",
    "10.254.0.0",
    "10.255.255.255",
    "93.184.216.34",
    "100.64.0.1",
    "100.100.0.0",
    "100.100.100.199",
    "100.100.100.201",
    "100.127.255.255",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "172.16.10.65",
    "172.31.255.255",
    "192.168.10.65",
    "198.18.0.1",
    "203.0.113.6",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "::ffff:10.0.0.1",
    "::8.8.8.8",
    "::ffff:0:10.0.0.1",
    "0:0:0:ffff::1",
    "64:ff9b::8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:12::10.0.0.1",
    "64:ff9b:1:a00:0:100::",
    "64:ff9b:1:120a:0:1::",
    "64:ff9b:1:1234:a:0:100:0",
    "2001:1::1",
    "2001:db8::1",
    "2001:4860:4860::8888",
    "2002:808:808::1",
    "2002:a00:1::1",
    "2400:3200::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::253",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe7f::1",
];

#[test]
fn forbidden_addresses_are_refused_for_what_they_are() {
    let egress = Egress::new(Vec::new());
    let wrong: Vec<_> = NEVER
        .iter()
        .flat_map(|(ip, why)| [false, true].map(|allowed| (at(ip), allowed, why(at(ip)))))
        .filter(|(address, allowed, why)| egress.check(*address, *allowed) != Err(*why))
        .collect();
    assert!(NEVER.len() >= 60 && wrong.is_empty(), "(address, loopback allowed, expected): {wrong:#?}");
}

#[test]
fn loopback_is_legal_where_it_is_allowed() {
    let egress = Egress::new(Vec::new());
    let refused = |address| egress.check(address, false) == Err(Forbidden::Loopback(address));
    let wrong: Vec<_> = LOOPBACK
        .iter()
        .map(|ip| at(ip))
        .filter(|address| !refused(*address) || egress.check(*address, true).is_err())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn public_and_private_addresses_are_legal() {
    let egress = Egress::new(vec!["0.0.0.0:8080".parse().unwrap(), "[::]:8081".parse().unwrap()]);
    let wrong: Vec<_> = LEGAL.iter().filter_map(|ip| egress.check(at(ip), false).err()).collect();
    assert!(LEGAL.len() >= 20 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn own_listeners_are_refused() {
    // (listener, target, whether the target is the listener)
    let cases = [
        ("127.0.0.1:8080", "127.0.0.1:8080", true),
        ("127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", true),
        ("127.0.0.1:8080", "[::127.0.0.1]:8080", true),
        ("127.0.0.1:8080", "[64:ff9b::7f00:1]:8080", true),
        ("127.0.0.1:8080", "[2002:7f00:1::]:8080", true),
        ("[::ffff:127.0.0.1]:8080", "127.0.0.1:8080", true),
        ("127.0.0.1:8080", "127.0.0.1:8081", false),
        ("127.0.0.1:8080", "127.0.0.2:8080", false),
        ("127.0.0.1:8080", "[::1]:8080", false),
        ("[::1]:8080", "[::1]:8080", true),
        ("10.1.2.3:8080", "10.1.2.3:8080", true),
        ("10.1.2.3:8080", "10.1.2.4:8080", false),
        ("[fd00::1]:8080", "[fd00::1]:8080", true),
        ("[2002:a00:1::1]:8080", "[2002:a00:1::1]:8080", true),
        ("0.0.0.0:8080", "127.0.0.1:8080", true),
        ("0.0.0.0:8080", "127.0.0.2:8080", true),
        ("0.0.0.0:8080", "127.0.0.1:8081", false),
        ("[::]:8080", "127.0.0.1:8080", true),
        ("[::]:8080", "[::ffff:127.0.0.1]:8080", true),
        // Documentation addresses, which are no machine's own.
        ("0.0.0.0:8080", "192.0.2.1:8080", false),
        ("[::]:8080", "192.0.2.1:8080", false),
        ("[::]:8080", "[2001:db8::1]:8080", false),
    ];
    for (listener, target, own) in cases {
        let target: SocketAddr = target.parse().unwrap();
        let others = vec!["10.9.9.9:1".parse().unwrap(), listener.parse().unwrap()];
        let expected = if own { Err(Forbidden::Own(target)) } else { Ok(()) };
        assert_eq!(Egress::new(others).check(target, true), expected, "{listener}");
    }
}

#[test]
fn this_machines_addresses_are_found_on_every_interface() {
    // The address the machine speaks from; asking for the route sends nothing.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    if socket.connect("192.0.2.1:9").is_err() {
        return;
    }
    let target = SocketAddr::new(socket.local_addr().unwrap().ip(), 8080);
    let egress = Egress::new(vec!["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(egress.check(target, true), Err(Forbidden::Own(target)));
}

#[test]
fn every_spelling_of_a_url_is_judged_by_the_host_it_leads_to() {
    let link_local = BadTarget::Forbidden(Forbidden::LinkLocal(at("169.254.169.254")));
    let unspecified = BadTarget::Forbidden(Forbidden::Unspecified(at("0.0.0.0")));
    let mapped = BadTarget::Forbidden(Forbidden::LinkLocal(at("::ffff:169.254.169.254")));
    let alibaba = BadTarget::Forbidden(Forbidden::Metadata(at("100.100.100.200")));
    // (URL, host as parsed, outcome)
    let cases = [
        ("http://backend.example/hook", "backend.example", Ok(())),
        ("https://backend.example:8443/hook?a=b", "backend.example", Ok(())),
        ("http://10.0.0.8:9000/", "10.0.0.8", Ok(())),
        ("http://[fd00::8]/", "[fd00::8]", Ok(())),
        // Loopback passes here, however it is spelt; it is judged for every connection.
        ("http://localhost/", "localhost", Ok(())),
        ("http://localhost./", "localhost.", Ok(())),
        ("http://127.0.0.1/", "127.0.0.1", Ok(())),
        ("http://2130706433/", "127.0.0.1", Ok(())),
        ("http://0x7f.1/", "127.0.0.1", Ok(())),
        ("http://0x7f000001/", "127.0.0.1", Ok(())),
        ("http://017700000001/", "127.0.0.1", Ok(())),
        ("http://127.1/", "127.0.0.1", Ok(())),
        ("http://[::ffff:7f00:1]/", "[::ffff:7f00:1]", Ok(())),
        ("http://[::1]/", "[::1]", Ok(())),
        // Metadata, however it is spelt.
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254", Err(link_local)),
        ("http://169.254.169.254./", "169.254.169.254", Err(link_local)),
        ("http://2852039166/", "169.254.169.254", Err(link_local)),
        ("http://0xa9fea9fe/", "169.254.169.254", Err(link_local)),
        ("http://0251.0376.0251.0376/", "169.254.169.254", Err(link_local)),
        ("http://169.16689662/", "169.254.169.254", Err(link_local)),
        ("http://169。254。169。254/", "169.254.169.254", Err(link_local)),
        ("http://169．254．169．254/", "169.254.169.254", Err(link_local)),
        ("http://１６９.２５４.１６９.２５４/", "169.254.169.254", Err(link_local)),
        ("http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", "169.254.169.254", Err(link_local)),
        ("http://%31%36%39.254.169.254/", "169.254.169.254", Err(link_local)),
        ("http://169.254\t.169.254/", "169.254.169.254", Err(link_local)),
        ("http://169.254\r\n.169.254/", "169.254.169.254", Err(link_local)),
        (" \u{1}http://169.254.169.254/ ", "169.254.169.254", Err(link_local)),
        ("ht\ntp://169.254.169.254/", "169.254.169.254", Err(link_local)),
        ("http:169.254.169.254/", "169.254.169.254", Err(link_local)),
        ("http:\\\\169.254.169.254\\", "169.254.169.254", Err(link_local)),
        ("http:////169.254.169.254/", "169.254.169.254", Err(link_local)),
        ("http://[::ffff:169.254.169.254]/", "[::ffff:a9fe:a9fe]", Err(mapped)),
        ("http://[0:0:0:0:0:FFFF:A9FE:A9FE]/", "[::ffff:a9fe:a9fe]", Err(mapped)),
        ("http://100.100.100.200/", "100.100.100.200", Err(alibaba)),
        ("http://1684301000/", "100.100.100.200", Err(alibaba)),
        ("http://0/", "0.0.0.0", Err(unspecified)),
        ("http://0x/", "0.0.0.0", Err(unspecified)),
        ("http://0.0.0.0/", "0.0.0.0", Err(unspecified)),
        // Where the host ends.
        ("http://backend.example#@169.254.169.254/", "backend.example", Ok(())),
        ("http://169.254.169.254#@backend.example/", "169.254.169.254", Err(link_local)),
        ("http://backend.example\\@169.254.169.254/", "backend.example", Ok(())),
        ("http://169.254.169.254\\@backend.example/", "169.254.169.254", Err(link_local)),
        ("http://backend.example?@169.254.169.254/", "backend.example", Ok(())),
        // Userinfo.
        ("http://user@backend.example/", "backend.example", Err(BadTarget::Userinfo)),
        ("http://user:password@backend.example/", "backend.example", Err(BadTarget::Userinfo)),
        ("http://:password@backend.example/", "backend.example", Err(BadTarget::Userinfo)),
        ("http://backend.example@169.254.169.254/", "169.254.169.254", Err(BadTarget::Userinfo)),
        ("http://backend.example:80@169.254.169.254/", "169.254.169.254", Err(BadTarget::Userinfo)),
        ("http://a@b@169.254.169.254/", "169.254.169.254", Err(BadTarget::Userinfo)),
        // Other schemes.
        ("ftp://backend.example/", "backend.example", Err(BadTarget::Scheme)),
        ("file:///etc/passwd", "", Err(BadTarget::Scheme)),
        ("gopher://backend.example/", "backend.example", Err(BadTarget::Scheme)),
        ("unix:/run/backend.sock", "", Err(BadTarget::Scheme)),
        ("data:text/plain,hello", "", Err(BadTarget::Scheme)),
        ("ws://backend.example/", "backend.example", Err(BadTarget::Scheme)),
    ];
    for (text, host, outcome) in cases {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(url.host_str().unwrap_or_default(), host, "{text:?}");
        assert_eq!(check_url(&url), outcome, "{text:?}");
        if outcome.is_ok() {
            // The client reads the URL once more, by its own rules.
            let uri: http::Uri = url.as_str().parse().unwrap();
            assert_eq!(uri.host(), Some(host), "{text:?}");
            assert_eq!(uri.port_u16(), url.port(), "{text:?}");
        }
    }
    // These are no URLs at all.
    for text in [
        "http://",
        "http:///",
        "https://?a",
        "http://:80/",
        "http://user@/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://0x7f.0.0.0.1/",
        "http://back end.example/",
        "http://a%00b/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://a:99999/",
    ] {
        assert!(Url::parse(text).is_err(), "{text}");
    }
}

#[test]
fn refusals_name_the_address_in_both_languages() {
    for (ip, why) in NEVER {
        let forbidden = why(at(ip));
        assert_eq!(forbidden.address(), at(ip));
        for text in [forbidden.to_string(), forbidden.zh(), BadTarget::from(forbidden).zh()] {
            assert!(text.contains(&at(ip).to_string()) && !text.contains('\n'), "{text}");
        }
    }
    assert_eq!(
        Forbidden::LinkLocal(at("169.254.169.254")).to_string(),
        "169.254.169.254:80 is a link-local address, where metadata services live"
    );
}
