//! The voices of a call: RTP in and out of its legs, prompts and tones, digits, and the bridge between two legs.
//!
//! A [`Session`] holds the legs of one call. Datagrams go into [`Session::handle`], orders into
//! [`Session::command`], time into [`Session::poll`]; what is to be sent, heard by the recorder or told to the
//! call comes out through a [`Sink`]. No sockets, no clock, no randomness of its own, and no allocation per packet.
//!
//! [`ice`] and [`dtls`] are what a leg needs to trust a browser, or a telephone that speaks DTLS-SRTP.
//!
//! Not here: recording itself, and what a digit means.

mod error;
mod g711;
mod leg;
mod session;
mod stun;

pub mod codec;
pub mod dtls;
pub mod dtmf;
pub mod fuzz;
pub mod ice;
pub mod mix;
pub mod noise;
pub mod quality;
pub mod rate;
pub mod rtcp;
pub mod rtp;
pub mod sound;
pub mod srtp;

pub use error::Error;
pub use g711::{SILENCE_PCMA, SILENCE_PCMU, decode, encode, silence, transcode};
pub use leg::Stats;
pub use session::{
    Channel, Command, Content, DigitSource, Event, Input, LegConfig, LegKey, PlayId, Session, Sink, Tap,
};
pub use sound::{Clip, Prompt, RingBack, Sound};
pub use vorzimmer_types::audio::{Codec, Digit, Direction, Format, Negotiated};

#[cfg(test)]
mod testing {
    //! What every test here needs.

    /// A moment to begin at.
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to begin somewhere; nothing reads on from here"
    )]
    pub(crate) fn start() -> std::time::Instant {
        std::time::Instant::now()
    }
}
