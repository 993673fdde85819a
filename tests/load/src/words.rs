//! What trunk and telephone say, as text.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use vorzimmer_tests::crowd::words::{Message, sdp, tail};

use crate::voice::Keys;

/// Key and salt that both ends of the generator say they use: they protect nothing but the measurement's sense.
const OURS: [u8; 30] = *b"the load generator's own key..";
/// The only suite that the generator speaks (RFC 4568 §6.2.1).
const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// Who is called, through whom, by whom.
#[derive(Clone, Debug)]
pub struct Dialling {
    /// Where requests go.
    pub server: SocketAddr,
    /// The number.
    pub number: String,
    /// Our own port; whoever opens the socket sets it.
    pub port: u16,
    /// Whether voices are to be encrypted.
    pub srtp: bool,
}

impl Dialling {
    /// The INVITE of call `call`, whose caller hears at `media`.
    pub fn invite(&self, call: u64, media: u16) -> String {
        let Self { server, number, port, srtp } = self;
        format!(
            "INVITE sip:{number}@{server};user=phone SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{id}\r\n\
             From: <sip:+493023125900@127.0.0.1:{port};user=phone>;tag=t{call}\r\n\
             To: <sip:{number}@{server};user=phone>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:carrier@127.0.0.1:{port}>\r\nMax-Forwards: 68\r\n\
             P-Asserted-Identity: <sip:+493023125900@carrier.example;user=phone>\r\n{}",
            tail(&description(media, *srtp)),
            id = self.id(call),
        )
    }

    /// The Call-ID of call `call`.
    pub fn id(&self, call: u64) -> String {
        format!("load-{call}-{}", self.port)
    }

    /// The request after a final answer in the dialog that it made: `ACK` or `BYE`.
    pub fn within(&self, method: &str, invite: &str, answer: Message<'_>) -> String {
        let id = answer.header("Call-ID").unwrap_or_default();
        // The ACK of a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
        let own = if answer.status() == Some(200) { method } else { "" };
        let number = if method == "BYE" { 2 } else { 1 };
        let of_invite = invite.split(' ').nth(1).unwrap_or_default();
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bK-{id}{own}\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {id}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n{}",
            answer.contact().unwrap_or(of_invite),
            self.port,
            answer.header("From").unwrap_or_default(),
            answer.header("To").unwrap_or_default(),
            tail("")
        )
    }
}

/// The answer to an offer that was heard: encrypted if it is to be, and may.
pub fn answer_to(offer: Message<'_>, port: u16, srtp: bool) -> String {
    let Some(line) = crypto_line(offer).filter(|_| srtp) else { return description(port, false) };
    let secured = offer.0.contains("RTP/SAVP");
    let plain =
        if secured { description(port, true) } else { description(port, true).replace("SAVP", "AVP") };
    let tag = line.split(' ').next().unwrap_or("1");
    plain.replace("a=crypto:1 ", &format!("a=crypto:{tag} "))
}

/// The keys that were agreed on by a description which names the peer's; none if voices go in the clear.
pub fn keys(description: Message<'_>) -> Option<Keys> {
    let inline = crypto_line(description)?.split("inline:").nth(1)?;
    let key = inline.split(['|', ' ']).next()?;
    Keys::new(&OURS, &BASE64.decode(key).ok()?)
}

/// The value of the first `a=crypto` line of our suite.
fn crypto_line(message: Message<'_>) -> Option<&str> {
    let mut lines = message.0.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    lines.find(|line| line.split(' ').nth(1) == Some(SUITE))
}

/// A-law and telephone-event on this port.
fn description(port: u16, srtp: bool) -> String {
    let plain = sdp(port);
    if !srtp {
        return plain;
    }
    let secured = plain.replace("RTP/AVP", "RTP/SAVP");
    format!("{secured}a=crypto:1 {SUITE} inline:{}\r\n", BASE64.encode(OURS))
}

#[cfg(test)]
mod tests {
    use vorzimmer_tests::crowd::words::{Message, tail};

    use super::{Dialling, answer_to, crypto_line, description, keys};

    #[test]
    fn an_encrypted_offer_is_answered_with_its_tag_and_a_plain_one_in_the_clear() {
        let offer = description(4_000, true).replace("crypto:1", "crypto:7");
        let offer = format!("INVITE sip:a@b SIP/2.0\r\n{}", tail(&offer));
        let answer = answer_to(Message(&offer), 5_000, true);
        assert!(answer.contains("m=audio 5000 RTP/SAVP") && answer.contains("a=crypto:7 "), "{answer}");
        let offered_too = offer.replace("SAVP", "AVP");
        let answer_too = answer_to(Message(&offered_too), 5_000, true);
        assert!(
            answer_too.contains("m=audio 5000 RTP/AVP") && answer_too.contains("a=crypto:7 "),
            "{answer_too}"
        );
        assert!(!answer_to(Message(&offered_too), 5_000, false).contains("a=crypto"));
        assert!(keys(Message(&answer)).is_some());
        let plain = description(4_000, false);
        assert!(crypto_line(Message(&plain)).is_none() && keys(Message(&plain)).is_none());
    }

    #[test]
    fn what_follows_a_refusal_stays_in_its_transaction() {
        let server = "127.0.0.1:5060".parse().expect("an address");
        let dialling = Dialling { server, number: "+491".into(), port: 6_000, srtp: false };
        let invite = dialling.invite(3, 4_000);
        let refused = Message(&invite).answer("503 Service Unavailable", "x", "", "");
        let ack = dialling.within("ACK", &invite, Message(&refused));
        assert!(ack.starts_with("ACK sip:+491@127.0.0.1:5060;user=phone SIP/2.0\r\n"), "{ack}");
        assert!(ack.contains("branch=z9hG4bK-load-3-6000\r\n"), "{ack}");
    }
}
