//! G.711: both laws to and from linear, and from one to the other.
//!
//! Linear samples are 16 bits with G.711's 13 (A-law) or 14 (µ-law) significant bits on top. Between the laws each
//! code becomes the nearest level of the other law, the sign kept, by way of a table of 256 bytes.

use vorzimmer_types::audio::Codec;

/// The A-law code for silence: the smallest positive level, as it stands on the wire.
pub const SILENCE_PCMA: u8 = 0xd5;
/// The µ-law code for silence: positive zero.
pub const SILENCE_PCMU: u8 = 0xff;

/// The two laws.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Law {
    A,
    Mu,
}

static PCMA_LINEAR: [i16; 256] = table_of(Law::A);
static PCMU_LINEAR: [i16; 256] = table_of(Law::Mu);
static PCMA_TO_PCMU: [u8; 256] = cross(Law::A, Law::Mu);
static PCMU_TO_PCMA: [u8; 256] = cross(Law::Mu, Law::A);

/// µ-law for [`Codec::Pcmu`]; A-law for [`Codec::Pcma`], and nothing else is asked for.
const fn law(codec: Codec) -> Law {
    match codec {
        Codec::Pcmu => Law::Mu,
        Codec::Pcma | Codec::G722 | Codec::Opus => Law::A,
    }
}

/// The code for silence in one of the two laws.
#[must_use]
pub const fn silence(codec: Codec) -> u8 {
    match law(codec) {
        Law::A => SILENCE_PCMA,
        Law::Mu => SILENCE_PCMU,
    }
}

/// The linear sample that `code` of one of the two laws stands for.
#[must_use]
pub fn decode(codec: Codec, code: u8) -> i16 {
    match law(codec) {
        Law::A => PCMA_LINEAR[usize::from(code)],
        Law::Mu => PCMU_LINEAR[usize::from(code)],
    }
}

/// The code of one of the two laws for a linear sample.
#[must_use]
pub const fn encode(codec: Codec, sample: i16) -> u8 {
    compress(law(codec), sample)
}

const fn compress(law: Law, sample: i16) -> u8 {
    match law {
        Law::A => encode_pcma(sample),
        Law::Mu => encode_pcmu(sample),
    }
}

/// Turns codes of one law into codes of the other, in place.
pub fn transcode(from: Codec, to: Codec, codes: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcma, Codec::Pcmu) => &PCMA_TO_PCMU,
        (Codec::Pcmu, Codec::Pcma) => &PCMU_TO_PCMA,
        _ => return,
    };
    for code in codes {
        *code = table[usize::from(*code)];
    }
}

const fn table_of(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand(law, code as u8);
        code += 1;
    }
    table
}

const fn cross(from: Law, to: Law) -> [u8; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = compress(to, expand(from, code as u8));
        code += 1;
    }
    table
}

const fn expand(law: Law, code: u8) -> i16 {
    match law {
        Law::A => decode_pcma(code),
        Law::Mu => decode_pcmu(code),
    }
}

/// G.711 table 1: sign, 3 bits of segment, 4 bits of interval; even bits inverted on the wire.
const fn decode_pcma(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4) & 7;
    let interval = ((code & 0x0f) as i16) << 4;
    let level = match segment {
        0 => interval + 8,
        _ => (interval + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { level } else { -level }
}

/// G.711 table 2: as above with a bias of 33 (of 14 bits), all bits inverted on the wire.
const fn decode_pcmu(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4) & 7;
    let level = ((((code & 0x0f) as i16) << 3) + 0x84) << segment;
    if code & 0x80 != 0 { 0x84 - level } else { level - 0x84 }
}

const fn encode_pcma(sample: i16) -> u8 {
    let (sign, level) = if sample >= 0 { (0x80, sample) } else { (0, sample.saturating_neg()) };
    let steps = level >> 4;
    let mut segment = 0;
    let mut interval = steps;
    while interval > 0x1f {
        interval >>= 1;
        segment += 1;
    }
    // Segments 0 and 1 have the same step; above 0x0f the interval's top bit is the segment's.
    let code = if interval > 0x0f { ((segment + 1) << 4) | (interval & 0x0f) } else { interval };
    (sign | code as u8) ^ 0x55
}

