//! The shapes: what each carrier sends, and what is to be read from it.

use vorzimmer_sip::identity::{CalledIn, DidSource, ForwardReason, NumberPlan};
use vorzimmer_sip::wire::{Framing, Parsed, Untrusted, parse};

use super::{Row, Who, invite};

fn swiss() -> NumberPlan {
    NumberPlan::new("41", "00", "0", None).unwrap()
}

fn austrian() -> NumberPlan {
    NumberPlan::new("43", "00", "0", Some("999")).unwrap()
}

fn german_in_berlin() -> NumberPlan {
    NumberPlan::new("49", "00", "0", Some("30")).unwrap()
}

fn told_in_to() -> NumberPlan {
    NumberPlan::germany().with_called_in(CalledIn::To)
}

const UNCONDITIONAL: Option<ForwardReason> = Some(ForwardReason::Unconditional);
const BUSY: Option<ForwardReason> = Some(ForwardReason::Busy);
const NO_ANSWER: Option<ForwardReason> = Some(ForwardReason::NoAnswer);

const DID: &str = "+493023125100";

fn by_request_uri() -> (&'static str, DidSource) {
    (DID, DidSource::RequestUri)
}

/// All rows.
pub fn all() -> Vec<Row> {
    [
        telekom(),
        telekom_withheld(),
        vodafone_and_telefonica(),
        sipgate(),
        city_carriers(),
        resellers(),
        easybell_local(),
        pbx(),
        pbx_without_much(),
        cores(),
        swiss_and_austrian(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn telekom() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "Telekom CompanyFlex: asserted tel and sip, History-Info and Diversion",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10;user=phone",
                "<sip:+4922147100011@tel.t-online.de;user=phone>",
                "<sip:+4969900090001@tel.t-online.de;user=phone>",
                &[
                    "P-Asserted-Identity: <sip:+4922147100011@tel.t-online.de;user=phone>, <tel:+4922147100011>",
                    "History-Info: <sip:+4969900090001@tel.t-online.de;user=phone?Reason=SIP%3Bcause%3D302>;index=1, \
                     <sip:+493023125100@tel.t-online.de;user=phone;cause=302>;index=1.1",
                    "Diversion: <sip:+4969900090001@tel.t-online.de;user=phone>;reason=unconditional;counter=1;privacy=off",
                ],
            ),
            did: by_request_uri(),
            who: Who::Number("+4922147100011"),
            chain: vec![
                ("+4969900090001", UNCONDITIONAL, 1),
                ("+4969900090001", UNCONDITIONAL, 1),
                (DID, None, 1),
            ],
        },
        Row {
            shape: "Telekom NGN: number withheld, asserted identity present, diverting party private",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10;user=phone",
                "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
                "<sip:+493023125100@tel.t-online.de;user=phone>",
                &[
                    "P-Asserted-Identity: <sip:+4922147100011@tel.t-online.de;user=phone>",
                    "Privacy: id",
                    "Diversion: <sip:+4969900090001@tel.t-online.de>;reason=no-answer;privacy=full;counter=1",
                ],
            ),
            did: by_request_uri(),
            who: Who::Withheld,
            chain: vec![("-", NO_ANSWER, 1)],
        },
    ]
}

fn telekom_withheld() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "Telekom: anonymous user at a real host, no Privacy header",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10",
                "<sip:anonymous@tel.t-online.de;user=phone>",
                "<sip:+493023125100@tel.t-online.de>",
                &[],
            ),
            did: by_request_uri(),
            who: Who::Withheld,
            chain: vec![],
        },
        Row {
            shape: "Telekom: a PBX forwards with CLIP no screening and is asserted itself",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10;user=phone",
                "\"Erika Muster\" <sip:+4940669690077@tel.t-online.de;user=phone>",
                "<sip:+493023125100@tel.t-online.de>",
                &[
                    "P-Asserted-Identity: <sip:+4969900090001@tel.t-online.de;user=phone>",
                    "Diversion: <sip:+4969900090001@tel.t-online.de>;reason=unconditional",
                ],
            ),
            did: by_request_uri(),
            who: Who::Named("+4940669690077", "Erika Muster"),
            chain: vec![("+4969900090001", UNCONDITIONAL, 1)],
        },
        Row {
            shape: "Telekom: the same with a withheld caller keeps the forwarder",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10;user=phone",
                "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
                "<sip:+493023125100@tel.t-online.de>",
                &[
                    "P-Asserted-Identity: <sip:+4969900090001@tel.t-online.de;user=phone>",
                    "Privacy: id",
                    "Diversion: <sip:+4969900090001@tel.t-online.de>;reason=user-busy",
                ],
            ),
            did: by_request_uri(),
            who: Who::Withheld,
            chain: vec![("+4969900090001", BUSY, 1)],
        },
    ]
}

