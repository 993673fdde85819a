//! The rows of the table.

pub const REGISTER: &str = "register";
pub const CALL_IN: &str = "call in";
pub const CALL_OUT: &str = "call out";
pub const HOLD: &str = "hold and resume";
pub const BLIND: &str = "blind transfer";
pub const ATTENDED: &str = "attended transfer";
pub const EVENTS: &str = "DTMF by RFC 4733";
pub const INFO: &str = "DTMF by SIP INFO";
pub const IN_BAND: &str = "DTMF in-band";
pub const TCP: &str = "TCP";
pub const TLS: &str = "TLS";
pub const SDES: &str = "SDES";
pub const DTLS: &str = "DTLS-SRTP";
pub const OPUS: &str = "Opus";
pub const G722: &str = "G.722";
pub const YES: &str = "consent: yes";
pub const NO: &str = "consent: no";
pub const WITHDRAWAL: &str = "consent: withdrawal";
pub const EXPORT: &str = "recording exported, both tones right";

/// All of them, in the order of the table.
pub const ALL: &[&str] = &[
    REGISTER, CALL_IN, CALL_OUT, HOLD, BLIND, ATTENDED, EVENTS, INFO, IN_BAND, TCP, TLS, SDES, DTLS, OPUS,
    G722, YES, NO, WITHDRAWAL, EXPORT,
];
