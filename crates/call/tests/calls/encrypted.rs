//! Whose legs are encrypted: by trunk, receptionist and customer, and what the refused side is told.

use std::collections::BTreeMap;

use vorzimmer_call::{ExchangeConfig, SrtpConfig};
use vorzimmer_sip::ua::{Reason, Transport};
use vorzimmer_types::TrunkId;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::dtls::{Fingerprint, Hash, Setup};
use vorzimmer_types::event::{Event, RingOutcome};
use vorzimmer_types::srtp::{Keying, Security, SrtpPolicy, Suite};

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::FakeWorld;

const ANNA: &str = "anna-desk";
const KEY: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
const OTHER_KEY: &str =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";

fn certificate() -> Fingerprint {
    Fingerprint::new(Hash::Sha256, &[7; 32]).expect("a fingerprint")
}

fn world() -> FakeWorld {
    FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]).without_greeting()
}

fn config(trunks: SrtpPolicy, certificate: Option<Fingerprint>) -> ExchangeConfig {
    let trunks = BTreeMap::from([(TrunkId::from_bytes([9; 16]), trunks)]);
    let srtp = SrtpConfig { trunks, certificate, ..SrtpConfig::default() };
    ExchangeConfig { srtp, ..ExchangeConfig::default() }
}

/// A description of a phone under this profile, with these lines besides.
fn under(phone: &str, profile: &str, lines: &str) -> String {
    sdp_of(phone, &[8, 0], "sendrecv").replace("RTP/AVP", profile) + lines
}

fn hands(setup: &str) -> String {
    let fingerprint = Fingerprint::new(Hash::Sha256, &[9; 32]).expect("a fingerprint");
    format!("a=fingerprint:{fingerprint}\r\na=setup:{setup}\r\na=rtcp-mux\r\n")
}

/// A call for Anna from 0.0 on.
fn rung(world: FakeWorld, certificate: Option<Fingerprint>) -> Stage {
    let mut stage = Stage::with_config(world, config(SrtpPolicy::Prefer, certificate));
    stage.invite(Some(&alaw()));
    stage.until(0.0);
    stage
}

fn offered(stage: &Stage) -> String {
    String::from_utf8_lossy(stage.offers.get(ANNA).expect("an offer to Anna")).into_owned()
}

