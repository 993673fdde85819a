//! Three parties and everything they can do, as a model for the checker.

use std::marker::PhantomData;

use stateright::{Model, Property};
use vorzimmer_consent::{ConsentError, Effect, Key, MAX_PARTIES, Machine, Rules, Step, Tape, Who};
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::{PartyId, ReceptionistId};

use crate::judge::Judge;

pub fn party(slot: usize) -> PartyId {
    PartyId::from_bytes([u8::try_from(slot).unwrap_or(u8::MAX); 16])
}

pub fn slot(party: PartyId) -> usize {
    usize::from(party.as_bytes()[0])
}

/// Who can sit in a slot.
fn guises(slot: usize) -> Vec<Who> {
    let receptionist =
        |id, standing| Who::Receptionist { id: ReceptionistId::from_bytes([id; 16]), standing };
    match slot {
        0 => vec![Who::Caller],
        1 => vec![receptionist(1, true), receptionist(1, false)],
        _ => vec![receptionist(2, true), Who::Contact],
    }
}

/// One policy with all that can happen under it.
pub struct Hall<R> {
    policy: Policy,
    rules: PhantomData<R>,
}

impl<R> Hall<R> {
    pub fn new(policy: Policy) -> Self {
        Self { policy, rules: PhantomData }
    }
}

/// The machine, and who watches it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scene<R: Rules> {
    pub machine: Machine<R>,
    pub judge: Judge,
}

impl<R: Rules> Scene<R> {
    fn recording(&self) -> bool {
        self.machine.tape() != Tape::Off || self.judge.permit_is_out()
    }
}

impl<R: Rules> Model for Hall<R> {
    type State = Scene<R>;
    type Action = Step;

    fn init_states(&self) -> Vec<Scene<R>> {
        [OnWithdrawal::Destroy, OnWithdrawal::Keep]
            .map(|on| Scene { machine: Machine::new(self.policy, on), judge: Judge::new(self.policy) })
            .to_vec()
    }

    fn actions(&self, scene: &Scene<R>, actions: &mut Vec<Step>) {
        if scene.machine.is_over() {
            return;
        }
        for slot in 0..MAX_PARTIES {
            let party = party(slot);
            actions.extend(guises(slot).into_iter().map(|who| Step::Join { party, who }));
            actions.extend(
                [Key::Yes, Key::No, Key::Withdraw, Key::Ask, Key::Attest, Key::Other('7')]
                    .map(|key| Step::Pressed { party, key }),
            );
            actions.extend([
                Step::Leave { party },
                Step::PromptEnded { party },
                Step::PromptCut { party },
                Step::Withdraw { party },
                Step::Silent { party },
                Step::Hold { party },
                Step::Resume { party },
                Step::StepAside { party },
                Step::StepBack { party },
            ]);
        }
        for (from, to) in [(1, 2), (2, 1)] {
            let whos = guises(to).into_iter();
            actions.extend(whos.map(|who| Step::Transfer { from: party(from), to: party(to), who }));
        }
        if scene.machine.parties().len() == MAX_PARTIES {
            actions.push(Step::Join { party: party(MAX_PARTIES), who: Who::Contact });
        }
        actions.extend([Step::Voicemail { on: true }, Step::Voicemail { on: false }, Step::End]);
    }

    fn next_state(&self, before: &Scene<R>, step: Step) -> Option<Scene<R>> {
        let mut after = before.clone();
        let done = after.machine.handle(step);
        let effects: Vec<Effect> = std::iter::from_fn(|| after.machine.poll()).collect();
        let too_many = match done {
            Ok(()) => false,
            Err(ConsentError::TooMany { .. }) => true,
            Err(_) => {
                after.judge.expect_nothing_happened(before.machine == after.machine && effects.is_empty());
                return (after != *before).then_some(after);
            }
        };
        after.judge.witness(step, too_many, &effects);
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = promises();
        all.extend(match self.policy {
            Policy::Off => vec![Property::sometimes("three can talk", |_, scene: &Scene<R>| {
                scene.judge.present() == 3 && scene.machine.policy() == Policy::Off
            })],
            Policy::AskBeforeConnect | Policy::AskInCall => {
                let mut all = possibilities();
                all.extend(only_by_prompt());
                all
            }
            Policy::Attested => possibilities(),
        });
        all
    }
}

