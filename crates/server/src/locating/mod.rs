//! Where providers are: their names are looked up in the background, again and again as their records end, and the
//! control task is told when something has changed. Nothing that a peer sends ever makes us look up a name.
//!
//! The search itself is [`vorzimmer_sip::carrier::Locate`]'s; whom it asks is [`Names`].

mod names;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use vorzimmer_sip::carrier::{Locate, Place, Target};
use vorzimmer_sip::ua::{Input, Transport};
use vorzimmer_types::TrunkId;

pub use names::{Answer, Names, System};

use crate::clock::SystemEntropy;
use crate::net::LocalAddresses;

/// However short records live, nobody is asked more often; however long, not less often.
const LEAST: Duration = Duration::from_secs(30);
const MOST: Duration = Duration::from_secs(3600);
/// After a search that found nothing: the first pause, and the longest (negative answers are not believed for longer).
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// One search may take so long, all its questions together.
const SEARCH_WITHIN: Duration = Duration::from_secs(20);
/// Results that may wait for the control task.
pub const RESULTS: usize = 16;

/// One trunk's provider.
pub struct Wanted {
    /// Which trunk.
    pub trunk: TrunkId,
    /// Its name, for the log.
    pub name: String,
    /// A new search for it.
    pub search: Box<dyn Fn() -> Locate + Send>,
}

/// What we listen on, by which a provider reaches us.
#[derive(Clone)]
pub struct Doors {
    /// Our listeners.
    pub bound: Vec<(Transport, SocketAddr)>,
    /// How they look from outside.
    pub addresses: LocalAddresses,
}

impl Doors {
    /// What a place knows us by; none if nothing of ours can talk to it.
    fn target(&self, place: Place) -> Option<Target> {
        let Place { transport, remote } = place;
        let fits = |loopback: bool| {
            self.bound.iter().find(|(by, bound)| {
                let nearby =
                    bound.ip().is_unspecified() || bound.ip().is_loopback() == remote.ip().is_loopback();
                *by == transport && bound.is_ipv4() == remote.is_ipv4() && (nearby || !loopback)
            })
        };
        let (_, bound) = fits(true).or_else(|| fits(false))?;
        Some(Target { transport, local: self.addresses.known_as(*bound, remote), remote })
    }
}

/// Looks a provider up until nobody wants to know any more.
pub async fn keep_located(wanted: Wanted, doors: Doors, names: impl Names, tell: mpsc::Sender<Input>) {
    let mut known: Vec<Target> = Vec::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let found = tokio::time::timeout(SEARCH_WITHIN, locate((wanted.search)(), &names)).await;
        let (places, lives) = found.unwrap_or_default();
        let targets: Vec<Target> = places.into_iter().filter_map(|place| doors.target(place)).collect();
        let next = if targets.is_empty() {
            // What was known is better than nothing: a name server that is away takes no trunk down.
            tracing::warn!(trunk = wanted.name, again_s = pause.as_secs(), "the provider cannot be found");
            pause = (pause * 2).min(LONGEST_PAUSE);
            pause
        } else {
            pause = FIRST_PAUSE;
            if !same(&targets, &known) {
                tracing::info!(trunk = wanted.name, servers = targets.len(), "the provider was found");
                known.clone_from(&targets);
                if tell.send(Input::Located { trunk: wanted.trunk, targets }).await.is_err() {
                    return;
                }
            }
            lives.clamp(LEAST, MOST)
        };
        tokio::select! {
            () = tokio::time::sleep(next) => {}
            () = tell.closed() => return,
        }
    }
}

/// Weights make the order of a search a matter of chance: it alone is no news.
fn same(new: &[Target], known: &[Target]) -> bool {
    new.len() == known.len() && new.iter().all(|target| known.contains(target))
}

/// One search, and for how long its result is good.
async fn locate(mut search: Locate, names: &impl Names) -> (Vec<Place>, Duration) {
    let mut lives = MOST;
    while let Some(query) = search.next().cloned() {
        let Answer { records, lives: this } = names.look_up(&query).await;
        lives = lives.min(this);
        search.answer(records, &mut SystemEntropy);
    }
    (search.places(), lives)
}
