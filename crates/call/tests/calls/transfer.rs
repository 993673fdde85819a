//! Transfer and consultation: who hears what, what is recorded when, and what the phone that asked is told.

use vorzimmer_call::{Colleagues, ExchangeConfig, Routes, TransferRules};
use vorzimmer_sip::ua::Replaced;
use vorzimmer_types::consent::{Policy, Role};
use vorzimmer_types::directory::HoldSound;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::{EndedBy, Event, TransferOutcome};
use vorzimmer_types::record::Disposition;

use crate::stage::{Stage, alaw};
use crate::world::{BOSS, BOSS_AT_HOME, FakeWorld};

const BEN: &str = "sip:ben@vorzimmer.example";
const CAROL: &str = "sip:carol@vorzimmer.example";

pub fn config(transfer: TransferRules) -> ExchangeConfig {
    let routes = Routes { all: vec![crate::world::OUT], ..Routes::default() };
    ExchangeConfig { transfer, routes, ..ExchangeConfig::default() }
}

/// Anna and a caller talk since 10.0 and are recorded; looked at from 20.0 on.
fn recorded_in(world: FakeWorld, transfer: TransferRules) -> Stage {
    let world = world.team(Together, &[("anna", 20)]).without_greeting();
    let mut stage = Stage::with_config(world, config(transfer));
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    assert!(stage.is_recording());
    stage.seen();
    stage
}

fn recorded() -> Stage {
    recorded_in(FakeWorld::new(Policy::AskBeforeConnect), TransferRules::default())
}

fn outcomes(stage: &Stage) -> Vec<TransferOutcome> {
    let outcome = |event: &vorzimmer_types::EventRecord| match &event.event {
        Event::TransferEnded { outcome } => Some(*outcome),
        _ => None,
    };
    stage.events.iter().filter_map(outcome).collect()
}

/// Who hears whom, epoch after epoch, in roles.
fn companies(stage: &Stage) -> Vec<(u32, Vec<Role>)> {
    let record = stage.record();
    let role = |party: &vorzimmer_types::PartyId| {
        record.parties.iter().find(|known| known.party == *party).map_or(Role::Caller, |known| known.role)
    };
    record.epochs.iter().map(|epoch| (epoch.epoch.0, epoch.parties.iter().map(role).collect())).collect()
}

