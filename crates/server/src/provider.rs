//! A trunk's provider, from the settings: its password from where it is kept, and the search for its servers.

use std::path::Path;

use vorzimmer_sip::carrier::Login;
use vorzimmer_sip::ua;
use zeroize::Zeroizing;

use crate::config::{Provider, Settings};
use crate::failure::{Failure, Kind};
use crate::locating::Wanted;
use crate::{private, trunks};

/// For the user agent.
///
/// # Errors
/// The password cannot be read.
pub fn provider(trunk: &str, provider: &Provider) -> Result<ua::Provider, Failure> {
    let login = match &provider.login {
        Some(user) => Some(Login { user: user.clone(), password: password(trunk, provider)? }),
        None => None,
    };
    let expires = provider.expires_s.map(std::time::Duration::from_secs);
    Ok(ua::Provider {
        domain: provider.domain.clone(),
        identity: provider.user().to_owned(),
        login,
        realms: provider.realms.clone(),
        register: provider.register.then_some(ua::Registration { expires, bulk: provider.bulk }),
        options_every: provider.options_every(),
    })
}

/// What is to be looked up for the trunks that have a provider.
pub fn wanted(settings: &Settings) -> Vec<Wanted> {
    let with_provider = settings.trunks.iter().filter_map(|(name, trunk)| {
        let provider = trunk.provider.clone()?;
        // Checked with the configuration: a server that cannot be read is refused there.
        provider.search()?;
        let again = move || {
            let none = || {
                vorzimmer_sip::carrier::Locate::new(
                    &vorzimmer_sip::uri::Host::Name(String::new()),
                    None,
                    None,
                )
            };
            provider.search().unwrap_or_else(none)
        };
        Some(Wanted { trunk: trunks::id(name), name: name.clone(), search: Box::new(again) })
    });
    with_provider.collect()
}

fn password(trunk: &str, provider: &Provider) -> Result<Zeroizing<String>, Failure> {
    let failure = |option: &str, what: String| {
        Failure::failed(
            format!("trunks.{trunk}.provider.{option}: {what}"),
            "see config/vorzimmer.toml on where a password can be kept",
        )
        .of_kind(Kind::Configuration)
    };
    let first_line =
        |text: Zeroizing<String>| Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
    if let Some(file) = &provider.login_password_file {
        let text = private::text(file);
        return text
            .map(|text| first_line(Zeroizing::new(text)))
            .map_err(|error| failure("login_password_file", format!("{}: {error}", file.display())));
    }
    if let Some(name) = &provider.login_password_credential {
        let option = "login_password_credential";
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
            .ok_or_else(|| failure(option, "systemd gave this process no credentials".to_owned()))?;
        let text = std::fs::read_to_string(Path::new(&folder).join(name));
        return text
            .map(|text| first_line(Zeroizing::new(text)))
            .map_err(|error| failure(option, format!("{name}: {error}")));
    }
    let option = "login_password_env";
    let name = provider.login_password_env.as_deref().unwrap_or_default();
    let text = std::env::var(name).map_err(|_| failure(option, format!("{name} is not set")))?;
    Ok(first_line(Zeroizing::new(text)))
}
