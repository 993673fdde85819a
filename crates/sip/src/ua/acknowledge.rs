//! ACKs that come: of refusals, which their transaction takes, and of our 2xx (RFC 3261 §13.3.1.4).

use super::respond::Arrival;
use super::session::{Unacknowledged, Wake};
use super::{Event, Turn, Ua, body};
use crate::header;
use crate::transaction::Acked;

impl Ua {
    /// An ACK is never answered, whatever is wrong with it.
    pub(super) fn ack(&mut self, arrival: &Arrival, turn: &mut Turn<'_>) {
        if let Some(transaction) = self.servers.find(&arrival.key)
            && self.servers.ack(transaction, turn.now.mono, &mut self.flows) == Acked::Refusal
        {
            return;
        }
        if self.ack_of_success(arrival, turn).is_none() {
            self.counters.stray_acks += 1;
        }
    }

    fn ack_of_success(&mut self, arrival: &Arrival, turn: &mut Turn<'_>) -> Option<()> {
        let headers = &arrival.request.headers;
        let id = self.session_of(headers).filter(|id| self.is_from_peer(*id, &arrival.flow, turn.now))?;
        let seq = header::cseq(headers).ok()?.seq;
        let talking = self.sessions.get_mut(&id)?.talking()?;
        let Some(Unacknowledged { offer, .. }) = talking.unacknowledged.take_if(|open| open.seq == seq)
        else {
            // The same ACK once more, for a repeated 2xx.
            return Some(());
        };
        let hangup = talking.hangup.take();
        self.timers.stop(Wake::Repeat(id));
        let sdp = body::sdp(headers, &arrival.request.body).filter(|_| offer);
        self.flows.event(Event::Acknowledged { session: id, sdp });
        if let Some(reason) = hangup {
            self.say_bye(id, reason.as_ref(), super::Ending::WeHungUp, turn);
        }
        Some(())
    }
}
