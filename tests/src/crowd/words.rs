//! SIP and SDP as text: just what the crowd needs to read and say.

use std::net::SocketAddr;

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(pub &'a str);

impl<'a> Message<'a> {
    /// The request's method; none for a response.
    #[must_use]
    pub fn method(self) -> Option<&'a str> {
        self.0.split(' ').next().filter(|word| !word.starts_with("SIP/"))
    }

    /// The response's status.
    #[must_use]
    pub fn status(self) -> Option<u16> {
        self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(self, name: &str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// Whole lines of a header, for copying into an answer.
    pub fn headers(self, name: &str) -> impl Iterator<Item = &'a str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The method of CSeq.
    #[must_use]
    pub fn of(self) -> Option<&'a str> {
        self.header("CSeq")?.split_whitespace().nth(1)
    }

    /// The URI of Contact.
    #[must_use]
    pub fn contact(self) -> Option<&'a str> {
        self.header("Contact")?.split_once('<')?.1.split_once('>').map(|(uri, _)| uri)
    }

    /// Where the sender of this message's SDP wants to get RTP.
    #[must_use]
    pub fn media(self) -> Option<SocketAddr> {
        let body = self.0.split_once("\r\n\r\n")?.1;
        let of = |prefix| body.lines().find_map(|line| line.strip_prefix(prefix)).map(str::trim);
        let address = of("c=IN IP4 ")?;
        let port = of("m=audio ")?.split(' ').next()?;
        format!("{address}:{port}").parse().ok()
    }

    /// An answer to this request.
    #[must_use]
    pub fn answer(self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for via in self.headers("Via") {
            text.push_str(&format!("Via: {via}\r\n"));
        }
        let to = self.header("To").unwrap_or_default();
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        let copied = |name| self.header(name).unwrap_or_default();
        text.push_str(&format!(
            "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}{}",
            copied("From"),
            copied("Call-ID"),
            copied("CSeq"),
            tail(body)
        ));
        text
    }
}

/// The end of a message: lengths, an empty line, the body.
#[must_use]
pub fn tail(body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// An offer or answer of A-law and telephone-event on this port.
#[must_use]
pub fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=crowd 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}
