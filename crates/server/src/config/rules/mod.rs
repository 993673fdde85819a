//! What options must hold together. Every broken rule is reported at once, each with what to do.

mod findings;
mod outbound;
mod provider;
mod secrecy;
mod turn;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use vorzimmer_types::audio::Codec;

use super::error::ConfigError;
use super::settings::{KeySource, Period, Retention, Settings, Sip, Trunk};
use findings::Findings;

/// The longest call that anybody holds without noticing: drains longer than this are a typing error.
const LONGEST_DRAIN_S: u64 = 24 * 60 * 60;
/// RTP that comes back this late is somebody else's problem, not a setting.
const LONGEST_SILENCE_S: u64 = 600;
/// A session that is refreshed once a day is not watched at all.
const LONGEST_SESSION_S: u32 = 24 * 60 * 60;
const LONGEST_PERIOD_DAYS: u32 = 10 * 366;

/// Checks `settings`.
///
/// # Errors
/// All rules that do not hold.
pub(super) fn check(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    let mut found = Findings::default();
    sip(settings, &mut found);
    numbers(settings, &mut found);
    for (name, trunk) in &settings.trunks {
        self::trunk(name, trunk, &mut found);
    }
    secrecy::check(settings, &mut found);
    provider::check(settings, &mut found);
    overlapping_trunks(settings, &mut found);
    outbound::check(settings, &mut found);
    transfer(settings, &mut found);
    media(settings, &mut found);
    turn::check(&settings.turn, &mut found);
    data(settings, &mut found);
    reencoding(settings, &mut found);
    retention(&settings.retention, &mut found);
    running(settings, &mut found);
    if found.problems.is_empty() { Ok(found.warnings) } else { Err(ConfigError::Rules(found.problems)) }
}

fn sip(settings: &Settings, found: &mut Findings) {
    let sip = &settings.sip;
    let all = [
        ("sip.udp", &sip.udp),
        ("sip.tcp", &sip.tcp),
        ("sip.tls", &sip.tls),
        ("sip.wss", &sip.wss),
        ("sip.ws", &sip.ws),
    ];
    if all.iter().all(|(_, list)| list.is_empty()) {
        found.refuse("sip.udp", "there is no listener", "name at least one address in sip.udp or sip.tcp");
    }
    for (option, list) in all {
        let mut seen = BTreeSet::new();
        for listen in list {
            if !seen.insert(listen.0) {
                found.refuse(option, format!("{listen} stands there twice"), "remove one of them");
            }
            if listen.0.ip().is_unspecified() && sip.advertised(listen.0.ip()).is_none() {
                found.warn(format!(
                    "{option} listens on {listen}: peers are told the address that the routing table prefers; \
                     with several addresses list them one by one or set sip.advertise"
                ));
            }
        }
    }
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if sip.realm.is_empty() || !sip.realm.chars().all(plain) {
        found.refuse(
            "sip.realm",
            "a realm is printable ASCII without spaces and quotes",
            "use the name of your domain, for example tas.example.net",
        );
    }
    session_timer(sip, found);
    one_per_family("sip.advertise", &sip.advertise, found);
    for (option, list) in all {
        let mut seen = BTreeSet::new();
        let told = list.iter().map(|listen| (sip.advertised(listen.0.ip()), listen.0.port()));
        if told.filter(|(advertised, _)| advertised.is_some()).any(|place| !seen.insert(place)) {
            found.refuse(
                option,
                "two listeners would be told to peers as the same address and port",
                "keep one of them, or give them different ports",
            );
        }
    }
}

