//! Numbers for things that come and go, each used again when its thing has gone: what a table is looked up by without
//! a search.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Things by their numbers.
#[derive(Debug)]
pub struct Names<T> {
    things: Vec<Option<T>>,
    free: Vec<u64>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { things: Vec::new(), free: Vec::new() }
    }
}

impl<T> Names<T> {
    /// Room for so many things, as far as there is any; what is not used of it takes none. Tables that grow while calls run
    /// move all that they hold, and leave holes.
    pub fn with_room(things: usize) -> Self {
        let mut names = Self::default();
        // Without it the table grows as it fills.
        let _ = names.things.try_reserve_exact(things);
        names
    }

    /// A number for this thing.
    pub fn add(&mut self, thing: T) -> u64 {
        let name = self.free.pop().unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() as u64 - 1
        });
        if let Some(place) = self.place(name) {
            *place = Some(thing);
        }
        name
    }

    /// The thing of this number.
    pub fn of(&mut self, name: u64) -> Option<&mut T> {
        self.place(name)?.as_mut()
    }

    /// Has the thing of this number brought near, without looking at it.
    pub fn soon(&self, name: u64) {
        let place = usize::try_from(name).ok().and_then(|name| self.things.get(name));
        place.into_iter().for_each(|place| vorzimmer_wire::soon(place, 0..size_of_val(place)));
    }

    /// All things.
    pub fn each(&mut self) -> impl Iterator<Item = &mut T> {
        self.things.iter_mut().flatten()
    }

    /// The number is free.
    pub fn remove(&mut self, name: u64) {
        if self.place(name).and_then(Option::take).is_some() {
            self.free.push(name);
        }
    }

    fn place(&mut self, name: u64) -> Option<&mut Option<T>> {
        self.things.get_mut(usize::try_from(name).ok()?)
    }
}

/// A table by ids that we drew ourselves: nobody else chooses them, so that their own bytes are as good as any hash.
pub type ById<K, T> = HashMap<K, T, BuildHasherDefault<OwnBytes>>;

/// All of an id's bytes, folded into eight.
#[derive(Default)]
pub struct OwnBytes(u64);

impl Hasher for OwnBytes {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.rchunks(8) {
            let number = eight.iter().fold(0, |all: u64, byte| all << 8 | u64::from(*byte));
            self.0 = self.0.rotate_left(29) ^ number;
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{ById, Names};

    #[test]
    fn ids_are_found_by_their_own_bytes() {
        let ids = (0..=u8::MAX).map(|n| {
            let mut id = [n; 16];
            id[0] = 7;
            id
        });
        let table: ById<[u8; 16], u8> = ids.map(|id| (id, id[1])).collect();
        assert_eq!(table.len(), 256);
        assert_eq!(table.get(&[7, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]), Some(&9));
        assert_eq!(table.get(&[9; 16]), None);
    }

    #[test]
    fn numbers_are_used_again_and_never_twice_at_a_time() {
        let mut names = Names::default();
        let (a, b) = (names.add('a'), names.add('b'));
        assert_ne!(a, b);
        names.remove(a);
        names.remove(a);
        let (c, d) = (names.add('c'), names.add('d'));
        assert_eq!(c, a);
        assert_ne!(d, c);
        assert_eq!([b, c, d].map(|name| names.of(name).copied()), [Some('b'), Some('c'), Some('d')]);
        assert_eq!(names.of(99), None);
    }
}
