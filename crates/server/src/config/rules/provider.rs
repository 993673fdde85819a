//! What the options of a trunk that we turn to ourselves must hold together.

use super::findings::Findings;
use crate::config::provider::{By, Provider, host_and_port, is_name};
use crate::config::settings::{Settings, Trunk};

/// Less is a flood of REGISTERs, more is forgotten by every network on the way.
const EXPIRES_S: std::ops::RangeInclusive<u64> = 60..=86_400;
/// The same for OPTIONS; 0 is none.
const OPTIONS_S: std::ops::RangeInclusive<u64> = 5..=3600;

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
    if provider.ca.is_some() && trunk.certificate.is_some() {
        found.refuse(
            option("ca"),
            "the trunk's certificate says already who must have issued it",
            "keep certificate = { … } for a trunk that is known by it when it calls, else ca",
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