/// RFC 4028 §4 and §5.
fn session_timer(sip: &Sip, found: &mut Findings) {
    if !(90..=LONGEST_SESSION_S).contains(&sip.min_session_expires_s) {
        found.refuse(
            "sip.min_session_expires_s",
            "a session lives for 90 seconds at least (RFC 4028), and a day is as good as for ever",
            "leave it at 90 unless refreshes are too many",
        );
    }
    if !(sip.min_session_expires_s..=LONGEST_SESSION_S).contains(&sip.session_expires_s) {
        found.refuse(
            "sip.session_expires_s",
            "a session lives for sip.min_session_expires_s at least, and a day is as good as for ever",
            "1800 is what most use",
        );
    }
}

fn one_per_family(option: &str, addresses: &[IpAddr], found: &mut Findings) {
    for v4 in [true, false] {
        if addresses.iter().filter(|address| address.is_ipv4() == v4).count() > 1 {
            let family = if v4 { "IPv4" } else { "IPv6" };
            found.refuse(option, format!("more than one {family} address"), "keep one for each family");
        }
    }
    if addresses.iter().any(IpAddr::is_unspecified) {
        found.refuse(option, "0.0.0.0 and :: are nobody's address", "name the address that peers can reach");
    }
}

fn numbers(settings: &Settings, found: &mut Findings) {
    let numbers = &settings.numbers;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=3).contains(&numbers.country.len())
        || !digits(&numbers.country)
        || numbers.country.starts_with('0')
    {
        found.refuse("numbers.country", "a country code has 1 to 3 digits", "for Germany write \"49\"");
    }
    for (option, text) in [
        ("numbers.national_prefix", &numbers.national_prefix),
        ("numbers.international_prefix", &numbers.international_prefix),
        ("numbers.area", &numbers.area),
    ] {
        if !digits(text) || text.len() > 6 {
            found.refuse(
                option,
                "it has up to 6 digits and nothing else",
                "for Germany: \"0\", \"00\", \"30\"",
            );
        }
    }
}

fn trunk(name: &str, trunk: &Trunk, found: &mut Findings) {
    let option = |key: &str| format!("trunks.{name}.{key}");
    let told = trunk.user.is_some() || trunk.certificate.is_some() || trunk.provider.is_some();
    if trunk.addresses.is_empty() && !told {
        found.refuse(
            option("addresses"),
            "nothing tells who this trunk is",
            "give address ranges (addresses = [\"198.51.100.0/28\"]), a digest user, or a certificate",
        );
    }
    if trunk.addresses.iter().any(|range| range.prefix_len() == 0) {
        found.refuse(
            option("addresses"),
            "a range that is the whole internet would let anybody in",
            "name the carrier's ranges, or use a digest user",
        );
    }
    let secrets = [&trunk.ha1_md5, &trunk.ha1_sha256];
    let has_ha1 = secrets.iter().any(|secret| secret.is_some());
    match (&trunk.user, trunk.password_file.is_some(), has_ha1) {
        (Some(_), false, false) => found.refuse(
            option("user"),
            "a digest user needs a secret",
            "set password_file, or ha1_md5 and ha1_sha256",
        ),
        (Some(_), _, true) if secrets.iter().any(|secret| secret.is_none()) => found.refuse(
            option("ha1_md5"),
            "only one of the two hashes is there",
            "give both ha1_md5 and ha1_sha256, or a password_file",
        ),
        (Some(_), true, true) => found.refuse(
            option("password_file"),
            "the password and its hashes are both there",
            "keep one of password_file and ha1_*",
        ),
        (None, file, ha1) if file || ha1 => {
            found.refuse(option("user"), "there is a secret but no user", "set user, or remove the secret");
        }
        _ => {}
    }
    for (key, secret, length) in [("ha1_md5", &trunk.ha1_md5, 32), ("ha1_sha256", &trunk.ha1_sha256, 64)] {
        if let Some(secret) = secret
            && (secret.len() != length || hex::decode(secret).is_err())
        {
            found.refuse(
                option(key),
                format!("it is not {length} hexadecimal digits"),
                "hash user:realm:password without a newline",
            );
        }
    }
}

