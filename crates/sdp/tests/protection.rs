//! Encryption by policy: who demands what, what is offered for it, what is taken, and what a new description changes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall fail loudly")]

use vorzimmer_sdp::{Description, Local, Media, Profile, Protection, Refusal, Session, Transport};
use vorzimmer_types::dtls::{Fingerprint, Hash, Setup};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::{Keying, Security, SrtpPolicy, Suite};

const CM: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
const CM_AGAIN: &str =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
const GCM: &str =
    "a=crypto:7 AEAD_AES_256_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis=\r\n";
const WITH_MKI: &str =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4\r\n";
const SHAKES: &str = "a=fingerprint:SHA-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\na=setup:actpass\r\na=rtcp-mux\r\n";

fn certificate() -> Fingerprint {
    Fingerprint::new(Hash::Sha256, &[7; 32]).unwrap()
}

fn local(policy: SrtpPolicy, in_clear: bool) -> Local {
    let protection = Protection { policy, in_clear, ..Protection::OFF };
    Local { protection, ..Local::new("198.51.100.7:40000".parse().unwrap()) }
}

fn shaking(policy: SrtpPolicy) -> Local {
    let plain = local(policy, true);
    Local { protection: Protection { certificate: Some(certificate()), ..plain.protection }, ..plain }
}

fn session(seed: u64) -> Session {
    Session::new(&mut Seeded::new(seed))
}

fn parse(profile: &str, lines: &str) -> Description {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 1000 {profile} 8\r\n{lines}"
    );
    Description::parse(text.as_bytes()).unwrap()
}

fn sent(description: &Description) -> Description {
    Description::parse(&description.to_bytes()).unwrap()
}

fn audio(description: &Description) -> &vorzimmer_sdp::AudioMedia {
    match &description.media[0] {
        Media::Audio(audio) => audio,
        Media::Other(_) => panic!("refused"),
    }
}

fn sdes(suite: Suite, in_clear: bool) -> Result<Security, Refusal> {
    Ok(Security::Sdes { suite, in_clear })
}

#[test]
fn offers_are_answered_by_policy() {
    use Refusal::{KeysInClear, NoCommonSuite, NoHandshake, NotEncrypted, SecureTransport};
    use SrtpPolicy::{Off, Prefer, Require};
    let plain = Ok(Security::Plain);
    let best = Suite::AeadAes256Gcm;
    let cm = Suite::AesCm128HmacSha1Tag80;
    let both = format!("{CM}{GCM}");
    let keys_or_hands = format!("{CM}{SHAKES}");
    let dtls = Ok(Security::Dtls { suite: None });
    let table = [
        ("plain", local(Prefer, true), "RTP/AVP", "", plain),
        ("plain, switched off", local(Off, true), "RTP/AVP", CM, plain),
        ("plain, required", local(Require, false), "RTP/AVP", "", Err(NotEncrypted)),
        ("best effort", local(Prefer, true), "RTP/AVP", CM, sdes(cm, true)),
        ("best effort over TLS", local(Require, false), "RTP/AVP", CM, sdes(cm, false)),
        ("best effort, unusable", local(Prefer, true), "RTP/AVP", WITH_MKI, plain),
        ("keys in clear, required", local(Require, true), "RTP/AVP", CM, Err(KeysInClear)),
        ("secure", local(Prefer, true), "RTP/SAVP", CM, sdes(cm, true)),
        ("secure with feedback", local(Prefer, false), "RTP/SAVPF", CM, sdes(cm, false)),
        ("the best of two", local(Prefer, true), "RTP/SAVP", &both, sdes(best, true)),
        ("secure, switched off", local(Off, true), "RTP/SAVP", CM, Err(SecureTransport)),
        ("secure without keys", local(Prefer, true), "RTP/SAVP", "", Err(NoCommonSuite)),
        ("secure with an MKI", local(Prefer, true), "RTP/SAVP", WITH_MKI, Err(NoCommonSuite)),
        ("secure, keys in clear", local(Require, true), "RTP/SAVP", CM, Err(KeysInClear)),
        ("a handshake", shaking(Prefer), "UDP/TLS/RTP/SAVP", SHAKES, dtls),
        ("a handshake, required", shaking(Require), "UDP/TLS/RTP/SAVPF", SHAKES, dtls),
        ("a handshake besides", shaking(Prefer), "RTP/AVP", SHAKES, dtls),
        ("a handshake rather than keys", shaking(Prefer), "RTP/SAVP", &keys_or_hands, dtls),
        ("a handshake, switched off", shaking(Off), "UDP/TLS/RTP/SAVP", SHAKES, Err(SecureTransport)),
        ("a handshake without us", local(Prefer, true), "UDP/TLS/RTP/SAVP", SHAKES, Err(NoHandshake)),
        ("a handshake without a name", shaking(Prefer), "UDP/TLS/RTP/SAVP", "", Err(NoHandshake)),
    ];
    for (what, local, profile, lines, expected) in table {
        let answered = session(1).answer(&parse(profile, lines), &local, &mut Seeded::new(2));
        let got = answered.as_ref().map(|(_, agreed)| agreed.keying.security()).map_err(|refusal| *refusal);
        assert_eq!(got, expected, "{what}");
        if let Ok((answer, _)) = &answered {
            let ours = audio(answer);
            assert_eq!(ours.transport, audio(&parse(profile, lines)).transport, "{what}");
            assert_eq!(ours.crypto.len(), usize::from(matches!(got, Ok(Security::Sdes { .. }))), "{what}");
            assert_eq!(ours.dtls.is_some(), got == dtls, "{what}");
        }
        if let Err(refusal) = got {
            assert_eq!(refusal.status(), 488, "{what}");
        }
    }
}