fn vodafone_and_telefonica() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "Vodafone: national called number, 0049 caller, two diversions on one line",
            plan: de(),
            request: invite(
                "sip:03023125100@192.0.2.10:5060;transport=udp",
                "<sip:004989999980012@sip.vodafone.example;user=phone>",
                "<sip:03023125100@192.0.2.10>",
                &[
                    "Diversion: <sip:004969900090002@v>;reason=user-busy;counter=1,<sip:004969900090001@v>;reason=no-answer;counter=1",
                ],
            ),
            did: by_request_uri(),
            who: Who::Number("+4989999980012"),
            chain: vec![("+4969900090002", BUSY, 1), ("+4969900090001", NO_ANSWER, 1)],
        },
        Row {
            shape: "Vodafone: history private by Privacy header",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10",
                "<sip:+4989999980012@v;user=phone>",
                "<sip:+493023125100@v>",
                &[
                    "Privacy: history",
                    "History-Info: <sip:+4969900090001@v;user=phone>;index=1, <sip:+493023125100@v;cause=408>;index=1.1",
                ],
            ),
            did: by_request_uri(),
            who: Who::Number("+4989999980012"),
            chain: vec![("-", NO_ANSWER, 1), ("-", None, 1)],
        },
        Row {
            shape: "Telefónica: tel URI everywhere",
            plan: de(),
            request: invite(
                "tel:+49-30-23125-100",
                "<tel:+49-221-4710-0012>",
                "<tel:+49-30-23125-100>",
                &[
                    "P-Asserted-Identity: <tel:+4922147100012>",
                    "Diversion: <tel:+4969900090001>;reason=no-answer",
                ],
            ),
            did: by_request_uri(),
            who: Who::Number("+4922147100012"),
            chain: vec![("+4969900090001", NO_ANSWER, 1)],
        },
    ]
}

fn sipgate() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "sipgate trunking: account in the request line, number in To without plus",
            plan: de(),
            request: invite(
                "sip:1234567t0@192.0.2.10:5060",
                "\"4940669690077\" <sip:4940669690077@sipgate.example>",
                "<sip:493023125100@sipgate.example>",
                &["P-Asserted-Identity: <sip:4940669690077@sipgate.example>"],
            ),
            did: (DID, DidSource::To),
            who: Who::Number("+4940669690077"),
            chain: vec![],
        },
        Row {
            shape: "sipgate: numeric account in the request line, told in To by configuration",
            plan: told_in_to(),
            request: invite(
                "sip:004912345678@192.0.2.10:5060",
                "<sip:4940669690077@sipgate.example>",
                "<sip:493023125100@sipgate.example>",
                &["Diversion: <sip:4969900090001@sipgate.example>;reason=unconditional;privacy=\"off\""],
            ),
            did: (DID, DidSource::To),
            who: Who::Number("+4940669690077"),
            chain: vec![("+4969900090001", UNCONDITIONAL, 1)],
        },
    ]
}

fn city_carriers() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "QSC/plusnet: number dialled kept in P-Called-Party-ID, quoted Diversion values",
            plan: de(),
            request: invite(
                "sip:trunk-0815@192.0.2.10",
                "<sip:+4989999980012@plusnet.example;user=phone>",
                "<sip:trunk-0815@plusnet.example>",
                &[
                    "P-Called-Party-ID: <sip:+493023125100@plusnet.example;user=phone>",
                    "Diversion: \"Zentrale, Frankfurt\" <sip:+4969900090001@plusnet.example>;reason=\"time-of-day\";counter=\"1\"",
                ],
            ),
            did: (DID, DidSource::CalledParty),
            who: Who::Number("+4989999980012"),
            chain: vec![("+4969900090001", Some(ForwardReason::TimeOfDay), 1)],
        },
        Row {
            shape: "1&1 Versatel: routing number and dip indicator inside the user part",
            plan: de(),
            request: invite(
                "sip:+493023125100;npdi;rn=+49199123@192.0.2.10;user=phone",
                "<sip:+4922147100011;cpc=ordinary@versatel.example;user=phone>",
                "<sip:+493023125100@versatel.example;user=phone>",
                &["P-Asserted-Identity: <sip:+4922147100011;cpc=ordinary@versatel.example;user=phone>"],
            ),
            did: by_request_uri(),
            who: Who::Number("+4922147100011"),
            chain: vec![],
        },
        Row {
            shape: "Deutsche Glasfaser: local caller number with phone-context, no plus",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10",
                "<sip:03023125007;phone-context=+49@dg.example;user=phone>",
                "<sip:+493023125100@dg.example>",
                &["Privacy: none"],
            ),
            did: by_request_uri(),
            who: Who::Number("+493023125007"),
            chain: vec![],
        },
    ]
}

