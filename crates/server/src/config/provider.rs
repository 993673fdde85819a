//! The options of a trunk that we turn to ourselves, `[trunks.NAME.provider]`, and what they must hold together.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use vorzimmer_sip::carrier::Locate;
use vorzimmer_sip::ua::Transport;
use vorzimmer_sip::uri::Host;

use super::rules::Findings;
use super::settings::{Settings, Trunk};

/// Less is a flood of REGISTERs, more is forgotten by every network on the way.
const EXPIRES_S: std::ops::RangeInclusive<u64> = 60..=86_400;
/// The same for OPTIONS; 0 is none.
const OPTIONS_S: std::ops::RangeInclusive<u64> = 5..=3600;

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

    /// The search for its servers; none if `server` cannot be read.
    pub fn search(&self) -> Option<Locate> {
        let text = self.server.as_deref().unwrap_or(&self.domain);
        let (host, port) = host_and_port(text)?;
        Some(Locate::new(&host, port, self.transport.map(Into::into)))
    }

    fn password_sources(&self) -> usize {
        let sources = [
            self.login_password_file.is_some(),
            self.login_password_credential.is_some(),
            self.login_password_env.is_some(),
        ];
        sources.iter().filter(|there| **there).count()
    }
}

/// `name`, `name:port`, `192.0.2.1:5060`, `[2001:db8::1]:5060`, `2001:db8::1`.
fn host_and_port(text: &str) -> Option<(Host, Option<u16>)> {
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

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Checks every trunk that has one.
pub(super) fn check(settings: &Settings, found: &mut Findings) {
    for (name, trunk) in &settings.trunks {
        if let Some(provider) = &trunk.provider {
            one(name, trunk, provider, found);
            listeners(name, provider, settings, found);
        }
    }
}

fn one(name: &str, trunk: &Trunk, provider: &Provider, found: &mut Findings) {
    let option = |key: &str| format!("trunks.{name}.provider.{key}");
    if !is_name(&provider.domain) && provider.domain.parse::<std::net::IpAddr>().is_err() {
        found.refuse(option("domain"), "it is no host name", "write the SIP domain of your account there");
    }
    if provider.server.as_deref().is_some_and(|server| host_and_port(server).is_none()) {
        found.refuse(
            option("server"),
            "it is neither a host nor an address",
            "write \"sip.carrier.example\" or \"192.0.2.1:5060\"",
        );
    }
    match (provider.login.is_some(), provider.password_sources()) {
        (true, 1) | (false, 0) => {}
        (true, 0) => found.refuse(
            option("login"),
            "a log-in needs a password",
            "name login_password_file, login_password_credential or login_password_env",
        ),
        (true, _) => {
            found.refuse(option("login"), "the password is named more than once", "keep one of them")
        }
        (false, _) => found.refuse(option("login"), "there is a password but no user", "set login"),
    }
    if provider.register && provider.user().is_empty() {
        found.refuse(option("register"), "nothing tells who registers", "set login or identity");
    }
    if provider.bulk && !provider.register {
        found.refuse(option("bulk"), "nothing is registered", "set register = true too");
    }
    if provider.transport == Some(By::Tls) && trunk.certificate.is_none() {
        found.refuse(
            option("transport"),
            "nothing tells which certificate the other side must show",
            "set certificate = { name = \"…\" } for the trunk",
        );
    }
    for (key, value, bounds) in [
        ("expires_s", provider.expires_s, EXPIRES_S),
        ("options_s", provider.options_s.filter(|every| *every > 0), OPTIONS_S),
    ] {
        if value.is_some_and(|value| !bounds.contains(&value)) {
            found.refuse(
                option(key),
                format!("it is between {} and {} seconds", bounds.start(), bounds.end()),
                "leave it out to have what is usual",
            );
        }
    }
}

fn listeners(name: &str, provider: &Provider, settings: &Settings, found: &mut Findings) {
    let sip = &settings.sip;
    let list = match provider.transport {
        Some(By::Udp) => &sip.udp,
        Some(By::Tcp) => &sip.tcp,
        Some(By::Tls) => &sip.tls,
        None => return,
    };
    if list.is_empty() {
        found.refuse(
            format!("trunks.{name}.provider.transport"),
            "there is no listener of that transport, so the provider could not call back",
            "name an address in the section [sip]",
        );
    }
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
