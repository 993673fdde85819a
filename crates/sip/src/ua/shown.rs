//! What of inputs, outputs, commands and events a log may show: which kind, which session, how much; never a message, an
//! address or a name.

use std::fmt;

use super::{Command, Event, Input, Output, Ua};

impl fmt::Debug for Ua {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ua").field(&self.counters()).finish()
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datagram { flow, bytes } => write!(f, "Datagram({flow:?}, {} bytes)", bytes.len()),
            Self::Opened { flow, .. } => write!(f, "Opened({flow:?})"),
            Self::Stream { connection, bytes } => write!(f, "Stream({connection:?}, {} bytes)", bytes.len()),
            Self::Closed { connection } => write!(f, "Closed({connection:?})"),
            Self::Located { trunk, targets } => write!(f, "Located({trunk:?}, {} targets)", targets.len()),
            Self::Command(command) => write!(f, "Command({command:?})"),
            Self::Timer => f.write_str("Timer"),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit { flow, bytes } => write!(f, "Transmit({flow:?}, {} bytes)", bytes.len()),
            Self::Connect { connection, .. } => write!(f, "Connect({connection:?})"),
            Self::Close { connection } => write!(f, "Close({connection:?})"),
            Self::Event(event) => write!(f, "Event({event:?})"),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Progress { session, status, .. } => write!(f, "Progress({session:?}, {status})"),
            Self::Accept { session, .. } => write!(f, "Accept({session:?})"),
            Self::Refuse { session, status, .. } => write!(f, "Refuse({session:?}, {status})"),
            Self::Invite { session, .. } => write!(f, "Invite({session:?})"),
            Self::Answer { session, .. } => write!(f, "Answer({session:?})"),
            Self::Dial { session, .. } => write!(f, "Dial({session:?})"),
            Self::AnswerRefer { session, status, .. } => write!(f, "AnswerRefer({session:?}, {status})"),
            Self::Notify { session, status, .. } => write!(f, "Notify({session:?}, {status})"),
            Self::Cancel { session, .. } => write!(f, "Cancel({session:?})"),
            Self::Reinvite { session, .. } => write!(f, "Reinvite({session:?})"),
            Self::Update { session, .. } => write!(f, "Update({session:?})"),
            Self::Trunk { trunk, order } => write!(f, "Trunk({trunk:?}, {order:?})"),
            Self::Leave => f.write_str("Leave"),
            Self::Hangup { session, .. } => write!(f, "Hangup({session:?})"),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invited { session, peer, .. } => write!(f, "Invited({session:?}, {peer:?})"),
            Self::RecordAware { session } => write!(f, "RecordAware({session:?})"),
            Self::Cancelled { session } => write!(f, "Cancelled({session:?})"),
            Self::Progressed { session, status, .. } => write!(f, "Progressed({session:?}, {status})"),
            Self::Answered { session, .. } => write!(f, "Answered({session:?})"),
            Self::Refused { session, status, .. } => write!(f, "Refused({session:?}, {status})"),
            Self::ProgressAnswered { session, .. } => write!(f, "ProgressAnswered({session:?})"),
            Self::Acknowledged { session, .. } => write!(f, "Acknowledged({session:?})"),
            Self::Reoffered { session, .. } => write!(f, "Reoffered({session:?})"),
            Self::RefreshDue { session } => write!(f, "RefreshDue({session:?})"),
            Self::ReinviteEnded { session, status, .. } => write!(f, "ReinviteEnded({session:?}, {status})"),
            // Which key was pressed may be an answer to a question, and is the caller's own.
            Self::Digit { session, .. } => write!(f, "Digit({session:?})"),
            Self::Trunk { trunk, news } => write!(f, "Trunk({trunk:?}, {news:?})"),
            Self::Referred { session, replaced, .. } => write!(f, "Referred({session:?}, {replaced:?})"),
            Self::Explained { session, cause } => write!(f, "Explained({session:?}, {cause})"),
            Self::Ended { session, why } => write!(f, "Ended({session:?}, {why:?})"),
            Self::BindingsChanged { receptionist, bindings } => {
                write!(f, "BindingsChanged({receptionist:?}, {} of them)", bindings.len())
            }
        }
    }
}