fn outcomes(stage: &Stage) -> Vec<RingOutcome> {
    let ended = stage.events.iter().filter_map(|record| match &record.event {
        Event::RingEnded { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    ended.collect()
}

fn connected(stage: &Stage) -> Option<Security> {
    stage.connected.get(ANNA).map(|agreed| agreed.keying.security())
}

fn is_bridged(stage: &mut Stage) -> bool {
    stage.seen().contains("bridge caller anna-desk")
}

#[test]
fn under_secrecy_a_phone_that_cannot_be_told_keys_in_secret_is_not_even_rung() {
    let mut stage = rung(world().under_secrecy(), None);
    stage.until(10.0);
    let seen = stage.seen();
    assert!(!seen.contains("ring anna") && seen.contains("caller hears nobody-there"), "{seen}");
    assert_eq!(outcomes(&stage), [RingOutcome::Failed { status: 488 }], "the history says why");
    stage.expect_nothing_left();
}

#[test]
fn under_secrecy_an_answer_without_encryption_is_hung_up_on_and_told_why() {
    for answer in [
        sdp_of(ANNA, &[8, 0], "sendrecv"),
        under(ANNA, "RTP/SAVP", ""),
        under(ANNA, "RTP/AVP", KEY.replace(":1 ", ":99 ").as_str()),
    ] {
        let mut stage = rung(world().under_secrecy().devices_over(Transport::Tls), None);
        assert!(offered(&stage).contains(" RTP/SAVP ") && offered(&stage).contains("a=crypto:"));
        stage.answers_saying(ANNA, &answer);
        stage.until(1.0);
        assert!(!is_bridged(&mut stage), "nobody talks without encryption");
        assert_eq!(stage.connected.get(ANNA), None, "and no media is connected");
        let Reason { cause, text, .. } = stage.told.get(ANNA).expect("a reason");
        assert_eq!((*cause, text.contains("SRTP is required")), (488, true), "{text}");
        assert_eq!(outcomes(&stage), [RingOutcome::Failed { status: 488 }]);
        stage.until(10.0);
        stage.expect_nothing_left();
    }
}

#[test]
fn under_secrecy_keys_over_tls_or_a_handshake_will_do() {
    let cm = Suite::AesCm128HmacSha1Tag80;
    let cases = [
        (
            Transport::Tls,
            None,
            "RTP/SAVP",
            KEY.replace(":1 ", ":3 "),
            Security::Sdes { suite: cm, in_clear: false },
        ),
        (
            Transport::Udp,
            Some(certificate()),
            "UDP/TLS/RTP/SAVP",
            hands("active"),
            Security::Dtls { suite: None },
        ),
        (Transport::Tls, Some(certificate()), "RTP/SAVP", hands("passive"), Security::Dtls { suite: None }),
    ];
    for (transport, certificate, profile, lines, security) in cases {
        let mut stage = rung(world().under_secrecy().devices_over(transport), certificate);
        assert!(offered(&stage).contains(&format!(" {profile} ")), "{}", offered(&stage));
        stage.answers_saying(ANNA, &under(ANNA, profile, &lines));
        assert!(is_bridged(&mut stage));
        assert_eq!(connected(&stage), Some(security));
        let caller = stage.connected.get("caller").map(|agreed| agreed.keying.security());
        assert_eq!(caller, Some(Security::Plain), "the caller's network is not ours to choose");
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn the_stricter_of_receptionist_and_customer_decides() {
    use SrtpPolicy::{Off, Prefer, Require};
    for (hers, customers, profile, keys) in [
        (Prefer, Prefer, "RTP/AVP", true),
        (Off, Prefer, "RTP/AVP", false),
        (Prefer, Off, "RTP/AVP", false),
        (Require, Off, "RTP/SAVP", true),
        (Off, Require, "RTP/SAVP", true),
    ] {
        let world = world().receptionists_want(hers).customer_wants(customers).devices_over(Transport::Tls);
        let mut stage = Stage::with_config(world, config(Prefer, Some(certificate())));
        // What the customer demands holds for the caller's leg too.
        let caller = under("caller", "UDP/TLS/RTP/SAVP", &hands("actpass"));
        stage.invite(Some(&if customers == Require { caller } else { alaw() }));
        stage.until(0.0);
        let offer = offered(&stage);
        assert!(offer.contains(&format!(" {profile} ")), "{hers:?} {customers:?}: {offer}");
        assert_eq!(offer.contains("a=crypto:"), keys, "{hers:?} {customers:?}: {offer}");
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn a_trunk_is_held_to_its_policy_and_told_what_is_wanted() {
    use SrtpPolicy::{Off, Prefer, Require};
    let handshake = hands("actpass");
    let cases = [
        (Require, "RTP/AVP", "", Some((302, "SRTP is required"))),
        (Require, "RTP/SAVP", KEY, Some((306, "keys would be sent in the clear"))),
        (Require, "UDP/TLS/RTP/SAVP", handshake.as_str(), None),
        (Prefer, "RTP/SAVP", "", Some((306, "no usable key for SRTP"))),
        (Prefer, "RTP/SAVP", KEY, None),
        (Prefer, "RTP/AVP", "", None),
        (Off, "RTP/SAVP", KEY, Some((302, "SRTP is switched off here"))),
        (Off, "RTP/AVP", KEY, None),
    ];
    for (policy, profile, lines, refused) in cases {
        let mut stage = Stage::with_config(world(), config(policy, Some(certificate())));
        stage.invite(Some(&under("caller", profile, lines)));
        stage.until(0.0);
        let told = stage.told.get("caller").map(|reason| (reason.cause, reason.warning, reason.text.clone()));
        match (refused, &told) {
            (None, None) => assert!(stage.seen().contains("200 to caller"), "{policy:?} {profile}"),
            (Some((code, words)), Some((488, Some(warning), text))) => {
                assert_eq!(*warning, code, "{policy:?} {profile}: {text}");
                assert!(text.contains(words), "{policy:?} {profile}: {text}");
                stage.expect("0.0 488 to caller");
                stage.expect_nothing_left();
                continue;
            }
            _ => panic!("{policy:?} {profile}: {told:?}"),
        }
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn what_is_refused_for_its_codecs_is_told_so() {
    let mut stage = Stage::new(world());
    stage.invite(Some(&sdp_of("caller", &[18], "sendrecv")));
    let told = stage.told.get("caller").expect("a reason");
    assert_eq!((told.cause, told.warning, told.text.as_str()), (488, Some(305), "no codec in common"));
    stage.expect("0.0 488 to caller");
}

#[test]
fn a_phone_that_refuses_an_offer_is_rung_again_in_the_next_way() {
    let mut stage = rung(world(), Some(certificate()));
    let mut ways = vec![offered(&stage)];
    for _ in 0..2 {
        stage.until(1.0);
        stage.refuses(ANNA, 488);
        ways.push(offered(&stage));
    }
    let profiles: Vec<&str> = ways
        .iter()
        .map(|offer| offer.split_whitespace().find(|word| word.contains("RTP/")).unwrap_or(""))
        .collect();
    assert_eq!(profiles, ["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP"]);
    stage.answers_saying(ANNA, &under(ANNA, "UDP/TLS/RTP/SAVP", &hands("active")));
    assert!(is_bridged(&mut stage));
    let Keying::Dtls { ours, .. } = stage.connected[ANNA].keying else { panic!("no handshake") };
    assert_eq!(ours, Setup::Passive);
    assert_eq!(stage.count(|event| matches!(event, Event::Rung { .. })), 1, "it rang once");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_phone_that_refuses_every_offer_has_refused() {
    let mut stage = rung(world(), None);
    stage.refuses(ANNA, 488);
    stage.seen();
    stage.refuses(ANNA, 488);
    stage.until(10.0);
    assert!(stage.seen().contains("caller hears nobody-there"));
    assert_eq!(outcomes(&stage), [RingOutcome::Failed { status: 488 }]);
    stage.expect_nothing_left();
}

#[test]
fn a_caller_who_gives_up_meanwhile_ends_the_ringing_in_the_other_way() {
    let mut stage = rung(world(), Some(certificate()));
    stage.refuses(ANNA, 488);
    stage.hangs_up("caller");
    assert!(stage.seen().contains("cancel anna-desk"));
    stage.expect_nothing_left();
}

#[test]
fn a_new_description_may_change_the_keys_and_never_drops_them() {
    let mut stage = rung(world().devices_over(Transport::Tls), None);
    stage.answers_saying(ANNA, &under(ANNA, "RTP/AVP", &KEY.replace(":1 ", ":3 ")));
    assert!(is_bridged(&mut stage));
    let keys = |stage: &Stage| match &stage.connected[ANNA].keying {
        Keying::Sdes { keys, .. } => keys.clone(),
        other => panic!("{:?}", other.security()),
    };
    let first = keys(&stage);
    stage.reoffers(ANNA, Some(&under(ANNA, "RTP/AVP", OTHER_KEY)));
    let renewed = keys(&stage);
    assert!(renewed.receive != first.receive && renewed.send != first.send, "both begin anew");
    stage.seen();
    stage.reoffers(ANNA, Some(&sdp_of(ANNA, &[8, 0], "sendrecv")));
    stage.expect("0.0 488 to anna-desk");
    assert!(keys(&stage) == renewed, "the talk goes on as it was");
    assert!(stage.told[ANNA].text.contains("SRTP is required"), "{}", stage.told[ANNA].text);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn under_secrecy_nobody_is_put_through_to_a_colleague_without_encryption() {
    let mut stage = rung(world().under_secrecy().devices_over(Transport::Tls), None);
    stage.answers_saying(ANNA, &under(ANNA, "RTP/SAVP", &KEY.replace(":1 ", ":3 ")));
    assert!(is_bridged(&mut stage));
    stage.refers(ANNA, "sip:ben@vorzimmer.example");
    stage.until(1.0);
    let offer = String::from_utf8_lossy(&stage.offers["ben-desk"]).into_owned();
    assert!(offer.contains(" RTP/SAVP ") && offer.contains("a=crypto:"), "{offer}");
    stage.answers("ben-desk");
    stage.until(2.0);
    assert_eq!(stage.connected.get("ben-desk"), None, "an answer in the clear connects nobody");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_colleague_who_refuses_an_offer_is_rung_again_in_the_next_way() {
    let mut stage = rung(world(), Some(certificate()));
    stage.answers(ANNA);
    assert!(is_bridged(&mut stage));
    stage.refers(ANNA, "sip:ben@vorzimmer.example");
    let mut profiles = Vec::new();
    for again in [true, true, false] {
        stage.until(1.0);
        let offer = String::from_utf8_lossy(&stage.offers["ben-desk"]).into_owned();
        profiles.push(offer.split_whitespace().find(|word| word.contains("RTP/")).unwrap_or("").to_owned());
        if again {
            stage.refuses("ben-desk", 488);
        }
    }
    assert_eq!(profiles, ["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP"]);
    stage.answers_saying("ben-desk", &under("ben-desk", "UDP/TLS/RTP/SAVP", &hands("active")));
    stage.until(2.0);
    let Keying::Dtls { .. } = stage.connected["ben-desk"].keying else { panic!("no handshake") };
    assert_eq!(stage.count(|event| matches!(event, Event::Rung { .. })), 2, "each rang once");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
