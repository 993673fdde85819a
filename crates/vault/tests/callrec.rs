//! A recording is accepted whole or refused: whatever is changed, cut, moved or swapped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::io::Cursor;

use proptest::prelude::*;
use vorzimmer_types::entropy::Seeded;
use vorzimmer_types::{CustomerId, Day, PartyId, RecordingId};
use vorzimmer_vault::callrec::{
    Context, EndReason, Ending, Expected, Form, Gaps, PLAINTEXT_LEN, Reader, Recovered, Refusal, SlotGaps,
    Writer, file, recover,
};
use vorzimmer_vault::{Error, SlotSecret};

const PAGE: usize = 4096;

fn context() -> Context {
    Context {
        recording: RecordingId::from_bytes([1; 16]),
        customer: CustomerId::from_bytes([2; 16]),
        expiry: Day(20_500),
        key_version: 3,
        codec: 0,
        form: Form::AsItCame,
        parties: vec![PartyId::from_bytes([3; 16]), PartyId::from_bytes([4; 16])],
        receipts_hash: [5; 32],
    }
}

fn secrets() -> Vec<SlotSecret> {
    [6, 7].map(|byte| SlotSecret::from_bytes([byte; 32])).to_vec()
}

fn all(secrets: &[SlotSecret]) -> Vec<Option<SlotSecret>> {
    secrets.iter().cloned().map(Some).collect()
}

fn gaps(count: u32) -> SlotGaps {
    [Gaps { count, ms: count * 20 }; 8]
}

fn ending() -> Ending {
    Ending {
        reason: EndReason::HungUp,
        duration_ms: 400,
        slots: vec![gaps(1), gaps(2)],
        receipts_root: [8; 32],
    }
}

fn text(slot: usize, page: usize) -> Vec<u8> {
    format!("voice of slot {slot}, page {page}").into_bytes()
}

/// Header and `pages` pages of sound, without an end.
fn open_file(context: &Context, pages: usize, seed: u64) -> (Writer, Vec<u8>, Seeded) {
    let mut entropy = Seeded::new(seed);
    let secrets: Vec<_> = secrets().into_iter().cycle().take(context.parties.len()).collect();
    let (mut writer, mut bytes) = Writer::start(context, &secrets, &mut entropy).unwrap();
    let mut page = vec![0; writer.page_len()];
    for number in 0..pages {
        let texts: Vec<_> = (0..context.parties.len()).map(|slot| text(slot, number)).collect();
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        assert_eq!(writer.seal_page(&texts, &mut page, &mut entropy).unwrap(), number as u64);
        bytes.extend_from_slice(&page);
    }
    (writer, bytes, entropy)
}

fn closed_file(context: &Context, pages: usize, seed: u64) -> Vec<u8> {
    let (mut writer, mut bytes, mut entropy) = open_file(context, pages, seed);
    let mut page = vec![0; writer.page_len()];
    writer.seal_final(&ending(), &mut page, &mut entropy).unwrap();
    bytes.extend_from_slice(&page);
    bytes
}

fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Error> {
    Reader::open(Cursor::new(bytes), &context().expected(), &all(&secrets()))
}

