//! The torture messages of RFC 4475, by its table of contents: what each holds, and what an element must do with it.
//!
//! The messages are written from what the RFC says about each, not copied byte by byte; names are its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use rsip::StatusCode;
use vorzimmer_sip::fault::Fault;
use vorzimmer_sip::header;
use vorzimmer_sip::uri::{Scheme, Uri};
use vorzimmer_sip::wire::{self, Framing, ParseError, Parsed, Skeleton, Untrusted, parse};

/// A message whose lines are joined by CRLF. The usual headers are added for names that no line has.
fn message(start: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let method = start.split(' ').next().unwrap_or_default();
    let cseq = format!("CSeq: 8 {}", if start.starts_with("SIP/") { "INVITE" } else { method });
    let usual = [
        ("via", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw"),
        ("max-forwards", "Max-Forwards: 70"),
        ("from", "From: <sip:caller@example.net>;tag=1928"),
        ("to", "To: <sip:user@example.com>"),
        ("call-id", "Call-ID: torture.1@192.0.2.1"),
        ("cseq", cseq.as_str()),
    ];
    let has = |name: &str| {
        lines.iter().any(|line| {
            let own = line.split(':').next().unwrap_or_default().trim();
            own.eq_ignore_ascii_case(name) || wire::name(&wire::header(own, "")).eq_ignore_ascii_case(name)
        })
    };
    let missing: Vec<_> = usual.iter().filter(|(name, _)| !has(name)).map(|(_, line)| *line).collect();
    let length = format!("Content-Length: {}", body.len());
    let length = (!has("content-length")).then_some(length.as_str());
    let mut text = [start].into_iter().chain(missing).chain(lines.iter().copied()).chain(length).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line);
            text.push_str("\r\n");
            text
        },
    );
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

fn read(bytes: &[u8]) -> Result<Parsed, ParseError> {
    parse(Untrusted::new(bytes), Framing::Datagram)
}

