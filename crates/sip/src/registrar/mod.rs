//! The bindings of every receptionist (RFC 3261 §10.3): where her devices are, until when.
//!
//! Pure bookkeeping: who she is has been proven before, and answers are written elsewhere. A REGISTER is carried out whole
//! or not at all.

mod expires;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vorzimmer_types::{Pii, ReceptionistId, UnixMillis};

pub use expires::Expires;
pub use wish::{Contacts, Wish, contacts};

use crate::flow::{Binding, ConnectionId, Flow};
use crate::uri::Uri;

/// Everybody's bindings.
pub struct Registrar {
    expires: Expires,
    limit: usize,
    table: BTreeMap<ReceptionistId, Vec<Binding>>,
    by_connection: BTreeSet<(ConnectionId, ReceptionistId)>,
    by_expiry: BTreeSet<(UnixMillis, ReceptionistId)>,
}

/// One REGISTER, after authentication.
pub struct Registration {
    /// Who.
    pub receptionist: ReceptionistId,
    /// What she wants.
    pub contacts: Contacts,
    /// Call-ID.
    pub call_id: String,
    /// CSeq.
    pub cseq: u32,
    /// The way it came.
    pub flow: Flow,
    /// The proxies on that way (RFC 3327).
    pub path: Vec<Pii<String>>,
}

/// Why a REGISTER is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Answered 423 with Min-Expires.
    #[error("registrations last at least {} s here", min.as_secs())]
    TooBrief {
        /// The least that is granted.
        min: Duration,
    },
    /// Answered 500 (§10.3 step 7): an older or repeated request of the same Call-ID.
    #[error("a newer registration was already carried out")]
    OutOfOrder,
    /// More contacts in one request than she may have devices: answered 403.
    #[error("no more than {limit} devices at once")]
    TooMany {
        /// The most.
        limit: usize,
    },
}

impl Registrar {
    /// An empty table; each receptionist has at most `limit` bindings.
    #[must_use]
    pub fn new(expires: Expires, limit: usize) -> Self {
        Self {
            expires,
            limit,
            table: BTreeMap::new(),
            by_connection: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
        }
    }

    /// Carries out a REGISTER. True if it changed anything.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was changed.
    pub fn register(&mut self, registration: &Registration, now: UnixMillis) -> Result<bool, Refusal> {
        let before = self.bindings(registration.receptionist, now);
        let after = match &registration.contacts {
            Contacts::Fetch => return Ok(false),
            Contacts::RemoveAll => remaining(&before, registration)?,
            Contacts::Each(wishes) => self.granted(&before, wishes, registration, now)?,
        };
        let changed = before != after;
        self.replace(registration.receptionist, after);
        Ok(changed)
    }

