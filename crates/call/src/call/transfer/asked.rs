//! How a receptionist says what she wants: by REFER, by a second call of her phone, by key; and a colleague, by picking up.
//!
//! Whatever she names is looked up ([`crate::aim`]); what is not found is refused, and nobody is called.

use vorzimmer_sdp::Description;
use vorzimmer_sip::ua::{Command, Flow, ReferId, Replaced, SessionId};
use vorzimmer_sip::uri::Uri;
use vorzimmer_types::ReceptionistId;
use vorzimmer_types::event::{Event, TransferBy};

use super::{Manner, Second, Subscription, Wanted};
use crate::admission::SecondCall;
use crate::aim::{Search, Target};
use crate::call::{Call, State, Whose};
use crate::config::End;
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::{Leg, Purpose, Towards};
use crate::shortcuts::{Heard, Wish};
use crate::{prompts, security};

impl Call {
    /// Her phone asks by REFER.
    pub(in crate::call) fn referred(
        &mut self,
        session: SessionId,
        refer: ReferId,
        target: &Uri,
        replaced: Replaced,
        hands: &mut Hands<'_>,
    ) {
        let status = match (self.whose(session), replaced) {
            (Whose::Attendant, Replaced::Nothing) => self.refer_through(session, refer, target, hands),
            (Whose::Attendant | Whose::Second, Replaced::Session(other)) => {
                return self.refer_together(session, refer, other, hands);
            }
            _ => Err((403, "the dialog that was to be replaced is none of hers")),
        };
        if let Err((status, why)) = status {
            self.refuse_refer(session, refer, status, why, hands);
        }
    }

    /// REFER without Replaces: put through without asking first.
    fn refer_through(
        &mut self,
        session: SessionId,
        refer: ReferId,
        target: &Uri,
        hands: &mut Hands<'_>,
    ) -> Result<(), (u16, &'static str)> {
        let find = |search: Search<'_>| search.address(target);
        let target = self.find(find, hands).ok_or((403, "this target is not allowed"))?;
        let wanted = Wanted { target, manner: Manner::Through, how: TransferBy::Refer, second: None };
        self.reach(wanted, hands).map_err(|(status, _)| (status, "nobody can be reached there now"))?;
        hands.sip(Command::AnswerRefer { session, refer, status: 202 });
        if let State::Giving(giving) = &mut self.state {
            giving.subscription = Some(Subscription { session, refer });
        }
        Ok(())
    }

    /// REFER with Replaces: her two calls with us become one without her.
    fn refer_together(
        &mut self,
        session: SessionId,
        refer: ReferId,
        other: SessionId,
        hands: &mut Hands<'_>,
    ) {
        let hers = |whose| matches!(whose, Whose::Attendant | Whose::Second);
        if session == other || !hers(self.whose(other)) {
            let why = "the dialog that was to be replaced is none of hers";
            return self.refuse_refer(session, refer, 403, why, hands);
        }
        hands.sip(Command::AnswerRefer { session, refer, status: 202 });
        self.wants_through(Some(Subscription { session, refer }), hands);
    }

    fn refuse_refer(
        &mut self,
        session: SessionId,
        refer: ReferId,
        status: u16,
        why: &str,
        hands: &mut Hands<'_>,
    ) {
        hands.sip(Command::AnswerRefer { session, refer, status });
        self.not_allowed(why, hands);
    }

