//! What a worker is told, and the name under which the door is woken.

use mio::Token;
use vorzimmer_call::api::MediaCommand;

use super::writer::Report;

/// The token of the door's waker: no socket has it.
pub const WAKER: Token = Token(usize::MAX);

/// What a worker is told.
pub enum Order {
    /// By the control task.
    Command(Box<MediaCommand>),
    /// By the writer.
    Report(Report),
    /// To close what is open and end.
    End,
}
