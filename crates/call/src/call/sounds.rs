//! What a leg hears besides the other party.

use vorzimmer_consent::Input;
use vorzimmer_types::LegId;
use vorzimmer_types::consent::{Language, PromptVersion};
use vorzimmer_types::directory::HoldSound;
use vorzimmer_types::event::Event;

use super::{Call, State};
use crate::api::{PlayId, Sound};
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Purpose;

impl Call {
    /// Plays a prompt in the leg's language; whether there is such a prompt and such a leg.
    pub(super) fn prompt(&mut self, side: Side, name: &str, purpose: Purpose, hands: &mut Hands<'_>) -> bool {
        let language = self.language(side);
        let shipped = hands.world.prompt(name, language);
        shipped.is_some_and(|prompt| self.play(side, &prompt, purpose, hands))
    }

    /// Plays exactly these words; whether there is such a leg.
    pub(super) fn play(
        &mut self,
        side: Side,
        prompt: &PromptVersion,
        purpose: Purpose,
        hands: &mut Hands<'_>,
    ) -> bool {
        let play = self.next_play();
        let sound = Sound::Prompt { name: prompt.name.clone(), language: prompt.language };
        let Some(leg) = self.leg_mut(side) else { return false };
        let party = leg.party;
        leg.play(play, sound, purpose, hands);
        self.journal.write(hands, Event::Prompted { party, prompt: prompt.name.clone() });
        true
    }

    /// Says a word to both who talk.
    pub(super) fn notice(&mut self, name: &str, hands: &mut Hands<'_>) {
        for side in [Side::Caller, Side::Attendant, Side::Guest] {
            self.prompt(side, name, Purpose::Notice, hands);
        }
    }

    /// The caller hears that somebody is being rung.
    pub(super) fn ringback(&mut self, hands: &mut Hands<'_>) {
        let play = self.next_play();
        let sound = Sound::Ringback(self.customer.language);
        if let Some(caller) = &mut self.caller {
            caller.tone(play, sound, hands);
        }
    }

    /// What a leg hears when nothing is said to it: the hold tone, or nothing but the other party.
    pub(super) fn settle_sound(&mut self, side: Side, hands: &mut Hands<'_>) {
        let sound = self.sound_of_waiting(side);
        let play = self.next_play();
        match (self.leg_mut(side), sound) {
            (Some(leg), Some(sound)) => leg.tone(play, sound, hands),
            (Some(leg), None) => leg.hush(hands),
            (None, _) => {}
        }
    }

    /// A prompt has ended, or is taken for ended.
    pub(super) fn play_ended(&mut self, leg: LegId, play: PlayId, complete: bool, hands: &mut Hands<'_>) {
        let Some(side) = self.side(leg) else { return };
        let Some(purpose) = self.leg_mut(side).and_then(|leg| leg.ended(play)) else { return };
        match purpose {
            Purpose::Greeting => self.ask_caller(hands),
            Purpose::Told => self.ring(hands),
            Purpose::Farewell => self.say_no_more(hands),
            Purpose::Question => self.question_ended(side, complete, hands),
            Purpose::Overheard | Purpose::Notice => self.back_to_the_tone(side, hands),
        }
    }

    /// Prompts whose end was never reported.
    pub(super) fn plays_overdue(&mut self, hands: &mut Hands<'_>) {
        for side in [Side::Caller, Side::Attendant, Side::Guest] {
            let Some(leg) = self.leg_mut(side) else { continue };
            let Some(play) = leg.overdue(hands.now.mono) else { continue };
            let id = leg.id;
            hands.media(crate::api::MediaCommand::StopPlay { call: self.id, leg: id });
            self.play_ended(id, play, false, hands);
        }
    }

    fn question_ended(&mut self, side: Side, complete: bool, hands: &mut Hands<'_>) {
        let Some(party) = self.leg(side).map(|leg| leg.party) else { return };
        let input = if complete { Input::PromptEnded { party } } else { Input::PromptCut { party } };
        self.consent(input, hands);
        self.back_to_the_tone(side, hands);
    }

    /// What a side hears for as long as it waits.
    fn sound_of_waiting(&self, side: Side) -> Option<Sound> {
        match &self.state {
            State::Bridged { hold, .. } if hold.waits(side) => Some(match side {
                Side::Caller => self.hold_sound(),
                Side::Attendant | Side::Guest => Sound::HoldTone,
            }),
            // Whoever was put through hears that until those who must be asked have been.
            State::Taken { .. } if side == Side::Caller => Some(Sound::Ringback(self.customer.language)),
            _ => self.sound_of_transfer(side),
        }
    }

    /// What a caller hears on hold: as the customer wants it.
    pub(super) fn hold_sound(&self) -> Sound {
        match self.customer.hold {
            HoldSound::Tone => Sound::HoldTone,
            HoldSound::Music => Sound::HoldMusic,
            HoldSound::Silence => Sound::Silence,
        }
    }

    /// After a prompt: a tone that it interrupted goes on.
    fn back_to_the_tone(&mut self, side: Side, hands: &mut Hands<'_>) {
        if self.sound_of_waiting(side).is_some() && self.leg(side).is_some_and(|leg| leg.playing.is_none()) {
            self.settle_sound(side, hands);
        }
    }

    pub(super) fn language(&self, side: Side) -> Language {
        match side {
            Side::Caller => self.customer.language,
            Side::Attendant => {
                self.attendant().map_or(self.customer.language, |attendant| attendant.language)
            }
            Side::Guest => self.guest().map_or(self.customer.language, |guest| guest.language),
        }
    }

    fn next_play(&mut self) -> PlayId {
        self.plays += 1;
        PlayId(self.plays)
    }
}