    /// Her phone makes a second call: to talk to somebody first. It may be refused, and then is forgotten.
    pub(crate) fn second_call(&mut self, call: SecondCall, hands: &mut Hands<'_>) {
        let SecondCall { session, target, sdp, flow } = call;
        let refuse = |status, hands: &mut Hands<'_>| {
            hands.refuse(session, status, None);
            hands.forget_session(session);
        };
        let Some(target) = self.find(|search| search.address(&target), hands) else {
            self.not_allowed("this target is not allowed", hands);
            return refuse(403, hands);
        };
        let offer = match sdp.as_deref().map(Description::parse).transpose() {
            Ok(offer) => offer,
            Err(refusal) => return refuse(refusal.status(), hands),
        };
        let who = self.attendant().and_then(|known| known.person.receptionist());
        let browser = offer.as_ref().is_some_and(Description::is_browsers);
        let leg = self.open_for(who, &flow, browser, hands);
        let second = Some(Box::new(Second { session, leg, offer }));
        let wanted = Wanted { target, manner: Manner::Consult, how: TransferBy::SecondCall, second };
        match self.reach(wanted, hands) {
            Ok(()) => hands.sip(Command::Progress { session, status: 180, sdp: None }),
            Err((status, second)) => {
                self.not_allowed("nobody can be reached there now", hands);
                if let Some(second) = second {
                    self.refuse_second(second, status, hands);
                }
            }
        }
    }

    /// Whether this receptionist talks in this call, so that a second call of hers belongs to it; and whether she holds.
    pub(crate) fn is_talked_in_by(&self, receptionist: ReceptionistId) -> Option<bool> {
        match &self.state {
            State::Bridged { attendant, hold } if attendant.person.receptionist() == Some(receptionist) => {
                Some(hold.holds(Side::Attendant))
            }
            _ => None,
        }
    }

    /// A key of hers. What is not about a transfer is for the consent gate.
    pub(in crate::call) fn heard_key(&mut self, key: char, hands: &mut Hands<'_>) -> Vec<char> {
        match self.shortcuts.press(key, hands.now.mono) {
            Heard::Nothing => Vec::new(),
            Heard::Others(keys) => keys,
            Heard::Wish(wish) => {
                self.wishes(wish, hands);
                Vec::new()
            }
        }
    }

    /// Whether her keys may be about a transfer: not while she is being asked.
    pub(in crate::call) fn takes_wishes(&self) -> bool {
        let talks = matches!(
            self.state,
            State::Bridged { .. } | State::Giving(_) | State::Consulting(_) | State::Three(_)
        );
        let Some(attendant) = self.attendant().filter(|_| talks) else { return false };
        let asked =
            self.gate.machine().party(attendant.leg.party).is_some_and(|party| party.consent().is_pending());
        attendant.person.receptionist().is_some() && !asked
    }

    fn wishes(&mut self, wish: Wish, hands: &mut Hands<'_>) {
        match (wish, &self.state) {
            (Wish::Ask(short), State::Bridged { .. }) => self.asks_by_key(&short, hands),
            (Wish::PutThrough, State::Three(_)) => self.giver_gone(hands),
            (Wish::PutThrough, _) => self.wants_through(None, hands),
            (Wish::Join, _) => self.wants_three(hands),
            (Wish::Return, State::Three(_)) => self.guest_gone(hands),
            (Wish::Return, _) => self.wants_back(hands),
            (Wish::Ask(_), _) => {}
        }
    }

    fn asks_by_key(&mut self, short: &str, hands: &mut Hands<'_>) {
        let Some(target) = self.find(|search| search.short(short), hands) else {
            self.not_allowed("no contact with this short number may be put through", hands);
            self.prompt(Side::Attendant, prompts::TRANSFER_NOT_ALLOWED, Purpose::Notice, hands);
            return;
        };
        let wanted = Wanted { target, manner: Manner::Consult, how: TransferBy::Key, second: None };
        if self.reach(wanted, hands).is_err() {
            self.not_allowed("nobody can be reached there now", hands);
            self.prompt(Side::Attendant, prompts::TRANSFER_FAILED, Purpose::Notice, hands);
        }
    }

    /// A leg for a call that a receptionist's phone makes.
    pub(super) fn open_for(
        &self,
        who: Option<ReceptionistId>,
        flow: &Flow,
        browser: bool,
        hands: &mut Hands<'_>,
    ) -> Leg {
        let known = who.and_then(|id| hands.world.directory().receptionist(id));
        let protection = security::of_device(hands.config, known, &self.customer, flow);
        let (local, signalling) = (flow.local.ip(), flow.remote.ip());
        Leg::open(self.id, Towards { local, signalling, end: End::Receptionist, protection, browser }, hands)
    }

    fn find(&self, find: impl FnOnce(Search<'_>) -> Option<Target>, hands: &Hands<'_>) -> Option<Target> {
        let by = self.attendant()?.person.receptionist()?;
        find(Search {
            customer: &self.customer,
            directory: hands.world.directory(),
            rules: &hands.config.transfer,
            plan: hands.config.plan_of(self.trunk),
            by,
        })
    }

    fn not_allowed(&mut self, why: &str, hands: &mut Hands<'_>) {
        if let Some(by) = self.attendant().map(|attendant| attendant.leg.party) {
            self.journal.write(hands, Event::TransferRefused { by, why: why.to_owned() });
        }
    }
}
