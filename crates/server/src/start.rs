//! Putting the parts together, from the settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use vorzimmer_call::{CodecLists, Exchange, ExchangeConfig, SrtpConfig};
use vorzimmer_media::dtls::Identity;
use vorzimmer_sip::digest::Ha1;
use vorzimmer_sip::identity::{CalledIn, NumberPlan, PlanError};
use vorzimmer_sip::ua::{self, Expires, Ua, UaConfig};
use vorzimmer_store::{EventLog, LogSettings};
use vorzimmer_types::audio::Codec;
use vorzimmer_types::dtls::Fingerprint;
use vorzimmer_types::{RecordingId, TrunkId, entropy};
use vorzimmer_wire::Driver;

use crate::busy::Busy;
use crate::clock::{self, SystemEntropy};
use crate::config::{CalledNumber, MediaDriver, Settings, Trunk};
use crate::control::{Control, House, Order, Ordered, Report, Sources, restorable};
use crate::destroyer::Destroyer;
use crate::failure::{Failure, Kind};
use crate::locating::{self, Doors};
use crate::media::{self, Begun, OncePermitted, Plane, Prompts, RecordingLog};
use crate::net::{Listeners, Net, StreamLimits};
use crate::receipts::ReceiptSigner;
use crate::rooms::{Rooms, database_failure};
use crate::tls::Tls;
use crate::{directory, forgetting, outbound, private, provider, recovery, trunks};

/// What a refused caller's network is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Orders of the operator that may wait; there are three kinds.
const ORDERS: usize = 8;

/// A server that is put together and not yet running.
pub struct Assembly {
    /// The control task.
    pub control: Control,
    /// What wakes it.
    pub sources: Sources,
    /// How the operator reaches it.
    pub orders: mpsc::Sender<Order>,
    /// How single trunks are told what to do.
    pub trunk_orders: mpsc::Sender<Ordered>,
    /// What it publishes.
    pub report: watch::Receiver<Report>,
    /// Where facts go; to be closed last.
    pub log: EventLog,
}

/// Puts the server together around its sockets and what is kept.
///
/// # Errors
/// A password file or the prompts cannot be read, threads cannot be made, or what is kept cannot be read.
pub async fn assemble(
    settings: &Settings,
    listeners: Listeners,
    tls: Arc<Tls>,
    rooms: &Rooms,
) -> Result<Assembly, Failure> {
    let addresses = listeners.addresses();
    let plan = number_plan(settings).map_err(plan_failure)?;
    let ua_config = ua_config(settings, &plan)?;
    let identity = Arc::new(dtls_identity()?);
    let exchange = Exchange::new(exchange_config(settings, plan, identity.fingerprint()));
    let prompts = Prompts::load(&settings.media.prompts)
        .map_err(|error| Failure::failed(error, "restore the folder, or correct media.prompts"))?;
    let prompts = Arc::new(prompts);
    media::prepare(Arc::clone(&prompts), settings.codecs());
    let signer = ReceiptSigner::open(&rooms.keys)?;
    let directory = directory::watch(rooms.store.clone()).await.map_err(database_failure)?;
    let spool = forgetting::spool(settings);
    let log =
        EventLog::start(rooms.store.clone(), &spool, LogSettings::default()).map_err(database_failure)?;
    // First what the last run could not write any more, then what a crash left open.
    log.flush().await.map_err(database_failure)?;
    let days = settings.retention.recordings.days;
    recovery::take_in(rooms, &settings.data.recordings, days).await?;
    recovery::close_open_recordings(rooms, &settings.data.recordings).await?;
    recovery::end_open_calls(rooms).await?;
    let folder = settings.data.recordings.clone();
    let (mut destroyer, destroyed) = Destroyer::start(Arc::clone(&rooms.keys), folder, rooms.store.clone());
    for doomed in recovery::withdrawn_but_there(rooms).await? {
        destroyer.destroy(doomed);
    }
    let (plane, media) = media_plane(settings, rooms, &prompts, &log, identity)?;

    let mut ua = Ua::new(ua_config, entropy::array(&mut SystemEntropy));
    let now = clock::now();
    ua.restore(restorable(rooms.store.bindings(now.wall).await.map_err(database_failure)?), now);

    let located = look_up(settings, Doors { bound: listeners.bound(), addresses: addresses.clone() })?;
    let (net, arrivals) = Net::start(listeners, stream_limits(settings), tls);
    let (order, orders) = mpsc::channel(ORDERS);
    let (trunk_order, trunk_orders) = mpsc::channel(ORDERS);
    let (report, reported) = watch::channel(Report::default());
    let control = Control {
        ua,
        exchange,
        net,
        media: Box::new(plane),
        addresses,
        house: House::new(directory, prompts, signer, settings.sip.realm.clone()),
        log: log.clone(),
        destroyer,
        retry_after: RETRY_AFTER,
        busy: Busy::new(settings.limits.max_busy_percent),
        report,
    };
    let sources = Sources { orders, media, destroyed, arrivals, located, trunk_orders };
    Ok(Assembly { control, sources, orders: order, trunk_orders: trunk_order, report: reported, log })
}