fn resellers() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "Peoplefone: caller withheld by his display name alone, number in From and Diversion",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10",
                "\"Unterdrückt\" <sip:+4940669690077@peoplefone.example>",
                "<sip:+493023125100@peoplefone.example>",
                &["Diversion: <sip:+4940669690077@peoplefone.example>;reason=away"],
            ),
            did: by_request_uri(),
            who: Who::Withheld,
            chain: vec![("-", Some(ForwardReason::FollowMe), 1)],
        },
        Row {
            shape: "easybell: number in compact headers, P-Asserted-Identity with a name",
            plan: de(),
            request: {
                let text = "INVITE sip:00493023125100@192.0.2.10 SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n\
                    f: <sip:004940669690077@easybell.example>;tag=1\r\nt: <sip:00493023125100@easybell.example>\r\n\
                    i: a\r\nCSEQ: 1 INVITE\r\nm: <sip:192.0.2.1>\r\n\
                    p-asserted-identity: \"Muster GmbH\"\r\n <sip:004940669690077@easybell.example>\r\nl: 0\r\n\r\n";
                match parse(Untrusted::new(text.as_bytes()), Framing::Datagram) {
                    Ok(Parsed::Request(request)) => request,
                    other => panic!("{other:?}"),
                }
            },
            did: by_request_uri(),
            who: Who::Named("+4940669690077", "Muster GmbH"),
            chain: vec![],
        },
    ]
}

fn easybell_local() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "easybell: called number without any prefix within its area",
            plan: german_in_berlin(),
            request: invite("sip:23125100@192.0.2.10", "<sip:23125007@h>", "<sip:23125100@h>", &[]),
            did: by_request_uri(),
            who: Who::Number("+493023125007"),
            chain: vec![],
        },
        Row {
            shape: "reseller SBC: unbracketed URIs, caller unavailable",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10",
                "sip:unavailable@unknown.invalid",
                "sip:+493023125100@192.0.2.10",
                &["Diversion: sip:unknown@unknown.invalid;reason=unknown"],
            ),
            did: by_request_uri(),
            who: Who::Withheld,
            chain: vec![("-", Some(ForwardReason::Other), 1)],
        },
        Row {
            shape: "Twilio style: E.164 at a domain, Diversion names the rented number",
            plan: de(),
            request: invite(
                "sip:+493023125100@vorzimmer.example.com;transport=tcp",
                "\"Unavailable\" <sip:+442079460123@carrier.example>",
                "<sip:+493023125100@vorzimmer.example.com>",
                &[
                    "Diversion: <sip:+442079460999@carrier.example>;reason=unconditional",
                    "X-Account-Sid: AC0",
                ],
            ),
            did: by_request_uri(),
            who: Who::Number("+442079460123"),
            chain: vec![("+442079460999", UNCONDITIONAL, 1)],
        },
    ]
}

fn pbx() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "Asterisk: Diversion with an extension, Remote-Party-ID open",
            plan: german_in_berlin(),
            request: invite(
                "sip:03023125100@192.0.2.10",
                "\"Max Muster\" <sip:022147100011@asterisk.example>",
                "<sip:03023125100@192.0.2.10>",
                &[
                    "Diversion: \"Empfang\" <sip:23125001@asterisk.example>;reason=no-answer",
                    "Remote-Party-ID: \"Max Muster\" <sip:022147100011@asterisk.example>;party=calling;privacy=off;screen=no",
                ],
            ),
            did: by_request_uri(),
            who: Who::Named("+4922147100011", "Max Muster"),
            chain: vec![("+493023125001", NO_ANSWER, 1)],
        },
        Row {
            shape: "Asterisk: withheld by Remote-Party-ID only",
            plan: de(),
            request: invite(
                "sip:03023125100@192.0.2.10",
                "<sip:022147100011@asterisk.example>",
                "<sip:03023125100@192.0.2.10>",
                &[
                    "Remote-Party-ID: <sip:022147100011@asterisk.example>;party=calling;privacy=full;screen=yes",
                ],
            ),
            did: by_request_uri(),
            who: Who::Withheld,
            chain: vec![],
        },
        Row {
            shape: "3CX: an internal caller has an address, not a number",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10",
                "\"201\" <sip:201@pbx.example.com>",
                "<sip:+493023125100@192.0.2.10>",
                &["Diversion: <sip:800@pbx.example.com>;reason=deflection;counter=1"],
            ),
            did: by_request_uri(),
            who: Who::Address("201@pbx.example.com"),
            chain: vec![("800@pbx.example.com", Some(ForwardReason::Deflection), 1)],
        },
    ]
}

