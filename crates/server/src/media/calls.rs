//! The calls of a worker: by their ids, as orders name them, and by places, as their sockets do: those are found without
//! looking at anything else.

use vorzimmer_types::CallId;

use super::call::CallMedia;
use super::names::{ById, Names};

/// Where a call is, for as long as it has legs: another one may be there later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

/// For no more calls room is set aside, however many may come: 16 MB, of which only what is used is taken.
const MOST_AHEAD: usize = 16_384;

/// The calls.
pub struct Calls {
    media: Names<CallMedia>,
    places: ById<CallId, Place>,
}

impl Calls {
    /// None, and room for as many as there may be.
    pub fn with_room(most: usize) -> Self {
        Self { media: Names::with_room(most.min(MOST_AHEAD)), places: ById::default() }
    }

    /// Where this call is.
    pub fn place(&self, call: CallId) -> Option<Place> {
        self.places.get(&call).copied()
    }

    /// The call at a place.
    pub fn at(&mut self, place: Place) -> Option<&mut CallMedia> {
        self.media.of(place.0)
    }

    /// Has the call at a place brought near, without looking at it.
    pub fn soon(&self, place: Place) {
        self.media.soon(place.0);
    }

    /// This call.
    pub fn of(&mut self, call: CallId) -> Option<&mut CallMedia> {
        let place = self.place(call)?;
        self.at(place)
    }

    /// Where this call is, after it was made if it was not there.
    pub fn place_or_add(&mut self, call: CallId, make: impl FnOnce() -> CallMedia) -> Place {
        let media = &mut self.media;
        *self.places.entry(call).or_insert_with(|| Place(media.add(make())))
    }

    /// The call is over.
    pub fn remove(&mut self, call: CallId) {
        if let Some(place) = self.places.remove(&call) {
            self.media.remove(place.0);
        }
    }

    /// Each of them, in no order.
    pub fn each(&mut self) -> impl Iterator<Item = &mut CallMedia> {
        self.media.each()
    }

    /// All of them.
    pub fn ids(&self) -> Vec<CallId> {
        self.places.keys().copied().collect()
    }
}
