use std::path::Path;

use super::{Loaded, load, parse};

const SHIPPED: &str = "../../config/vorzimmer.toml";

fn read(text: &str) -> Result<Loaded, String> {
    parse(text, "test.toml", Path::new("/etc/vorzimmer"), []).map_err(|error| error.to_string())
}

fn with_variable(name: &str, value: &str) -> Result<Loaded, String> {
    let variables = [(name.to_owned(), value.to_owned())];
    parse("[sip]\nrealm = \"from.file\"\n", "test.toml", Path::new(""), variables).map_err(|e| e.to_string())
}

#[test]
fn the_shipped_file_is_accepted_without_a_warning() {
    let loaded = load(Path::new(SHIPPED), []).expect("shipped configuration");
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert!(!loaded.settings.trunks.is_empty());
}

/// Every option stands in the shipped file, set or commented out: so an operator finds it there.
#[test]
fn the_shipped_file_names_every_option() {
    let shipped = std::fs::read_to_string(SHIPPED).expect("shipped configuration");
    let sources = [
        include_str!("settings.rs"),
        include_str!("tls.rs"),
        include_str!("provider.rs"),
        include_str!("outbound.rs"),
    ];
    let settings = sources.iter().flat_map(|source| source.split("impl Settings").next());
    let options =
        settings.flat_map(str::lines).filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'));
    let mut checked = 0;
    for (option, _) in options.filter(|(option, _)| !option.starts_with("fn")) {
        let named = shipped.lines().map(|line| line.trim_start_matches(['#', ' '])).any(|line| {
            line.starts_with(&format!("{option} ="))
                || line.starts_with(&format!("[{option}]"))
                || line.starts_with(&format!("[{option}."))
                || line.starts_with(&format!("[retention.{option}]"))
                || line.ends_with(&format!(".{option}]"))
                || line.contains(&format!("{{ {option} = ")) // a table on one line
                || line.contains(&format!(", {option} = "))
        });
        assert!(named, "config/vorzimmer.toml does not explain `{option}`");
        checked += 1;
    }
    assert!(checked > 40, "only {checked} options found: has settings.rs changed its form?");
}

#[test]
fn shipped_values_are_the_defaults_where_both_exist() {
    let shipped = load(Path::new(SHIPPED), []).expect("shipped").settings;
    let mut empty = parse("", "empty", Path::new("../../config"), []).expect("empty").settings;
    empty.trunks = shipped.trunks.clone();
    assert_eq!(shipped, empty);
}

#[test]
fn what_cannot_be_read_is_told_with_its_line_and_the_nearest_name() {
    for (text, line, what, advice) in [
        ("[sip]\nrealmm = \"x\"", 2, "no option `realmm`", "did you mean `realm`?"),
        ("[sip]\nudp = []\n\nRealm = \"x\"", 4, "no option `Realm`", "did you mean `realm`?"),
        ("[spi]\n", 1, "no option `spi`", "did you mean `sip`?"),
        ("\n[retention.recording]\ndays = 3", 2, "no option `recording`", "did you mean `recordings`?"),
        ("[key]\nsource = \"vault\"", 2, "unknown variant `vault`", "config/vorzimmer.toml"),
        ("[drain]\ncolour = 3", 2, "no option `colour`", "known here are: deadline_s"),
        ("[trunks.a]\nadresses = []", 2, "no option `adresses`", "did you mean `addresses`?"),
        ("[sip]\nudp = [\"5060\"]", 2, "\"5060\" is not an address with a port", "config/vorzimmer.toml"),
        ("[media]\nports = \"9-8\"", 2, "\"9-8\" is not a range of ports", "config/vorzimmer.toml"),
        ("[limits]\nmax_calls = \"many\"", 2, "invalid type", "config/vorzimmer.toml"),
        ("[retention.calls]\ndays = 7", 1, "missing field `basis`", "config/vorzimmer.toml"),
        ("[media]\ncodecs = [\"gsm\"]", 2, "unknown variant `gsm`", "config/vorzimmer.toml"),
        ("[trunks.a]\ncodecs = [\"ilbc\"]", 2, "unknown variant `ilbc`", "config/vorzimmer.toml"),
        ("[receptionists]\ncodecs = [\"PCMA\"]", 2, "unknown variant `PCMA`", "config/vorzimmer.toml"),
        ("[logs]\nlevel = \"loud\"", 2, "unknown variant `loud`", "config/vorzimmer.toml"),
        ("[sip\n", 1, "", "config/vorzimmer.toml"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.starts_with(&format!("test.toml:{line}: ")), "{text:?} gave {error:?}");
        assert!(error.contains(what) && error.contains(advice), "{text:?} gave {error:?}");
    }
}

