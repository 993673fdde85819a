//! What a trunk that calls are placed through must say, and what routes may name.

use super::findings::Findings;
use crate::config::outbound::{FromHeader, NumberUri, Numbers, Outbound};
use crate::config::settings::{Settings, Trunk};

/// Checks every trunk that has it, and the routes.
pub(super) fn check(settings: &Settings, found: &mut Findings) {
    for (name, trunk) in &settings.trunks {
        if let Some(outbound) = &trunk.outbound {
            one(name, trunk, outbound, found);
        }
    }
    for (prefix, trunks) in &settings.routes {
        route(prefix, trunks, settings, found);
    }
}

fn one(name: &str, trunk: &Trunk, outbound: &Outbound, found: &mut Findings) {
    let option = |key: &str| format!("trunks.{name}.outbound{key}");
    let Some(provider) = &trunk.provider else {
        let advice =
            format!("add [trunks.{name}.provider] with its domain and, if that is not enough, server");
        return found.refuse(option(""), "nothing says where its calls go", advice);
    };
    if outbound.uri == NumberUri::Tel && outbound.numbers != Numbers::E164 {
        found.refuse(
            option(".numbers"),
            "a tel: address of a number without its country needs a context that carriers do not know",
            "write numbers = \"e164\", or uri = \"sip\"",
        );
    }
    if outbound.from == FromHeader::Account && provider.user().is_empty() {
        found.refuse(
            option(".from"),
            "nothing tells what the account is",
            "set login or identity of the provider",
        );
    }
}

fn route(prefix: &str, trunks: &[String], settings: &Settings, found: &mut Findings) {
    let option = || format!("routes.\"{prefix}\"");
    let number =
        prefix.strip_prefix('+').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !number && !prefix.starts_with("sip:") && !prefix.starts_with("sips:") {
        let advice = "write \"+\" for all numbers, \"+49\" for those of Germany, \"sip:\" for addresses";
        found.refuse(option(), "no number and no address begins like this", advice);
    }
    if trunks.is_empty() {
        found.warn(format!("{}: it names no trunk, so nobody there can be called", option()));
    }
    for name in trunks {
        if settings.trunks.get(name).is_none_or(|trunk| trunk.outbound.is_none()) {
            let what = format!("no call can be placed through a trunk {name:?}");
            found.refuse(option(), what, format!("name a trunk that has a section [trunks.{name}.outbound]"));
        }
    }
}
