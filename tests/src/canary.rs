//! Canaries: numbers, names and tones that are looked for where nothing personal may lie, in every form in which a
//! program could have left them.

use std::f64::consts::TAU;

use memchr::memmem::Finder;
use vorzimmer_media::{Codec, decode, encode, transcode};

/// Bytes of a tone that are looked for at once: 4 ms as it was on the wire.
const WINDOW: usize = 32;
/// A canary tone repeats after so many samples: one packet of 20 ms.
const PERIOD: usize = 160;

/// Something that is looked for.
#[derive(Clone, Debug)]
pub struct Needle {
    /// What it is, for people.
    pub what: String,
    /// How it would lie there.
    pub bytes: Vec<u8>,
}

impl Needle {
    fn new(what: String, bytes: impl Into<Vec<u8>>) -> Self {
        Self { what, bytes: bytes.into() }
    }
}

/// The forms of a German number, given as `+49` and digits.
///
/// # Panics
/// When the number is not one.
#[must_use]
pub fn number(number: &str) -> Vec<Needle> {
    let national = number.strip_prefix("+49").expect("a German number");
    let whole = &number[1..];
    let value: u64 = whole.parse().expect("digits");
    let packed = hex::decode(whole).expect("an even number of digits");
    let swapped: Vec<u8> = packed.iter().map(|byte| byte.rotate_left(4)).collect();
    let little = value.to_le_bytes()[..6].to_vec();
    let big = value.to_be_bytes()[2..].to_vec();
    let (area, rest) = national.split_at(2);
    let mut needles = vec![
        Needle::new(format!("{number} with its plus"), number),
        Needle::new(format!("{number} without its plus"), whole),
        Needle::new(format!("{number} as dialled at home"), format!("0{national}")),
        Needle::new(format!("{number}, the digits that all forms share"), national),
        Needle::new(format!("{number} in groups"), format!("{area} {rest}")),
        Needle::new(format!("{number} in UTF-16LE"), utf16(national)),
        Needle::new(format!("{number} as bytes of text, printed"), array(national, ", ")),
        Needle::new(format!("{number} as bytes of text in JSON"), array(national, ",")),
        Needle::new(format!("{number} as hexadecimal of text"), hex::encode(national)),
        Needle::new(format!("{number} as packed digits"), packed),
        Needle::new(format!("{number} as swapped packed digits"), swapped),
        Needle::new(format!("{number} as a little-endian integer"), little),
        Needle::new(format!("{number} as a big-endian integer"), big),
    ];
    needles.extend(base64(national).map(|text| Needle::new(format!("{number} in base64"), text)));
    needles
}

/// The forms of a name.
#[must_use]
pub fn name(name: &str) -> Vec<Needle> {
    vec![
        Needle::new(format!("{name:?}"), name),
        Needle::new(format!("{name:?} in lower case"), name.to_lowercase()),
        Needle::new(format!("{name:?} in UTF-16LE"), utf16(name)),
        Needle::new(format!("{name:?} as bytes of text, printed"), array(name, ", ")),
        Needle::new(format!("{name:?} as bytes of text in JSON"), array(name, ",")),
        Needle::new(format!("{name:?} as hexadecimal of text"), hex::encode(name)),
    ]
}

/// One packet of a tone of two sines, as encoded by `codec`; said again and again it is a steady tone.
#[must_use]
pub fn packet(codec: Codec, hertz: [u32; 2]) -> Vec<u8> {
    let sample = |at: usize| {
        #[expect(clippy::cast_precision_loss, reason = "an index below 160")]
        let sine = |hertz: u32| (TAU * f64::from(hertz) * at as f64 / 8_000.0).sin();
        #[expect(clippy::cast_possible_truncation, reason = "within 16 bits by construction")]
        let sample = (7_000.0 * (sine(hertz[0]) + sine(hertz[1]))) as i16;
        encode(codec, sample)
    };
    (0..PERIOD).map(sample).collect()
}