#[test]
fn options_that_do_not_fit_together_are_refused() {
    for (text, option) in [
        ("[sip]\nudp = []\ntcp = []\ntls = []\nwss = []", "sip.udp"),
        ("[trunks.a.provider]\ndomain = \"\"", "trunks.a.provider.domain"),
        ("[trunks.a.provider]\ndomain = \"x.de\"\nserver = \"sip:x\"", "trunks.a.provider.server"),
        ("[trunks.a.provider]\ndomain = \"x.de\"\nlogin = \"u\"", "trunks.a.provider.login"),
        ("[trunks.a.provider]\ndomain = \"x.de\"\nregister = true", "trunks.a.provider.register"),
        ("[trunks.a.provider]\ndomain = \"x.de\"\nbulk = true", "trunks.a.provider.bulk"),
        (
            "[sip]\ntls = []\n[trunks.a.provider]\ndomain = \"x.de\"\ntransport = \"tls\"",
            "trunks.a.provider.transport",
        ),
        (
            "[trunks.a]\ncertificate = { name = \"x.de\" }\nprovider = { domain = \"x.de\", ca = \"x.pem\" }",
            "trunks.a.provider.ca",
        ),
        ("[trunks.a]\naddresses = [\"192.0.2.1/32\"]\noutbound = {}", "trunks.a.outbound"),
        (
            "[trunks.a]\nprovider = { domain = \"x.de\" }\noutbound = { uri = \"tel\", numbers = \"national\" }",
            "trunks.a.outbound.numbers",
        ),
        (
            "[trunks.a]\nprovider = { domain = \"x.de\" }\noutbound = { from = \"account\" }",
            "trunks.a.outbound.from",
        ),
        ("[routes]\n\"+49\" = [\"a\"]", "routes.\"+49\""),
        (
            "[trunks.a]\nprovider = { domain = \"x.de\" }\noutbound = {}\n[routes]\n\"0049\" = [\"a\"]",
            "routes.\"0049\"",
        ),
        ("[trunks.a.provider]\ndomain = \"x.de\"\nexpires_s = 5", "trunks.a.provider.expires_s"),
        ("[sip]\nws = [\"192.0.2.1:8088\"]", "sip.ws"),
        ("[sip]\nwss = [\"127.0.0.1:5061\"]", "sip.wss"),
        ("[sip]\ntls = [\"127.0.0.1:5060\"]", "sip.tls"),
        ("[sip]\norigins = [\"desk.example.net\"]", "sip.origins"),
        ("[sip]\norigins = [\"https://desk.example.net/\"]", "sip.origins"),
        ("[sip]\nflow_timer_s = 5", "sip.flow_timer_s"),
        ("[tls]\nfolder = \"../.run/data/tls\"", "tls.folder"),
        ("[tls]\nnames = [\"two words\"]", "tls.names"),
        ("[[tls.certificates]]\nchain = \"c.pem\"\nkey = \"../.run/data/k.pem\"", "tls.certificates"),
        ("[trunks.a]\ncertificate = {}", "trunks.a.certificate.name"),
        ("[trunks.a]\ncertificate = { ca = \"ca.pem\" }", "trunks.a.certificate.ca"),
        ("[trunks.a]\ncertificate = { fingerprints = [\"AB:CD\"] }", "trunks.a.certificate.fingerprints"),
        ("[sip]\ntls = []\n[trunks.a]\ncertificate = { name = \"a.example\" }", "trunks.a.certificate"),
        ("[limits]\nhandshake_s = 0", "limits.handshake_s"),
        ("[limits]\nmessage_s = 1000", "limits.message_s"),
        ("[limits]\nwebsocket_ping_s = 1", "limits.websocket_ping_s"),
        ("[sip]\nudp = [\"127.0.0.1:5060\", \"127.0.0.1:5060\"]", "sip.udp"),
        ("[sip]\nrealm = \"two words\"", "sip.realm"),
        ("[sip]\nadvertise = [\"192.0.2.1\", \"192.0.2.2\"]", "sip.advertise"),
        ("[sip]\nadvertise = [\"0.0.0.0\"]", "sip.advertise"),
        ("[numbers]\ncountry = \"0049\"", "numbers.country"),
        ("[numbers]\narea = \"(30)\"", "numbers.area"),
        ("[trunks.a]\n", "trunks.a.addresses"),
        ("[trunks.a]\naddresses = [\"0.0.0.0/0\"]", "trunks.a.addresses"),
        ("[trunks.a]\nuser = \"x\"", "trunks.a.user"),
        ("[trunks.a]\naddresses = [\"192.0.2.1/32\"]\nha1_md5 = \"00\"", "trunks.a.ha1_md5"),
        ("[trunks.a]\nuser = \"x\"\nha1_md5 = \"zz\"", "trunks.a.ha1_md5"),
        ("[trunks.a]\nuser = \"x\"\nha1_md5 = \"3d78807defe7de2157e2b0b6573a855f\"", "trunks.a.ha1_md5"),
        (
            "[trunks.a]\naddresses = [\"192.0.2.0/24\"]\n[trunks.b]\naddresses = [\"192.0.2.8/32\"]",
            "trunks.a.addresses",
        ),
        ("[media]\nports = \"20001-20004\"", "media.ports"),
        ("[sip]\nudp = [\"10.0.0.1:5060\", \"10.0.0.2:5060\"]\nadvertise = [\"192.0.2.1\"]", "sip.udp"),
        ("[media]\nports = \"5000-9999\"", "media.ports"),
        ("[media]\nsilence_timeout_s = 0", "media.silence_timeout_s"),
        ("[media]\nbrowser_port = 20010", "media.browser_port"),
        ("[media]\ncodecs = []", "media.codecs"),
        ("[media]\ncodecs = [\"pcma\", \"pcma\"]", "media.codecs"),
        ("[receptionists]\ncodecs = [\"opus\", \"opus\"]", "receptionists.codecs"),
        (
            "[trunks.a]\naddresses = [\"192.0.2.1/32\"]\ncodecs = [\"g722\", \"pcma\", \"g722\"]",
            "trunks.a.codecs",
        ),
        ("[data]\nkeys = \"../.run/data/keys.db\"", "data.keys"),
        ("[key]\nfile = \"../recordings/key\"", "key.file"),
        ("[data]\nrecordings = \"../.run/data/rec\"", "data.recordings"),
        ("[data]\ndatabase = \"mysql://x\"", "data.database"),
        ("[retention.recordings]\ndays = 0\nbasis = \"x\"", "retention.recordings.days"),
        ("[retention.recordings]\ndays = 20\nbasis = \" \"", "retention.recordings.basis"),
        ("[retention.calls]\ndays = 10\nbasis = \"x\"", "retention.recordings.days"),
        ("[limits]\nmax_calls = 0", "limits.max_calls"),
        ("[reencoding]\nmax_load = 0.0", "reencoding.max_load"),
        ("[reencoding]\nenabled = true\nmax_calls = 200", "reencoding.max_calls"),
        ("[reencoding]\nenabled = true\nafter_minutes = 43200", "reencoding.after_minutes"),
        ("[drain]\ndeadline_s = 100000", "drain.deadline_s"),
    ] {
        let error = read(text).expect_err(text);
        assert!(
            error.lines().any(|line| line.starts_with(&format!("{option}: "))),
            "{text:?} gave {error:?}"
        );
        assert!(error.contains("\n  do: "), "{text:?} gave no advice: {error:?}");
    }
}

