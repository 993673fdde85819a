//! The options of a trunk that we turn to ourselves, `[trunks.NAME.provider]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vorzimmer_sip::carrier::Locate;
use vorzimmer_sip::ua::Transport;
use vorzimmer_sip::uri::Host;

/// What we do towards a trunk.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// The SIP domain of our account there.
    pub domain: String,
    /// Where it is reached, if that is not its domain: a name or an address, with a port or without.
    pub server: Option<String>,
    /// By which transport; without one, as its NAPTR records say.
    pub transport: Option<By>,
    /// PEM: the authorities that may have issued the certificate that it shows on TLS; none: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Whether we register there.
    pub register: bool,
    /// Whether one registration stands for all numbers (RFC 6140).
    pub bulk: bool,
    /// The user part of our address there; without one, the user of the log-in.
    pub identity: Option<String>,
    /// User name of the log-in.
    pub login: Option<String>,
    /// A file whose first line is the password.
    pub login_password_file: Option<PathBuf>,
    /// The systemd credential that is the password.
    pub login_password_credential: Option<String>,
    /// The environment variable that is the password.
    pub login_password_env: Option<String>,
    /// The realms whose challenges are answered; without any, the one that the registrar names first.
    pub realms: Vec<String>,
    /// For how long we register, in seconds.
    pub expires_s: Option<u64>,
    /// How often it is asked by OPTIONS whether it is there, in seconds; 0: never.
    pub options_s: Option<u64>,
}

/// A transport that we dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// An encrypted stream.
    Tls,
}

impl From<By> for Transport {
    fn from(by: By) -> Self {
        match by {
            By::Udp => Self::Udp,
            By::Tcp => Self::Tcp,
            By::Tls => Self::Tls,
        }
    }
}

impl Provider {
    /// How often it is asked whether it is there.
    pub fn options_every(&self) -> Option<Duration> {
        Some(self.options_s.unwrap_or(30)).filter(|every| *every > 0).map(Duration::from_secs)
    }

    /// The user part of our address there.
    pub fn user(&self) -> &str {
        self.identity.as_deref().or(self.login.as_deref()).unwrap_or_default()
    }

    /// The names of which its certificate must hold one (RFC 5922 §7.3): the host that was named, the SIP domain.
    pub fn names(&self) -> Vec<String> {
        let server = self.server.as_deref().and_then(host_and_port);
        let host = server.and_then(|(host, _)| match host {
            Host::Name(name) => Some(name),
            Host::Ip(_) => None,
        });
        host.into_iter().chain([self.domain.clone()]).collect()
    }

    /// The search for its servers; none if `server` cannot be read.
    pub fn search(&self) -> Option<Locate> {
        let text = self.server.as_deref().unwrap_or(&self.domain);
        let (host, port) = host_and_port(text)?;
        Some(Locate::new(&host, port, self.transport.map(Into::into)))
    }

    /// How many places are named where the password is.
    pub(super) fn password_sources(&self) -> usize {
        let sources = [
            self.login_password_file.is_some(),
            self.login_password_credential.is_some(),
            self.login_password_env.is_some(),
        ];
        sources.iter().filter(|there| **there).count()
    }
}

/// `name`, `name:port`, `192.0.2.1:5060`, `[2001:db8::1]:5060`, `2001:db8::1`.
pub(super) fn host_and_port(text: &str) -> Option<(Host, Option<u16>)> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Some((Host::Ip(ip), None));
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some((Host::Ip(address.ip()), Some(address.port())));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    is_name(name).then(|| (Host::Name(name.to_owned()), port))
}

/// Whether it may be a host's name.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_people_write_them() {
        let name = |text: &str| Host::Name(text.into());
        let ip = |text: &str| Host::Ip(text.parse().expect("an address"));
        for (text, expected) in [
            ("carrier.example", Some((name("carrier.example"), None))),
            ("carrier.example:5070", Some((name("carrier.example"), Some(5070)))),
            ("192.0.2.1", Some((ip("192.0.2.1"), None))),
            ("192.0.2.1:5070", Some((ip("192.0.2.1"), Some(5070)))),
            ("[2001:db8::1]:5070", Some((ip("2001:db8::1"), Some(5070)))),
            ("2001:db8::1", Some((ip("2001:db8::1"), None))),
            ("sip:carrier.example", None),
            ("carrier.example:0", None),
            ("", None),
        ] {
            assert_eq!(host_and_port(text), expected, "{text}");
        }
    }
}
