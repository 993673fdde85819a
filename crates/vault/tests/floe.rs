//! FLOE's known answers (c2sp.org/FLOE): every published ciphertext opens, and sealing again gives the same bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use vorzimmer_types::Entropy;
use vorzimmer_vault::Error;
use vorzimmer_vault::floe::{Decryptor, Encryptor, HEADER_LEN, OVERHEAD, Params, Place};

const KEY: [u8; 32] = [0; 32];
const AAD: &[u8] = b"This is AAD";

fn vectors() -> PathBuf {
    let folder = match std::env::var_os("VORZIMMER_VECTORS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
    };
    let folder = folder.join("floe");
    assert!(folder.is_dir(), "FLOE's vectors are not at {}: set VORZIMMER_VECTORS", folder.display());
    folder
}

struct Vector {
    name: String,
    params: Params,
    header: [u8; HEADER_LEN],
    body: Vec<u8>,
    plaintext: Vec<u8>,
}

fn read(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hex::decode(text.trim()).unwrap()
}

fn all() -> Vec<Vector> {
    let entries = fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<Vector> = entries
        .filter(|path| path.to_string_lossy().ends_with("_ct.txt"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().replace("_ct.txt", "");
            let plaintext = read(&path.with_file_name(format!("{name}_pt.txt")));
            let ciphertext = read(&path);
            let (header, body) = ciphertext.split_first_chunk::<HEADER_LEN>().unwrap();
            let params = Params::of_header(header).unwrap();
            let params = if name.contains("rotation") { params.with_rotation_mask(2) } else { params };
            Vector { name, params, header: *header, body: body.to_vec(), plaintext }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The segments of a body with position and place.
fn segments(vector: &Vector) -> Vec<(u64, Place, Vec<u8>)> {
    let chunks: Vec<_> = vector.body.chunks(vector.params.segment_len()).collect();
    let last = chunks.len() - 1;
    let place = |index| if index == last { Place::Last } else { Place::Inner };
    chunks.into_iter().enumerate().map(|(i, bytes)| (i as u64, place(i), bytes.to_vec())).collect()
}

#[test]
fn every_published_ciphertext_opens() {
    let all = all();
    let names: Vec<_> = all.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "cpp_GCM256_IV256_4K",
            "cpp_GCM256_IV256_64",
            "cpp_rotation",
            "go_GCM256_IV256_64",
            "go_rotation",
            "java_lastSegAligned",
            "java_lastSegEmpty",
            "java_rotation",
            "pub_java_GCM256_IV256_64",
            "pub_java_rotation",
        ]
    );
    for vector in all {
        let mut stream = Decryptor::start(vector.params, &KEY, AAD, &vector.header).unwrap();
        let mut plaintext = Vec::new();
        for (position, place, mut segment) in segments(&vector) {
            assert_eq!(Place::claimed_by(&segment), place, "{}", vector.name);
            plaintext.extend_from_slice(stream.open_in_place(position, place, &mut segment).unwrap());
        }
        assert_eq!(plaintext, vector.plaintext, "{}", vector.name);
    }
}

/// Gives out the IV and the nonces of a published ciphertext.
struct Scripted(Vec<Vec<u8>>);

impl Entropy for Scripted {
    fn fill(&mut self, out: &mut [u8]) {
        out.copy_from_slice(&self.0.remove(0));
    }
}

#[test]
fn sealing_with_the_same_randomness_gives_the_published_ciphertext() {
    for vector in all() {
        let mut script = vec![vector.header[10..42].to_vec()];
        script.extend(segments(&vector).iter().map(|(_, _, segment)| segment[4..16].to_vec()));
        let mut entropy = Scripted(script);
        let (mut stream, header) = Encryptor::start(vector.params, &KEY, AAD, &mut entropy);
        assert_eq!(header, vector.header, "{}", vector.name);
        let mut rest = vector.plaintext.as_slice();
        let mut body = Vec::new();
        for (position, place, published) in segments(&vector) {
            let (text, after) = rest.split_at(published.len() - OVERHEAD);
            rest = after;
            let mut segment = vec![0; published.len()];
            segment[16..16 + text.len()].copy_from_slice(text);
            stream.seal_in_place(position, place, &mut segment, &mut entropy).unwrap();
            body.extend(segment);
        }
        assert!(rest.is_empty());
        assert_eq!(body, vector.body, "{}", vector.name);
    }
}

#[test]
fn segments_open_in_any_order_but_only_in_their_place() {
    let vector = all().into_iter().find(|vector| vector.name == "cpp_rotation").unwrap();
    let mut stream = Decryptor::start(vector.params, &KEY, AAD, &vector.header).unwrap();
    let segments = segments(&vector);
    let step = vector.params.plaintext_len();
    for (position, place, segment) in segments.iter().rev() {
        let at = *position as usize * step;
        let end = vector.plaintext.len().min(at + step);
        let mut bytes = segment.clone();
        assert_eq!(stream.open_in_place(*position, *place, &mut bytes).unwrap(), &vector.plaintext[at..end]);
        for (other, _, _) in &segments {
            let opened = stream.open_in_place(*other, *place, &mut segment.clone()).is_ok();
            assert_eq!(opened, other == position);
        }
        let wrong_place = if *place == Place::Last { Place::Inner } else { Place::Last };
        assert!(stream.open_in_place(*position, wrong_place, &mut segment.clone()).is_err());
    }
}

#[test]
fn key_associated_data_and_header_belong_together() {
    for vector in all() {
        let start = |key: &[u8; 32], aad: &[u8], header: &[u8; HEADER_LEN]| {
            Decryptor::start(vector.params, key, aad, header)
        };
        assert!(matches!(start(&[1; 32], AAD, &vector.header), Err(Error::FloeHeaderTag)));
        assert!(matches!(start(&KEY, b"This is aad", &vector.header), Err(Error::FloeHeaderTag)));
        for bit in 0..HEADER_LEN * 8 {
            let mut header = vector.header;
            header[bit / 8] ^= 1 << (bit % 8);
            assert!(start(&KEY, AAD, &header).is_err(), "{} bit {bit}", vector.name);
        }
    }
}

#[test]
fn every_bit_of_a_segment_counts() {
    let vector = all().into_iter().find(|vector| vector.name == "go_GCM256_IV256_64").unwrap();
    let mut stream = Decryptor::start(vector.params, &KEY, AAD, &vector.header).unwrap();
    for (position, place, segment) in segments(&vector) {
        for bit in 0..segment.len() * 8 {
            let mut changed = segment.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(stream.open_in_place(position, place, &mut changed).is_err(), "{position} bit {bit}");
        }
        for len in 0..segment.len() {
            assert!(stream.open_in_place(position, place, &mut segment[..len].to_vec()).is_err());
        }
    }
}

#[test]
fn lengths_and_positions_have_limits() {
    assert!(matches!(Params::new(32), Err(Error::FloeParams)));
    let params = Params::new(33).unwrap();
    let mut entropy = vorzimmer_types::entropy::Seeded::new(1);
    let (mut stream, _) = Encryptor::start(params, &KEY, AAD, &mut entropy);
    let mut seal =
        |position, place, len| stream.seal_in_place(position, place, &mut vec![0; len], &mut entropy);
    assert!(matches!(seal(0, Place::Inner, 32), Err(Error::FloeSegmentLength { found: 32 })));
    assert!(matches!(seal(0, Place::Last, 34), Err(Error::FloeSegmentLength { found: 34 })));
    assert!(matches!(seal(0, Place::Last, 31), Err(Error::FloeSegmentLength { found: 31 })));
    seal(0, Place::Last, 32).unwrap();
    assert!(matches!(seal((1 << 40) - 1, Place::Inner, 33), Err(Error::FloePosition { .. })));
    seal((1 << 40) - 1, Place::Last, 33).unwrap();
    assert!(matches!(seal(1 << 40, Place::Last, 33), Err(Error::FloePosition { .. })));
}