fn request(bytes: &[u8]) -> rsip::Request {
    match read(bytes) {
        Ok(Parsed::Request(request)) => {
            let mut out = Vec::new();
            wire::print(&request, &mut out).unwrap();
            match read(&out) {
                Ok(Parsed::Request(again)) => assert_eq!(without_length(&again), without_length(&request)),
                other => panic!("what we printed cannot be read: {other:?}"),
            }
            request
        }
        other => panic!("{}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn without_length(request: &rsip::Request) -> rsip::Request {
    let mut bare = request.clone();
    bare.headers.retain(|h| !matches!(h, rsip::Header::ContentLength(_)));
    bare
}

/// The message is refused, and with this status if `answer`, which it must not be otherwise.
fn refused(name: &str, bytes: &[u8], fault: Fault, answer: Option<u16>) {
    let error = match read(bytes) {
        Err(error) => error,
        Ok(parsed) => panic!("{name} was taken: {parsed:?}"),
    };
    assert_eq!(error.fault, fault, "{name}");
    let response = error.response("tag");
    assert_eq!(response.as_ref().map(|r| r.status_code.code()), answer, "{name}");
    if let Some(response) = response {
        let mut out = Vec::new();
        wire::print(&response, &mut out).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

const OPTIONS: &str = "OPTIONS sip:user@example.com SIP/2.0";
const INVITE: &str = "INVITE sip:user@example.com SIP/2.0";
const REGISTER: &str = "REGISTER sip:example.com SIP/2.0";

mod valid_3_1_1 {
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
        assert_eq!(
            (contact.q_milli(), contact.display().as_deref()),
            (Some(330), Some("Quoted string \"\""))
        );
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
        assert!(
            matches!(read(&bytes), Ok(Parsed::UnknownMethod(unknown)) if unknown.method == "RE%47IST%45R")
        );
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
        let found: Vec<_> =
            header::vias(&request.headers).map(|via| via.unwrap().transport.to_owned()).collect();
        assert_eq!(found, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
    }

    /// 3.1.1.11: a body of several parts, one of them bytes of any value.
    #[test]
    fn mpart01() {
        let body: Vec<u8> = b"--x\r\n\r\n".iter().copied().chain(0..=255).chain(*b"\r\n\r\n--x--").collect();
        let bytes =
            message("MESSAGE sip:kumiko@example.org SIP/2.0", &["c: multipart/mixed;boundary=x"], &body);
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
}

mod invalid_3_1_2 {
    use super::*;

    const VALUE: fn(&'static str) -> Fault = |header| Fault::Value { header };

    /// 3.1.2.1: separators without anything between them. The Via cannot be read, so there is nowhere to answer to.
    #[test]
    fn badinv01() {
        let contact = "Contact: \"Joe\" <sip:joe@example.org>;;;;";
        refused("Via", &message(INVITE, &["Via: SIP/2.0/UDP 192.0.2.15;;,;,,"], b""), VALUE("Via"), None);
        refused("Contact", &message(INVITE, &[contact], b""), VALUE("Contact"), Some(400));
    }

    /// 3.1.2.2, 3.1.2.3: a body shorter than announced, a negative length.
    #[test]
    fn clerr_ncl() {
        let bytes = message(INVITE, &["Content-Length: 9999"], b"v=0\r\n");
        refused("clerr", &bytes, Fault::BodyShort { announced: 9999, present: 5 }, Some(400));
        let bytes = message(INVITE, &["Content-Length: -999"], b"v=0\r\n");
        refused("ncl", &bytes, VALUE("Content-Length"), Some(400));
    }

    /// 3.1.2.4: numbers that fit nowhere.
    #[test]
    fn scalar02() {
        let bytes = message(REGISTER, &["CSeq: 36893488147419103232 REGISTER"], b"");
        refused("CSeq", &bytes, Fault::Range { header: "CSeq" }, Some(400));
        let bytes = message(REGISTER, &["Max-Forwards: 300"], b"");
        refused("Max-Forwards", &bytes, Fault::Range { header: "Max-Forwards" }, Some(400));
        let lines =
            ["Expires: 1000000000000000000000000000000000000", "Contact: <sip:u@h>;expires=280297596632815"];
        let request = request(&message(REGISTER, &lines, b""));
        assert_eq!(header::expires(&request.headers), Some(u32::MAX));
        assert_eq!(header::address(&request.headers, "Contact").unwrap().expires(), Some(u32::MAX));
    }

    /// 3.1.2.5: the same in a response, which is dropped.
    #[test]
    fn scalarlg() {
        let bytes = message(
            "SIP/2.0 503 Service Unavailable",
            &["CSeq: 9292394834772304023312 OPTIONS", "Retry-After: 949302838503028349304023988"],
            b"",
        );
        refused("scalarlg", &bytes, Fault::Range { header: "CSeq" }, None);
    }

    /// 3.1.2.6: a quoted string that does not end.
    #[test]
    fn quotbal() {
        let bytes = message(INVITE, &["To: \"Mr. J. User <sip:j.user@example.com>"], b"");
        refused("quotbal", &bytes, VALUE("To"), Some(400));
    }

    /// 3.1.2.7 to 3.1.2.11: brackets, white space and headers in the request line.
    #[test]
    fn ltgtruri_lwsruri_lwsstart_trws_escruri() {
        for (name, start, fault) in [
            ("ltgtruri", "INVITE <sip:user@example.com> SIP/2.0", Fault::RequestUri),
            ("lwsruri", "INVITE sip:user@example.com; lr SIP/2.0", Fault::RequestUri),
            ("lwsstart", "INVITE  sip:user@example.com  SIP/2.0", Fault::RequestUri),
            ("trws", "OPTIONS sip:remote-target@example.com SIP/2.0  ", Fault::StartLine),
            ("escruri", "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", Fault::RequestUri),
        ] {
            refused(name, &message(start, &[], b""), fault, Some(400));
        }
    }

    /// 3.1.2.12: a date in no zone that SIP knows: whoever needs no date takes the request.
    #[test]
    fn baddate() {
        request(&message(INVITE, &["Date: Fri, 01 Jan 2010 16:00:00 EST"], b""));
    }

    /// 3.1.2.13: a `?` outside brackets.
    #[test]
    fn regbadct() {
        let contact = "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E";
        refused("regbadct", &message(REGISTER, &[contact], b""), VALUE("Contact"), Some(400));
    }

    /// 3.1.2.14, 3.1.2.15: faults in an address whose meaning is plain are passed over.
    #[test]
    fn badaspec_baddn() {
        let to = "To: \"Watson, Thomas\" < sip:t.watson@example.org >";
        let request_ = request(&message(OPTIONS, &[to], b""));
        assert_eq!(header::to(&request_.headers).unwrap().uri.user, Some("t.watson"));
        let from = "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43";
        let request_ = request(&message(OPTIONS, &[from], b""));
        let from = header::from(&request_.headers).unwrap();
        assert_eq!((from.display().as_deref(), from.tag()), (Some("Bell, Alexander"), Some("43")));
    }

    /// 3.1.2.16: another protocol version is told which one is spoken.
    #[test]
    fn badvers() {
        let bytes = message("OPTIONS sip:t.watson@example.org SIP/7.0", &[], b"");
        refused("badvers", &bytes, Fault::Version, Some(505));
        refused("no version", &message("OPTIONS sip:a@b HTTP/1.1", &[], b""), Fault::StartLine, Some(400));
    }

    /// 3.1.2.17, 3.1.2.18: CSeq and request line disagree.
    #[test]
    fn mismatch01_mismatch02() {
        refused("mismatch01", &message(OPTIONS, &["CSeq: 8 INVITE"], b""), Fault::CSeqMethod, Some(400));
        let bytes = message("NEWMETHOD sip:user@example.com SIP/2.0", &["CSeq: 8 INVITE"], b"");
        refused("mismatch02", &bytes, Fault::CSeqMethod, Some(400));
    }

    /// 3.1.2.19: a response code that wraps round.
    #[test]
    fn bigcode() {
        refused(
            "bigcode",
            &message("SIP/2.0 4294967301 better not break", &[], b""),
            Fault::StatusCode,
            None,
        );
    }
}

mod transaction_3_2 {
    use super::*;

    /// 3.2.1: the cookie alone is no unique branch.
    #[test]
    fn badbranch() {
        let request = request(&message(OPTIONS, &["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"], b""));
        assert_eq!(header::top_via(&request.headers).unwrap().unique_branch(), None);
    }
}

mod application_3_3 {
    use super::*;

    /// 3.3.1: without From, To and Call-ID there is nothing to make an answer of.
    #[test]
    fn insuf() {
        let bytes = b"INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\n\
            Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\nl: 0\r\n\r\n";
        refused("insuf", bytes, Fault::Missing { header: "From" }, None);
    }

    /// 3.3.2, 3.3.3: schemes nobody follows; the user agent answers 416.
    #[test]
    fn unkscm_novelsc() {
        for (uri, scheme) in [
            ("nobodyKnowsThisScheme:totallyopaquecontent", "nobodyknowsthisscheme"),
            ("soap.beep://192.0.2.103:3002", "soap.beep"),
        ] {
            let request = request(&message(&format!("OPTIONS {uri} SIP/2.0"), &[], b""));
            assert_eq!(Uri::from(&request.uri).scheme, Scheme::Other(scheme.into()));
        }
    }

    /// 3.3.4: the same in headers.
    #[test]
    fn unksm2() {
        let lines = [
            "To: isbn:2983792873",
            "From: <http://www.example.com>;tag=3234233",
            "Contact: <name:John_Smith>",
        ];
        let request = request(&message(REGISTER, &lines, b""));
        assert_eq!(header::to(&request.headers).unwrap().uri.scheme(), Scheme::Other("isbn".into()));
    }

    /// 3.3.5: extensions asked for are all visible, for the 420.
    #[test]
    fn bext01() {
        let lines = [
            "Require: nothingSupportsThis, nothingSupportsThisEither",
            "Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis",
        ];
        let request = request(&message(OPTIONS, &lines, b""));
        let asked: Vec<_> = header::tokens(&request.headers, "Require").collect();
        assert_eq!(asked, ["nothingSupportsThis", "nothingSupportsThisEither"]);
    }

    /// 3.3.6: a type of body nobody knows is a matter for the user agent.
    #[test]
    fn invut() {
        let request = request(&message(INVITE, &["Content-Type: application/unknownformat"], b"<audio/>"));
        assert_eq!(header::first(&request.headers, "Content-Type"), Some("application/unknownformat"));
    }

    /// 3.3.7: an authentication scheme nobody knows is no authentication.
    #[test]
    fn regaut01() {
        let request =
            request(&message(REGISTER, &["Authorization: NoOneKnowsThisScheme opaque-data=here"], b""));
        let value = header::first(&request.headers, "Authorization").unwrap();
        assert!(vorzimmer_sip::digest::Credentials::parse(value).is_err());
    }

    /// 3.3.8, 3.3.9: headers that may be there once are there twice.
    #[test]
    fn multi01_mcl01() {
        let lines = [
            "Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKa",
            "CSeq: 5 INVITE",
            "CSeq: 59 INVITE",
            "Call-ID: a",
            "Call-ID: b",
            "From: <sip:a@b>;tag=1",
            "From: <sip:c@d>;tag=2",
            "To: <sip:a@b>",
            "To: <sip:c@d>",
            "Max-Forwards: 70",
            "Max-Forwards: 12",
        ];
        let bytes = message(INVITE, &lines, b"");
        refused("multi01", &bytes, Fault::Duplicate { header: "CSeq" }, Some(400));
        let bytes = message(OPTIONS, &["Content-Length: 13", "Content-Length: 5"], b"There's no way");
        refused("mcl01", &bytes, Fault::Duplicate { header: "Content-Length" }, Some(400));
    }

    /// 3.3.10: a response to somebody else: its top Via tells.
    #[test]
    fn bcast() {
        let lines = [
            "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
            "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
        ];
        let Ok(Parsed::Response(response)) = read(&message("SIP/2.0 200 OK", &lines, b"")) else { panic!() };
        let top = header::top_via(&response.headers).unwrap();
        assert_eq!(top.branch(), Some("z9hG4bK1324923"));
    }

    /// 3.3.11: the last hop.
    #[test]
    fn zeromf() {
        let request = request(&message(OPTIONS, &["Max-Forwards: 0"], b""));
        assert_eq!(header::max_forwards(&request.headers), Ok(Some(0)));
    }

    /// 3.3.12 to 3.3.14: parameters of the Contact, of its URI, and headers in its URI.
    #[test]
    fn cparam01_cparam02_regescrt() {
        let contact = |line: &str| {
            let request = request(&message(REGISTER, &[line], b""));
            header::address(&request.headers, "Contact").unwrap().to_name_addr()
        };
        let one = contact("Contact: sip:+19725552222@gw1.example.net;unknownparam");
        assert_eq!((one.params.len(), one.uri.params.len()), (1, 0));
        let two = contact("Contact: <sip:+19725552222@gw1.example.net;unknownparam>");
        assert_eq!((two.params.len(), two.uri.params.len()), (0, 1));
        let three = contact("Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>");
        assert_eq!(three.uri.rest.as_deref(), Some("Route=%3Csip:sip.example.com%3E"));
    }

    /// 3.3.15: what the caller accepts instead of a session description is his matter.
    #[test]
    fn sdp01() {
        let request = request(&message(INVITE, &["Accept: text/nobodyKnowsThis"], b"v=0\r\n"));
        assert_eq!(header::tokens(&request.headers, "Accept").collect::<Vec<_>>(), ["text/nobodyKnowsThis"]);
    }
}

mod backward_3_4 {
    use super::*;

    /// 3.4.1: a request of RFC 2543: no branch, no tag, no Max-Forwards, Content-Length in the datagram's hands.
    #[test]
    fn inv2543() {
        let bytes = b"INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\n\
            From: <sip:+13035551111@ift.client.example.net;user=phone>\r\nRecord-Route: <sip:UserB@example.com;maddr=ss1.example.com>\r\n\
            To: sip:+16505552222@ss1.example.net;user=phone\r\nCall-ID: inv2543.1717@ift.client.example.com\r\n\
            CSeq: 56 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";
        let request = request(bytes);
        assert_eq!(request.body, b"v=0\r\n");
        assert_eq!(header::from(&request.headers).unwrap().tag(), None);
        assert_eq!(header::top_via(&request.headers).unwrap().branch(), None);
        let answer = Skeleton::of(&request).unwrap().response(StatusCode::BusyHere, "t1");
        assert_eq!(header::to(&answer.headers).unwrap().tag(), Some("t1"));
    }
}
