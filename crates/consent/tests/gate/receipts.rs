//! Receipts: true, complete, verifiable, and with no room for a number or a voice.

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use serde_json::Value;
use vorzimmer_consent::{ConsentError, Input, Who, receipt, sign, verify};
use vorzimmer_types::consent::{Answer, Epoch, Method, Policy, Receipt, Role, SignedReceipt};

use crate::lobby::{ANNA, CALLER, CONTACT, Lobby, PURPOSE, anna, question};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn one() -> Receipt {
    Lobby::recording().receipts[0].clone()
}

#[test]
fn it_says_who_when_what_and_to_which_words() {
    let lobby = Lobby::recording();
    let [asked, standing] = &lobby.receipts[..] else { panic!("{:?}", lobby.receipts) };
    assert_eq!((asked.party, asked.role, asked.epoch), (CALLER, Role::Caller, Epoch(1)));
    assert_eq!((asked.answer, asked.method), (Answer::Yes, Method::Key { digit: '1' }));
    assert_eq!((asked.prompt.as_ref(), asked.purpose.as_str()), (Some(&question(CALLER)), PURPOSE));
    assert_eq!(asked.at, lobby.now.wall);
    assert_eq!(
        (standing.role, standing.method, standing.prompt.as_ref()),
        (Role::Receptionist, Method::Standing, None)
    );
    assert_ne!(asked.id, standing.id);
}

#[test]
fn what_was_not_played_is_not_claimed() {
    let mut lobby = Lobby::recording();
    lobby.press(CALLER, "*9");
    let last = lobby.receipts.last().unwrap();
    assert_eq!((last.answer, last.prompt.as_ref()), (Answer::Withdrawn, None));
}

#[test]
fn its_canonical_form_is_fixed() {
    let mut receipt = one();
    receipt.prompt = None;
    let expected = concat!(
        r#"{"id":"42f3cf3f2ed99ba66098538f55dfa9b9","call":"01010101010101010101010101010101","#,
        r#""customer":"02020202020202020202020202020202","party":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","#,
        r#""role":"caller","prompt":null,"answer":"yes","method":{"by":"key","digit":"1"},"#,
        r#""at":1769850300000,"purpose":"so that nothing is misunderstood","epoch":1}"#
    );
    assert_eq!(String::from_utf8(receipt::canonical(&receipt).unwrap()).unwrap(), expected);
}

#[test]
fn it_is_verified_after_a_journey_through_json() {
    let signed = sign(one(), &key(7)).unwrap();
    let back: SignedReceipt = serde_json::from_slice(&serde_json::to_vec_pretty(&signed).unwrap()).unwrap();
    assert_eq!(back, signed);
    verify(&back, &key(7).verifying_key()).unwrap();
}

#[test]
fn every_change_is_noticed() {
    let changes: [fn(&mut Receipt); 8] = [
        |it| it.answer = Answer::No,
        |it| it.party = ANNA,
        |it| it.role = Role::Contact,
        |it| it.at.0 += 1,
        |it| it.epoch.0 += 1,
        |it| it.purpose.push('.'),
        |it| it.prompt = None,
        |it| it.method = Method::Key { digit: '2' },
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut signed = sign(one(), &key(7)).unwrap();
        change(&mut signed.receipt);
        assert!(matches!(verify(&signed, &key(7).verifying_key()), Err(ConsentError::Forged)), "change {at}");
    }
}

#[test]
fn only_the_operators_key_counts() {
    let forged = sign(one(), &key(8)).unwrap();
    assert!(matches!(verify(&forged, &key(7).verifying_key()), Err(ConsentError::OtherKey)));
    let mut relabelled = forged.clone();
    relabelled.key = hex::encode(key(7).verifying_key().to_bytes());
    assert!(matches!(verify(&relabelled, &key(7).verifying_key()), Err(ConsentError::Forged)));
    let broken = SignedReceipt { signature: "12".into(), ..forged };
    let refused = verify(&broken, &key(8).verifying_key());
    assert!(matches!(refused, Err(ConsentError::Malformed { field: "signature", bytes: 64 })));
}

#[test]
fn the_root_depends_on_each_receipt_and_on_their_order() {
    let lobby = Lobby::recording();
    let [a, b] = &lobby.receipts[..] else { panic!("{:?}", lobby.receipts) };
    let root = |of: &[&Receipt]| receipt::root(of.iter().copied()).unwrap();
    let all = [root(&[]), root(&[a]), root(&[b]), root(&[a, b]), root(&[b, a]), root(&[a, a])];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one));
    }
}

/// Everything a receipt consists of, by its path in the JSON.
fn leaves(path: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(&format!("{path}/{name}"), value, out);
            }
        }
        Value::Array(_) => panic!("a receipt has no lists"),
        leaf => out.push((path.to_owned(), leaf.clone())),
    }
}

fn is_hex(value: &Value, digits: usize) -> bool {
    value.as_str().is_some_and(|text| text.len() == digits && text.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// Each leaf is an id of ours, a time, a count, one key, or words that the operator wrote.
fn has_room_for_nothing_else(path: &str, value: &Value) -> bool {
    let words = |known: &[&str]| value.as_str().is_some_and(|text| known.contains(&text));
    match path {
        "/id" | "/call" | "/customer" | "/party" | "/method/receptionist" => is_hex(value, 32),
        "/prompt/sha256" => is_hex(value, 64),
        "/at" | "/epoch" | "/prompt/version" => value.is_number(),
        "/method/digit" => value.as_str().is_some_and(|text| text.chars().count() == 1),
        "/purpose" => words(&[PURPOSE]),
        "/prompt" => value.is_null(),
        "/prompt/name" => words(&["consent-ask"]),
        "/prompt/language" => words(&["de", "en"]),
        "/role" => words(&["caller", "receptionist", "contact"]),
        "/answer" => words(&["yes", "no", "silence", "cut-short", "hung-up", "withdrawn"]),
        "/method/by" => words(&["key", "attested", "standing", "none"]),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// People type their telephone number, their PIN, anything: no receipt takes more than one key of it.
    #[test]
    fn there_is_no_room_for_a_number_nor_for_a_voice(
        typed in "[0-9*#]{1,24}",
        policy in prop_oneof![Just(Policy::AskBeforeConnect), Just(Policy::AskInCall), Just(Policy::Attested)],
    ) {
        let mut lobby = Lobby::with(policy);
        lobby.join(CALLER, Who::Caller);
        lobby.agrees(CALLER);
        lobby.join(ANNA, anna(false));
        lobby.press(ANNA, "*5*6");
        lobby.join(CONTACT, Who::Contact);
        for party in [CALLER, ANNA, CONTACT] {
            for digit in typed.chars() {
                lobby.does(Input::PromptEnded { party });
                lobby.does(Input::Digit { party, digit });
            }
        }
        lobby.does(Input::End);
        prop_assert!(!lobby.receipts.is_empty());
        for receipt in &lobby.receipts {
            let mut all = Vec::new();
            leaves("", &serde_json::to_value(receipt).unwrap(), &mut all);
            for (path, value) in all {
                prop_assert!(has_room_for_nothing_else(&path, &value), "{path} = {value}");
            }
        }
    }
}
