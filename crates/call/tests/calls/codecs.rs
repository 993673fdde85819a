//! Which codec is agreed on with whom.

use vorzimmer_call::{CodecLists, ExchangeConfig};
use vorzimmer_sdp::{Codec, Description};
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;

use vorzimmer_types::TrunkId;

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::FakeWorld;

fn world() -> FakeWorld {
    FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]).without_greeting()
}

/// Under this payload type a telephone names Opus in [`with_opus`].
const OPUS_PT: u8 = 96;

fn codecs_of(description: &[u8]) -> Vec<Codec> {
    let description = Description::parse(description).expect("a description");
    let (_, audio) = description.audio().expect("audio");
    audio.payloads.iter().filter_map(vorzimmer_sdp::Payload::codec).collect()
}

fn first_codec(description: &[u8]) -> Option<Codec> {
    codecs_of(description).first().copied()
}

/// A description in which one of the payload types is Opus.
fn with_opus(phone: &str, payload_types: &[u8]) -> String {
    let opus = format!("a=rtpmap:{OPUS_PT} opus/48000/2\r\n");
    sdp_of(phone, payload_types, "sendrecv") + &opus
}

#[test]
fn devices_are_offered_the_callers_codec_first_and_both_laws_and_keys() {
    for (payload_types, codec) in [([8, 0], Codec::Pcma), ([0, 8], Codec::Pcmu)] {
        let mut stage = Stage::new(world());
        stage.invite(Some(&sdp_of("caller", &payload_types, "sendrecv")));
        stage.until(1.0);
        let offer = stage.offers.get("anna-desk").expect("it rings").clone();
        assert_eq!(first_codec(&offer), Some(codec));
        let text = String::from_utf8(offer.to_vec()).expect("text");
        for format in ["PCMA/8000", "PCMU/8000", "telephone-event/8000"] {
            assert!(text.contains(format), "{text}");
        }
        stage.answers("anna-desk");
        assert_eq!(stage.connected["caller"].format.send.codec, codec);
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn each_leg_has_ports_of_its_own() {
    let mut stage = Stage::new(world().devices("anna", &["anna-desk", "anna-cell"]));
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    let port = |sdp: &bytes::Bytes| Description::parse(sdp).expect("sdp").audio().expect("audio").1.port;
    let ports = [&stage.answers["caller"], &stage.offers["anna-desk"], &stage.offers["anna-cell"]].map(port);
    assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2], "{ports:?}");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_is_greeted_after_its_answer() {
    let mut stage = Stage::new(world());
    stage.quirks.no_ack = true;
    stage.invite(None);
    stage.until(1.0);
    stage.expect("0.0 180 to caller\n0.0 200 to caller");
    assert_eq!(first_codec(&stage.answers["caller"]), Some(Codec::Pcma));
    stage.acknowledges("caller", Some(&sdp_of("caller", &[0], "sendrecv")));
    stage.until(1.0);
    assert_eq!(stage.connected["caller"].format.send.codec, Codec::Pcmu);
    assert_eq!(first_codec(&stage.offers["anna-desk"]), Some(Codec::Pcmu));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn an_ack_without_the_answer_ends_the_call() {
    for answer in [None, Some("nonsense")] {
        let mut stage = Stage::new(world());
        stage.quirks.no_ack = true;
        stage.invite(None);
        stage.until(1.0);
        stage.acknowledges("caller", answer);
        stage.expect("0.0 180 to caller\n0.0 200 to caller\n1.0 bye caller (Q.850 88)");
        stage.expect_nothing_left();
    }
}

#[test]
fn a_new_offer_of_one_side_keeps_the_codec_of_the_other() {
    let mut stage = Stage::new(world());
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage.answers("anna-desk");
    stage.reoffers("anna-desk", Some(&sdp_of("anna-desk", &[0, 8], "sendrecv")));
    assert_eq!(stage.connected["anna-desk"].format.send.codec, Codec::Pcma);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn each_end_has_the_codecs_of_its_list_in_its_order() {
    use Codec::{G722, Opus, Pcma, Pcmu};
    let carrier = TrunkId::from_bytes([9; 16]);
    let another = TrunkId::from_bytes([8; 16]);
    let of_trunk = |trunk, list: &[Codec]| CodecLists {
        trunks: [(trunk, list.to_vec())].into(),
        ..CodecLists::default()
    };
    let of_phones =
        |list: &[Codec]| CodecLists { receptionists: Some(list.to_vec()), ..CodecLists::default() };
    // The lists, what the caller is answered with, what her telephone is offered.
    for (codecs, answered, offered) in [
        (CodecLists::default(), Pcma, vec![Pcma, Pcmu, G722, Opus]),
        (of_trunk(carrier, &[G722, Pcmu]), G722, vec![G722, Pcma, Pcmu, Opus]),
        (of_trunk(another, &[G722, Pcmu]), Pcma, vec![Pcma, Pcmu, G722, Opus]),
        (of_phones(&[Opus, Pcmu]), Pcma, vec![Opus, Pcmu]),
        (CodecLists { usual: vec![Opus], ..of_trunk(carrier, &[Pcmu]) }, Pcmu, vec![Opus]),
        (CodecLists { usual: vec![Opus, Pcma], ..CodecLists::default() }, Opus, vec![Opus, Pcma]),
    ] {
        let mut stage = Stage::with_config(world(), ExchangeConfig { codecs, ..ExchangeConfig::default() });
        stage.invite(Some(&with_opus("caller", &[8, 0, 9, OPUS_PT])));
        stage.until(1.0);
        assert_eq!(first_codec(&stage.answers["caller"]), Some(answered));
        assert_eq!(codecs_of(&stage.offers["anna-desk"]), offered);
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn a_call_without_a_codec_of_its_trunks_list_is_not_taken() {
    let usual = vec![Codec::Opus];
    let codecs = CodecLists { usual, ..CodecLists::default() };
    let mut stage = Stage::with_config(world(), ExchangeConfig { codecs, ..ExchangeConfig::default() });
    stage.invite(Some(&alaw()));
    stage.expect("0.0 488 to caller");
    stage.expect_nothing_left();
}

/// A caller that knows A-law and Opus is answered with A-law; her telephone knows only Opus.
fn opus_only_at_the_desk(caller_knows: &[u8]) -> Stage {
    let mut stage = Stage::new(world());
    stage.invite(Some(&with_opus("caller", caller_knows)));
    stage.until(1.0);
    stage.answers_with_sdp("anna-desk", &with_opus("anna-desk", &[OPUS_PT]));
    assert_eq!(stage.connected["caller"].format.send.codec, Codec::Pcma);
    assert_eq!(stage.connected["anna-desk"].format.send.codec, Codec::Opus);
    stage
}

#[test]
fn a_codec_that_both_know_is_asked_for_once_they_talk() {
    let mut stage = opus_only_at_the_desk(&[8, OPUS_PT]);
    assert_eq!(first_codec(&stage.described["caller"]), Some(Codec::Opus), "a re-INVITE to the caller");
    stage.ends_our_offer("caller", 200, Some(&with_opus("caller", &[OPUS_PT])));
    let format = stage.connected["caller"].format;
    assert_eq!(format.send.codec, Codec::Opus);
    // What is still under way is heard.
    assert_eq!(format.received_codec(8), Some(Codec::Pcma));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn whoever_refuses_the_shared_codec_talks_on() {
    let mut stage = opus_only_at_the_desk(&[8, OPUS_PT]);
    stage.ends_our_offer("caller", 488, None);
    assert_eq!(stage.connected["caller"].format.send.codec, Codec::Pcma);
    stage.until(20.0);
    assert!(stage.exchange.overview().bridged == 1, "they talk on");
    // What keeps the dialog alive is what was agreed on, not what was refused.
    stage.is_to_be_refreshed("caller");
    assert_eq!(first_codec(&stage.described["caller"]), Some(Codec::Pcma));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn without_a_shared_codec_nobody_is_asked_again() {
    let mut stage = opus_only_at_the_desk(&[8]);
    assert_eq!(first_codec(&stage.described["caller"]), Some(Codec::Pcma), "no re-INVITE");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_new_codec_of_one_side_is_asked_of_the_other_if_it_knows_it() {
    let mut stage = Stage::new(world());
    stage.invite(Some(&with_opus("caller", &[8, OPUS_PT])));
    stage.until(1.0);
    stage.answers_with_sdp("anna-desk", &with_opus("anna-desk", &[8, OPUS_PT]));
    assert_eq!(stage.connected["anna-desk"].format.send.codec, Codec::Pcma);
    stage.reoffers("anna-desk", Some(&with_opus("anna-desk", &[OPUS_PT])));
    assert_eq!(stage.connected["anna-desk"].format.send.codec, Codec::Opus);
    assert_eq!(first_codec(&stage.described["caller"]), Some(Codec::Opus), "a re-INVITE to the caller");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