/// Begins to look providers up.
fn look_up(settings: &Settings, doors: Doors) -> Result<mpsc::Receiver<ua::Input>, Failure> {
    let (tell, located) = mpsc::channel(locating::RESULTS);
    let wanted = provider::wanted(settings);
    if !wanted.is_empty() {
        let servers: Vec<_> = settings.sip.name_servers.iter().map(|server| server.0).collect();
        let names = locating::System::new(&servers)?;
        for one in wanted {
            tokio::spawn(locating::keep_located(one, doors.clone(), names.clone(), tell.clone()));
        }
    }
    Ok(located)
}

fn ua_config(settings: &Settings, plan: &NumberPlan) -> Result<UaConfig, Failure> {
    let realm = &settings.sip.realm;
    let trunks = settings.trunks.iter().map(|(name, trunk)| {
        let digest = digest(name, trunk, realm)?;
        let provider =
            trunk.provider.as_ref().map(|provider| provider::provider(name, provider)).transpose()?;
        let (id, outbound) = (trunks::id(name), outbound::of(trunk, plan));
        let (name, addresses) = (name.clone(), trunk.addresses.clone());
        let certificate = trunk.certificate.is_some();
        Ok(ua::Trunk { id, name, addresses, digest, certificate, provider, outbound })
    });
    // A call is a session on the caller's side and one for each device that rings.
    let sessions = settings.limits.max_calls.saturating_mul(2 + vorzimmer_call::limits::DEVICES_PER_CALL);
    Ok(UaConfig {
        realm: realm.clone(),
        domains: Vec::new(),
        trunks: trunks.collect::<Result<_, Failure>>()?,
        user_agent: concat!("Vorzimmer/", env!("CARGO_PKG_VERSION")).to_owned(),
        phone_digest: settings.sip.phone_digest,
        expires: Expires::default(),
        session_timer: ua::SessionTimer {
            interval: Duration::from_secs(settings.sip.session_expires_s.into()),
            min: Duration::from_secs(settings.sip.min_session_expires_s.into()),
        },
        limits: ua::Limits {
            sessions,
            connections: settings.limits.tcp_connections,
            message: Duration::from_secs(settings.limits.message_s),
            flow_timer: Duration::from_secs(settings.sip.flow_timer_s),
            ..ua::Limits::default()
        },
    })
}

fn digest(name: &str, trunk: &Trunk, realm: &str) -> Result<Option<(String, Ha1)>, Failure> {
    let Some(user) = &trunk.user else { return Ok(None) };
    let ha1 = match (&trunk.password_file, &trunk.ha1_md5, &trunk.ha1_sha256) {
        (Some(file), _, _) => {
            let text = private::text(file).map_err(|error| {
                Failure::failed(
                    format!("trunks.{name}.password_file {}: {error}", file.display()),
                    "write the password into its first line, and chmod 600 the file",
                )
                .of_kind(Kind::Configuration)
            })?;
            Ha1::new(user, realm, text.lines().next().unwrap_or_default())
        }
        (None, Some(md5), Some(sha256)) => {
            let (mut md5_bytes, mut sha256_bytes) = ([0; 16], [0; 32]);
            let decoded = hex::decode_to_slice(md5, &mut md5_bytes)
                .and_then(|()| hex::decode_to_slice(sha256, &mut sha256_bytes));
            decoded.map_err(|error| {
                Failure::failed(format!("trunks.{name}: {error}"), "see `vorzimmer check`")
                    .of_kind(Kind::Configuration)
            })?;
            Ha1::from_hashes(md5_bytes, sha256_bytes)
        }
        _ => return Ok(None),
    };
    Ok(Some((user.clone(), ha1)))
}

fn number_plan(settings: &Settings) -> Result<NumberPlan, PlanError> {
    let numbers = &settings.numbers;
    let area = Some(numbers.area.as_str()).filter(|area| !area.is_empty());
    NumberPlan::new(&numbers.country, &numbers.international_prefix, &numbers.national_prefix, area)
}

fn exchange_config(settings: &Settings, plan: NumberPlan, certificate: Fingerprint) -> ExchangeConfig {
    let to: BTreeMap<TrunkId, NumberPlan> = settings
        .trunks
        .iter()
        .filter(|(_, trunk)| trunk.called_number == CalledNumber::To)
        .map(|(name, _)| (trunks::id(name), plan.clone().with_called_in(CalledIn::To)))
        .collect();
    ExchangeConfig {
        max_calls: settings.limits.max_calls,
        retry_after: RETRY_AFTER,
        number_plan: plan,
        trunk_plans: to,
        codecs: codec_lists(settings),
        srtp: srtp_config(settings, certificate),
        transfer: outbound::transfer_rules(settings),
        routes: outbound::routes(settings),
        ..ExchangeConfig::default()
    }
}

fn codec_lists(settings: &Settings) -> CodecLists {
    let own = |codecs: &[Codec]| (!codecs.is_empty()).then(|| codecs.to_vec());
    let trunks = settings.trunks.iter();
    CodecLists {
        usual: settings.media.codecs.clone(),
        trunks: trunks.filter_map(|(name, trunk)| Some((trunks::id(name), own(&trunk.codecs)?))).collect(),
        receptionists: own(&settings.receptionists.codecs),
    }
}

