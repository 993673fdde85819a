//! Forgetting: what is due, destroyed in an order that leaves nothing behind, with a certificate.
//!
//! [`Retention`] is a reconciler. It takes no list of things to do: it looks at keys, files and rows, destroys what is
//! due (key, sync, file, row, certificate), and may be killed between any two steps. Because the key goes first, what
//! a restored backup brings back opens nowhere, and the next run removes it again.
//!
//! It reads no clock: `now` comes in, and is not believed when it leaps ahead. On SQLite removed rows are scrubbed from
//! the files too; on PostgreSQL, which keeps dead rows and logs of its own, the guarantee is that they are sealed and
//! their keys destroyed.

mod certificate;
mod class;
mod clock;
mod erase;
mod error;
mod files;
mod item;
mod periods;
mod reconcile;
mod retention;
mod survey;

pub use certificate::{Certificate, ClassCount, SignedCertificate, verify_chain};
pub use class::Class;
pub use clock::Clock;
pub use erase::{Erased, destroy_voices};
pub use error::Error;
pub use item::KeyName;
pub use periods::{Period, Periods};
pub use reconcile::{Step, Watch};
pub use retention::{Places, Retention, SpoolPlace};
pub use survey::{ClassStatus, Plan, Status};
