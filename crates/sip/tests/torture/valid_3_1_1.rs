//! RFC 4475 §3.1.1: messages that look wrong and are right.

use super::*;

/// 3.1.1.1: folding, odd casing, compact forms, white space in every place where it is allowed.
#[test]
fn wsinv() {
    let text = "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n\
        TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
        from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
        MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 4\r\n\
        cseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\n\
        NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n\
        UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n\
        Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
        v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n \
        SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\
        m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  \
        secondparam ; q = 0.33\r\n\r\nv=0\nand more";
    let request = request(text.as_bytes());
    let h = &request.headers;
    assert_eq!(header::to(h).unwrap().tag(), Some("1918181833n"));
    let from = header::from(h).unwrap();
    assert_eq!((from.display().as_deref(), from.tag()), (Some("J Rosenberg \\\""), Some("98asjd8")));
    assert_eq!(header::max_forwards(h), Ok(Some(68)));
    assert_eq!(header::cseq(h).unwrap().seq, 9);
    let vias: Vec<_> = header::vias(h).map(Result::unwrap).collect();
    let branches: Vec<_> = vias.iter().map(header::Via::branch).collect();
    assert_eq!(branches, [Some("390skdjuw"), Some("z9hG4bK9ikj8"), Some("z9hG4bK30239")]);
    assert_eq!(vias[0].unique_branch(), None);
    assert_eq!(header::first(h, "NewFangledHeader"), Some("newfangled value continued newfangled value"));
    assert_eq!(header::first(h, "Subject"), Some(""));
    assert!(header::routes(h).all(|route| route.unwrap().uri.params.has("lr")));
    let contact = header::contacts(h).next().unwrap().unwrap();
    let header::Contact::At(contact) = contact else { panic!("{contact:?}") };
    assert_eq!((contact.q_milli(), contact.display().as_deref()), (Some(330), Some("Quoted string \"\"")));
    assert_eq!(request.body, b"v=0\n", "the body ends where Content-Length says");
}

