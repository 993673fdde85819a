//! The container's vector: the one test that needs the sealing below [`Writer::seal_final`].

use std::io::Cursor;

use sha2::{Digest, Sha256};
use vorzimmer_types::{CustomerId, Day, Entropy, PartyId, RecordingId};

use super::pages::Pages;
use super::writer::Writer;
use super::{Context, Form, PLAINTEXT_LEN, Reader, Refusal};
use crate::error::Error;
use crate::floe::Place;
use crate::keys::SlotSecret;

/// FLOE IVs 0x55… and 0x66…, then segment nonces as the vector names them.
struct Scripted(Vec<Vec<u8>>);

impl Entropy for Scripted {
    fn fill(&mut self, out: &mut [u8]) {
        out.copy_from_slice(&self.0.remove(0));
    }
}

fn nonce(slot: u8, position: u64) -> Vec<u8> {
    let digest = Sha256::new().chain_update(b"iv").chain_update([slot]).chain_update(position.to_be_bytes());
    digest.finalize()[..12].to_vec()
}

fn text(slot: u8, page: u64) -> Vec<u8> {
    let mut text = format!("slot{slot} page{page} ").into_bytes();
    text.resize(PLAINTEXT_LEN, 0);
    text
}

fn counting(from: u8) -> [u8; 16] {
    std::array::from_fn(|i| from + i as u8)
}

fn vector() -> (Context, [SlotSecret; 2], Vec<u8>) {
    let context = Context {
        recording: RecordingId::from_bytes(counting(0)),
        customer: CustomerId::from_bytes(counting(0x10)),
        expiry: Day(20_500),
        key_version: 3,
        codec: 0,
        form: Form::AsItCame,
        parties: vec![PartyId::from_bytes([0xa0; 16]), PartyId::from_bytes([0xa1; 16])],
        receipts_hash: Sha256::digest(b"consent-receipts").into(),
    };
    let secrets = [0x10, 0x11].map(|byte| SlotSecret::from_bytes([byte; 32]));
    let mut script = vec![vec![0x55; 32], vec![0x66; 32]];
    script.extend((0..3).flat_map(|page| [nonce(0, page), nonce(1, page)]));
    let mut entropy = Scripted(script);
    let (mut writer, mut file) = Writer::start(&context, &secrets, &mut entropy).unwrap();
    for page in 0..3 {
        let place = if page == 2 { Place::Last } else { Place::Inner };
        let mut out = vec![0xff; writer.page_len()];
        writer.seal(place, &[&text(0, page), &text(1, page)], &mut out, &mut entropy).unwrap();
        file.extend(out);
    }
    (context, secrets, file)
}

#[test]
fn the_vector_is_written_as_published() {
    let (_, _, file) = vector();
    assert_eq!(file.len(), 16_384);
    let digest = hex::encode(Sha256::digest(&file));
    assert_eq!(digest, "77958142ee163913134c2eaa3d9a4c1d1d42ce4b63dabf1ca66a66152a47ea21");
}

#[test]
fn the_vector_opens() {
    let (context, secrets, file) = vector();
    let secrets = secrets.map(Some);
    let mut pages = Pages::open(Cursor::new(&file), &context.expected(), &secrets).unwrap();
    let mut page = pages.blank();
    for index in 0..3 {
        pages.read(index, &mut page).unwrap();
        let place = pages.open_page(index, &mut page).unwrap();
        assert_eq!(place == Place::Last, index == 2);
        assert_eq!(page.slot(0).unwrap(), text(0, index));
        assert_eq!(page.slot(1).unwrap(), text(1, index));
    }
    // Its final page holds a text where a recording's says how it ended.
    let refused = Reader::open(Cursor::new(&file), &context.expected(), &secrets).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Ending { slot: 0 })));
}
