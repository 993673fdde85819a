//! The shipped machine, walked through exhaustively.
//!
//! Everything that can happen on a call with three parties happens here in every order, sensible or not, until
//! nothing new comes up: the machine has finitely many states, so nothing is bounded and nothing sampled. `judge` watches from outside: it sees what
//! went in and what came out, keeps its own book of who heard what and said what, and never asks the machine.
//! `bugs` replaces one rule of the same machine at a time, and the checker has to find each.

mod bugs;
mod hall;
mod judge;

use stateright::{Checker, Model};
use vorzimmer_consent::House;
use vorzimmer_types::consent::Policy;

use hall::Hall;

/// Explores everything and fails on any broken promise, or on a good thing that can never happen.
fn explore(hall: Hall<House>) {
    let checker = hall.checker().threads(2).spawn_bfs().join();
    println!("{} states, {} of them different", checker.state_count(), checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn off_never_records_and_never_asks() {
    explore(Hall::new(Policy::Off));
}

#[test]
fn ask_before_connect_holds() {
    explore(Hall::new(Policy::AskBeforeConnect));
}

#[test]
fn ask_in_call_holds() {
    explore(Hall::new(Policy::AskInCall));
}

#[test]
fn attested_holds() {
    explore(Hall::new(Policy::Attested));
}
