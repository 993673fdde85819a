//! The ways out: trunks through which calls can be placed, as the user agent and the exchange need to know them.

use std::net::SocketAddr;

use vorzimmer_call::{Colleagues, TransferRules, WayOut};
use vorzimmer_sip::ua::{self, Transport};

use crate::config::{Listen, OutboundTransport, Settings, TransferTo, Trunk};
use crate::net::LocalAddresses;
use crate::start::trunk_id;

/// The way out through this trunk, from the first listener of the same transport and family. None if it has none:
/// `vorzimmer check` has said so.
pub fn of(trunk: &Trunk, settings: &Settings, addresses: &LocalAddresses) -> Option<ua::Outbound> {
    let outbound = trunk.outbound.as_ref()?;
    let remote = SocketAddr::new(outbound.host, outbound.port);
    let (transport, listeners) = match outbound.transport {
        OutboundTransport::Udp => (Transport::Udp, &settings.sip.udp),
        OutboundTransport::Tcp => (Transport::Tcp, &settings.sip.tcp),
        OutboundTransport::Tls => (Transport::Tls, &settings.sip.tls),
    };
    let Listen(bound) = *listeners.iter().find(|listen| listen.0.is_ipv4() == remote.is_ipv4())?;
    Some(ua::Outbound { transport, local: addresses.known_as(bound, remote), remote })
}

/// All of them, for the exchange.
pub fn ways(settings: &Settings, addresses: &LocalAddresses) -> Vec<WayOut> {
    let way = |(name, trunk): (&String, &Trunk)| {
        let ua::Outbound { transport, local, remote } = of(trunk, settings, addresses)?;
        let flow = ua::Flow { transport, local, remote, connection: None };
        Some(WayOut { trunk: trunk_id(name), flow })
    };
    settings.trunks.iter().filter_map(way).collect()
}

/// Whom calls may be put through to, besides the customers' contacts.
pub fn transfer_rules(settings: &Settings) -> TransferRules {
    let colleagues = match settings.transfer.receptionists {
        TransferTo::All => Colleagues::All,
        TransferTo::Team => Colleagues::Team,
        TransferTo::None => Colleagues::None,
    };
    TransferRules { colleagues, numbers: settings.transfer.allowed.clone() }
}
