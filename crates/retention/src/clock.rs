//! The guard on the clock. Forgetting cannot be undone, so a clock that leaps ahead is not believed, and one that falls
//! back is not followed.

use vorzimmer_store::Store;
use vorzimmer_types::{Day, UnixMillis};
use vorzimmer_vault as vault;

use crate::Error;

/// Under which name the store keeps the last moment that was seen.
const LAST_SEEN: &str = "retention-last-seen";
/// A leap of more than this is asked about: a day.
const LEAP_MS: i64 = 86_400_000;

/// Whether a leap of the clock is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// A leap stops the run.
    Checked,
    /// Somebody has looked at the clock and found it right.
    Accepted,
}

/// The last moment that was seen, by the database or by the key store, whichever is later: a restored backup of the
/// database does not turn the clock back.
pub(crate) async fn last_seen(store: &Store) -> Result<Option<UnixMillis>, Error> {
    let told = store.counter(LAST_SEEN).await?.map(UnixMillis);
    let mut destroyed = None;
    for class in vault::Class::ALL {
        destroyed = destroyed.max(store.keys().destroyed_through(class)?);
    }
    Ok(told.max(destroyed.map(Day::start)))
}

/// The day that counts, given what the clock says: never before the last moment that was seen. Remembers the moment.
pub(crate) async fn look(store: &Store, now: UnixMillis, clock: Clock) -> Result<Day, Error> {
    let today = check(last_seen(store).await?, now, clock)?;
    if now.day() == today {
        remember(store, now).await?;
    }
    Ok(today)
}

/// The day that counts; see [`look`].
pub(crate) fn check(seen: Option<UnixMillis>, now: UnixMillis, clock: Clock) -> Result<Day, Error> {
    let seen = seen.unwrap_or(now);
    if now.0.saturating_sub(seen.0) > LEAP_MS && clock == Clock::Checked {
        return Err(Error::ClockJumped { seen, now });
    }
    if now < seen {
        tracing::warn!(%seen, %now, "the clock has gone back; nothing that was due becomes less so");
    }
    Ok(now.max(seen).day())
}

async fn remember(store: &Store, now: UnixMillis) -> Result<(), Error> {
    let told = store.counter(LAST_SEEN).await?;
    if told.is_none_or(|told| told < now.0) {
        store.set_counter(LAST_SEEN, now.0).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::{Day, UnixMillis};

    use super::{Clock, LEAP_MS, check};
    use crate::Error;

    #[test]
    fn the_clock_is_believed_for_a_day_and_never_backwards() {
        let at = |days: i64, ms: i64| UnixMillis(days * LEAP_MS + ms);
        let seen = Some(at(100, 0));
        assert_eq!(check(None, at(100, 5), Clock::Checked).expect("the first look"), Day(100));
        assert_eq!(check(seen, at(101, 0), Clock::Checked).expect("a day"), Day(101));
        let leap = check(seen, at(101, 1), Clock::Checked);
        assert!(matches!(leap, Err(Error::ClockJumped { .. })));
        assert_eq!(check(seen, at(101, 1), Clock::Accepted).expect("accepted"), Day(101));
        assert_eq!(check(seen, at(7, 0), Clock::Checked).expect("back"), Day(100));
        assert_eq!(check(seen, at(7, 0), Clock::Accepted).expect("back"), Day(100), "not even when told");
    }
}
