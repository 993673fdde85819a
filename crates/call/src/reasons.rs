//! Why we end something, as a Reason header says it (RFC 3326), with causes of RFC 3261 §21 and ITU-T Q.850.

use vorzimmer_sip::ua::Reason;

/// Another device took the call (RFC 3326 §2).
pub(crate) fn taken_elsewhere() -> Reason {
    sip(200, "Call completed elsewhere")
}

/// The caller gave up (RFC 3261 §21.4.25).
pub(crate) fn caller_gone() -> Reason {
    sip(487, "Caller hung up")
}

/// The same person said no on another device of hers (RFC 3261 §21.6.2).
pub(crate) fn declined_elsewhere() -> Reason {
    sip(603, "Declined on another device")
}

/// It rang for its time.
pub(crate) fn no_answer() -> Reason {
    q850(19, "No answer")
}

/// The call is over in the ordinary way.
pub(crate) fn normal() -> Reason {
    q850(16, "Normal call clearing")
}

/// A description that cannot be taken.
pub(crate) fn incompatible() -> Reason {
    q850(88, "Incompatible media")
}

/// We end it: a limit, or the operator's wish.
pub(crate) fn ended_by_us() -> Reason {
    q850(31, "Ended by the service")
}

fn sip(cause: u16, text: &str) -> Reason {
    Reason { protocol: "SIP", cause, text: text.to_owned(), warning: None }
}

fn q850(cause: u16, text: &str) -> Reason {
    Reason { protocol: "Q.850", cause, text: text.to_owned(), warning: None }
}