/// 3.1.1.2: every character that a method, a tag, a Call-ID and a header name may have.
#[test]
fn intmeth() {
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let bytes = message(
        &format!(
            "{method} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0"
        ),
        &[
            "To: \"BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7f}\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>",
            "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"quoted\";tag=_token~1'+`*%!-.",
            "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            "extensionHeader-!.%*+_`'~: \u{fb06}大停電",
        ],
        b"",
    );
    let Ok(Parsed::UnknownMethod(unknown)) = read(&bytes) else { panic!("{:?}", read(&bytes)) };
    assert_eq!(unknown.method, method);
    let answer = unknown.reply.response(StatusCode::MethodNotAllowed, "t");
    // The escaped control characters are read as spaces: nothing of ours ever prints them.
    let to = header::to(&answer.headers).unwrap();
    assert_eq!((to.display().as_deref(), to.tag()), (Some("BEL:  NUL:  DEL: "), Some("t")));
    assert_eq!(header::from(&answer.headers).unwrap().tag(), Some("_token~1'+`*%!-."));
    assert_eq!(header::call_id(&answer.headers), Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"));
}

/// 3.1.1.3: escapes in user parts are data, not syntax.
#[test]
fn esc01() {
    let bytes = message(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
        &[
            "To: sip:%75se%72@example.com",
            "From: <sip:I%20have%20spaces@example.net>;tag=938",
            "Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
        ],
        b"",
    );
    let request = request(&bytes);
    assert_eq!(Uri::from(&request.uri).user_decoded().as_deref(), Some("sips:user@example.com"));
    let to = header::to(&request.headers).unwrap().uri.to_uri();
    assert!(to.same_as(&Uri::parse("sip:user@example.com").unwrap()));
    let contact = header::address(&request.headers, "Contact").unwrap().uri.to_uri();
    assert!(!contact.is_loose_router(), "an escaped lr is not the parameter lr");
}

/// 3.1.1.4: an escaped NUL is a character like any other.
#[test]
fn escnull() {
    let bytes = message(
        REGISTER,
        &[
            "To: sip:null-%00-null@example.com",
            "From: sip:null-%00-null@example.com;tag=839923423",
            "L:0",
            "Contact: <sip:%00@host5.example.com>",
            "Contact: <sip:%00%00@host5.example.com>",
        ],
        b"",
    );
    let request = request(&bytes);
    let users: Vec<_> = header::addresses(&request.headers, "Contact")
        .map(|contact| contact.unwrap().uri.to_uri().user_decoded().unwrap())
        .collect();
    assert_eq!(users, ["\0", "\0\0"]);
}

/// 3.1.1.5: `%` in a method is a percent sign: this is not REGISTER.
#[test]
fn esc02() {
    let bytes = message(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0",
        &["To: \"%Z%45\" <sip:resource@example.com>", "Contact: <sip:alias1@host1.example.com>"],
        b"",
    );
    assert!(matches!(read(&bytes), Ok(Parsed::UnknownMethod(unknown)) if unknown.method == "RE%47IST%45R"));
}

/// 3.1.1.6: no space between display name and bracket.
#[test]
fn lwsdisp() {
    let request = request(&message(OPTIONS, &["From: caller<sip:caller@example.com>;tag=323"], b""));
    assert_eq!(header::from(&request.headers).unwrap().display().as_deref(), Some("caller"));
}

/// 3.1.1.7: long names, values and many Vias.
#[test]
fn longreq() {
    let user = "amazinglylongcallernameamazinglylongcallername".repeat(6);
    let vias: Vec<_> = (0..34)
        .map(|n| format!("v: SIP/2.0/TCP sip{n}.example.com;branch=z9hG4bK{n}{}", "x".repeat(60)))
        .collect();
    let from = format!(
        "F: sip:{user}@example.net;tag=12{};unknownheaderparamname{}=unknownheaderparamvalue{}",
        "9".repeat(50),
        "v".repeat(200),
        "w".repeat(200)
    );
    let unknown = format!("Unknown-{}: unknown-{}-value", "Long".repeat(20), "long".repeat(90));
    let contact = format!("Contact: <sip:{user}@host5.example.net>");
    let mut lines: Vec<_> = vias.iter().map(String::as_str).collect();
    lines.extend([from.as_str(), &unknown, &contact]);
    let request = request(&message("INVITE sip:user@example.com SIP/2.0", &lines, b"v=0\r\n"));
    assert_eq!(header::vias(&request.headers).filter(Result::is_ok).count(), 34);
    assert_eq!(header::from(&request.headers).unwrap().uri.user, Some(user.as_str()));
}

/// 3.1.1.8: what follows the body in a datagram is no second message.
#[test]
fn dblreq() {
    let mut bytes = message(REGISTER, &["Contact: <sip:j.user@host.example.com>"], b"");
    bytes.extend(message("INVITE sip:joe@example.com SIP/2.0", &[], b"v=0"));
    let request = request(&bytes);
    assert_eq!((request.method, request.body.len()), (rsip::Method::Register, 0));
}

/// 3.1.1.9: a semicolon before the `@` belongs to the user.
#[test]
fn semiuri() {
    let request = request(&message("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", &[], b""));
    let uri = Uri::from(&request.uri);
    assert_eq!(uri.user_decoded().as_deref(), Some("user;par=u@example.net"));
    assert!(uri.params.is_empty());
}

/// 3.1.1.10: transports nobody has heard of.
#[test]
fn transports() {
    let lines = ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]
        .map(|transport| format!("Via: SIP/2.0/{transport} t.example.com;branch=z9hG4bK{transport}"));
    let request = request(&message(OPTIONS, &lines.each_ref().map(String::as_str), b""));
    let found: Vec<_> = header::vias(&request.headers).map(|via| via.unwrap().transport.to_owned()).collect();
    assert_eq!(found, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

/// 3.1.1.11: a body of several parts, one of them bytes of any value.
#[test]
fn mpart01() {
    let body: Vec<u8> = b"--x\r\n\r\n".iter().copied().chain(0..=255).chain(*b"\r\n\r\n--x--").collect();
    let bytes = message("MESSAGE sip:kumiko@example.org SIP/2.0", &["c: multipart/mixed;boundary=x"], &body);
    assert_eq!(request(&bytes).body, body);
}

/// 3.1.1.12, 3.1.1.13: a reason phrase of any text, or none.
#[test]
fn unreason_noreason() {
    let start = "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e} \u{434}\u{435}\u{432}";
    for (start, code) in [(start, 200), ("SIP/2.0 100 ", 100), ("SIP/2.0 100", 100)] {
        let Ok(Parsed::Response(response)) = read(&message(start, &[], b"")) else { panic!("{start}") };
        assert_eq!(response.status_code.code(), code);
    }
}
