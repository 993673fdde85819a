//! What happened, in numbers.

/// Counts since the start; the last six are what is held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that could not be read and could not be answered.
    pub malformed: u64,
    /// Requests that could not be read and were refused.
    pub refused_malformed: u64,
    /// Requests from somebody who is neither trunk nor receptionist, left without an answer.
    pub unknown: u64,
    /// Answers to unknown peers that were not sent because they would have been larger than the request.
    pub amplifying: u64,
    /// Challenges sent.
    pub challenged: u64,
    /// Digests that were wrong.
    pub unauthenticated: u64,
    /// Requests that came again within their transaction.
    pub retransmitted: u64,
    /// Responses that belong to no transaction of ours.
    pub stray_responses: u64,
    /// Challenges that did not come from where the request had gone.
    pub forged_challenges: u64,
    /// ACKs that belong to nothing.
    pub stray_acks: u64,
    /// Requests refused because a table was full.
    pub overload: u64,
    /// Requests that had been here before (482).
    pub loops: u64,
    /// Requests within a dialog that matched none (481).
    pub unmatched: u64,
    /// INVITE transactions whose refusal was never acknowledged (Timer H).
    pub unacknowledged: u64,
    /// Messages for a connection that was gone.
    pub undeliverable: u64,
    /// Messages of our own making that could not be written. Each one is a bug.
    pub unprintable: u64,
    /// Sessions begun.
    pub sessions_begun: u64,
    /// Sessions held now.
    pub sessions: usize,
    /// Dialogs that requests can be matched to now.
    pub dialogs: usize,
    /// Stream connections held now.
    pub connections: usize,
    /// Server transactions held now.
    pub server_transactions: usize,
    /// Client transactions held now.
    pub client_transactions: usize,
    /// Bindings held now.
    pub bindings: usize,
}