fn refusal(bytes: &[u8]) -> Refusal {
    match open(bytes) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_is_read() {
    let bytes = closed_file(&context(), 3, 1);
    let mut reader = open(&bytes).unwrap();
    assert_eq!((reader.pages(), reader.ending()), (3, &ending()));
    assert_eq!((reader.header().key_version, reader.header().receipts_hash), (3, [5; 32]));
    let mut page = reader.blank();
    for index in [2, 0, 1] {
        reader.read(index, &mut page).unwrap();
        for slot in 0..2 {
            let mut expected = text(slot, index as usize);
            expected.resize(PLAINTEXT_LEN, 0);
            assert_eq!(page.slot(slot).unwrap(), expected);
        }
        assert!(page.slot(2).is_none());
    }
    assert!(reader.read(3, &mut page).is_err(), "the final page holds no sound");
}

#[test]
fn one_party_or_four_make_a_recording_too() {
    for count in [1, 4] {
        let mut context = context();
        context.parties = (0..count).map(|byte| PartyId::from_bytes([byte; 16])).collect();
        let bytes = closed_file(&context, 2, 1);
        assert_eq!(bytes.len(), 4 * usize::from(count) * 2048);
        let secrets: Vec<_> = secrets().into_iter().cycle().take(count.into()).map(Some).collect();
        let reader = Reader::open(Cursor::new(&bytes), &context.expected(), &secrets).unwrap();
        assert_eq!(reader.pages(), 2);
        assert_eq!(reader.ending().slots.len(), usize::from(count));
    }
    for count in [0, 5] {
        let parties = vec![PartyId::from_bytes([0; 16]); count];
        let secrets = vec![SlotSecret::from_bytes([0; 32]); count];
        let started = Writer::start(&Context { parties, ..context() }, &secrets, &mut Seeded::new(1));
        assert!(matches!(started, Err(Error::Slots { found, .. }) if found == count));
    }
}

#[test]
fn a_page_takes_what_fits_and_a_closed_recording_takes_nothing() {
    let (mut writer, _, mut entropy) = open_file(&context(), 0, 1);
    let mut page = vec![0; PAGE];
    let long = vec![0; PLAINTEXT_LEN + 1];
    let too_long = writer.seal_page(&[&long, b""], &mut page, &mut entropy);
    assert!(matches!(too_long, Err(Error::PageContent { slots: 2, given: 2, longest: 2017 })));
    assert!(writer.seal_page(&[b""], &mut page, &mut entropy).is_err());
    assert!(writer.seal_page(&[b"", b""], &mut page[1..], &mut entropy).is_err());
    assert_eq!(writer.seal_page(&[&long[1..], b""], &mut page, &mut entropy).unwrap(), 0);
    assert_eq!(writer.seal_final(&ending(), &mut page, &mut entropy).unwrap(), 1);
    assert!(matches!(writer.seal_page(&[b"", b""], &mut page, &mut entropy), Err(Error::Closed)));
    assert!(matches!(writer.seal_final(&ending(), &mut page, &mut entropy), Err(Error::Closed)));
}

#[test]
fn every_byte_of_a_file_counts_and_every_bit_of_its_headers() {
    let bytes = closed_file(&context(), 1, 1);
    assert!(open(&bytes).is_ok());
    let bits = |at: usize| {
        let header = at < 112 || (1024..1098).contains(&at) || (1280..1354).contains(&at);
        let segment_header = at >= PAGE && at % 2048 < 16;
        if header || segment_header { 0..8 } else { at % 8..at % 8 + 1 }
    };
    for at in 0..bytes.len() {
        for bit in bits(at) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(open(&changed).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn every_other_length_is_refused() {
    let bytes = closed_file(&context(), 2, 1);
    for len in 0..bytes.len() {
        let refusal = refusal(&bytes[..len]);
        let expected = match len {
            _ if len < PAGE => Refusal::TooShort { len: len as u64 },
            _ if len % PAGE != 0 => Refusal::PartialPage { len: len as u64 },
            _ => Refusal::NotClosed { pages: (len / PAGE - 1) as u64 },
        };
        assert_eq!(refusal, expected, "length {len}");
    }
    for more in [1, 2048, PAGE, 2 * PAGE] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        let expected = match more % PAGE {
            0 => Refusal::Trailing { bytes: more as u64 },
            _ => Refusal::PartialPage { len: longer.len() as u64 },
        };
        assert_eq!(refusal(&longer), expected, "{more} more");
    }
}

/// A file of which the pages (0 is the header) stand as `order` says.
fn reordered(bytes: &[u8], order: &[usize]) -> Vec<u8> {
    order.iter().flat_map(|page| &bytes[page * PAGE..(page + 1) * PAGE]).copied().collect()
}

#[test]
fn pages_stand_where_they_were_written_once_each() {
    // Header, sound 0 to 3, final.
    let bytes = closed_file(&context(), 4, 1);
    let whole: Vec<usize> = (0..6).collect();
    assert!(open(&reordered(&bytes, &whole)).is_ok());
    for a in 0..6 {
        for b in 0..6 {
            let mut order = whole.clone();
            if a < b {
                order.swap(a, b);
                assert!(open(&reordered(&bytes, &order)).is_err(), "{a} and {b} swapped");
            }
            let mut order = whole.clone();
            order.insert(b, a);
            assert!(open(&reordered(&bytes, &order)).is_err(), "{a} again before {b}");
            if a != b {
                let mut order = whole.clone();
                order[b] = a;
                assert!(open(&reordered(&bytes, &order)).is_err(), "{a} instead of {b}");
            }
        }
        let mut order = whole.clone();
        order.remove(a);
        assert!(open(&reordered(&bytes, &order)).is_err(), "without {a}");
    }
}

#[test]
fn slots_do_not_change_places() {
    let bytes = closed_file(&context(), 2, 1);
    for page in 1..4 {
        let mut swapped = bytes.clone();
        let (a, b) = swapped[page * PAGE..(page + 1) * PAGE].split_at_mut(2048);
        a.swap_with_slice(b);
        assert!(matches!(refusal(&swapped), Refusal::Segment { slot: 0, .. }), "page {page}");
    }
    let mut swapped = bytes.clone();
    let (a, b) = swapped[1024..].split_at_mut(256);
    a[..74].swap_with_slice(&mut b[..74]);
    assert_eq!(refusal(&swapped), Refusal::StreamHeader { slot: 0 });
    // All of both slots, headers and pages, as if the parties had been mixed up.
    for page in 1..4 {
        let (a, b) = swapped[page * PAGE..(page + 1) * PAGE].split_at_mut(2048);
        a.swap_with_slice(b);
    }
    assert_eq!(refusal(&swapped), Refusal::StreamHeader { slot: 0 });
}

#[test]
fn half_a_final_page_is_none() {
    let bytes = closed_file(&context(), 1, 1);
    let (mut writer, _, mut entropy) = open_file(&context(), 1, 1);
    let mut inner = vec![0; PAGE];
    writer.seal_page(&[b"a", b"b"], &mut inner, &mut entropy).unwrap();
    let mut mixed = bytes[..3 * PAGE - 2048].to_vec();
    mixed.extend_from_slice(&inner[2048..]);
    assert_eq!(refusal(&mixed), Refusal::SlotsDisagree { page: 1 });
}

#[test]
fn nothing_of_another_recording_fits() {
    let bytes = closed_file(&context(), 2, 1);
    // The same context and secrets, recorded another time: only the stream headers differ.
    let twin = closed_file(&context(), 2, 2);
    let foreign = closed_file(&Context { recording: RecordingId::from_bytes([9; 16]), ..context() }, 2, 3);
    for other in [&twin, &foreign] {
        for page in 0..4 {
            let mut mixed = bytes.clone();
            mixed[page * PAGE..(page + 1) * PAGE].copy_from_slice(&other[page * PAGE..(page + 1) * PAGE]);
            assert!(open(&mixed).is_err(), "page {page}");
        }
        for slot in 0..2 {
            let at = 1024 + 256 * slot;
            let mut mixed = bytes.clone();
            mixed[at..at + 74].copy_from_slice(&other[at..at + 74]);
            assert!(open(&mixed).is_err(), "stream header {slot}");
        }
    }
}

#[test]
fn it_is_accepted_for_what_it_is_only() {
    let bytes = closed_file(&context(), 1, 1);
    let right = context().expected();
    let open = |expected: &Expected, secrets: &[Option<SlotSecret>]| match Reader::open(
        Cursor::new(&bytes),
        expected,
        secrets,
    ) {
        Ok(_) => None,
        Err(Error::Refused(refusal)) => Some(refusal),
        Err(other) => panic!("{other}"),
    };
    let known = all(&secrets());
    assert_eq!(open(&right, &known), None);
    let party = |byte| PartyId::from_bytes([byte; 16]);
    let table = [
        (Expected { recording: RecordingId::from_bytes([9; 16]), ..right.clone() }, Refusal::OtherRecording),
        (Expected { customer: CustomerId::from_bytes([9; 16]), ..right.clone() }, Refusal::OtherCustomer),
        (Expected { expiry: Day(20_501), ..right.clone() }, Refusal::OtherExpiry),
        (Expected { parties: vec![party(9), party(4)], ..right.clone() }, Refusal::StreamHeader { slot: 0 }),
        (Expected { parties: vec![party(3), party(9)], ..right.clone() }, Refusal::StreamHeader { slot: 1 }),
        (Expected { parties: vec![party(4), party(3)], ..right.clone() }, Refusal::StreamHeader { slot: 0 }),
        (Expected { parties: vec![party(3)], ..right.clone() }, Refusal::SlotCount { found: 2, expected: 1 }),
    ];
    for (expected, refusal) in table {
        assert_eq!(open(&expected, &known), Some(refusal));
    }
    let mut swapped = known.clone();
    swapped.swap(0, 1);
    assert_eq!(open(&right, &swapped), Some(Refusal::StreamHeader { slot: 0 }));
    assert_eq!(open(&right, &[None, None]), Some(Refusal::NoSecret));
    assert_eq!(open(&right, &known[..1]), Some(Refusal::SlotCount { found: 1, expected: 2 }));
}

#[test]
fn the_context_cannot_be_rewritten() {
    // Who can write the file and knows what is expected, but has no secret, cannot make it another's.
    let bytes = closed_file(&context(), 1, 1);
    for (at, field) in [
        (16, "recording"),
        (32, "customer"),
        (55, "expiry"),
        (59, "key version"),
        (65, "codec"),
        (80, "receipts"),
    ] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let mut expected = context().expected();
        match field {
            "recording" => expected.recording = RecordingId::from_bytes(changed[16..32].try_into().unwrap()),
            "customer" => expected.customer = CustomerId::from_bytes(changed[32..48].try_into().unwrap()),
            "expiry" => expected.expiry = Day(20_501),
            _ => {}
        }
        let opened = Reader::open(Cursor::new(&changed), &expected, &all(&secrets()));
        assert!(matches!(opened, Err(Error::Refused(Refusal::StreamHeader { slot: 0 }))), "{field}");
    }
}

#[test]
fn one_destroyed_secret_leaves_the_other_voice() {
    let bytes = closed_file(&context(), 2, 1);
    let mut known = all(&secrets());
    known[0] = None;
    let mut reader = Reader::open(Cursor::new(&bytes), &context().expected(), &known).unwrap();
    assert_eq!(reader.ending().slots, [SlotGaps::default(), gaps(2)]);
    let mut page = reader.blank();
    reader.read(1, &mut page).unwrap();
    assert!(page.slot(0).is_none());
    assert!(page.slot(1).unwrap().starts_with(&text(1, 1)));
    let (_, open, _) = open_file(&context(), 2, 1);
    let recovered = recover(Cursor::new(&open), &context().expected(), &known, 0);
    assert!(matches!(recovered, Err(Error::SlotDestroyed { slot: 0 })), "nobody can close its stream");
}

fn look(bytes: &[u8], acknowledged: u64) -> Result<Recovered<Cursor<&[u8]>>, Error> {
    recover(Cursor::new(bytes), &context().expected(), &all(&secrets()), acknowledged)
}

/// Looks at an open file, closes it, and gives the pages that it has then.
fn recovered(bytes: &[u8], acknowledged: u64) -> Result<u64, Error> {
    let open = match look(bytes, acknowledged)? {
        Recovered::Open(open) => open,
        Recovered::Closed(reader) => return Ok(reader.pages()),
    };
    assert_eq!(open.last_page(), open.pages().checked_sub(1));
    assert_eq!(open.sound_len() + open.torn_len(), bytes.len() as u64);
    let (pages, sound_len) = (open.pages(), open.sound_len() as usize);
    let (_, last) = open.final_page(400, vec![gaps(3), gaps(4)], &mut Seeded::new(99)).unwrap();
    let mut closed = bytes[..sound_len].to_vec();
    closed.extend(last);
    let mut reader = self::open(&closed).unwrap();
    assert_eq!((reader.pages(), reader.ending().reason), (pages, EndReason::Recovered));
    assert_eq!(reader.ending().slots, [gaps(3), gaps(4)]);
    assert_eq!(reader.ending().receipts_root, context().receipts_hash);
    let mut page = reader.blank();
    for index in 0..pages {
        reader.read(index, &mut page).unwrap();
        assert!(page.slot(1).unwrap().starts_with(&text(1, index as usize)));
    }
    Ok(pages)
}

#[test]
fn a_file_cut_anywhere_is_recovered_up_to_its_last_whole_page() {
    let (_, bytes, _) = open_file(&context(), 3, 1);
    let whole = closed_file(&context(), 3, 1);
    // A torn final page is a torn page.
    for (bytes, lengths) in [(&bytes, 0..=bytes.len()), (&whole, 4 * PAGE..=whole.len() - 1)] {
        for len in lengths.step_by(7) {
            match recovered(&bytes[..len], 0) {
                Ok(pages) => assert_eq!(pages, (len / PAGE - 1) as u64, "length {len}"),
                Err(Error::Refused(Refusal::TooShort { .. })) => assert!(len < PAGE),
                Err(other) => panic!("length {len}: {other}"),
            }
        }
    }
}

#[test]
fn acknowledged_pages_must_all_be_there() {
    let (_, bytes, _) = open_file(&context(), 3, 1);
    for pages in 0..=3_u64 {
        for acknowledged in 0..=4 {
            let found = recovered(&bytes[..(pages as usize + 1) * PAGE], acknowledged);
            match found {
                Ok(found) => assert!(found == pages && pages >= acknowledged),
                Err(Error::Refused(Refusal::LostPages { acknowledged: a, found })) => {
                    assert!(a == acknowledged && found == pages && pages < acknowledged);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    // A closed file that ends too early is no better.
    let closed = closed_file(&context(), 1, 1);
    assert!(look(&closed, 1).is_ok());
    assert!(matches!(
        look(&closed, 2),
        Err(Error::Refused(Refusal::LostPages { acknowledged: 2, found: 1 }))
    ));
}

#[test]
fn what_the_disk_never_wrote_is_cut_off_unless_it_was_acknowledged() {
    let (_, bytes, _) = open_file(&context(), 4, 1);
    for page in 0..4 {
        for sector in 0..8 {
            let mut hole = bytes.clone();
            let at = (page + 1) * PAGE + sector * 512;
            hole[at..at + 512].fill(0);
            assert_eq!(recovered(&hole, page as u64).unwrap(), page as u64, "page {page} sector {sector}");
            let acknowledged = look(&hole, page as u64 + 1);
            assert!(matches!(acknowledged, Err(Error::Refused(_))), "page {page} sector {sector}");
        }
    }
}

#[test]
fn a_changed_page_is_refused_even_at_the_end_of_an_open_file() {
    let (_, bytes, _) = open_file(&context(), 2, 1);
    for at in (PAGE..bytes.len()).step_by(61) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(matches!(look(&changed, 0), Err(Error::Refused(_))), "byte {at}");
    }
}

#[test]
fn a_closed_file_is_not_closed_again() {
    let bytes = closed_file(&context(), 2, 1);
    assert!(matches!(look(&bytes, 2), Ok(Recovered::Closed(_))));
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(look(&longer, 2), Err(Error::Refused(Refusal::Trailing { bytes: 1 }))));
}

#[test]
fn pages_that_were_never_stored_can_be_taken_back() {
    let (mut writer, mut bytes, mut entropy) = open_file(&context(), 3, 1);
    bytes.truncate(2 * PAGE);
    writer.take_back(1);
    let mut page = vec![0; PAGE];
    assert_eq!(writer.seal_page(&[b"other", b"sound"], &mut page, &mut entropy).unwrap(), 1);
    bytes.extend_from_slice(&page);
    writer.seal_final(&ending(), &mut page, &mut entropy).unwrap();
    bytes.extend_from_slice(&page);
    let mut reader = open(&bytes).unwrap();
    let mut page = reader.blank();
    reader.read(1, &mut page).unwrap();
    assert!(page.slot(0).unwrap().starts_with(b"other"));
}

#[test]
fn a_copy_takes_its_originals_place_with_fewer_pages_and_is_known_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let recording = context().recording;
    let (path, copy) = (file::path(folder.path(), recording), file::copy_path(folder.path(), recording));
    std::fs::create_dir(copy.parent().unwrap()).unwrap();
    std::fs::write(&path, closed_file(&context(), 8, 1)).unwrap();
    let form = Form::Copy;
    std::fs::write(&copy, closed_file(&Context { form, ..context() }, 2, 2)).unwrap();

    file::replace(&path, &copy).unwrap();
    assert!(!copy.exists());
    let known = all(&secrets());
    let found = recover(file::open(&path).unwrap(), &context().expected(), &known, 8).unwrap();
    let Recovered::Closed(reader) = found else { panic!("it is closed") };
    assert_eq!((reader.pages(), reader.header().form), (2, Form::Copy));
    // Who says that of an original, to cut pages off it, is not believed.
    let mut bytes = closed_file(&context(), 2, 1);
    (bytes[15], bytes[62], bytes[63]) = (1, 7, 208);
    let opened = recover(Cursor::new(&bytes), &context().expected(), &known, 8);
    assert!(matches!(opened, Err(Error::Refused(Refusal::StreamHeader { slot: 0 }))));
    bytes[15] = 2;
    assert!(open(&bytes).is_err(), "there is no such form");

    std::fs::write(&copy, b"torn").unwrap();
    assert!(file::remove_all(folder.path(), recording).unwrap());
    assert!(!copy.exists() && !path.exists());
}

#[test]
fn a_file_is_appended_to_closed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = file::path(folder.path(), context().recording);
    assert_eq!(file::recording_of(&path), Some(context().recording));
    assert_eq!(file::recording_of(folder.path()), None);
    let (_, bytes, _) = open_file(&context(), 2, 1);
    let mut written = file::RecordingFile::create(&path).unwrap();
    assert!(written.is_empty());
    assert!(file::RecordingFile::create(&path).is_err(), "a recording is never overwritten");
    for page in bytes.chunks(PAGE) {
        written.append(page).unwrap();
    }
    written.sync().unwrap();
    assert_eq!(written.len(), bytes.len() as u64);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // Killed in the middle of a page.
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend_from_slice(&[9; 1000]);
    std::fs::write(&path, &torn).unwrap();
    let source = file::open(&path).unwrap();
    let Recovered::Open(open) = recover(source, &context().expected(), &all(&secrets()), 2).unwrap() else {
        panic!("it is open");
    };
    assert_eq!(open.torn_len(), 1000);
    let sound_len = open.sound_len();
    let (_, last) = open.final_page(0, vec![], &mut Seeded::new(5)).unwrap();
    file::close(&path, sound_len, &last).unwrap();
    let reader = Reader::open(file::open(&path).unwrap(), &context().expected(), &all(&secrets())).unwrap();
    assert_eq!(reader.pages(), 2);
    assert!(file::remove(&path).unwrap());
    assert!(!file::remove(&path).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_damage_is_refused(seed: u64, edits in proptest::collection::vec((0_usize..4 * PAGE, any::<u8>()), 1..5)) {
        let bytes = closed_file(&context(), 2, seed);
        let mut changed = bytes.clone();
        for (at, byte) in edits {
            changed[at] = byte;
        }
        prop_assert_eq!(open(&changed).is_ok(), changed == bytes);
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3 * PAGE)) {
        prop_assert!(open(&bytes).is_err());
        let mut bytes = bytes;
        let head = closed_file(&context(), 0, 1);
        let len = bytes.len().min(PAGE);
        bytes[..len].copy_from_slice(&head[..len]);
        prop_assert!(open(&bytes).is_err());
    }
}