fn srtp_config(settings: &Settings, certificate: Fingerprint) -> SrtpConfig {
    SrtpConfig {
        trunks: settings.trunks.iter().map(|(name, trunk)| (trunks::id(name), trunk.srtp)).collect(),
        clear_keys_will_do: settings.media.srtp_keys_in_clear,
        certificate: Some(certificate),
    }
}

fn plan_failure(error: PlanError) -> Failure {
    Failure::failed(error, "correct the section [numbers]").of_kind(Kind::Configuration)
}

fn stream_limits(settings: &Settings) -> StreamLimits {
    StreamLimits {
        total: settings.limits.tcp_connections,
        per_address: settings.limits.tcp_connections_per_address,
        idle: Duration::from_secs(settings.limits.tcp_idle_s),
        handshake: Duration::from_secs(settings.limits.handshake_s),
        message: Duration::from_secs(settings.limits.message_s),
        ping: Duration::from_secs(settings.limits.websocket_ping_s),
    }
}

fn media_plane(
    settings: &Settings,
    rooms: &Rooms,
    prompts: &Arc<Prompts>,
    log: &EventLog,
    identity: Arc<Identity>,
) -> Result<(Plane, media::MediaEvents), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let plane_settings = media::Settings {
        ports: (settings.media.ports.first, settings.media.ports.last),
        workers: if settings.media.workers == 0 { cores } else { settings.media.workers },
        driver: media_driver(settings.media.driver)?,
        bind: settings.media.bind.clone(),
        advertise: settings.sip.advertise.clone(),
        silence: settings.media.silence_timeout(),
        most_calls: settings.limits.max_calls,
        port_rest: settings.media.port_rest(),
        recordings: PathBuf::clone(&settings.data.recordings),
        recording_days: settings.retention.recordings.days,
        browsers: browser_port(settings),
    };
    let parts = media::Parts {
        prompts: Arc::clone(prompts),
        keys: Arc::clone(&rooms.keys),
        log: Arc::new(Pages(log.clone())),
        identity,
    };
    Plane::start(&plane_settings, parts).map_err(|error| {
        Failure::failed(format!("the media workers cannot start: {error}"), "see the system's limits")
    })
}

/// How voices' datagrams are moved here.
fn media_driver(wanted: MediaDriver) -> Result<Driver, Failure> {
    let driver = match wanted {
        MediaDriver::Epoll => Driver::Epoll,
        MediaDriver::Auto | MediaDriver::IoUring => match vorzimmer_wire::probe() {
            Ok(()) => Driver::IoUring,
            Err(error) if wanted == MediaDriver::Auto => {
                tracing::info!(%error, "io_uring, which costs less than epoll, cannot be used here");
                Driver::Epoll
            }
            Err(error) => {
                let advice = "allow io_uring, or write media.driver = \"auto\"";
                return Err(Failure::failed(error, advice).of_kind(Kind::Configuration));
            }
        },
    };
    tracing::info!(driver = driver.name(), "voices are moved by this driver");
    Ok(driver)
}

/// Browsers come in where their signalling does, on a port of their own.
fn browser_port(settings: &Settings) -> Option<media::BrowserPort> {
    let mut signalling: Vec<_> =
        settings.sip.wss.iter().chain(&settings.sip.ws).map(|at| at.0.ip()).collect();
    signalling.sort_unstable();
    signalling.dedup();
    if signalling.is_empty() || settings.media.browser_port == 0 {
        return None;
    }
    let addresses = if settings.media.bind.is_empty() { signalling } else { settings.media.bind.clone() };
    Some(media::BrowserPort { port: settings.media.browser_port, addresses })
}

/// A certificate for DTLS, new with each start: each description names it, and nobody else vouches for it.
fn dtls_identity() -> Result<Identity, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(
            format!("no certificate for DTLS can be made: {error}"),
            "this is a bug: please report it",
        )
    };
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&error))?;
    let parameters = rcgen::CertificateParams::new(Vec::new()).map_err(|error| failed(&error))?;
    let certificate = parameters.self_signed(&key).map_err(|error| failed(&error))?;
    Identity::new(certificate.der(), &key.serialize_der()).map_err(|error| failed(&error))
}

/// Tells the store which pages of recordings are safe.
struct Pages(EventLog);

impl RecordingLog for Pages {
    fn begun(&self, recording: &Begun, then: OncePermitted) {
        tracing::debug!(call = %recording.call, recording = %recording.recording, "a recording's file is made");
        self.0.acknowledge_pages(recording.recording, 0);
        // Everybody's yes was told before the recording was asked for.
        self.0.once_durable(|durable| {
            then(durable.map_err(|error| format!("the consent to it cannot be kept: {error}")));
        });
    }

    fn acknowledged(&self, recording: RecordingId, pages: u64) {
        self.0.acknowledge_pages(recording, pages);
    }
}
