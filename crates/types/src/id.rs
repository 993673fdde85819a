//! A type of its own for everything that has an identity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::entropy::{self, Entropy};

/// A text that is not the 32 hexadecimal digits of an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits, not {found:?}")]
pub struct IdError {
    /// What was given instead.
    pub found: String,
}

/// An id's hexadecimal digits, without a text of their own: ids stand in every line and every field that is sealed.
fn digits<'a>(id: &[u8; 16], out: &'a mut [u8; 32]) -> &'a str {
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(id) {
        *pair = [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
    }
    // Nothing but digits.
    std::str::from_utf8(out).unwrap_or_default()
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// A fresh id.
            pub fn random(entropy: &mut (impl Entropy + ?Sized)) -> Self {
                Self(entropy::array(entropy))
            }

            /// The id's sixteen bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(digits(&self.0, &mut [0; 32]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError { found: text.into() })?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(digits(&self.0, &mut [0; 32]))
            }
        }
    )*};
}

id! {
    /// One telephone call, from the trunk's INVITE to the last BYE.
    CallId
    /// One leg of a call: the caller's, or one device that is rung.
    LegId
    /// One party of a call, whose voice may be heard: consents for itself.
    PartyId
    /// One sealed recording.
    RecordingId
    /// One answer to a consent question.
    ReceiptId
    /// A business that forwards its calls to us.
    CustomerId
    /// A person who takes calls.
    ReceptionistId
    /// A person at a customer's whom a caller may ask for.
    ContactId
    /// A SIP trunk that forwards calls.
    TrunkId
}
