//! Every bound of a call, with its reason. A call that waits for something always waits until one of these.

use std::time::Duration;

/// For each call that may run, how many may be over whose recordings are still being closed: at the usual pace of calls, a
/// disk has to stand still for as long as a call lasts until new ones are refused for its sake.
pub const CLOSING_A_CALL: usize = 1;

/// How long a media worker may take to open a leg. It only has to bind two sockets; longer means it is not well.
pub const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// How long a caller may take to acknowledge our 200. The user agent gives up after 64·T1 = 32 s (RFC 3261 §13.3.1.4)
/// and says so; this only holds if it does not.
pub const ACK_WITHIN: Duration = Duration::from_secs(40);

/// How long a greeting, a notice or an announcement may play. A media worker that never reports the end must not keep
/// a caller waiting for ever.
pub const PROMPT_WITHIN: Duration = Duration::from_secs(60);

/// The longest that one place of a plan rings, whatever the directory says: never a ring without end.
pub const RING_AT_MOST: Duration = Duration::from_secs(180);

/// How long somebody to whom a call is to be put through is rung: each way to a contact, all devices of a colleague.
pub const TRANSFER_RINGS_FOR: Duration = Duration::from_secs(25);

/// How long a receptionist is rung again when nobody could be reached after she had hung up.
pub const RINGS_AGAIN_FOR: Duration = Duration::from_secs(20);

/// How long a whole plan may take until the caller is told that nobody is there.
pub const PLAN_AT_MOST: Duration = Duration::from_secs(600);

/// How many devices of one receptionist ring at once; further ones stay silent.
pub const DEVICES_PER_RECEPTIONIST: usize = 8;

/// How many devices ring at once for one call: each needs a media leg of its own.
pub const DEVICES_PER_CALL: usize = 32;

/// After which time a telephone that was busy with an offer of its own is told again whether it is recorded.
pub const TELL_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long a recorder may take to say that it runs.
pub const RECORDER_STARTS_WITHIN: Duration = Duration::from_secs(5);

/// How long a recorder may take to close a recording.
pub const RECORDER_ENDS_WITHIN: Duration = Duration::from_secs(30);

/// How many recordings one call may begin; beyond, the rest of the call is not recorded and says so.
pub const RECORDINGS_PER_CALL: usize = 64;

/// How long a destruction may take to be reported before the call no longer waits for it.
pub const DESTROYED_WITHIN: Duration = Duration::from_secs(30);

/// How long a call that is over waits for its SIP sessions to be over too: 64·T1 for a BYE (RFC 3261 §17.1.2.2) and
/// then some.
pub const SESSIONS_END_WITHIN: Duration = Duration::from_secs(40);

/// How long a call that is over waits for what its media was like.
pub const QUALITY_WITHIN: Duration = Duration::from_secs(2);

/// One press of a key that comes both in the media and by INFO is one press if the two are this close: a long press
/// (some phones send INFO when the key is let go) and one retransmission of the INFO (T1 = 500 ms).
pub const SAME_PRESS_WITHIN: Duration = Duration::from_millis(1000);

/// How many presses are remembered while their double may still come.
pub const PRESSES_REMEMBERED: usize = 16;