#[test]
fn a_colleague_takes_over_and_the_recording_goes_on_in_a_new_epoch() {
    let mut stage = recorded();
    stage.refers("anna-desk", BEN);
    stage.until(25.0);
    stage.answers("ben-desk");
    stage.until(26.0);
    stage.expect(
        "20.0 anna-desk refers
         20.0 unbridge
         20.0 stop recording (the epoch ended)
         20.0 caller hears ring-back
         20.0 anna-desk hears the line
         20.0 202 to the REFER of anna-desk
         20.0 ring ben-desk
         25.0 unbridge
         25.0 notify anna-desk 200
         25.0 caller hears ring-back
         25.0 receipt: receptionist Yes
         25.0 caller hears the line
         25.0 bridge caller ben-desk
         25.0 record caller and ben-desk
         25.0 bye anna-desk (Q.850 16)",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(outcomes(&stage), [TransferOutcome::PutThrough]);
    let (caller, receptionist) = (Role::Caller, Role::Receptionist);
    assert_eq!(
        companies(&stage),
        [(2, vec![caller, receptionist]), (3, vec![]), (5, vec![caller, receptionist])],
        "one who leaves and one who joins are two changes"
    );
    let record = stage.record();
    let epochs: Vec<_> = record.recordings.iter().map(|one| one.epoch.map(|epoch| epoch.0)).collect();
    assert_eq!(epochs, [Some(2), Some(5)], "one recording for each company");
    assert_eq!(record.parties.len(), 2);
    assert!(record.parties[0].left_at.is_some() && record.parties[1].left_at.is_none());
}

#[test]
fn a_colleague_without_a_standing_consent_is_asked_before_she_is_heard() {
    let mut stage = recorded();
    stage.refers("anna-desk", CAROL);
    stage.until(25.0);
    stage.answers("carol-desk");
    stage.until(31.0);
    let seen = stage.seen();
    assert!(seen.contains("25.0 carol-desk hears consent-ask-receptionist (En)"), "{seen}");
    assert!(!seen.contains(" bridge"), "{seen}");
    stage.presses("carol-desk", "1");
    let seen = stage.seen();
    assert!(seen.contains("31.0 bridge caller carol-desk"), "{seen}");
    assert!(seen.contains("31.0 record caller and carol-desk"), "{seen}");
    stage.hangs_up("carol-desk");
    stage.expect_nothing_left();
}

#[test]
fn a_transfer_that_fails_brings_the_caller_back_and_the_recording_resumes_by_itself() {
    for (status, refuse) in [(486, true), (603, true), (408, false)] {
        let mut stage = recorded();
        stage.refers("anna-desk", BEN);
        stage.until(25.0);
        stage.seen();
        if refuse {
            stage.refuses("ben-desk", status);
        }
        stage.until(46.0);
        let at = if refuse { "25.0" } else { "45.0" };
        let seen = stage.seen();
        let cancelled = if refuse { String::new() } else { format!("{at} cancel ben-desk (Q.850 19)\n") };
        let expected = format!(
            "{cancelled}{at} notify anna-desk {status}
{at} unbridge
{at} anna-desk hears the line
{at} caller hears the line
{at} bridge caller anna-desk
{at} record caller and anna-desk
{at} anna-desk hears transfer-failed (De)"
        );
        assert_eq!(seen, expected);
        assert!(stage.is_recording());
        stage.hangs_up("caller");
        stage.expect_nothing_left();
        assert_eq!(outcomes(&stage), [TransferOutcome::Failed { status }]);
    }
}

#[test]
fn whoever_hung_up_after_asking_is_rung_again_when_nobody_was_reached() {
    let mut stage = recorded();
    stage.refers("anna-desk", BEN);
    stage.until(22.0);
    stage.seen();
    stage.hangs_up("anna-desk");
    stage.until(25.0);
    stage.refuses("ben-desk", 486);
    stage.until(30.0);
    stage.answers("anna-desk");
    stage.until(31.0);
    stage.expect(
        "22.0 caller hears ring-back
         25.0 caller hears ring-back
         25.0 ring anna-desk
         30.0 receipt: receptionist Yes
         30.0 caller hears the line
         30.0 bridge caller anna-desk
         30.0 record caller and anna-desk",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();

    let mut stage = recorded();
    stage.refers("anna-desk", BEN);
    stage.until(20.1);
    stage.hangs_up("anna-desk");
    stage.refuses("ben-desk", 486);
    stage.until(60.0);
    let seen = stage.seen();
    assert!(seen.contains("40.1 caller hears nobody-there (De)"), "{seen}");
    stage.expect_nothing_left();
    assert_eq!(stage.record().disposition, Disposition::Handled);
}

#[test]
fn only_contacts_and_whom_the_operator_allows_are_ever_called() {
    let team = TransferRules { colleagues: Colleagues::Team, numbers: vec!["+4989".into()] };
    let nobody = TransferRules { colleagues: Colleagues::None, ..TransferRules::default() };
    let house = TransferRules::default();
    let cases = [
        (&house, BEN, "ring ben-desk"),
        (&house, "sip:anna@vorzimmer.example", ""),
        (&house, "sip:21@vorzimmer.example", "dial +493023125777"),
        (&house, "tel:+49-30-23125777", "dial +493023125777"),
        (&house, "sip:03023125777@192.0.2.1;user=phone", "dial +493023125777"),
        (&house, BOSS_AT_HOME, "dial +493023125777"),
        (&house, "sip:22@vorzimmer.example", ""),
        (&house, "sip:+493023125778@vorzimmer.example", ""),
        (&house, "sip:+4990012345@vorzimmer.example", ""),
        (&house, "tel:+498912345", ""),
        (&house, "sip:nobody@evil.example", ""),
        (&team, BEN, ""),
        (&team, "tel:+498912345", "dial +498912345"),
        (&team, "tel:+491701234567", ""),
        (&nobody, BEN, ""),
    ];
    for (rules, target, expected) in cases {
        let mut stage = recorded_in(FakeWorld::new(Policy::AskBeforeConnect), rules.clone());
        stage.refers("anna-desk", target);
        stage.until(20.1);
        let seen = stage.seen();
        if expected.is_empty() {
            assert_eq!(seen, "20.0 anna-desk refers\n20.0 403 to the REFER of anna-desk", "{target}");
            assert!(stage.is_recording(), "the talk goes on as if nothing had been asked");
            assert_eq!(stage.count(|event| matches!(event, Event::TransferRefused { .. })), 1);
        } else {
            assert!(seen.ends_with(&format!("20.0 {expected}")), "{target}: {seen}");
        }
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn who_cannot_be_reached_now_is_said_at_once_and_nobody_is_disturbed() {
    let world = FakeWorld::new(Policy::AskBeforeConnect).devices("ben", &[]);
    let mut stage = recorded_in(world, TransferRules::default());
    stage.refers("anna-desk", BEN);
    stage.expect("20.0 anna-desk refers\n20.0 480 to the REFER of anna-desk");
    assert!(stage.is_recording());
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn the_ways_to_a_contact_are_tried_one_after_the_other() {
    let mut stage = recorded();
    stage.refers("anna-desk", "sip:21@vorzimmer.example");
    stage.until(30.0);
    let seen = stage.seen();
    assert!(seen.ends_with(&format!("20.0 dial {BOSS}")), "{seen}");
    stage.refuses(BOSS, 486);
    stage.until(56.0);
    stage.expect(&format!(
        "30.0 dial {BOSS_AT_HOME}
         55.0 cancel {BOSS_AT_HOME} (Q.850 19)
         55.0 notify anna-desk 408
         55.0 unbridge
         55.0 anna-desk hears the line
         55.0 caller hears the line
         55.0 bridge caller anna-desk
         55.0 record caller and anna-desk
         55.0 anna-desk hears transfer-failed (De)"
    ));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn by_key_she_asks_first_and_puts_through() {
    let world = FakeWorld::new(Policy::AskBeforeConnect).holding_with(HoldSound::Music);
    let mut stage = recorded_in(world, TransferRules::default());
    stage.presses("anna-desk", "*121#");
    stage.until(25.0);
    stage.answers(BOSS);
    stage.until(30.0);
    stage.presses("anna-desk", "*2");
    stage.until(36.0);
    stage.expect(&format!(
        "20.0 anna-desk presses *
         20.0 anna-desk presses 1
         20.0 anna-desk presses 2
         20.0 anna-desk presses 1
         20.0 anna-desk presses #
         20.0 unbridge
         20.0 stop recording (the epoch ended)
         20.0 caller hears music
         20.0 anna-desk hears ring-back
         20.0 dial {BOSS}
         25.0 bridge anna-desk {BOSS}
         25.0 anna-desk hears the line
         30.0 anna-desk presses *
         30.0 anna-desk presses 2
         30.0 unbridge
         30.0 caller hears ring-back
         30.0 caller hears consent-ask (De)
         30.0 {BOSS} hears consent-ask (De)
         30.0 bye anna-desk (Q.850 16)
         35.0 caller hears ring-back"
    ));
    stage.presses("caller", "1");
    assert!(!stage.is_recording(), "the contact has not answered yet");
    stage.presses(BOSS, "1");
    stage.expect(&format!(
        "36.0 caller presses 1
         36.0 receipt: caller Yes
         36.0 {BOSS} presses 1
         36.0 receipt: contact Yes
         36.0 caller hears the line
         36.0 bridge caller {BOSS}
         36.0 record caller and {BOSS}"
    ));
    stage.hangs_up(BOSS);
    stage.expect_nothing_left();
    assert_eq!(stage.record().ended_by, Some(EndedBy::Contact));
    let (caller, receptionist, contact) = (Role::Caller, Role::Receptionist, Role::Contact);
    assert_eq!(
        companies(&stage),
        [
            (2, vec![caller, receptionist]),
            (3, vec![]),
            (3, vec![receptionist, contact]),
            (5, vec![caller, contact])
        ]
    );
}

#[test]
fn a_contact_who_says_no_talks_unrecorded() {
    let mut stage = recorded();
    stage.presses("anna-desk", "*121#");
    stage.until(21.0);
    stage.answers(BOSS);
    stage.until(25.0);
    stage.hangs_up("anna-desk");
    stage.until(31.0);
    stage.seen();
    stage.presses(BOSS, "2");
    stage.until(40.0);
    let seen = stage.seen();
    assert!(seen.contains(&format!("31.0 bridge caller {BOSS}")), "{seen}");
    assert!(!stage.is_recording());
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(stage.record().recordings.len(), 1, "what was agreed to before is kept");
}

#[test]
fn back_to_the_caller_by_key_or_because_the_contact_hangs_up() {
    for by_key in [true, false] {
        let mut stage = recorded();
        stage.presses("anna-desk", "*121#");
        stage.until(21.0);
        stage.answers(BOSS);
        stage.until(25.0);
        stage.seen();
        if by_key {
            stage.presses("anna-desk", "*0");
        } else {
            stage.hangs_up(BOSS);
        }
        stage.until(26.0);
        let seen = stage.seen();
        assert!(
            seen.ends_with(
                "25.0 anna-desk hears the line\n25.0 caller hears the line\n25.0 bridge caller anna-desk\n\
                 25.0 record caller and anna-desk"
            ),
            "{seen}"
        );
        stage.hangs_up("caller");
        stage.expect_nothing_left();
        let outcome = if by_key { TransferOutcome::Returned } else { TransferOutcome::HungUp };
        assert_eq!(outcomes(&stage), [outcome]);
    }
    // While it still rings.
    let mut stage = recorded();
    stage.presses("anna-desk", "*121#");
    stage.until(21.0);
    stage.presses("anna-desk", "*0");
    stage.until(22.0);
    assert!(stage.seen().contains(&format!("cancel {BOSS}")));
    assert!(stage.is_recording());
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn leaving_while_it_rings_puts_through_without_asking() {
    let mut stage = recorded();
    stage.presses("anna-desk", "*121#*2");
    stage.hangs_up("anna-desk");
    stage.until(22.0);
    stage.answers(BOSS);
    stage.until(23.0);
    let seen = stage.seen();
    assert!(
        seen.ends_with(&format!("22.0 caller hears consent-ask (De)\n22.0 {BOSS} hears consent-ask (De)")),
        "{seen}"
    );
    // Who was put through hangs up while being asked: the caller is not left alone.
    stage.hangs_up(BOSS);
    stage.until(24.0);
    assert!(stage.seen().contains("ring anna-desk"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_short_number_that_nobody_has_is_said_to_her_alone() {
    for keys in ["*199#", "*122#", "*1#"] {
        let mut stage = recorded();
        stage.presses("anna-desk", keys);
        let seen = stage.seen();
        assert!(seen.ends_with("anna-desk hears transfer-not-allowed (De)"), "{seen}");
        assert!(stage.is_recording());
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn consent_keys_still_mean_what_they_mean() {
    let mut stage = recorded();
    stage.presses("anna-desk", "*121#");
    stage.until(21.0);
    stage.answers(BOSS);
    stage.until(25.0);
    stage.presses("anna-desk", "*9");
    stage.until(27.0);
    assert_eq!(stage.count(|event| matches!(event, Event::RecordingDestroyed { .. })), 1);
    stage.presses("anna-desk", "*0");
    stage.until(30.0);
    assert!(!stage.is_recording(), "she took it back: a return does not bring it again");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    // The caller's keys are never about a transfer.
    let mut stage = recorded();
    stage.presses("caller", "*121#*0*2*3");
    assert!(stage.is_recording());
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn what_a_caller_hears_on_hold_is_the_customers_choice() {
    for (hold, heard) in
        [(HoldSound::Tone, "the hold tone"), (HoldSound::Music, "music"), (HoldSound::Silence, "silence")]
    {
        let world = FakeWorld::new(Policy::AskBeforeConnect).holding_with(hold);
        let mut stage = recorded_in(world, TransferRules::default());
        stage.holds("anna-desk");
        stage.expect(&format!("20.0 200 to anna-desk\n20.0 caller hears {heard}\n20.0 pause recording"));
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

/// Anna's phone holds the caller and calls Ben.
pub fn second_call() -> Stage {
    let mut stage = recorded();
    stage.holds("anna-desk");
    stage.until(21.0);
    stage.seen();
    stage.calls_too("anna-2", "anna", BEN);
    stage.until(25.0);
    stage.expect(
        "21.0 anna-2 calls
         21.0 unbridge
         21.0 stop recording (the epoch ended)
         21.0 caller hears the hold tone
         21.0 anna-desk hears the line
         21.0 180 to caller
         21.0 ring ben-desk",
    );
    stage
}

#[test]
fn an_attended_transfer_makes_one_call_of_two() {
    for from in ["anna-desk", "anna-2"] {
        let mut stage = second_call();
        stage.answers("ben-desk");
        stage.until(30.0);
        stage.expect("25.0 200 to anna-2\n25.0 bridge anna-2 ben-desk\n25.0 anna-desk hears the line");
        let other = if from == "anna-2" { "anna-desk" } else { "anna-2" };
        let replaced = Replaced::Session(stage.session(other));
        stage.refers_replacing(from, BEN, replaced);
        stage.until(31.0);
        stage.expect(&format!(
            "30.0 {from} refers
             30.0 202 to the REFER of {from}
             30.0 unbridge
             30.0 notify {from} 200
             30.0 caller hears ring-back
             30.0 receipt: receptionist Yes
             30.0 caller hears the line
             30.0 bridge caller ben-desk
             30.0 record caller and ben-desk
             30.0 bye anna-desk (Q.850 16)
             30.0 bye anna-2 (Q.850 16)"
        ));
        stage.hangs_up("caller");
        stage.expect_nothing_left();
        assert_eq!(outcomes(&stage), [TransferOutcome::PutThrough]);
    }
}

#[test]
fn a_second_call_that_leads_nowhere_leaves_the_caller_on_hold_until_she_resumes() {
    // Ben is busy.
    let mut stage = second_call();
    stage.refuses("ben-desk", 486);
    stage.until(26.0);
    let seen = stage.seen();
    assert!(seen.contains("25.0 486 to anna-2"), "{seen}");
    assert!(
        seen.contains("25.0 caller hears the hold tone\n25.0 pause recording"),
        "her phone still holds: {seen}"
    );
    stage.resumes("anna-desk");
    assert!(stage.seen().ends_with("resume recording"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    // She hangs the second call up.
    let mut stage = second_call();
    stage.answers("ben-desk");
    stage.until(27.0);
    stage.resumes("anna-desk");
    stage.seen();
    stage.hangs_up("anna-2");
    stage.until(28.0);
    let seen = stage.seen();
    assert!(seen.contains("27.0 bye ben-desk"), "{seen}");
    assert!(seen.ends_with("27.0 bridge caller anna-desk\n27.0 record caller and anna-desk"), "{seen}");
    stage.hangs_up("anna-desk");
    stage.expect_nothing_left();
}

#[test]
fn a_second_call_reaches_nobody_else_and_belongs_to_a_talk() {
    let mut stage = recorded();
    stage.calls_too("anna-2", "anna", "sip:+4990012345@vorzimmer.example");
    stage.expect("20.0 anna-2 calls\n20.0 403 to anna-2");
    stage.calls_too("ben-2", "ben", "sip:21@vorzimmer.example");
    stage.expect("20.0 ben-2 calls\n20.0 403 to ben-2");
    assert!(stage.is_recording());
    let nowhere = Replaced::Unknown;
    stage.refers_replacing("anna-desk", BEN, nowhere);
    stage.refers_replacing("anna-desk", BEN, Replaced::Session(stage.session("caller")));
    stage.expect(
        "20.0 anna-desk refers
         20.0 403 to the REFER of anna-desk
         20.0 anna-desk refers
         20.0 403 to the REFER of anna-desk",
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn the_caller_may_hang_up_at_any_time() {
    for (steps, answered) in [("*121#", false), ("*121#", true)] {
        let mut stage = recorded();
        stage.presses("anna-desk", steps);
        stage.until(21.0);
        if answered {
            stage.answers(BOSS);
        }
        stage.until(22.0);
        stage.hangs_up("caller");
        stage.expect_nothing_left();
        assert_eq!(outcomes(&stage), [TransferOutcome::HungUp]);
        assert_eq!(stage.record().ended_by, Some(EndedBy::Caller));
    }
    let mut stage = second_call();
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn three_talk_once_everybody_was_asked_and_two_when_one_has_left() {
    for who_leaves in ["anna-desk", BOSS] {
        let mut stage = recorded();
        stage.presses("anna-desk", "*121#");
        stage.until(21.0);
        stage.answers(BOSS);
        stage.until(25.0);
        stage.seen();
        stage.presses("anna-desk", "*3");
        stage.until(31.0);
        stage.expect(&format!(
            "25.0 anna-desk presses *
             25.0 anna-desk presses 3
             25.0 unbridge
             25.0 caller hears the line
             25.0 caller hears consent-ask (De)
             25.0 {BOSS} hears consent-ask (De)"
        ));
        stage.presses("caller", "1");
        stage.presses(BOSS, "1");
        stage.until(40.0);
        let seen = stage.seen();
        assert!(
            seen.ends_with(&format!(
                "31.0 mix caller anna-desk {BOSS}
31.0 caller hears the line
31.0 anna-desk hears the line
31.0 {BOSS} hears the line
31.0 record caller and anna-desk and {BOSS}"
            )),
            "{seen}"
        );
        stage.hangs_up(who_leaves);
        stage.until(41.0);
        let stays = if who_leaves == BOSS { "anna-desk" } else { BOSS };
        let seen = stage.seen();
        assert!(seen.contains("40.0 stop recording (the epoch ended)"), "{seen}");
        assert!(seen.contains(&format!("40.0 bridge caller {stays}")), "{seen}");
        assert!(seen.contains(&format!("40.0 record caller and {stays}")), "nobody is asked again: {seen}");
        stage.hangs_up("caller");
        stage.expect_nothing_left();
        assert_eq!(outcomes(&stage), [TransferOutcome::Joined]);
    }
}

#[test]
fn a_colleague_in_the_team_picks_a_talk_up() {
    let world = FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20), ("ben", 20)]);
    let mut stage = Stage::with_config(world.without_greeting(), config(TransferRules::default()));
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    stage.presses("caller", "1");
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    stage.seen();
    let of = stage.session("anna-desk");
    stage.calls_replacing("ben-cell", "ben", "sip:vorzimmer.example", Some(of));
    stage.until(21.0);
    stage.expect(
        "20.0 ben-cell calls
         20.0 200 to ben-cell
         20.0 unbridge
         20.0 caller hears ring-back
         20.0 stop recording (the epoch ended)
         20.0 receipt: receptionist Yes
         20.0 caller hears the line
         20.0 bridge caller ben-cell
         20.0 record caller and ben-cell
         20.0 bye anna-desk (Q.850 16)",
    );
    stage.hangs_up("ben-cell");
    stage.expect_nothing_left();
    assert_eq!(stage.record().ended_by, Some(EndedBy::Receptionist));
}

#[test]
fn a_colleague_picks_up_what_rings_elsewhere_and_nobody_else_does() {
    let world = FakeWorld::new(Policy::Off).team(Together, &[("anna", 20), ("ben", 20)]).without_greeting();
    let mut stage = Stage::with_config(world, config(TransferRules::default()));
    stage.invite(Some(&alaw()));
    stage.until(2.0);
    stage.seen();
    let of = stage.session("anna-desk");
    stage.calls_replacing("carol-cell", "carol", "sip:vorzimmer.example", Some(of));
    stage.expect("2.0 carol-cell calls\n2.0 403 to carol-cell");
    stage.calls_replacing("ben-cell", "ben", "sip:vorzimmer.example", Some(of));
    stage.until(3.0);
    let seen = stage.seen();
    assert!(seen.contains("2.0 200 to ben-cell\n2.0 cancel anna-desk (SIP 200)"), "{seen}");
    assert!(seen.ends_with("2.0 bridge caller ben-cell"), "{seen}");
    let gone = stage.session("anna-desk");
    stage.calls_replacing("anna-cell", "anna", "sip:vorzimmer.example", Some(gone));
    assert!(stage.seen().ends_with("403 to anna-cell"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