/// The forms of a tone of which one packet is `packet`: as sent, as the other law, and as linear samples.
#[must_use]
pub fn voice(what: &str, codec: Codec, packet: &[u8]) -> Vec<Needle> {
    let other = if codec == Codec::Pcma { Codec::Pcmu } else { Codec::Pcma };
    let mut transcoded = packet.to_vec();
    transcode(codec, other, &mut transcoded);
    let linear: Vec<i16> = packet.iter().map(|code| decode(codec, *code)).collect();
    let mut needles = Vec::new();
    for from in [0, 40, 80, 120] {
        let mut add = |form: &str, bytes: Vec<u8>| {
            needles.push(Needle::new(format!("{what} from sample {from}, {form}"), bytes));
        };
        add("as sent", packet[from..from + WINDOW].to_vec());
        add("in the other law", transcoded[from..from + WINDOW].to_vec());
        let samples = &linear[from..from + WINDOW / 2];
        add("as PCM16, little-endian", samples.iter().flat_map(|sample| sample.to_le_bytes()).collect());
        add("as PCM16, big-endian", samples.iter().flat_map(|sample| sample.to_be_bytes()).collect());
        let floats = samples.iter().map(|sample| f32::from(*sample) / 32_768.0);
        add("as floats", floats.flat_map(f32::to_le_bytes).collect());
    }
    needles
}

/// Which of the needles lie in `hay`, each with what surrounds it.
#[must_use]
pub fn found(hay: &[u8], needles: &[Needle]) -> Vec<String> {
    let tell = |needle: &Needle| {
        let at = Finder::new(&needle.bytes).find(hay)?;
        let around = &hay[at.saturating_sub(80)..(at + needle.bytes.len() + 80).min(hay.len())];
        Some(format!("{}: …{}…", needle.what, String::from_utf8_lossy(around).escape_debug()))
    };
    needles.iter().filter_map(tell).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn array(text: &str, between: &str) -> String {
    text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(between)
}

/// What of `text` shows in base64, wherever in a longer text it stands: it begins at one of three places in a group.
fn base64(text: &str) -> [String; 3] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    [0, 1, 2].map(|skip| {
        let whole_groups = text.as_bytes()[skip..].chunks_exact(3);
        let letters = whole_groups.flat_map(|group| {
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift) as usize & 63]))
        });
        letters.collect()
    })
}

#[cfg(test)]
mod tests {
    use vorzimmer_media::Codec;

    use super::{array, base64, found, name, number, packet, voice};

    #[test]
    fn each_form_is_found_where_it_lies_and_nowhere_else() {
        let tone = packet(Codec::Pcma, [450, 1_050]);
        for needle in [number("+493023125944"), name("Kanarie"), voice("tone", Codec::Pcma, &tone)].concat() {
            let mut hay = vec![0xa7; 5_000];
            assert!(found(&hay, std::slice::from_ref(&needle)).is_empty(), "{}", needle.what);
            hay.splice(3_000..3_000, needle.bytes.iter().copied());
            assert_eq!(found(&hay, std::slice::from_ref(&needle)).len(), 1, "{}", needle.what);
        }
    }

    #[test]
    fn a_tone_is_found_wherever_its_packets_are_cut() {
        let tone = packet(Codec::Pcmu, [600, 950]);
        let needles = voice("tone", Codec::Pcmu, &tone);
        for cut in 0..160 {
            let cut_elsewhere: Vec<u8> = tone.iter().cycle().skip(cut).take(160).copied().collect();
            assert!(!found(&cut_elsewhere, &needles).is_empty(), "cut at {cut}");
        }
    }

    #[test]
    fn texts_are_written_as_programs_write_them() {
        assert_eq!(base64("abcd")[0], "YWJj");
        assert_eq!(base64("xabc")[1], "YWJj");
        assert_eq!(array("30", ", "), format!("{:?}", b"30").trim_matches(['[', ']']));
    }
}
