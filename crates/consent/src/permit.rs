//! The permit: without one, nothing records.

use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use smallvec::SmallVec;
use vorzimmer_types::consent::Epoch;
use vorzimmer_types::{CallId, PartyId};

/// Caller, receptionist, and one who was asked to join.
const USUAL_PARTIES: usize = 3;

/// Leave to record one company of people, for as long as that company and its consent last.
///
/// Why it can be trusted:
/// * **Not forged.** Its fields are private and its one constructor is visible in this crate only;
///   [`Gate`](crate::Gate) calls it in one place, when every party has said yes.
/// * **Not copied.** It is neither `Clone` nor `Copy`; a recorder takes it by value, so one permit starts one recording.
/// * **Not stored.** It is not `Serialize`, and what it shares with its gate lives in memory only.
/// * **Not outlived.** The gate ends it *before* it lets anybody see another output of the same step: at each change
///   of who is on the call, each withdrawal, the end of the call, and when the gate itself is dropped. An ended
///   permit never lives again; the next epoch gets a new one.
///
/// ```compile_fail
/// fn twice(permit: vorzimmer_consent::Permit) -> [vorzimmer_consent::Permit; 2] {
///     [permit.clone(), permit]
/// }
/// ```
#[must_use = "a permit that is dropped records nothing"]
#[derive(Debug)]
#[repr(C)]
pub struct Permit {
    life: Arc<Life>,
    /// Within the permit itself: it is asked about them for each frame.
    parties: SmallVec<[PartyId; USUAL_PARTIES]>,
    call: CallId,
    epoch: Epoch,
    receipts: [u8; 32],
}

impl Permit {
    /// Bytes from its beginning that it needs to say whether a party is covered.
    pub const NEAR: usize = offset_of!(Self, call);

    /// Only for the gate.
    pub(crate) fn new(
        call: CallId,
        epoch: Epoch,
        parties: Vec<PartyId>,
        receipts: [u8; 32],
        life: Arc<Life>,
    ) -> Self {
        Self { call, epoch, parties: parties.into(), receipts, life }
    }

    /// Whether the consent it stands for still holds. Ask before each frame that is kept.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.life.state(), RUNNING | PAUSED)
    }

    /// What it looks at, for whoever wants that near before it is asked; it says nothing by itself.
    #[must_use]
    pub fn near(&self) -> &(impl Sized + use<>) {
        &*self.life
    }

    /// Whether what was taken while it lived may still be sealed: until consent was taken back. An epoch that ended
    /// otherwise (somebody hung up, somebody joined) permits no further frame, but does not unsay the last words.
    #[must_use]
    pub fn may_seal(&self) -> bool {
        self.life.state() != DEAD
    }

    /// Whether frames are wanted right now: live, and nobody is on hold.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.life.state() == RUNNING
    }

    /// Whether this party's voice may be kept: live, and this party said yes.
    #[must_use]
    pub fn covers(&self, party: PartyId) -> bool {
        self.is_live() && self.parties.contains(&party)
    }

    /// The call it is for.
    #[must_use]
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The epoch it lives in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whose voices it is for: the caller first, then in the order in which they joined.
    #[must_use]
    pub fn parties(&self) -> &[PartyId] {
        &self.parties
    }

    /// SHA-256 over the receipts it rests on, one per party in the order of [`Permit::parties`]: see
    /// [`receipt::root`](crate::receipt::root). A yes from an earlier epoch that still holds counts with its own receipt.
    #[must_use]
    pub fn receipts_hash(&self) -> [u8; 32] {
        self.receipts
    }
}

const DEAD: u8 = 0;
const RUNNING: u8 = 1;
const PAUSED: u8 = 2;
const LAPSED: u8 = 3;

/// What gate and permit share: one byte that only the gate writes.
#[derive(Debug)]
pub(crate) struct Life(AtomicU8);

impl Life {
    pub(crate) fn begin() -> Arc<Self> {
        Arc::new(Self(AtomicU8::new(RUNNING)))
    }

    pub(crate) fn pause(&self) {
        self.turn(RUNNING, PAUSED);
    }

    pub(crate) fn resume(&self) {
        self.turn(PAUSED, RUNNING);
    }

    /// No further frame; what was taken before stays permitted.
    pub(crate) fn lapse(&self) {
        self.turn(RUNNING, LAPSED);
        self.turn(PAUSED, LAPSED);
    }

    pub(crate) fn end(&self) {
        self.0.store(DEAD, Ordering::SeqCst);
    }

    /// Never out of `DEAD` or `LAPSED`: what has ended stays ended.
    fn turn(&self, from: u8, to: u8) {
        let _already_there = self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn state(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }
}
