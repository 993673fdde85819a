//! Which codec is agreed on with whom.

use vorzimmer_sdp::{Codec, Description};
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::FakeWorld;

fn world() -> FakeWorld {
    FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]).without_greeting()
}

fn first_codec(description: &[u8]) -> Option<Codec> {
    let description = Description::parse(description).expect("a description");
    let (_, audio) = description.audio().expect("audio");
    audio.payloads.first().and_then(vorzimmer_sdp::Payload::codec)
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
