//! The names of what is counted. Labels are words from closed lists, never ids, numbers or names.

use metrics::{describe_counter, describe_gauge, describe_histogram};
pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};

/// Calls that ended, by `disposition`.
pub const CALLS: &str = "vorzimmer_calls_total";
/// Calls now.
pub const RUNNING_CALLS: &str = "vorzimmer_calls_running";
/// Calls now in which two people talk.
pub const BRIDGED_CALLS: &str = "vorzimmer_calls_bridged";
/// Legs whose media was agreed on, by `security`: plain, sdes, sdes-in-clear, dtls.
pub const LEGS: &str = "vorzimmer_legs_total";
/// Seconds from the offer of a call to our answer.
pub const SETUP_SECONDS: &str = "vorzimmer_setup_seconds";
/// Seconds from the offer of a call until caller and receptionist hear each other.
pub const CONNECT_SECONDS: &str = "vorzimmer_connect_seconds";
/// Recordings that ended, by `result`.
pub const RECORDINGS: &str = "vorzimmer_recordings_total";
/// Recordings now.
pub const RUNNING_RECORDINGS: &str = "vorzimmer_recordings_running";
/// Gaps in recordings that ended, both tracks together.
pub const GAPS: &str = "vorzimmer_recording_gaps_total";
/// Consent questions that ended, by `outcome`.
pub const CONSENT: &str = "vorzimmer_consent_total";
/// Age in days of the oldest thing that is kept, by `class`.
pub const RETENTION_OLDEST_DAYS: &str = "vorzimmer_retention_oldest_days";
/// Seconds since the last retention run that went through.
pub const RETENTION_RUN_AGE: &str = "vorzimmer_retention_last_run_age_seconds";
/// Things that are due and not gone yet.
pub const RETENTION_OVERDUE: &str = "vorzimmer_retention_overdue";
/// Recordings that were looked at for encoding again, by `outcome`.
pub const REENCODED: &str = "vorzimmer_recordings_reencoded_total";
/// Bytes that wait for a database that is away.
pub const SPOOL_BYTES: &str = "vorzimmer_spool_bytes";
/// Events lost because database, spool and memory were full.
pub const EVENTS_LOST: &str = "vorzimmer_events_lost_total";
/// Bytes free where recordings are written.
pub const RECORDINGS_FREE_BYTES: &str = "vorzimmer_recordings_free_bytes";
/// RTP packets, by `way`: received, sent, dropped.
pub const RTP_PACKETS: &str = "vorzimmer_rtp_packets_total";
/// Share of packets lost on the way from each leg that ended.
pub const LEG_LOSS: &str = "vorzimmer_leg_loss_ratio";
/// Interarrival jitter of each leg that ended.
pub const LEG_JITTER_SECONDS: &str = "vorzimmer_leg_jitter_seconds";
/// Round trip to the peer of each leg that ended and reported.
pub const LEG_ROUND_TRIP_SECONDS: &str = "vorzimmer_leg_round_trip_seconds";
/// Mean opinion score by the E-model of each leg that ended.
pub const LEG_MOS: &str = "vorzimmer_leg_mos";
/// Media workers that run; the label `driver` says how they do their I/O.
pub const MEDIA_WORKERS: &str = "vorzimmer_media_workers";
/// SIP messages that were not served, by `why`.
pub const SIP_REFUSED: &str = "vorzimmer_sip_refused_total";
/// SIP sessions, transactions and bindings held now, by `what`.
pub const SIP_HELD: &str = "vorzimmer_sip_held";
/// Of the last second, the share in which the busiest thread that calls depend on was busy.
pub const BUSIEST_THREAD: &str = "vorzimmer_busiest_thread_ratio";
/// Whether new calls are turned away because there is too much to do: 1 or 0.
pub const OVERLOADED: &str = "vorzimmer_overloaded";
/// Datagrams and connections that the sockets dropped, by `why`.
pub const NET_DROPPED: &str = "vorzimmer_net_dropped_total";
/// Trunks by name and state: 1 for the state that it is in.
pub const TRUNK_STATE: &str = "vorzimmer_trunk_state";
/// Whether a trunk's provider sends us calls: 1 or 0, for trunks that we register with.
pub const TRUNK_REGISTERED: &str = "vorzimmer_trunk_registered";

