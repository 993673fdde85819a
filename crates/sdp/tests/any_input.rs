//! Whatever comes: no panic, and what we print we read back the same.
#![expect(clippy::unwrap_used, reason = "what is drawn here is valid by construction")]

use proptest::prelude::*;
use vorzimmer_sdp::{
    AudioMedia, Crypto, Description, Direction, Dtls, Encoding, Local, Media, Origin, OtherMedia, Payload,
    Preference, Recording, Session, Transport, Web,
};
use vorzimmer_types::dtls::{Fingerprint, Hash, Setup};
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::ice::Credentials;
use vorzimmer_types::srtp::{MasterKey, SrtpKeys, Suite};

fn addr() -> impl Strategy<Value = std::net::IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(std::net::IpAddr::from),
        // One prefix, so that no address happens to be an IPv4 one in disguise.
        any::<[u8; 14]>().prop_map(|rest| {
            let mut bytes = [0x20; 16];
            bytes[2..].copy_from_slice(&rest);
            std::net::IpAddr::from(bytes)
        }),
    ]
    .prop_filter("multicast is never taken", |ip| !ip.is_multicast())
}

fn payload(pt: u8) -> impl Strategy<Value = Payload> {
    let encoding = prop_oneof![
        Just((Encoding::Pcma, 8000)),
        Just((Encoding::Pcmu, 8000)),
        (1..48_000_u32).prop_map(|hz| (Encoding::TelephoneEvent, hz)),
        ("X[a-z0-9-]{1,10}(/[2-9])?", 1..90_000_u32).prop_map(|(name, hz)| (Encoding::Other(name), hz)),
    ];
    let fmtp = proptest::option::of("[a-z0-9=;-]{1,20}( [a-z]{1,5})?");
    (encoding, fmtp).prop_map(move |((encoding, clock_hz), fmtp)| Payload { pt, encoding, clock_hz, fmtp })
}

fn crypto() -> impl Strategy<Value = Crypto> {
    let suite = proptest::sample::select(Suite::ALL.to_vec());
    let lifetime = proptest::option::of(1..=SrtpKeys::MAX_LIFETIME);
    (1..1_000_000_000_u32, suite, any::<u64>(), lifetime).prop_map(|(tag, suite, seed, lifetime)| Crypto {
        tag,
        key: MasterKey::random(suite, &mut Seeded::new(seed)),
        lifetime,
    })
}

fn dtls() -> impl Strategy<Value = Dtls> {
    let hash = proptest::sample::select(vec![Hash::Sha256, Hash::Sha384, Hash::Sha512]);
    let fingerprint = (hash, any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(hash, low, high)| {
        let digest = [low, high].concat();
        Fingerprint::new(hash, &digest[..hash.length()]).unwrap()
    });
    let setup = proptest::sample::select(vec![Setup::Active, Setup::Passive, Setup::ActPass]);
    (proptest::collection::vec(fingerprint, 1..4), proptest::option::of(setup))
        .prop_map(|(fingerprints, setup)| Dtls { fingerprints, setup })
}

/// All of one description are lite, as it is said once for all.
fn web() -> impl Strategy<Value = Box<Web>> {
    let ice = ("[a-zA-Z0-9+/]{4,64}", "[a-zA-Z0-9+/]{22,128}")
        .prop_map(|(ufrag, password)| Credentials::new(&ufrag, &password).unwrap());
    let mid = proptest::option::of(any::<u64>().prop_map(|n| n.to_string()));
    (ice, any::<bool>(), mid, any::<bool>()).prop_map(|(ice, mux, mid, bundled)| {
        let bundled = bundled && mid.is_some();
        Box::new(Web { ice, lite: true, mux, mid, bundled })
    })
}

