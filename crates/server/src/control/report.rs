//! What the control task publishes about itself once a second.

use vorzimmer_call::Overview;
use vorzimmer_sip::ua::{Counters, TrunkStatus};
use vorzimmer_store::LogHealth;

use crate::busy::Strain;
use crate::media::MediaHealth;
use crate::net::NetCounts;

/// How things are.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Calls.
    pub calls: Overview,
    /// Signalling.
    pub sip: Counters,
    /// Voices.
    pub media: MediaHealth,
    /// Sockets.
    pub net: NetCounts,
    /// The event log.
    pub log: LogHealth,
    /// Trunks, in the order of the configuration.
    pub trunks: Vec<TrunkStatus>,
    /// How busy the threads are that calls depend on.
    pub strain: Strain,
    /// Whether new calls are turned away because the server is about to end.
    pub draining: bool,
}
