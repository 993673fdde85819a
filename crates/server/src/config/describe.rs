//! What `vorzimmer check` prints: what the server would do with this configuration, without doing it.

use std::fmt::Write;

use vorzimmer_types::audio::Codec;

use super::outbound::{Identity, Numbers, Outbound, Shows};
use super::provider::Provider;
use super::settings::{KeySource, MediaDriver, Period, Settings, Transfer, TransferTo, Trunk};
use super::tls::CertificateFiles;
use super::values::Listen;

/// A text for the operator. Holds no secret.
pub fn describe(settings: &Settings) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(settings, &mut out);
    out
}

fn write(settings: &Settings, out: &mut String) -> std::fmt::Result {
    signalling(settings, out)?;
    let Settings { sip, media, turn, data, key, reencoding, retention, http, logs, limits, drain, .. } =
        settings;
    let workers =
        if media.workers == 0 { "one for each core".to_owned() } else { format!("{}", media.workers) };
    writeln!(
        out,
        "media             UDP ports {} ({} legs), workers: {workers}, silent legs end after {} s",
        media.ports,
        media.ports.pairs(),
        media.silence_timeout_s
    )?;
    let driver = match media.driver {
        MediaDriver::Auto => "io_uring where the kernel allows it, else epoll",
        MediaDriver::Epoll => "epoll",
        MediaDriver::IoUring => "io_uring",
    };
    writeln!(out, "datagrams         moved by {driver}")?;
    codecs(settings, out)?;
    match (media.browser_port, sip.wss.is_empty() && sip.ws.is_empty()) {
        (0, _) | (_, true) => {
            writeln!(out, "browsers          none: they need sip.wss and media.browser_port")?
        }
        (port, false) => writeln!(out, "browsers          UDP port {port} for all of them")?,
    }
    if !turn.urls.is_empty() {
        writeln!(out, "TURN              {}, for {} s", turn.urls.join(" "), turn.lifetime_s)?;
    }
    writeln!(out, "prompts           {}", media.prompts.display())?;
    writeln!(out, "database          {}", without_password(&data.database_url()))?;
    writeln!(out, "data              {}", data.folder.display())?;
    writeln!(out, "recordings        {}", data.recordings.display())?;
    if reencoding.enabled {
        writeln!(
            out,
            "                  encoded again to Opus after {} min, while at most {} calls run and the load is at most {} a core",
            reencoding.after_minutes, reencoding.max_calls, reencoding.max_load
        )?;
    }
    writeln!(out, "key store         {}", data.keys.display())?;
    writeln!(
        out,
        "key               {}",
        match key.source {
            KeySource::File => format!("from the file {}", key.file.display()),
            KeySource::Credential => "from the systemd credential vorzimmer-kek".to_owned(),
            KeySource::Env => "from the environment variable VORZIMMER_KEK".to_owned(),
        }
    )?;
    for (class, period) in [
        ("recordings", &retention.recordings),
        ("calls", &retention.calls),
        ("receipts", &retention.receipts),
        ("audit", &retention.audit),
        ("logs", &retention.logs),
    ] {
        writeln!(out, "forgets           {class} {}", kept(period))?;
    }
    writeln!(out, "health, metrics   {}", list(&http.listen))?;
    let folder = logs.folder.as_ref().map_or_else(
        || "standard error".to_owned(),
        |folder| format!("standard error and daily files in {}", folder.display()),
    );
    writeln!(out, "logs              {} to {folder}", logs.level)?;
    writeln!(
        out,
        "limits            {} calls at a time, {} connections, {}",
        limits.max_calls,
        limits.tcp_connections,
        match limits.max_busy_percent {
            100 => "however busy the machine is".to_owned(),
            percent => format!("no new calls while a thread is busy for more than {percent} % of the time"),
        }
    )?;
    writeln!(out, "on SIGTERM        no new calls, running ones may take {} s more", drain.deadline_s)
}