#[test]
fn two_of_us_take_the_best_that_both_have() {
    use SrtpPolicy::{Off, Prefer, Require};
    let table = [
        (
            "both prefer it",
            local(Prefer, true),
            local(Prefer, true),
            Ok("SDES AEAD_AES_256_GCM, keys sent in the clear"),
        ),
        ("one has it off", local(Prefer, true), local(Off, true), Ok("not encrypted")),
        ("one requires it", local(Require, false), local(Prefer, false), Ok("SDES AEAD_AES_256_GCM")),
        ("required, and off", local(Require, false), local(Off, true), Err(Refusal::SecureTransport)),
        ("off, and required", local(Off, true), local(Require, false), Err(Refusal::NotEncrypted)),
        ("by handshake", shaking(Prefer), shaking(Prefer), Ok("DTLS")),
        ("by handshake, required in the clear", shaking(Require), shaking(Require), Ok("DTLS")),
        (
            "one shakes no hands",
            shaking(Prefer),
            local(Prefer, true),
            Ok("SDES AEAD_AES_256_GCM, keys sent in the clear"),
        ),
    ];
    for (what, anns, bobs, expected) in table {
        let (mut ann, mut bob) = (session(1), session(2));
        let offer = ann.offer(&anns, &mut Seeded::new(3)).unwrap();
        let answered = bob.answer(&sent(&offer), &bobs, &mut Seeded::new(4)).and_then(|(answer, hers)| {
            let his = ann.accept(&sent(&answer))?;
            match (&his.keying, &hers.keying) {
                (Keying::Sdes { keys: his, .. }, Keying::Sdes { keys: hers, .. }) => {
                    assert!(his.send == hers.receive && his.receive == hers.send, "{what}");
                }
                (Keying::Dtls { peer: his_peer, ours: his }, Keying::Dtls { peer: her_peer, ours: hers }) => {
                    assert_eq!([his_peer, her_peer], [&certificate(); 2], "{what}");
                    assert_eq!((*his, *hers), (Setup::Active, Setup::Passive), "{what}");
                }
                (his, hers) => assert_eq!(his, hers, "{what}"),
            }
            // Who offers a handshake wants RTCP where RTP is, and gets it there whatever is taken.
            assert_eq!(his.rtcp == his.rtp, anns.protection.certificate.is_some(), "{what}");
            assert_eq!(hers.rtcp == hers.rtp, his.rtcp == his.rtp, "{what}");
            Ok(his.keying.security().to_string())
        });
        assert_eq!(answered.as_deref().map_err(|refusal| *refusal), expected, "{what}");
    }
}

