//! How calls go out, from the settings: each trunk's way of writing them, and the routes.

use vorzimmer_call::{Colleagues, Routes, TransferRules};
use vorzimmer_sip::carrier::{Diverted, Outbound, Vouching};
use vorzimmer_sip::identity::{NumberPlan, Style};
use vorzimmer_types::TrunkId;

use crate::config::outbound::{FromHeader, Identity, NumberUri, Numbers, Shows, Told};
use crate::config::{Settings, TransferTo, Trunk};
use crate::trunks;

/// How calls are placed through this trunk, where numbers are dialled by this plan. None if they are not.
pub fn of(trunk: &Trunk, plan: &NumberPlan) -> Option<Outbound> {
    let outbound = trunk.outbound.as_ref()?;
    Some(Outbound {
        plan: plan.clone(),
        numbers: match outbound.numbers {
            Numbers::E164 => Style::E164,
            Numbers::Digits => Style::Digits,
            Numbers::International => Style::International,
            Numbers::National => Style::National,
        },
        tel: outbound.uri == NumberUri::Tel,
        user_phone: outbound.user_phone,
        from_account: outbound.from == FromHeader::Account,
        shows_caller: outbound.shows == Shows::Caller,
        identity: match outbound.identity {
            Identity::Asserted => Vouching::Asserted,
            Identity::Preferred => Vouching::Preferred,
            Identity::None => Vouching::None,
        },
        diverted: match outbound.diversion {
            Told::None => Diverted::Untold,
            Told::Diversion => Diverted::Diversion,
            Told::HistoryInfo => Diverted::HistoryInfo,
        },
    })
}

/// By which trunks calls go out.
pub fn routes(settings: &Settings) -> Routes {
    let outbound = settings.trunks.iter().filter(|(_, trunk)| trunk.outbound.is_some());
    let ids = |names: &Vec<String>| -> Vec<TrunkId> { names.iter().map(|name| trunks::id(name)).collect() };
    Routes {
        all: outbound.map(|(name, _)| trunks::id(name)).collect(),
        by_prefix: settings.routes.iter().map(|(prefix, names)| (prefix.clone(), ids(names))).collect(),
    }
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