#[test]
fn all_broken_rules_are_told_at_once() {
    let error = read("[sip]\nrealm = \"\"\n[limits]\nmax_calls = 0").expect_err("two problems");
    assert!(error.contains("sip.realm") && error.contains("limits.max_calls"), "{error}");
}

#[test]
fn keeping_longer_than_shipped_is_said_out_loud() {
    for (class, days, warns) in [
        ("recordings", 31, true),
        ("recordings", 30, false),
        ("recordings", 7, false),
        ("receipts", 1097, true),
    ] {
        let text = format!("[retention.{class}]\ndays = {days}\nbasis = \"because\"");
        let loaded = read(&text).expect("valid");
        assert_eq!(loaded.warnings.iter().any(|w| w.contains("LONGER THAN SHIPPED")), warns, "{text}");
    }
}

#[test]
fn health_and_metrics_beyond_loopback_are_said_out_loud() {
    let loaded = read("[http]\nlisten = [\"0.0.0.0:8080\"]").expect("valid");
    assert!(loaded.warnings.iter().any(|warning| warning.contains("http.listen")), "{:?}", loaded.warnings);
}

#[test]
fn fewer_ports_than_calls_may_need_are_told() {
    let loaded = read("[media]\nports = \"20000-20009\"").expect("valid");
    assert!(
        loaded.warnings.iter().any(|warning| warning.contains("room for 5 legs")),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn the_environment_stands_above_the_file() {
    let realm = with_variable("VORZIMMER_SIP__REALM", "from.environment").expect("valid").settings.sip.realm;
    assert_eq!(realm, "from.environment");
    let numeric = with_variable("VORZIMMER_SIP__REALM", "1234").expect("valid").settings.sip.realm;
    assert_eq!(numeric, "1234", "a text that looks like a number is still a text where a text is wanted");
    let calls = with_variable("VORZIMMER_LIMITS__MAX_CALLS", "7").expect("valid").settings.limits.max_calls;
    assert_eq!(calls, 7);
    for list in ["127.0.0.1:5070,[::1]:5070", "[\"127.0.0.1:5070\", \"[::1]:5070\"]"] {
        assert_eq!(with_variable("VORZIMMER_SIP__UDP", list).expect("valid").settings.sip.udp.len(), 2);
    }
    let trunks =
        with_variable("VORZIMMER_TRUNKS__CARRIER__ADDRESSES", "192.0.2.0/24").expect("valid").settings.trunks;
    assert_eq!(trunks["carrier"].addresses.len(), 1);
}

#[test]
fn a_wrong_variable_is_named_with_the_nearest_known_one() {
    for (name, value, what) in [
        ("VORZIMMER_SIP__RELAM", "x", "did you mean `realm`?"),
        ("VORZIMMER_SIPP__REALM", "x", "did you mean `sip`?"),
        ("VORZIMMER_LIMITS__MAX_CALLS", "many", "invalid type"),
        ("VORZIMMER_SIP__REALM__DEEPER", "x", "not a section"),
    ] {
        let error = with_variable(name, value).expect_err(name);
        assert!(error.contains(name) && error.contains(what), "{name} gave {error:?}");
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    for name in ["VORZIMMER_CONFIG", "VORZIMMER_KEY", "PATH", "SIP__REALM"] {
        assert_eq!(with_variable(name, "x").expect("valid").settings.sip.realm, "from.file");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let settings =
        read("[media]\nprompts = \"sounds\"\n[data]\nfolder = \"/srv/data\"").expect("valid").settings;
    assert_eq!(settings.media.prompts, Path::new("/etc/vorzimmer/sounds"));
    assert_eq!(settings.data.folder, Path::new("/srv/data"));
    assert_eq!(settings.data.recordings, Path::new("/etc/recordings"));
}

#[test]
fn who_has_codecs_of_its_own_is_shown() {
    let loaded = read(
        "[receptionists]\ncodecs = [\"opus\", \"pcma\"]\n[trunks.a]\naddresses = [\"192.0.2.1/32\"]\ncodecs = [\"pcmu\"]",
    )
    .expect("valid");
    let text = super::describe(&loaded.settings);
    for line in [
        "codecs            pcma, pcmu, g722, opus",
        "                  receptionists: opus, pcma",
        "                  trunk a: pcmu",
    ] {
        assert!(text.lines().any(|shown| shown.eq_ignore_ascii_case(line)), "{text}");
    }
    assert_eq!(loaded.settings.codecs().len(), 4);
}

#[test]
fn what_check_prints_holds_no_password() {
    let loaded = read("[data]\ndatabase = \"postgres://me:s3cret@db/calls\"").expect("valid");
    let text = super::describe(&loaded.settings);
    assert!(text.contains("postgres://me:…@db/calls") && !text.contains("s3cret"), "{text}");
}