fn transfer(settings: &Settings, found: &mut Findings) {
    for prefix in &settings.transfer.allowed {
        let digits = prefix.strip_prefix('+').unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.starts_with('0') {
            found.refuse(
                "transfer.allowed",
                "it is not the beginning of a number in international form",
                "write \"+4930\" for all numbers of Berlin",
            );
        }
    }
    if !settings.transfer.allowed.is_empty() && settings.trunks.values().all(|trunk| trunk.outbound.is_none())
    {
        found.warn("transfer.allowed: no trunk has a section [trunks.NAME.outbound], so nobody outside can be called");
    }
}

fn overlapping_trunks(settings: &Settings, found: &mut Findings) {
    let trunks: Vec<_> = settings.trunks.iter().collect();
    for (at, (name, trunk)) in trunks.iter().enumerate() {
        for (other_name, other) in trunks.iter().skip(at + 1) {
            let overlap = trunk
                .addresses
                .iter()
                .any(|range| other.addresses.iter().any(|o| range.contains(o) || o.contains(range)));
            if overlap {
                found.refuse(
                    format!("trunks.{name}.addresses"),
                    format!("a range overlaps with one of trunk {other_name}"),
                    "make the ranges disjoint: an address must name one trunk",
                );
            }
        }
    }
}

fn media(settings: &Settings, found: &mut Findings) {
    let media = &settings.media;
    // A call takes two legs, and a closed leg's port rests.
    let (room, wanted) = (media.ports.pairs(), settings.limits.max_calls.saturating_mul(2));
    if room < 2 {
        found.refuse("media.ports", "it has not even room for one call", "write \"20000-29999\"");
    } else if room < wanted {
        found.warn(format!(
            "media.ports {} has room for {room} legs, but limits.max_calls = {} may need {wanted}: some calls will be \
             refused before that",
            media.ports, settings.limits.max_calls
        ));
    }
    let busy = |port: u16| (media.ports.first..=media.ports.last).contains(&port);
    if let Some(listen) = settings.sip.udp.iter().find(|listen| busy(listen.0.port())) {
        found.refuse(
            "media.ports",
            format!("{} contains the port of sip.udp {listen}", media.ports),
            "keep the ranges apart",
        );
    }
    if busy(media.browser_port) {
        found.refuse(
            "media.browser_port",
            format!("{} lies in media.ports {}", media.browser_port, media.ports),
            "keep them apart: 30000",
        );
    }
    if !(1..=LONGEST_SILENCE_S).contains(&media.silence_timeout_s) {
        found.refuse("media.silence_timeout_s", "it is between 1 and 600 seconds", "30 is a good value");
    }
    if media.workers > 256 {
        found.refuse("media.workers", "more than 256 threads", "0 takes one for each core");
    }
    one_per_family("media.bind", &media.bind, found);
    if media.codecs.is_empty() {
        found.refuse(
            "media.codecs",
            "without a codec nobody can talk",
            "leave the option out to take them all",
        );
    }
    each_once("media.codecs", &media.codecs, found);
    each_once("receptionists.codecs", &settings.receptionists.codecs, found);
    for (name, trunk) in &settings.trunks {
        each_once(&format!("trunks.{name}.codecs"), &trunk.codecs, found);
    }
}

fn each_once(option: &str, codecs: &[Codec], found: &mut Findings) {
    if codecs.iter().enumerate().any(|(at, codec)| codecs.iter().take(at).any(|earlier| earlier == codec)) {
        found.refuse(option, "a codec stands there twice", "name each once, the most wanted first");
    }
}