/// What must hold in every state.
fn promises<R: Rules>() -> Vec<Property<Hall<R>>> {
    vec![
        Property::always("whoever is recorded has agreed, in this company", |_, scene: &Scene<R>| {
            !scene.recording() || scene.judge.everyone_agreed()
        }),
        Property::always("whoever is recorded has a receipt to show for it", |_, scene: &Scene<R>| {
            !scene.recording() || scene.judge.everyone_has_a_receipt()
        }),
        Property::always("nothing is recorded after a withdrawal until a new yes", |_, scene: &Scene<R>| {
            !scene.recording() || !scene.judge.someone_has_not_agreed_since()
        }),
        Property::always("a permit never spans a join or a leave", |_, scene: &Scene<R>| {
            !scene.judge.permit_spanned_a_change()
        }),
        Property::always("policy off never records and never asks", |_, scene: &Scene<R>| {
            scene.machine.policy() != Policy::Off || !(scene.recording() || scene.machine.is_asking())
        }),
        Property::always("a no becomes a yes only by a new question", |_, scene: &Scene<R>| {
            scene.machine.parties().iter().all(|party| {
                !(party.consent().is_yes() && scene.judge.refused_since_last_asked(slot(party.id())))
            })
        }),
        Property::always("every call ends with an outcome that is true", |_, scene: &Scene<R>| {
            scene.judge.outcome_is_due() == scene.machine.is_over() && scene.judge.outcome_is_true()
        }),
        Property::always("whom nobody can count nobody records", |_, scene: &Scene<R>| {
            !scene.judge.records_a_crowd()
        }),
        Property::always("who waits alone is not recorded", |_, scene: &Scene<R>| {
            !scene.judge.records_a_wait()
        }),
        Property::always("nothing is recorded while somebody stands aside", |_, scene: &Scene<R>| {
            !scene.recording() || !scene.judge.somebody_is_aside()
        }),
        Property::always("nobody waits in vain", |_, scene: &Scene<R>| !scene.judge.waits_in_vain()),
        Property::always("a hold wants no frames", |_, scene: &Scene<R>| !scene.judge.takes_frames_on_hold()),
        Property::always("machine and outputs say the same", |_, scene: &Scene<R>| {
            (scene.machine.tape() != Tape::Off) == scene.judge.permit_is_out() && !scene.judge.is_surprised()
        }),
    ]
}

/// What must be able to happen, or the promises would be kept by doing nothing.
fn possibilities<R: Rules>() -> Vec<Property<Hall<R>>> {
    vec![
        Property::sometimes("two are recorded", |_, scene: &Scene<R>| {
            scene.recording() && scene.judge.present() == 2
        }),
        Property::sometimes("three are recorded, one of them from outside", |_, scene: &Scene<R>| {
            scene.recording() && scene.judge.present() == 3 && scene.judge.has_contact()
        }),
        Property::sometimes("a recording pauses on hold", |_, scene: &Scene<R>| {
            scene.machine.tape() == Tape::Paused
        }),
        Property::sometimes("a colleague takes over and nobody is asked again", |_, scene: &Scene<R>| {
            scene.recording() && scene.judge.recorded_again_unasked()
        }),
        Property::sometimes("who stood aside comes back and nobody is asked again", |_, scene: &Scene<R>| {
            scene.recording() && scene.judge.came_back_unasked()
        }),
        Property::sometimes("a recording is destroyed by withdrawal", |_, scene: &Scene<R>| {
            scene.judge.is_destroyed()
        }),
        Property::sometimes("a call ends recorded", |_, scene: &Scene<R>| {
            scene.machine.is_over() && scene.judge.is_recorded()
        }),
        Property::sometimes("a call ends unrecorded", |_, scene: &Scene<R>| {
            scene.machine.is_over() && !scene.judge.is_recorded()
        }),
    ]
}

fn only_by_prompt<R: Rules>() -> Vec<Property<Hall<R>>> {
    vec![Property::sometimes("a message is recorded", |_, scene: &Scene<R>| {
        scene.recording() && scene.judge.present() == 1
    })]
}
