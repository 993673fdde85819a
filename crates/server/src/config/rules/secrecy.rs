//! What the options of encrypted transports must hold together.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::findings::Findings;
use crate::config::settings::Settings;
use crate::config::tls::TrunkCertificate;

/// A handshake that takes longer is none; one that may take less fails on mobile networks.
const HANDSHAKE_S: RangeInclusive<u64> = 2..=60;
/// The same for one message.
const MESSAGE_S: RangeInclusive<u64> = 2..=120;
/// Browsers' proxies close what is silent for a minute; less than ten seconds wakes telephones for nothing.
const PING_S: RangeInclusive<u64> = 10..=300;
/// RFC 5626 §4.4: devices add up to a fifth to save their batteries; NATs forget TCP after minutes.
const FLOW_TIMER_S: RangeInclusive<u64> = 30..=3600;

/// Checks listeners, certificates and limits.
pub(super) fn check(settings: &Settings, found: &mut Findings) {
    listeners(settings, found);
    limits(settings, found);
    files(settings, found);
    let mut pinned = BTreeSet::new();
    for (name, trunk) in &settings.trunks {
        if let Some(shown) = &trunk.certificate {
            certificate(name, shown, &mut pinned, found);
        }
        if trunk.certificate.is_some() && settings.sip.tls.is_empty() {
            found.refuse(
                format!("trunks.{name}.certificate"),
                "there is no TLS listener that it could be shown to",
                "name an address in sip.tls",
            );
        }
    }
}

fn listeners(settings: &Settings, found: &mut Findings) {
    let sip = &settings.sip;
    for listen in sip.ws.iter().filter(|listen| !listen.0.ip().is_loopback()) {
        found.refuse(
            "sip.ws",
            format!("{listen} would carry log-ins in the clear"),
            "use sip.wss, or listen on 127.0.0.1 behind a proxy of yours that speaks TLS",
        );
    }
    let streams = [("sip.tcp", &sip.tcp), ("sip.tls", &sip.tls), ("sip.wss", &sip.wss), ("sip.ws", &sip.ws)];
    let mut seen = BTreeSet::new();
    for (option, list) in streams {
        let of_others = seen.clone();
        for listen in list.iter().filter(|listen| listen.0.port() != 0) {
            if of_others.contains(&listen.0) {
                found.refuse(option, format!("{listen} is already another listener's"), "take another port");
            }
            seen.insert(listen.0);
        }
    }
    for origin in &sip.origins {
        if !is_origin(origin) {
            found.refuse(
                "sip.origins",
                format!("{origin:?} is no origin"),
                "write scheme, host and port as the browser does, without a path: \"https://desk.example.net\"",
            );
        }
    }
}

/// RFC 6454 §6.2: `scheme://host[:port]`, in lower case, or `null` for pages that have none.
fn is_origin(text: &str) -> bool {
    let named = |rest: &str| {
        !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@".contains(&b) && !b.is_ascii_uppercase())
    };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text == "null" || rest.is_some_and(named)
}

fn limits(settings: &Settings, found: &mut Findings) {
    let limits = &settings.limits;
    for (option, value, bounds, good) in [
        ("limits.handshake_s", limits.handshake_s, HANDSHAKE_S, 10),
        ("limits.message_s", limits.message_s, MESSAGE_S, 20),
        ("limits.websocket_ping_s", limits.websocket_ping_s, PING_S, 30),
        ("sip.flow_timer_s", settings.sip.flow_timer_s, FLOW_TIMER_S, 120),
    ] {
        if !bounds.contains(&value) {
            found.refuse(
                option,
                format!("it is between {} and {} seconds", bounds.start(), bounds.end()),
                format!("{good} is a good value"),
            );
        }
    }
}

/// A private key that a backup of the data takes along is everybody's who reads the backup.
fn files(settings: &Settings, found: &mut Findings) {
    let data = [("data.folder", &settings.data.folder), ("data.recordings", &settings.data.recordings)];
    let keys = settings.tls.certificates.iter().map(|files| ("tls.certificates", &files.key));
    for (option, key) in keys.chain([("tls.folder", &settings.tls.folder)]) {
        for (what, folder) in data.iter().filter(|(_, folder)| key.starts_with(folder)) {
            found.refuse(
                option,
                format!("{} lies in {what} ({})", key.display(), folder.display()),
                "keep private keys outside of what is backed up with the data",
            );
        }
    }
    for name in &settings.tls.names {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-.:*".contains(c);
        if name.is_empty() || !name.chars().all(sound) {
            found.refuse("tls.names", format!("{name:?} is no host name"), "write \"sip.example.net\"");
        }
    }
}

fn certificate(name: &str, shown: &TrunkCertificate, pinned: &mut BTreeSet<[u8; 32]>, found: &mut Findings) {
    let option = |key: &str| format!("trunks.{name}.certificate.{key}");
    match shown.pins() {
        None => found.refuse(
            option("fingerprints"),
            "one of them is not 64 hexadecimal digits",
            "take what `openssl x509 -noout -fingerprint -sha256` prints after the equals sign",
        ),
        Some(pins) => {
            for _ in pins.into_iter().filter(|pin| !pinned.insert(*pin)) {
                found.refuse(
                    option("fingerprints"),
                    "one of them stands there twice, or is another trunk's",
                    "a certificate must name one trunk",
                );
            }
        }
    }
    if shown.fingerprints.is_empty() && shown.name.is_none() {
        found.refuse(
            option("name"),
            "nothing tells which certificate it is",
            "give the name that stands in it, or its fingerprints",
        );
    }
    if shown.name.is_none() && shown.ca.is_some() {
        found.refuse(
            option("ca"),
            "an authority without a name would let in whomever it knows",
            "set certificate.name too",
        );
    }
}