fn data(settings: &Settings, found: &mut Findings) {
    let data = &settings.data;
    let inside = |path: &Path, folder: &Path| path.starts_with(folder);
    for (option, folder) in [("data.folder", &data.folder), ("data.recordings", &data.recordings)] {
        if inside(&data.keys, folder) {
            found.refuse(
                "data.keys",
                format!("it lies inside {option}, so a backup of that folder would hold key and ciphertext"),
                "put the key store into a folder of its own",
            );
        }
        if settings.key.source == KeySource::File && inside(&settings.key.file, folder) {
            found.refuse(
                "key.file",
                format!("it lies inside {option}, so a backup of that folder would hold key and ciphertext"),
                "put it elsewhere, or use key.source = \"credential\"",
            );
        }
    }
    if inside(&data.folder, &data.recordings) || inside(&data.recordings, &data.folder) {
        found.refuse(
            "data.recordings",
            "one folder lies inside the other",
            "keep data.folder and data.recordings apart",
        );
    }
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if !data.database.is_empty() && !known.iter().any(|scheme| data.database.starts_with(scheme)) {
        found.refuse(
            "data.database",
            "it is neither an SQLite nor a PostgreSQL URL",
            "write \"sqlite:FILE\", \"postgres://user:password@host/name\", or nothing",
        );
    }
}

fn reencoding(settings: &Settings, found: &mut Findings) {
    let policy = &settings.reencoding;
    if !(policy.max_load.is_finite() && policy.max_load > 0.0) {
        found.refuse("reencoding.max_load", "nothing would ever be begun", "0.5 is a good value");
    }
    let kept_minutes = settings.retention.recordings.days.saturating_mul(24 * 60);
    if policy.enabled && policy.after_minutes >= kept_minutes {
        found.refuse(
            "reencoding.after_minutes",
            "recordings are destroyed before they would be looked at",
            "60 is a good value",
        );
    }
    if policy.enabled && policy.max_calls >= settings.limits.max_calls {
        found.refuse(
            "reencoding.max_calls",
            "the machine would never be too busy",
            "leave it at 0, or far below limits.max_calls",
        );
    }
}

fn retention(retention: &Retention, found: &mut Findings) {
    let classes: [(&str, &Period); 5] = [
        ("recordings", &retention.recordings),
        ("calls", &retention.calls),
        ("logs", &retention.logs),
        ("receipts", &retention.receipts),
        ("audit", &retention.audit),
    ];
    for (class, period) in classes {
        let option = format!("retention.{class}");
        if period.basis.trim().is_empty() {
            found.refuse(
                format!("{option}.basis"),
                "no lawful basis is named",
                "say why this may be kept that long",
            );
        }
        if !(1..=LONGEST_PERIOD_DAYS).contains(&period.days) {
            let advice = "leave it out to have what is shipped";
            found.refuse(format!("{option}.days"), "it is between 1 and 3660 days", advice);
        }
    }
    found.warnings.extend(retention.periods().warnings());
    if retention.recordings.days > retention.calls.days {
        found.refuse(
            "retention.recordings.days",
            "recordings would outlive the records of their calls",
            "keep recordings no longer than calls",
        );
    }
    if retention.hour_utc > 23 {
        found.refuse("retention.hour_utc", "a day has hours 0 to 23", "2 is a good value");
    }
}

fn running(settings: &Settings, found: &mut Findings) {
    for listen in &settings.http.listen {
        if !listen.0.ip().is_loopback() {
            found.warn(format!(
                "http.listen has {listen}: health and metrics can be read without a log-in from there"
            ));
        }
    }
    if settings.limits.max_calls == 0 {
        found.refuse("limits.max_calls", "no call could ever be taken", "200 is a good value");
    }
    if !(1..=100).contains(&settings.limits.max_busy_percent) {
        let why = "it is a share of the time, in hundredths";
        found.refuse("limits.max_busy_percent", why, "70 is a good value, and 100 switches it off");
    }
    if settings.limits.tcp_idle_s < 30 {
        found.refuse("limits.tcp_idle_s", "softphones' keep-alives come less often", "take 30 or more");
    }
    if settings.drain.deadline_s > LONGEST_DRAIN_S {
        found.refuse("drain.deadline_s", "more than a day", "300 is a good value");
    }
}