fn pbx_without_much() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![
        Row {
            shape: "FRITZ!Box forwarding: caller kept in From, box asserted, no Diversion",
            plan: de(),
            request: invite(
                "sip:+493023125100@192.0.2.10",
                "<sip:+4989999980012@fritz.example;user=phone>",
                "<sip:+493023125100@fritz.example>",
                &["P-Asserted-Identity: <sip:+4989999980012@fritz.example;user=phone>"],
            ),
            did: by_request_uri(),
            who: Who::Number("+4989999980012"),
            chain: vec![],
        },
        Row {
            shape: "FRITZ!Box: unbekannt",
            plan: de(),
            request: invite(
                "sip:03023125100@192.0.2.10",
                "\"unbekannt\" <sip:unbekannt@fritz.example>",
                "<sip:03023125100@192.0.2.10>",
                &[],
            ),
            did: by_request_uri(),
            who: Who::Withheld,
            chain: vec![],
        },
        Row {
            shape: "PBX without a caller at all",
            plan: de(),
            request: invite("sip:03023125100@192.0.2.10", "<sip:pbx.example.com>", "<sip:s@192.0.2.10>", &[]),
            did: by_request_uri(),
            who: Who::Unknown,
            chain: vec![],
        },
    ]
}

fn cores() -> Vec<Row> {
    let de = NumberPlan::germany;
    vec![Row {
        shape: "3GPP IMS core: only History-Info tells the number, entries out of order, one private",
        plan: de(),
        request: invite(
            "sip:contact-7f3a@192.0.2.10;transport=tcp",
            "<sip:+4922147100011@ims.example;user=phone>",
            "<sip:service@ims.example>",
            &[
                "History-Info: <sip:+493023125100@ims.example;cause=302>;index=1.1.1;mp=1.1",
                "History-Info: <sip:+4969900090001@ims.example?Privacy=history>;index=1, \
                     <sip:+4969900090002@ims.example;cause=486>;index=1.1;mp=1",
            ],
        ),
        did: (DID, DidSource::History),
        who: Who::Number("+4922147100011"),
        chain: vec![("-", BUSY, 1), ("+4969900090002", UNCONDITIONAL, 1), (DID, None, 1)],
    }]
}

fn swiss_and_austrian() -> Vec<Row> {
    vec![
        Row {
            shape: "Swisscom: national numbers, Diversion counter above one",
            plan: swiss(),
            request: invite(
                "sip:0990000001@192.0.2.10;user=phone",
                "<sip:0990000002@swiss.example;user=phone>",
                "<sip:0990000001@swiss.example>",
                &[
                    "Diversion: <sip:0990000003@swiss.example;user=phone>;reason=user-busy;counter=3;privacy=off",
                ],
            ),
            did: ("+41990000001", DidSource::RequestUri),
            who: Who::Number("+41990000002"),
            chain: vec![("+41990000003", BUSY, 3)],
        },
        Row {
            shape: "Sunrise: international caller with 00, name asserted by From only",
            plan: swiss(),
            request: invite(
                "sip:+41990000001@192.0.2.10",
                "\"Muster AG\" <sip:00493023125007@swiss.example>",
                "<sip:+41990000001@swiss.example>",
                &["P-Asserted-Identity: <tel:+493023125007>"],
            ),
            did: ("+41990000001", DidSource::RequestUri),
            who: Who::Named("+493023125007", "Muster AG"),
            chain: vec![],
        },
        Row {
            shape: "A1: local called number, country code without plus for the caller",
            plan: austrian(),
            request: invite(
                "sip:000001@192.0.2.10;user=phone",
                "<sip:43999000002@a1.example;user=phone>",
                "<sip:0999000001@a1.example>",
                &["Diversion: <sip:+43999000003@a1.example>;reason=unavailable"],
            ),
            // `00…` would be international: local numbers here never start so, and To has the answer.
            did: ("+43999000001", DidSource::To),
            who: Who::Number("+43999000002"),
            chain: vec![("+43999000003", Some(ForwardReason::Unavailable), 1)],
        },
    ]
}
