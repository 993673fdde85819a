//! Who forwarded the call: Diversion and History-Info, stored whole (RFC 5806, RFC 7044).

use rsip::Headers;
use vorzimmer_types::{E164, Pii};

use super::party::party;
use super::withheld::is_withheld;
use super::{IdentityError, Limits, LoopSign, NumberPlan, Party};
use crate::header::{self, Diversion, HistoryInfo, Privacy};

/// One station of the call on its way to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Which header told.
    pub source: HopSource,
    /// Who it was; none if that is private, and then nothing here tells.
    pub party: Option<Pii<Party>>,
    /// Why the call was forwarded from here, if it was and somebody said why.
    pub reason: Option<ForwardReason>,
    /// How many forwardings this stands for (RFC 5806 §6.1).
    pub counter: u32,
    /// Whether the header marks this station as private.
    pub private: bool,
    /// Place in the tree of retargetings (RFC 7044 §10.3); empty for Diversion.
    pub index: Vec<u32>,
    /// Whether this is only where the call was sent last, which is us.
    pub last_target: bool,
}

/// Which header told of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopSource {
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    History,
}

/// Why a call was forwarded (RFC 5806 §4, RFC 4458 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardReason {
    /// All calls are.
    Unconditional,
    /// The line was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// The phone could not be reached.
    Unavailable,
    /// Somebody sent this call away by hand.
    Deflection,
    /// Somebody did not want to be disturbed.
    DoNotDisturb,
    /// The hour.
    TimeOfDay,
    /// Somebody is somewhere else.
    FollowMe,
    /// Anything else.
    Other,
}

pub(super) struct Chain {
    pub hops: Vec<Hop>,
    pub unreadable: usize,
}

impl Hop {
    /// Whether the hop is this number's.
    #[must_use]
    pub fn is(&self, number: &E164) -> bool {
        self.party.as_ref().is_some_and(|party| matches!(party.expose(), Party::Number(own) if own == number))
    }

    /// Whether the call went on from here.
    #[must_use]
    pub fn is_forwarder(&self) -> bool {
        !self.last_target
    }
}

impl Chain {
    pub fn of(headers: &Headers, plan: &NumberPlan) -> Self {
        let mut chain = Self { hops: Vec::new(), unreadable: 0 };
        for diversion in header::diversions(headers) {
            match diversion {
                Ok(diversion) => chain.hops.push(Hop::diverted(&diversion, plan)),
                Err(_) => chain.unreadable += 1,
            }
        }
        chain.read_history(headers, plan);
        chain
    }

    fn read_history(&mut self, headers: &Headers, plan: &NumberPlan) {
        // RFC 7044 §10.1: a Privacy header of the request itself covers every entry.
        let all = header::privacy(headers);
        let mut entries = Vec::new();
        for entry in header::history(headers) {
            match entry {
                Ok(entry) => entries.push(entry),
                Err(_) => self.unreadable += 1,
            }
        }
        // Entries without a usable index keep the place where they stand.
        if entries.iter().all(|entry| !entry.index.is_empty()) {
            entries.sort_by(|a, b| a.index.cmp(&b.index));
        }
        let hops = entries.iter().enumerate().map(|(at, entry)| {
            let next = entries.get(at + 1);
            Hop::visited(entry, next, all.history || all.header || all.session, plan)
        });
        self.hops.extend(hops);
    }

    /// Is this call here for the second time?
    pub fn check(&self, did: &E164, limits: Limits) -> Result<(), IdentityError> {
        // Both headers may tell of the same forwardings, so each is counted by itself.
        let count = |source| {
            let hops = || self.hops.iter().filter(move |hop| hop.source == source && hop.is_forwarder());
            let forwardings = hops().fold(0_u32, |sum, hop| sum.saturating_add(hop.counter));
            (hops().filter(|hop| hop.is(did)).count(), forwardings)
        };
        let (diverted, visited) = (count(HopSource::Diversion), count(HopSource::History));
        let (returns, forwardings) = (diverted.0.max(visited.0), diverted.1.max(visited.1));
        if returns > limits.returns {
            return Err(IdentityError::ForwardingLoop(LoopSign::Returned(returns)));
        }
        if forwardings > limits.forwardings {
            return Err(IdentityError::ForwardingLoop(LoopSign::Forwardings(forwardings)));
        }
        Ok(())
    }

    /// Takes this number out of the chain.
    pub fn hide(&mut self, number: &E164) {
        for hop in self.hops.iter_mut().filter(|hop| hop.is(number)) {
            hop.party = None;
            hop.private = true;
        }
    }
}

impl Hop {
    fn diverted(diversion: &Diversion<'_>, plan: &NumberPlan) -> Self {
        let private = diversion.private || is_withheld(&diversion.from);
        Self {
            source: HopSource::Diversion,
            party: visible(private, party(&diversion.from.uri.to_uri(), plan)),
            reason: diversion.reason.as_deref().map(ForwardReason::named),
            counter: diversion.counter,
            private,
            index: Vec::new(),
            last_target: false,
        }
    }

    fn visited(
        entry: &HistoryInfo<'_>,
        next: Option<&HistoryInfo<'_>>,
        all_private: bool,
        plan: &NumberPlan,
    ) -> Self {
        let Privacy { id, user, header, session, history, .. } = entry.privacy;
        let private = all_private || id || user || header || session || history || is_withheld(&entry.target);
        // RFC 7044 §10.2: the entry says why it was left; RFC 4458 §2.1: or the next one why it was reached.
        let cause = entry.reasons.first().map(|(protocol, cause)| {
            if protocol.eq_ignore_ascii_case("SIP") {
                ForwardReason::sip(*cause)
            } else {
                ForwardReason::q850(*cause)
            }
        });
        Self {
            source: HopSource::History,
            party: visible(private, party(&entry.target.uri.to_uri(), plan)),
            reason: cause.or_else(|| next.and_then(|next| next.cause).map(ForwardReason::sip)),
            counter: 1,
            private,
            index: entry.index.clone(),
            last_target: next.is_none(),
        }
    }
}

fn visible(private: bool, party: Option<Party>) -> Option<Pii<Party>> {
    party.filter(|_| !private).map(Pii::new)
}

impl ForwardReason {
    /// By the word in Diversion (RFC 5806 §4).
    fn named(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "unconditional" => Self::Unconditional,
            "user-busy" => Self::Busy,
            "no-answer" => Self::NoAnswer,
            "unavailable" | "out-of-service" => Self::Unavailable,
            "deflection" => Self::Deflection,
            "do-not-disturb" => Self::DoNotDisturb,
            "time-of-day" => Self::TimeOfDay,
            "follow-me" | "away" => Self::FollowMe,
            _ => Self::Other,
        }
    }

    /// By a SIP status (RFC 4458 §2.1, 3GPP TS 24.604 §4.5.2.6.2).
    const fn sip(cause: u16) -> Self {
        match cause {
            302 => Self::Unconditional,
            486 | 600 => Self::Busy,
            408 => Self::NoAnswer,
            404 | 503 => Self::Unavailable,
            480 | 487 => Self::Deflection,
            _ => Self::Other,
        }
    }

    /// By an ISDN cause (Q.850 §2.2.7).
    const fn q850(cause: u16) -> Self {
        match cause {
            17 => Self::Busy,
            18 | 19 => Self::NoAnswer,
            20 | 27 => Self::Unavailable,
            _ => Self::Other,
        }
    }
}
