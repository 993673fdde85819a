//! From a [`Description`] to bytes.

use std::net::IpAddr;

use sdp_types::{Attribute, Connection};

use crate::{AudioMedia, Description, Encoding, Media, OtherMedia, Payload};

impl Description {
    /// The description as it goes on the wire, lines ended by CRLF.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut origin =
            sdp_types::Origin::with_ip_addr(&self.origin.id, self.origin.version, self.origin.addr);
        // RFC 8866 §5.2: `-` where there are no user names.
        origin.username = Some("-".to_owned());
        // RFC 8866 §5.3: `-` where a session has no name; RFC 3264 §5 wants it for unicast.
        let mut session = sdp_types::Session::new(origin, "-");
        session.connection = self.shared_address().map(Connection::from_ip_addr);
        let audio = self.media.iter().filter_map(|media| match media {
            Media::Audio(audio) => Some(audio),
            Media::Other(_) => None,
        });
        crate::web::print_top(audio, &mut session.attributes);
        let said = [
            self.recording.map(|state| ("record", state.name())),
            self.preference.map(|wish| ("recordpref", wish.name())),
        ];
        session
            .attributes
            .extend(said.into_iter().flatten().map(|(name, value)| Attribute::with_value(name, value)));
        session.medias = self.media.iter().map(|media| self.print_media(media)).collect();
        session.to_string().into_bytes()
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

    fn print_media(&self, media: &Media) -> sdp_types::Media {
        match media {
            Media::Audio(audio) => {
                let own = if self.shared_address().is_none() { audio.addr } else { None };
                print_audio(audio, own)
            }
            Media::Other(other) => print_other(other),
        }
    }
}

fn line(kind: &str, port: u16, proto: &str, fmt: String) -> sdp_types::Media {
    sdp_types::Media {
        media: kind.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

fn print_other(other: &OtherMedia) -> sdp_types::Media {
    line(&other.kind, other.port, &other.transport, other.formats.clone())
}

fn print_audio(audio: &AudioMedia, own: Option<IpAddr>) -> sdp_types::Media {
    let types: Vec<String> = audio.payloads.iter().map(|p| p.pt.to_string()).collect();
    // The grammar wants a format even where nothing is offered.
    let formats = if types.is_empty() { "0".to_owned() } else { types.join(" ") };
    let mut media = line("audio", audio.port, audio.transport.name(), formats);
    media.connections = own.map(Connection::from_ip_addr).into_iter().collect();
    let mut add = |name: &str, value: String| media.attributes.push(Attribute::with_value(name, value));
    for payload in &audio.payloads {
        if let Some(map) = rtpmap(payload) {
            add("rtpmap", map);
        }
        if let Some(fmtp) = &payload.fmtp {
            add("fmtp", format!("{} {fmtp}", payload.pt));
        }
    }
    if let Some(ms) = audio.ptime_ms {
        add("ptime", ms.to_string());
    }
    if let Some(ms) = audio.maxptime_ms {
        add("maxptime", ms.to_string());
    }
    if let Some(rtcp) = audio.rtcp {
        let family = if rtcp.is_ipv4() { "IP4" } else { "IP6" };
        add("rtcp", format!("{} IN {family} {}", rtcp.port(), rtcp.ip()));
    }
    for crypto in &audio.crypto {
        add("crypto", crypto.print());
    }
    crate::web::print(audio, &mut media.attributes);
    media.attributes.push(Attribute::new(audio.direction.name()));
    media
}

fn rtpmap(payload: &Payload) -> Option<String> {
    let (pt, clock) = (payload.pt, payload.clock_hz);
    let (name, channels) = match &payload.encoding {
        Encoding::Pcma => ("PCMA", None),
        Encoding::Pcmu => ("PCMU", None),
        Encoding::G722 => ("G722", None),
        Encoding::Opus => ("opus", Some("2")),
        Encoding::ComfortNoise => ("CN", None),
        Encoding::TelephoneEvent => ("telephone-event", None),
        Encoding::Other(name) if name.is_empty() => return None,
        Encoding::Other(name) => match name.split_once('/') {
            Some((name, channels)) => (name, Some(channels)),
            None => (name.as_str(), None),
        },
    };
    Some(match channels {
        Some(channels) => format!("{pt} {name}/{clock}/{channels}"),
        None => format!("{pt} {name}/{clock}"),
    })
}
