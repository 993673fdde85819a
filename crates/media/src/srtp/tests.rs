//! Known answers of the RFCs, and what no answer of theirs covers: wraps, replays, forgeries, many packets.

use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::srtp::{MasterKey, SrtpKeys, Suite};
use zeroize::Zeroizing;

use super::derive::{Label, Protocol, derive};
use super::keystream::keystream;
use super::transform::{At, Transform};
use super::{MAX_SOURCES, MAX_TRAILER, Opener, Sealer, Unopened};
use crate::rtp::Header;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().expect("as many bytes as said")
}

#[test]
fn keystreams_of_rfc_3711_b_2_and_rfc_6188_7_1() {
    use aes::cipher::KeyInit as _;
    let counter = array::<16>("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000");
    let mut out = [0; 48];
    let key = array::<16>("2B7E151628AED2A6ABF7158809CF4F3C");
    keystream(&aes::Aes128Enc::new((&key).into()), &counter, &mut out);
    let expected =
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(out.to_vec(), bytes(expected));

    let mut out = [0; 48];
    let key = array::<32>("57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98");
    keystream(&aes::Aes256Enc::new((&key).into()), &counter, &mut out);
    let expected =
        "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31";
    assert_eq!(out.to_vec(), bytes(expected));
}

#[test]
fn session_keys_of_rfc_3711_b_3_and_rfc_6188_7_2() {
    let derived = |suite, key: &str| {
        let master = MasterKey::from_bytes(suite, &bytes(key)).expect("a master key");
        let salt = derive::<14>(&master, Protocol::Rtp, Label::Salt).to_vec();
        let auth = derive::<20>(&master, Protocol::Rtp, Label::Authentication).to_vec();
        let key = match suite.key_len() {
            16 => derive::<16>(&master, Protocol::Rtp, Label::Encryption).to_vec(),
            _ => derive::<32>(&master, Protocol::Rtp, Label::Encryption).to_vec(),
        };
        (key, salt, auth)
    };
    let aes_128 = derived(
        Suite::AesCm128HmacSha1Tag80,
        "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6",
    );
    assert_eq!(aes_128.0, bytes("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(aes_128.1, bytes("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(aes_128.2, bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));

    let aes_256 = derived(
        Suite::AesCm256HmacSha1Tag80,
        "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2",
    );
    assert_eq!(aes_256.0, bytes("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
    assert_eq!(aes_256.1, bytes("fa31791685ca444a9e07c6c64e93"));
    assert_eq!(aes_256.2, bytes("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

/// RFC 7714 §16 and §17 give session keys.
fn gcm(suite: Suite) -> Transform {
    let key = || Zeroizing::new(array("000102030405060708090a0b0c0d0e0f"));
    let long = || Zeroizing::new(array("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
    let salt = Zeroizing::new(array("517569642070726f2071756f0000"));
    Transform::of(suite, key, long, &[0; 20], 0, salt)
}

#[test]
fn packets_of_rfc_7714_16() {
    let plain = bytes(
        "8040f17b 8041f8d3 5501a0b2 47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
    );
    let table = [
        (
            Suite::AeadAes128Gcm,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "8040f17b 8041f8d3 5501a0b2 32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    let at = At { ssrc: 0x5501_a0b2, index: 0xf17b };
    for (suite, sealed) in table {
        let transform = gcm(suite);
        let mut buffer = [0; 100];
        buffer[..plain.len()].copy_from_slice(&plain);
        let length = transform.seal_rtp(&mut buffer, 12, plain.len(), at).expect("room");
        assert_eq!(buffer[..length], bytes(sealed), "{suite:?}");
        assert_eq!(transform.open_rtp(&mut buffer[..length], 12, at), Some(plain.len()));
        assert_eq!(buffer[..plain.len()], plain, "{suite:?}");
    }
}

#[test]
fn packets_of_rfc_7714_17() {
    let plain = bytes(
        "81c8000d 4d617273 4e5450314e545032 52545020 0000042a 0000e930 4c756e61 deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    let table = [
        (
            Suite::AeadAes128Gcm,
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded
             0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::AeadAes256Gcm,
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047
             6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ];
    let at = At { ssrc: 0x4d61_7273, index: 0x5d4 };
    for (suite, sealed) in table {
        let transform = gcm(suite);
        let mut buffer = [0; 100];
        buffer[..plain.len()].copy_from_slice(&plain);
        let length = transform.seal_rtcp(&mut buffer, plain.len(), at).expect("room");
        assert_eq!(buffer[..length], bytes(sealed), "{suite:?}");
        assert_eq!(transform.control_index(&buffer[..length]), Some(0x5d4));
        assert_eq!(transform.open_rtcp(&mut buffer[..length], at), Some(plain.len()));
        assert_eq!(buffer[..plain.len()], plain, "{suite:?}");
    }
}

const SSRC: u32 = 0x1234_5678;

fn pair(suite: Suite) -> (Sealer, Opener) {
    let key = MasterKey::random(suite, &mut Seeded::new(1));
    (Sealer::new(&key), Opener::new(&key, SrtpKeys::MAX_LIFETIME))
}

fn packet(sequence: u16, ssrc: u32, fill: u8) -> Vec<u8> {
    let mut out = vec![0; 172];
    let header =
        Header { marker: false, payload_type: 8, sequence, timestamp: u32::from(sequence) * 160, ssrc };
    let length = header.build(vec![fill; 160].into(), &mut out).expect("room");
    out.truncate(length);
    out
}

#[test]
fn every_suite_carries_packets_across_wraps_with_loss_at_each() {
    for suite in Suite::ALL {
        let packets = if suite == Suite::AesCm128HmacSha1Tag80 { 100_000 } else { 2_000_u32 };
        let (mut sealer, mut opener) = pair(suite);
        let mut heard = 0_u32;
        for count in 0..packets {
            // It begins just before a wrap, and 100,000 pass two; around each, every other packet is lost.
            let sequence = (65_000 + count) as u16;
            let plain = packet(sequence, SSRC, count as u8);
            let mut sealed = sealer.rtp(&plain).expect("sealed").to_vec();
            assert_eq!(sealed.len(), plain.len() + suite.tag_len());
            assert_ne!(sealed[12..172], plain[12..]);
            let at_a_wrap = !(50..65_486).contains(&sequence);
            if at_a_wrap && count % 2 == 0 && count > 0 {
                continue;
            }
            let length = opener.rtp(&mut sealed).expect("opened");
            assert_eq!(sealed[..length], plain, "{suite:?} {count}");
            heard += 1;
        }
        assert!(heard > packets - 200 && heard < packets, "{heard}");
        assert_eq!(opener.sources(), 1);
    }
}

#[test]
fn who_hears_nothing_before_the_first_wrap_hears_what_comes_after_it() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        for sequence in [65_534, 65_535] {
            sealer.rtp(&packet(sequence, SSRC, 1)).expect("sealed, and lost");
        }
        let mut sealed = sealer.rtp(&packet(3, SSRC, 1)).expect("sealed").to_vec();
        assert_eq!(opener.rtp(&mut sealed), Ok(172), "{suite:?}");
    }
}

#[test]
fn late_packets_from_before_the_wrap_are_heard_once() {
    let (mut sealer, mut opener) = pair(Suite::AesCm128HmacSha1Tag80);
    let mut sealed: Vec<Vec<u8>> = (65_530..65_546_u32)
        .map(|sequence| sealer.rtp(&packet(sequence as u16, SSRC, 1)).expect("sealed").to_vec())
        .collect();
    let copy = sealed.clone();
    for place in [0, 8, 9, 3, 15, 5] {
        assert_eq!(opener.rtp(&mut sealed[place]), Ok(172), "{place}");
    }
    for place in [0, 8, 9, 3, 15, 5] {
        assert_eq!(opener.rtp(&mut copy[place].clone()), Err(Unopened::Replayed), "{place}");
    }
}

#[test]
fn whatever_is_changed_on_the_way_is_not_opened_and_leaves_nothing() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let mut sealed = sealer.rtp(&packet(7, SSRC, 1)).expect("sealed").to_vec();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x01;
            let before = changed.clone();
            assert!(opener.rtp(&mut changed).is_err(), "{suite:?} byte {at}");
            assert_eq!(changed, before, "{suite:?} byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(opener.rtp(&mut sealed.clone()[..length]).is_err(), "{suite:?} {length} bytes");
        }
        assert_eq!(opener.sources(), 0);
        assert_eq!(opener.rtp(&mut sealed), Ok(172));

        let report = bytes("80c90001 12345678");
        let mut control = sealer.rtcp(&report).expect("sealed").to_vec();
        for at in 0..control.len() {
            let mut changed = control.clone();
            changed[at] ^= 0x01;
            assert!(opener.rtcp(&mut changed).is_err(), "{suite:?} control byte {at}");
        }
        for length in 0..control.len() {
            assert!(opener.rtcp(&mut control.clone()[..length]).is_err(), "{suite:?} {length} bytes");
        }
        assert_eq!(opener.sources(), 1);
        let again = control.clone();
        assert_eq!(opener.rtcp(&mut control), Ok(8));
        assert_eq!(opener.rtcp(&mut again.clone()), Err(Unopened::Replayed));
        assert!(again.len() <= report.len() + MAX_TRAILER);
    }
}

#[test]
fn forged_sources_make_no_state_and_real_ones_only_so_many() {
    let (_, mut opener) = pair(Suite::AeadAes128Gcm);
    let (mut stranger, _) = (Sealer::new(&MasterKey::random(Suite::AeadAes128Gcm, &mut Seeded::new(2))), ());
    for ssrc in 0..10_000 {
        let mut sealed = stranger.rtp(&packet(ssrc as u16, ssrc, 1)).expect("sealed").to_vec();
        assert_eq!(opener.rtp(&mut sealed), Err(Unopened::Forged));
    }
    assert_eq!(opener.sources(), 0);
    for ssrc in 0..=MAX_SOURCES as u32 {
        let (mut sealer, _) = pair(Suite::AeadAes128Gcm);
        let mut sealed = sealer.rtp(&packet(1, ssrc, 1)).expect("sealed").to_vec();
        let expected = if ssrc < MAX_SOURCES as u32 { Ok(172) } else { Err(Unopened::UsedUp) };
        assert_eq!(opener.rtp(&mut sealed), expected, "{ssrc}");
    }
    assert_eq!(opener.sources(), MAX_SOURCES);
}

#[test]
fn no_index_is_used_twice_and_no_key_longer_than_agreed() {
    let key = MasterKey::random(Suite::AeadAes256Gcm, &mut Seeded::new(1));
    let (mut sealer, mut opener) = (Sealer::new(&key), Opener::new(&key, 2));
    let mut sealed: Vec<Vec<u8>> =
        (1..=3).map(|n| sealer.rtp(&packet(n, SSRC, 1)).expect("sealed").to_vec()).collect();
    assert!(sealer.rtp(&packet(2, SSRC, 9)).is_none(), "another voice under the same index");
    let opened: Vec<_> = sealed.iter_mut().map(|sealed| opener.rtp(sealed)).collect();
    assert_eq!(opened, [Ok(172), Ok(172), Err(Unopened::UsedUp)]);
}

#[test]
fn a_rollover_counter_that_goes_on_under_a_new_key_is_found() {
    let (mut sealer, mut opener) = pair(Suite::AesCm128HmacSha1Tag80);
    for sequence in (0..140_000_u32).step_by(1000) {
        let mut sealed = sealer.rtp(&packet(sequence as u16, SSRC, 1)).expect("sealed").to_vec();
        assert_eq!(opener.rtp(&mut sealed), Ok(172));
    }
    let key = MasterKey::random(Suite::AesCm128HmacSha1Tag80, &mut Seeded::new(5));
    let transform = Transform::new(&key, Protocol::Rtp);
    for (what, index) in [("goes on", 140_001), ("begins anew", 8_930)] {
        let mut buffer = [0; 200];
        let plain = packet(index as u16, SSRC, 1);
        buffer[..172].copy_from_slice(&plain);
        let length = transform.seal_rtp(&mut buffer, 12, 172, At { ssrc: SSRC, index }).expect("room");
        let mut next = opener.after(&key, SrtpKeys::MAX_LIFETIME);
        assert_eq!(next.rtp(&mut buffer[..length]), Ok(172), "{what}");
    }
}
