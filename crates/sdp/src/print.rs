//! From a [`Description`] to bytes (RFC 8866 §5).

use std::fmt;
use std::net::IpAddr;

use crate::lines::Lines;
use crate::{AudioMedia, Description, Encoding, Media, OtherMedia, Payload};

impl Description {
    /// The description as it goes on the wire, lines ended by CRLF.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Lines::new();
        out.line('v', format_args!("0"));
        let origin = &self.origin;
        // RFC 8866 §5.2: `-` where there are no user names.
        out.line('o', format_args!("- {} {} {}", origin.id, origin.version, Place(origin.addr)));
        // RFC 8866 §5.3: `-` where a session has no name; RFC 3264 §5 wants it for unicast.
        out.line('s', format_args!("-"));
        let shared = self.shared_address();
        if let Some(addr) = shared {
            out.line('c', format_args!("{}", Place(addr)));
        }
        out.line('t', format_args!("0 0"));
        let audio = self.media.iter().filter_map(|media| match media {
            Media::Audio(audio) => Some(audio),
            Media::Other(_) => None,
        });
        crate::web::print_top(audio, &mut out);
        if let Some(state) = self.recording {
            out.attribute("record", format_args!("{}", state.name()));
        }
        if let Some(wish) = self.preference {
            out.attribute("recordpref", format_args!("{}", wish.name()));
        }
        for media in &self.media {
            match media {
                Media::Audio(audio) => {
                    let own = if shared.is_none() { audio.addr } else { None };
                    print_audio(audio, own, &mut out);
                }
                Media::Other(other) => print_other(other, &mut out),
            }
        }
        out.into_bytes()
    }

    /// The address of all audio lines, if they have one in common: stands once, on top.
    fn shared_address(&self) -> Option<IpAddr> {
        let mut addresses = self.media.iter().filter_map(|media| match media {
            Media::Audio(audio) => Some(audio.addr),
            Media::Other(_) => None,
        });
        let first = addresses.next().unwrap_or(Some(self.origin.addr));
        if addresses.all(|addr| addr == first) { first } else { None }
    }
}

/// `IN IP4 192.0.2.1`
struct Place(IpAddr);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IN {} {}", if self.0.is_ipv4() { "IP4" } else { "IP6" }, self.0)
    }
}

fn print_other(other: &OtherMedia, out: &mut Lines) {
    out.line('m', format_args!("{} {} {} {}", other.kind, other.port, other.transport, other.formats));
}

fn print_audio(audio: &AudioMedia, own: Option<IpAddr>, out: &mut Lines) {
    let types: Vec<String> = audio.payloads.iter().map(|p| p.pt.to_string()).collect();
    // The grammar wants a format even where nothing is offered.
    let formats = if types.is_empty() { "0".to_owned() } else { types.join(" ") };
    out.line('m', format_args!("audio {} {} {formats}", audio.port, audio.transport.name()));
    if let Some(addr) = own {
        out.line('c', format_args!("{}", Place(addr)));
    }
    for payload in &audio.payloads {
        rtpmap(payload, out);
        if let Some(fmtp) = &payload.fmtp {
            out.attribute("fmtp", format_args!("{} {fmtp}", payload.pt));
        }
    }
    if let Some(ms) = audio.ptime_ms {
        out.attribute("ptime", format_args!("{ms}"));
    }
    if let Some(ms) = audio.maxptime_ms {
        out.attribute("maxptime", format_args!("{ms}"));
    }
    if let Some(rtcp) = audio.rtcp {
        out.attribute("rtcp", format_args!("{} {}", rtcp.port(), Place(rtcp.ip())));
    }
    for crypto in &audio.crypto {
        out.attribute("crypto", format_args!("{}", *crypto.print()));
    }
    crate::web::print(audio, out);
    out.flag(audio.direction.name());
}

fn rtpmap(payload: &Payload, out: &mut Lines) {
    let (pt, clock) = (payload.pt, payload.clock_hz);
    let (name, channels) = match &payload.encoding {
        Encoding::Pcma => ("PCMA", None),
        Encoding::Pcmu => ("PCMU", None),
        Encoding::G722 => ("G722", None),
        Encoding::Opus => ("opus", Some("2")),
        Encoding::ComfortNoise => ("CN", None),
        Encoding::TelephoneEvent => ("telephone-event", None),
        Encoding::Other(name) if name.is_empty() => return,
        Encoding::Other(name) => match name.split_once('/') {
            Some((name, channels)) => (name, Some(channels)),
            None => (name.as_str(), None),
        },
    };
    match channels {
        Some(channels) => out.attribute("rtpmap", format_args!("{pt} {name}/{clock}/{channels}")),
        None => out.attribute("rtpmap", format_args!("{pt} {name}/{clock}")),
    }
}
