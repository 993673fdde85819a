//! Requests and descriptions as trunks and phones send them.

use vorzimmer_sip::ua::{FromParty, Peer};
use vorzimmer_types::{Pii, TrunkId};

use crate::world::CALLER;

pub fn trunk() -> Peer {
    Peer::Trunk { id: TrunkId::from_bytes([9; 16]), name: "carrier".into() }
}

/// An INVITE from the trunk for this number.
pub fn request(number: &str) -> rsip::Request {
    let uri = |user: &str, host: &str| rsip::Uri {
        scheme: Some(rsip::Scheme::Sip),
        auth: Some(rsip::Auth { user: user.into(), password: None }),
        host_with_port: rsip::Domain::from(host).into(),
        ..Default::default()
    };
    let from = format!("<sip:{CALLER}@carrier.example;user=phone>;tag=1");
    let vouched =
        rsip::Header::Other("P-Asserted-Identity".into(), format!("<sip:{CALLER}@carrier.example>"));
    rsip::Request {
        method: rsip::Method::Invite,
        uri: uri(number, "vorzimmer.example"),
        version: rsip::Version::V2,
        headers: vec![rsip::Header::From(from.into()), vouched].into(),
        body: Vec::new(),
    }
}

/// A description of this phone: payload types in its order, telephone-event, direction.
pub fn sdp_of(phone: &str, payload_types: &[u8], direction: &str) -> String {
    let port = 30_000 + phone.bytes().map(u32::from).sum::<u32>() * 2;
    let types: Vec<String> = payload_types.iter().map(u8::to_string).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {} 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
        types.join(" ")
    )
}

/// What a caller's network offers: A-law first.
pub fn alaw() -> String {
    sdp_of("caller", &[8, 0], "sendrecv")
}

pub fn known(display: &str, user: &str) -> FromParty {
    FromParty::Known { display: Some(Pii::new(display.into())), user: Pii::new(user.into()) }
}