/// Setup times of interest: from an answer at once to a caller who has long given up.
const SECONDS: &[f64] = &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// Network times of interest: from a house's own network to one that nobody can talk over.
const NETWORK_SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];
/// Losses of interest: above five in a hundred people ask what was said.
const LOSSES: &[f64] = &[0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
/// Where opinions part (ITU-T G.109): very satisfied, satisfied, some dissatisfied, many, nearly all.
const OPINIONS: &[f64] = &[1.5, 2.0, 2.58, 3.1, 3.6, 4.03, 4.34];

/// A recorder for these names; install it once for the process.
///
/// # Errors
/// The list of buckets is refused.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let whole = |name: &str| Matcher::Full(name.to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(whole(LEG_JITTER_SECONDS), NETWORK_SECONDS)?
        .set_buckets_for_metric(whole(LEG_ROUND_TRIP_SECONDS), NETWORK_SECONDS)?
        .set_buckets_for_metric(whole(LEG_LOSS), LOSSES)?
        .set_buckets_for_metric(whole(LEG_MOS), OPINIONS)?;
    Ok(builder.build_recorder())
}

/// Says what each name means; shown as HELP lines.
pub fn describe() {
    describe_counter!(CALLS, "Calls that ended, by disposition");
    describe_gauge!(RUNNING_CALLS, "Calls now");
    describe_gauge!(BRIDGED_CALLS, "Calls now in which two people talk");
    describe_counter!(LEGS, "Legs whose media was agreed on, by how it is protected");
    describe_histogram!(SETUP_SECONDS, "From the offer of a call to our answer");
    describe_histogram!(
        CONNECT_SECONDS,
        "From the offer of a call until caller and receptionist hear each other"
    );
    describe_counter!(RECORDINGS, "Recordings that ended, by result");
    describe_gauge!(RUNNING_RECORDINGS, "Recordings now");
    describe_counter!(GAPS, "Gaps in recordings that ended");
    describe_counter!(CONSENT, "Consent questions that ended, by outcome");
    describe_gauge!(RETENTION_OLDEST_DAYS, "Age of the oldest thing kept, by class");
    describe_gauge!(RETENTION_RUN_AGE, "Since the last retention run that went through");
    describe_gauge!(RETENTION_OVERDUE, "Things that are due and not gone yet");
    describe_counter!(REENCODED, "Recordings that were looked at for encoding again, by outcome");
    describe_gauge!(SPOOL_BYTES, "Bytes that wait for a database that is away");
    describe_counter!(EVENTS_LOST, "Events lost because every place was full");
    describe_gauge!(RECORDINGS_FREE_BYTES, "Bytes free where recordings are written");
    describe_counter!(RTP_PACKETS, "RTP packets, by way");
    describe_histogram!(LEG_LOSS, "Share of packets lost on the way from a leg");
    describe_histogram!(LEG_JITTER_SECONDS, "Interarrival jitter of a leg");
    describe_histogram!(LEG_ROUND_TRIP_SECONDS, "Round trip to a leg's peer, by RTCP");
    describe_histogram!(LEG_MOS, "Mean opinion score of a leg, by the E-model");
    describe_gauge!(MEDIA_WORKERS, "Media workers that run, by driver");
    describe_counter!(SIP_REFUSED, "SIP messages that were not served, by reason");
    describe_gauge!(SIP_HELD, "SIP state held now");
    describe_gauge!(BUSIEST_THREAD, "How busy signalling or a media worker was in the last second, 0 to 1");
    describe_gauge!(OVERLOADED, "Whether new calls get 503 because there is too much to do");
    describe_gauge!(TRUNK_STATE, "Trunks, 1 for the state that each is in");
    describe_gauge!(TRUNK_REGISTERED, "Whether a trunk is registered with its provider");
    describe_counter!(NET_DROPPED, "What the sockets dropped, by reason");
}