#[test]
fn what_is_required_is_not_offered_where_others_read_along() {
    let refused = session(1).offer(&local(SrtpPolicy::Require, true), &mut Seeded::new(2));
    assert_eq!(refused.unwrap_err(), Refusal::KeysInClear);
    let anyway = local(SrtpPolicy::Require, true);
    let protection = Protection { clear_keys_will_do: true, ..anyway.protection };
    let offer = session(1).offer(&Local { protection, ..anyway }, &mut Seeded::new(2)).unwrap();
    assert_eq!(audio(&offer).transport, Transport::Savp);
}

#[test]
fn a_refused_offer_is_made_in_the_next_way() {
    use SrtpPolicy::{Off, Prefer, Require};
    let ways = |local: Local| -> Vec<&'static str> {
        std::iter::successors(Some(local.protection), |protection| protection.after_refusal())
            .map(|protection| {
                let local = Local { protection, ..local.clone() };
                let offer = session(1).offer(&local, &mut Seeded::new(2)).unwrap();
                let audio = audio(&offer);
                match (&audio.transport, audio.crypto.is_empty(), audio.dtls.is_some()) {
                    (Transport::Avp, true, false) => "plain",
                    (Transport::Avp, false, false) => "best effort",
                    (Transport::Avp, false, true) => "best effort, or a handshake",
                    (Transport::Savp, false, false) => "keys",
                    (Transport::Savp, false, true) => "keys, or a handshake",
                    (Transport::DtlsSavp, true, true) => "a handshake",
                    other => panic!("{other:?}"),
                }
            })
            .collect()
    };
    assert_eq!(ways(local(Off, true)), ["plain"]);
    assert_eq!(ways(local(Prefer, true)), ["best effort", "keys"]);
    assert_eq!(ways(local(Require, false)), ["keys"]);
    assert_eq!(ways(shaking(Prefer)), ["best effort, or a handshake", "keys, or a handshake", "a handshake"]);
    assert_eq!(ways(shaking(Require)), ["a handshake", "a handshake"]);
    let last = Protection { profile: Profile::Dtls, ..shaking(Prefer).protection };
    assert_eq!(last.after_refusal(), None);
}

#[test]
fn keys_stay_while_the_peer_keeps_its_own_and_change_when_it_does() {
    let local = local(SrtpPolicy::Prefer, true);
    let mut ours = session(1);
    let mut answer = |lines: &str, seed| {
        let (_, agreed) = ours.answer(&parse("RTP/SAVP", lines), &local, &mut Seeded::new(seed)).unwrap();
        let Keying::Sdes { keys, .. } = agreed.keying else { panic!("plain") };
        keys
    };
    let first = answer(CM, 2);
    let held = answer(&format!("{CM}a=sendonly\r\n"), 3);
    assert!(first == held, "hold and resume change no key");
    let renewed = answer(CM_AGAIN, 4);
    assert!(renewed.receive != first.receive && renewed.send != first.send);
    // A better suite, offered later, is a change too.
    let better = answer(&format!("{CM_AGAIN}{GCM}"), 5);
    assert_eq!(better.send.suite(), Suite::AeadAes256Gcm);
}

