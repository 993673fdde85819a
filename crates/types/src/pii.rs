//! Personal data that cannot slip into a log.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value about a person: a number, a name, an address, a note.
///
/// Prints as `‹redacted›` and does not implement `Serialize`. Whoever must write it, on the wire or into a sealed
/// field, says so with [`Pii::expose`], or with `#[serde(with = "vorzimmer_types::pii::sealed")]` on a field of a type
/// that is only ever serialised to be sealed.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Marks `value` as personal.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each call of this is a place to look at in a review.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Gives the value up.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹redacted›")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹redacted›")
    }
}

/// `#[serde(with = …)]` for fields whose serialised form is sealed before it leaves memory.
pub mod sealed {
    use super::{Deserialize, Deserializer, Pii, Serialize, Serializer};

    /// Writes the exposed value.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<T: Serialize, S: Serializer>(value: &Pii<T>, to: S) -> Result<S::Ok, S::Error> {
        value.0.serialize(to)
    }

    /// Reads the value back.
    ///
    /// # Errors
    /// Whatever the deserializer says.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Pii<T>, D::Error> {
        T::deserialize(from).map(Pii)
    }
}

/// The same for `Option<Pii<T>>`.
pub mod sealed_option {
    use super::{Deserialize, Deserializer, Pii, Serialize, Serializer};

    /// Writes the exposed value, or none.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<T: Serialize, S: Serializer>(value: &Option<Pii<T>>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Pii::expose).serialize(to)
    }

    /// Reads the value back.
    ///
    /// # Errors
    /// Whatever the deserializer says.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Pii<T>>, D::Error> {
        Option::<T>::deserialize(from).map(|value| value.map(Pii))
    }
}

#[cfg(test)]
mod tests {
    use super::Pii;

    #[test]
    fn a_number_never_prints() {
        let number = Pii::new("+4930123456");
        assert_eq!(
            format!("{number} {number:?} {:?}", Some(&number)),
            "‹redacted› ‹redacted› Some(‹redacted›)"
        );
    }
}