fn audio() -> impl Strategy<Value = AudioMedia> {
    let direction = prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive)
    ];
    let transport = prop_oneof![
        Just(Transport::Avp),
        Just(Transport::Avpf),
        Just(Transport::Savp),
        Just(Transport::Savpf),
        Just(Transport::DtlsSavp),
        Just(Transport::DtlsSavpf),
        Just(Transport::Other("TCP/X".into()))
    ];
    let payloads = proptest::collection::btree_set(0..128_u8, 1..8)
        .prop_flat_map(|types| types.into_iter().map(payload).collect::<Vec<_>>())
        .prop_shuffle();
    let ptime = || proptest::option::of(1..1000_u16);
    let rtcp = proptest::option::of((addr(), any::<u16>()).prop_map(std::net::SocketAddr::from));
    let crypto = proptest::collection::vec(crypto(), 0..3);
    let first = (transport, proptest::option::of(addr()), any::<u16>(), rtcp, payloads);
    let secure = (crypto, proptest::option::of(dtls()), proptest::option::of(web()), any::<bool>());
    (first, ptime(), ptime(), direction, secure).prop_map(
        |(first, ptime_ms, maxptime_ms, direction, (crypto, dtls, web, mux))| AudioMedia {
            transport: first.0,
            addr: first.1,
            port: first.2,
            rtcp: first.3,
            mux: mux && web.is_none(),
            payloads: first.4,
            ptime_ms,
            maxptime_ms,
            direction,
            crypto,
            dtls,
            web,
        },
    )
}

fn media() -> impl Strategy<Value = Media> {
    let other = ("(video|image|text)", any::<u16>(), "[A-Z/]{3,12}", "[0-9a-z]{1,4}( [0-9]{1,3})?");
    prop_oneof![
        audio().prop_map(Media::Audio),
        other.prop_map(|(kind, port, transport, formats)| {
            Media::Other(OtherMedia { kind, port, transport, formats })
        }),
    ]
}

fn description() -> impl Strategy<Value = Description> {
    let media = proptest::collection::vec(media(), 0..5);
    let origin = ("[0-9]{1,19}", any::<u64>(), addr());
    let recording = prop_oneof![
        Just(None),
        Just(Some(Recording::On)),
        Just(Some(Recording::Off)),
        Just(Some(Recording::Paused))
    ];
    let preference = prop_oneof![Just(None), Just(Some(Preference::Off)), Just(Some(Preference::None))];
    let said = (recording, preference);
    (origin, media, said).prop_map(|((id, version, addr), media, (recording, preference))| Description {
        recording,
        preference,
        // Nineteen digits are what is kept of a version.
        origin: Origin { id, version: version % 10_000_000_000_000_000_000, addr },
        media,
    })
}

proptest! {
    #[test]
    fn print_and_parse_are_inverse(description in description()) {
        let bytes = description.to_bytes();
        let again = Description::parse(&bytes).unwrap();
        prop_assert!(again == description, "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Description::parse(&bytes);
    }

    #[test]
    fn any_lines_are_read_or_refused_and_answered_or_refused(
        lines in proptest::collection::vec("[vosctmabz]=[ -~]{0,30}|m=audio [0-9]{1,5} RTP/AVP [0-9a-z/= ]{1,9}|c=IN IP[46] [0-9a-f:.]{1,16}|a=(rtpmap|fmtp|rtcp|ptime|crypto):[ -~]{0,20}|a=rtpmap:[0-9]{1,2} [A-Z/0-9]{0,9}", 0..20)
    ) {
        let text = format!("v=0\r\n{}", lines.join("\r\n"));
        if let Ok(offer) = Description::parse(text.as_bytes()) {
            prop_assert!(Description::parse(&offer.to_bytes()).as_ref() == Ok(&offer), "{text}");
            let mut session = Session::new(&mut Seeded::new(1));
            let local = Local::new("198.51.100.7:40000".parse().unwrap());
            if let Ok((answer, agreed)) = session.answer(&offer, &local, &mut Seeded::new(3)) {
                prop_assert_eq!(answer.media.len(), offer.media.len());
                prop_assert!((10..=60).contains(&agreed.format.ptime_ms));
                prop_assert!(Description::parse(&answer.to_bytes()).is_ok());
            }
        }
    }
}