#[test]
fn who_began_the_handshake_stays_who_did_while_the_certificate_is_the_same() {
    let local = shaking(SrtpPolicy::Prefer);
    let role = |keying: &Keying| match keying {
        Keying::Dtls { ours, .. } => *ours,
        other => panic!("{:?}", other.security()),
    };
    let offer = |lines: &str| parse("UDP/TLS/RTP/SAVP", lines);
    let mut ours = session(1);
    let (_, first) =
        ours.answer(&offer(&SHAKES.replace("actpass", "passive")), &local, &mut Seeded::new(2)).unwrap();
    assert_eq!(role(&first.keying), Setup::Active);
    for setup in ["actpass", "active", "passive"] {
        let again = offer(&SHAKES.replace("actpass", setup));
        let (_, agreed) = ours.answer(&again, &local, &mut Seeded::new(3)).unwrap();
        assert_eq!(role(&agreed.keying), Setup::Active, "{setup}");
    }
    ours.offer(&local, &mut Seeded::new(4)).unwrap();
    let agreed = ours.accept(&offer(&SHAKES.replace("actpass", "active"))).unwrap();
    assert_eq!(role(&agreed.keying), Setup::Active, "an answer of habit");
    let renewed = SHAKES.replace("00:01", "77:01");
    let (_, agreed) = ours.answer(&offer(&renewed), &local, &mut Seeded::new(5)).unwrap();
    assert_eq!(role(&agreed.keying), Setup::Active, "RFC 8842 §5.5: with actpass it stays");
    let (_, agreed) = ours
        .answer(
            &offer(&SHAKES.replace("00:01", "79:01").replace("actpass", "active")),
            &local,
            &mut Seeded::new(6),
        )
        .unwrap();
    assert_eq!(role(&agreed.keying), Setup::Passive, "another certificate, another handshake");
}

#[test]
fn our_own_new_offer_says_the_key_in_use_first() {
    let local = local(SrtpPolicy::Prefer, true);
    let mut ours = session(1);
    let (answer, _) = ours.answer(&parse("RTP/SAVP", CM), &local, &mut Seeded::new(2)).unwrap();
    let used = audio(&answer).crypto[0].key.clone();
    let again = ours.offer(&local, &mut Seeded::new(3)).unwrap();
    assert!(audio(&again).crypto[0].key == used);
    let agreed = ours.accept(&parse("RTP/AVP", CM)).unwrap();
    let Keying::Sdes { keys, .. } = agreed.keying else { panic!("plain") };
    assert!(keys.send == used);
}

#[test]
fn who_had_encryption_never_gets_less() {
    let local = local(SrtpPolicy::Prefer, true);
    let mut ours = session(1);
    ours.answer(&parse("RTP/AVP", CM), &local, &mut Seeded::new(2)).unwrap();
    let refused = ours.answer(&parse("RTP/AVP", ""), &local, &mut Seeded::new(3));
    assert_eq!(refused.unwrap_err(), Refusal::NotEncrypted);
    assert_eq!(ours.agreed().map(|agreed| agreed.keying.security().label()), Some("sdes-in-clear"));
}

#[test]
fn answers_that_are_none_are_refused() {
    let cases = [
        ("another tag", "RTP/SAVP", CM.replace(":1 ", ":9 "), Refusal::NotEncrypted),
        ("another suite under the tag", "RTP/SAVP", GCM.replace(":7 ", ":3 "), Refusal::NotEncrypted),
        (
            "two lines",
            "RTP/SAVP",
            format!("{}{}", CM.replace(":1 ", ":3 "), GCM.replace(":7 ", ":1 ")),
            Refusal::AnswerMismatch,
        ),
        ("none at all", "RTP/SAVP", String::new(), Refusal::NotEncrypted),
        ("a plain profile", "RTP/AVP", String::new(), Refusal::NotEncrypted),
        ("hands that were not held out", "UDP/TLS/RTP/SAVP", SHAKES.to_owned(), Refusal::NotEncrypted),
    ];
    for (what, profile, lines, refusal) in cases {
        let mut ours = session(1);
        ours.offer(&local(SrtpPolicy::Require, false), &mut Seeded::new(2)).unwrap();
        assert_eq!(ours.accept(&parse(profile, &lines)).unwrap_err(), refusal, "{what}");
    }
    let mut ours = session(1);
    ours.offer(&local(SrtpPolicy::Require, false), &mut Seeded::new(2)).unwrap();
    assert!(ours.accept(&parse("RTP/SAVP", &CM.replace(":1 ", ":3 "))).is_ok(), "the third line is AES-128");
}