/// Who speaks to us, how, and what they may ask for.
fn signalling(settings: &Settings, out: &mut String) -> std::fmt::Result {
    let Settings { sip, tls, numbers, trunks, routes, transfer, .. } = settings;
    writeln!(out, "SIP over UDP      {}", list(&sip.udp))?;
    writeln!(out, "SIP over TCP      {}", list(&sip.tcp))?;
    writeln!(out, "SIP over TLS      {}", list(&sip.tls))?;
    writeln!(out, "SIP over WSS      {} for pages of {}", list(&sip.wss), or_none(&sip.origins))?;
    if !sip.ws.is_empty() {
        writeln!(out, "SIP over WS       {} (not encrypted)", list(&sip.ws))?;
    }
    for CertificateFiles { chain, key } in &tls.certificates {
        writeln!(out, "certificate       {} with the key {}", chain.display(), key.display())?;
    }
    if tls.certificates.is_empty() {
        writeln!(out, "certificate       made at the first start, in {}", tls.folder.display())?;
    }
    if !sip.advertise.is_empty() {
        let addresses: Vec<String> = sip.advertise.iter().map(ToString::to_string).collect();
        writeln!(out, "peers are told    {}", addresses.join(", "))?;
    }
    writeln!(out, "realm             {}", sip.realm)?;
    writeln!(
        out,
        "sessions          are refreshed within {} s; shorter than {} s is refused",
        sip.session_expires_s, sip.min_session_expires_s
    )?;
    writeln!(
        out,
        "numbers           country +{}, national {}, international {}, area {}",
        numbers.country,
        numbers.national_prefix,
        numbers.international_prefix,
        if numbers.area.is_empty() { "none" } else { &numbers.area }
    )?;
    for (name, trunk) in trunks {
        writeln!(out, "trunk             {name}: {}, SRTP: {:?}", known_by(trunk), trunk.srtp)?;
    }
    for (name, provider) in trunks.iter().filter_map(|(name, trunk)| Some((name, trunk.provider.as_ref()?))) {
        writeln!(out, "provider {name:<8} {}", towards(provider))?;
    }
    for (name, outbound) in trunks.iter().filter_map(|(name, trunk)| Some((name, trunk.outbound.as_ref()?))) {
        writeln!(out, "calls out         {name}: {}", placed(outbound))?;
    }
    for (prefix, trunks) in routes {
        writeln!(out, "route             {prefix}: {}", or_none(trunks))?;
    }
    if trunks.is_empty() {
        writeln!(out, "trunk             none: nobody can forward a call to us")?;
    }
    writeln!(out, "transfer          to {}", allowed(transfer))
}

/// Who has which codecs, the most wanted first.
fn codecs(settings: &Settings, out: &mut String) -> std::fmt::Result {
    let names = |codecs: &[Codec]| codecs.iter().map(|codec| codec.name()).collect::<Vec<_>>().join(", ");
    writeln!(out, "codecs            {}", names(&settings.media.codecs))?;
    let receptionists = ("receptionists".to_owned(), &settings.receptionists.codecs);
    let trunks = settings.trunks.iter().map(|(name, trunk)| (format!("trunk {name}"), &trunk.codecs));
    for (whose, own) in [receptionists].into_iter().chain(trunks).filter(|(_, own)| !own.is_empty()) {
        writeln!(out, "                  {whose}: {}", names(own))?;
    }
    Ok(())
}

fn list(listeners: &[Listen]) -> String {
    or_none(&listeners.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

fn towards(provider: &Provider) -> String {
    let server = provider.server.as_deref().unwrap_or(&provider.domain);
    let registered = match (provider.register, provider.bulk) {
        (false, _) => "not registered with",
        (true, false) => "registered with",
        (true, true) => "registered with for all its numbers",
    };
    match provider.options_every() {
        Some(every) => format!("{registered}, at {server}, asked every {} s", every.as_secs()),
        None => format!("{registered}, at {server}"),
    }
}

/// How calls are placed through a trunk.
fn placed(outbound: &Outbound) -> String {
    let numbers = match outbound.numbers {
        Numbers::E164 => "+49…",
        Numbers::Digits => "49…",
        Numbers::International => "0049…",
        Numbers::National => "0…",
    };
    let shown = match outbound.shows {
        Shows::Customer => "the customer's number",
        Shows::Caller => "the caller's number",
    };
    let vouched = match outbound.identity {
        Identity::Asserted => ", asserted",
        Identity::Preferred => ", preferred",
        Identity::None => "",
    };
    format!("numbers as {numbers}, shows {shown}{vouched}")
}

/// Whom callers may be put through to.
fn allowed(transfer: &Transfer) -> String {
    let colleagues = match transfer.receptionists {
        TransferTo::All => "every receptionist",
        TransferTo::Team => "the customer's team",
        TransferTo::None => "no receptionist",
    };
    let numbers = transfer.allowed.iter().map(|prefix| format!(", numbers that begin with {prefix}"));
    format!("the customer's contacts, {colleagues}{}", numbers.collect::<String>())
}

fn known_by(trunk: &Trunk) -> String {
    let ranges = trunk.addresses.iter().map(ToString::to_string);
    let digest = trunk.user.as_ref().map(|user| format!("digest user {user}"));
    let certificate = trunk.certificate.as_ref().map(|certificate| match &certificate.name {
        Some(name) => format!("the certificate of {name}"),
        None => "its certificate".to_owned(),
    });
    let provider = trunk.provider.as_ref().map(|_| "its provider's servers".to_owned());
    ranges.chain(digest).chain(certificate).chain(provider).collect::<Vec<_>>().join(", ")
}

fn kept(period: &Period) -> String {
    format!("after {} days ({})", period.days, period.basis)
}

/// A URL with its password replaced by dots.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((login, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = login.split_once(':').map_or(login, |(user, _)| user);
    format!("{scheme}://{user}:…@{host}")
}