const fn encode_pcmu(sample: i16) -> u8 {
    const CLIP: i16 = 32_635;
    let (sign, level) = if sample < 0 { (0x80, -(sample as i32)) } else { (0, sample as i32) };
    let level = if level > CLIP as i32 { CLIP as i32 } else { level } + 0x84;
    let mut segment = 0;
    while level >> (segment + 8) != 0 {
        segment += 1;
    }
    !(sign | (segment << 4) as u8 | ((level >> (segment + 3)) & 0x0f) as u8)
}

#[cfg(test)]
mod tests {
    use audio_codec::{Decoder, Encoder, pcma, pcmu};

    use super::{decode, encode, transcode};
    use crate::Codec;

    fn every_code() -> Vec<u8> {
        (0..=255).collect()
    }

    #[test]
    fn decoding_is_the_references() {
        let a = pcma::PcmaDecoder::new().decode(&every_code());
        let u = pcmu::PcmuDecoder::new().decode(&every_code());
        for code in 0..=255u8 {
            assert_eq!(decode(Codec::Pcma, code), a[usize::from(code)], "A-law {code:#x}");
            assert_eq!(decode(Codec::Pcmu, code), u[usize::from(code)], "µ-law {code:#x}");
        }
    }

    /// The reference moves negative samples by half a step before it encodes them in A-law, G.711 does not: the
    /// law is the same on both sides of zero. So the negative side is held against the positive one.
    #[test]
    fn encoding_is_the_references() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let a = pcma::PcmaEncoder::new().encode(&all);
        let u = pcmu::PcmuEncoder::new().encode(&all);
        for (place, sample) in all.into_iter().enumerate() {
            let ours = encode(Codec::Pcma, sample);
            if sample >= 0 {
                assert_eq!(ours, a[place], "A-law {sample}");
            } else {
                assert_eq!(ours, encode(Codec::Pcma, sample.saturating_neg()) ^ 0x80, "A-law {sample}");
            }
            assert_eq!(encode(Codec::Pcmu, sample), u[place], "µ-law {sample}");
        }
    }

    #[test]
    fn codes_survive_their_own_law() {
        for code in 0..=255u8 {
            assert_eq!(encode(Codec::Pcma, decode(Codec::Pcma, code)), code);
            // µ-law has two zeros (0x7f and 0xff) that mean the same.
            let again = encode(Codec::Pcmu, decode(Codec::Pcmu, code));
            assert!(again == code || (code == 0x7f && again == 0xff), "{code:#x}");
        }
    }

    #[test]
    fn transcoding_is_decoding_and_encoding_bit_for_bit() {
        let mut to_u = every_code();
        transcode(Codec::Pcma, Codec::Pcmu, &mut to_u);
        assert_eq!(to_u, pcmu::PcmuEncoder::new().encode(&pcma::PcmaDecoder::new().decode(&every_code())));

        let mut to_a = every_code();
        transcode(Codec::Pcmu, Codec::Pcma, &mut to_a);
        let linear = pcmu::PcmuDecoder::new().decode(&every_code());
        let reference = pcma::PcmaEncoder::new().encode(&linear);
        // Codes from 0x80 on are the positive half; the other half is its mirror.
        for code in 128..256 {
            assert_eq!(to_a[code], reference[code], "{code:#x} is {}", linear[code]);
            let negative = code ^ 0x80;
            let mirrored = if linear[code] == 0 { to_a[code] } else { to_a[code] ^ 0x80 };
            assert_eq!(to_a[negative], mirrored, "{negative:#x} is {}", linear[negative]);
        }
    }

    #[test]
    fn one_law_to_itself_changes_nothing() {
        let mut codes = every_code();
        transcode(Codec::Pcma, Codec::Pcma, &mut codes);
        assert_eq!(codes, every_code());
    }

    #[test]
    fn silence_is_the_smallest_level() {
        assert_eq!(decode(Codec::Pcma, super::SILENCE_PCMA), 8);
        assert_eq!(decode(Codec::Pcmu, super::SILENCE_PCMU), 0);
    }
}