    /// The bindings that are good at `now`, the preferred and then the latest first.
    #[must_use]
    pub fn bindings(&self, receptionist: ReceptionistId, now: UnixMillis) -> Vec<Binding> {
        let all = self.table.get(&receptionist).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|binding| binding.expires_at > now).cloned().collect()
    }

    /// Takes bindings that were kept over a restart, as far as they still lead anywhere; returns whose do not.
    pub fn restore(&mut self, bindings: Vec<Binding>, now: UnixMillis) -> BTreeSet<ReceptionistId> {
        let mut by_owner: BTreeMap<ReceptionistId, Vec<Binding>> = BTreeMap::new();
        let mut lost = BTreeSet::new();
        for binding in bindings {
            // The connection died with the process, and only the device can open another.
            if binding.flow.transport.is_reliable() {
                lost.insert(binding.receptionist);
            } else if binding.expires_at > now {
                by_owner.entry(binding.receptionist).or_default().push(binding);
            }
        }
        for (receptionist, mut bindings) in by_owner {
            bindings.truncate(self.limit);
            self.replace(receptionist, bindings);
        }
        lost
    }

    /// A connection is gone, and with it the devices behind it; returns whose bindings changed.
    pub fn connection_lost(&mut self, connection: ConnectionId) -> Vec<ReceptionistId> {
        let first = (connection, ReceptionistId::from_bytes([0; 16]));
        let last = (connection, ReceptionistId::from_bytes([0xff; 16]));
        let owners: Vec<_> = self.by_connection.range(first..=last).map(|(_, owner)| *owner).collect();
        for &owner in &owners {
            let mut bindings = self.table.get(&owner).cloned().unwrap_or_default();
            bindings.retain(|binding| binding.flow.connection != Some(connection));
            self.replace(owner, bindings);
        }
        owners
    }

    /// The bindings of a device: this one, as it was registered last, then those of its other flows (RFC 5626 §5.3).
    pub fn flows_of<'a>(&'a self, binding: &'a Binding) -> impl Iterator<Item = &'a Binding> + 'a {
        let bindings = self.table.get(&binding.receptionist).map(Vec::as_slice).unwrap_or_default();
        let this = |known: &Binding| known.contact == binding.contact && known.reg_id == binding.reg_id;
        let first = bindings.iter().filter(move |known| this(known));
        let others = bindings.iter().filter(move |known| !this(known) && known.is_same_device(binding));
        first.chain(others)
    }

    /// Drops one receptionist's lapsed bindings and says whose they were: call again until none.
    pub fn expire(&mut self, now: UnixMillis) -> Option<ReceptionistId> {
        let &(at, owner) = self.by_expiry.first()?;
        if at > now {
            return None;
        }
        let left = self.bindings(owner, now);
        self.replace(owner, left);
        Some(owner)
    }

    /// When the next binding lapses.
    #[must_use]
    pub fn next_expiry(&self) -> Option<UnixMillis> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.values().map(Vec::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn granted(
        &self,
        before: &[Binding],
        wishes: &[Wish],
        registration: &Registration,
        now: UnixMillis,
    ) -> Result<Vec<Binding>, Refusal> {
        if wishes.len() > self.limit {
            return Err(Refusal::TooMany { limit: self.limit });
        }
        let mut after = before.to_vec();
        for wish in wishes {
            let lasts = self.lasting(wish)?;
            if before.iter().any(|binding| wish.is_for(binding) && is_newer(binding, registration)) {
                return Err(Refusal::OutOfOrder);
            }
            after.retain(|binding| !wish.is_for(binding));
            if !lasts.is_zero() {
                after.push(wish.binding(registration, now, lasts));
            }
        }
        self.make_room(&mut after, registration);
        after.sort_by_key(|binding| std::cmp::Reverse((binding.q_milli, binding.expires_at)));
        Ok(after)
    }

    /// §10.3 step 7: what is asked for, within what is granted here.
    fn lasting(&self, wish: &Wish) -> Result<Duration, Refusal> {
        let wanted = wish.expires.unwrap_or(self.expires.default);
        if !wanted.is_zero() && wanted < self.expires.min {
            return Err(Refusal::TooBrief { min: self.expires.min });
        }
        Ok(wanted.min(self.expires.max))
    }

    /// A device too many takes the place of the one that would lapse first, but never of one in the same request.
    fn make_room(&self, after: &mut Vec<Binding>, registration: &Registration) {
        while after.len() > self.limit {
            let oldest = after
                .iter()
                .enumerate()
                .filter(|(_, b)| *b.call_id.expose() != registration.call_id || b.cseq != registration.cseq)
                .min_by_key(|(_, binding)| binding.expires_at)
                .map_or(0, |(place, _)| place);
            after.remove(oldest);
        }
    }

    fn replace(&mut self, owner: ReceptionistId, bindings: Vec<Binding>) {
        for old in self.table.remove(&owner).unwrap_or_default() {
            if let Some(connection) = old.flow.connection {
                self.by_connection.remove(&(connection, owner));
            }
            self.by_expiry.remove(&(old.expires_at, owner));
        }
        for new in &bindings {
            if let Some(connection) = new.flow.connection {
                self.by_connection.insert((connection, owner));
            }
            self.by_expiry.insert((new.expires_at, owner));
        }
        if !bindings.is_empty() {
            self.table.insert(owner, bindings);
        }
    }
}

/// `Contact: *`: everything goes, unless something newer of the same Call-ID was carried out (§10.3 step 6).
fn remaining(before: &[Binding], registration: &Registration) -> Result<Vec<Binding>, Refusal> {
    if before.iter().any(|binding| is_newer(binding, registration)) {
        return Err(Refusal::OutOfOrder);
    }
    Ok(Vec::new())
}

/// §10.3 step 7: within one Call-ID a registration must have a higher CSeq than the one before.
fn is_newer(binding: &Binding, registration: &Registration) -> bool {
    *binding.call_id.expose() == registration.call_id && binding.cseq >= registration.cseq
}

impl Wish {
    /// §10.3 step 7: the same device if the URIs are equal (§19.1.4), or the instance is. Between flows (RFC 5626 §6) the
    /// instance and the number of the flow decide, and the URI, which NATs make equal and unequal, does not.
    fn is_for(&self, binding: &Binding) -> bool {
        let known = binding.instance.as_ref().map(|instance| instance.expose().as_str());
        let same_instance = self.instance.is_some() && self.instance.as_deref() == known;
        if let (Some(this), Some(that)) = (self.reg_id, binding.reg_id) {
            return same_instance && this == that;
        }
        same_instance || Uri::parse(binding.contact.expose()).is_ok_and(|known| known.same_as(&self.uri))
    }

    fn binding(&self, registration: &Registration, now: UnixMillis, lasts: Duration) -> Binding {
        let millis = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        Binding {
            receptionist: registration.receptionist,
            contact: Pii::new(self.uri.to_string()),
            flow: registration.flow,
            path: registration.path.clone(),
            call_id: Pii::new(registration.call_id.clone()),
            cseq: registration.cseq,
            instance: self.instance.clone().map(Pii::new),
            reg_id: self.reg_id,
            q_milli: self.q_milli,
            expires_at: UnixMillis(now.0.saturating_add(millis)),
        }
    }
}
