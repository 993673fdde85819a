use std::sync::{Arc, Mutex};
use std::time::Duration;

use vorzimmer_sip::carrier::{Locate, Query, Records, Srv};
use vorzimmer_sip::ua::Transport;
use vorzimmer_sip::uri::Host;

use super::{Answer, Doors, Names, locate, same};
use crate::net::LocalAddresses;

/// A zone that a test can change.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<Vec<(Query, Records)>>>);

impl Zone {
    fn set(&self, records: Vec<(Query, Records)>) {
        *self.0.lock().expect("the zone") = records;
    }
}

impl Names for Zone {
    async fn look_up(&self, query: &Query) -> Answer {
        let zone = self.0.lock().expect("the zone");
        let found = zone.iter().find(|(known, _)| known == query);
        let records = found.map_or(Records::Nothing, |(_, records)| records.clone());
        Answer { records, lives: Duration::from_secs(60) }
    }
}

fn srv(hosts: &[&str]) -> (Query, Records) {
    let records = hosts.iter().enumerate().map(|(at, host)| Srv {
        priority: u16::try_from(at).expect("few"),
        weight: 0,
        port: 5060,
        target: (*host).to_owned(),
    });
    (Query::Srv("_sip._udp.carrier.example".into()), Records::Srv(records.collect()))
}

fn host(name: &str, address: &str) -> (Query, Records) {
    (Query::Addresses(name.into()), Records::Addresses(vec![address.parse().expect("an address")]))
}

#[tokio::test]
async fn a_provider_is_found_and_known_by_the_address_that_it_sees() {
    let zone = Zone::default();
    let search = || Locate::new(&Host::Name("carrier.example".into()), None, Some(Transport::Udp));
    let doors = Doors {
        bound: vec![
            (Transport::Tcp, "192.0.2.200:5060".parse().expect("an address")),
            (Transport::Udp, "127.0.0.1:5062".parse().expect("an address")),
            (Transport::Udp, "192.0.2.200:5060".parse().expect("an address")),
        ],
        addresses: LocalAddresses::new(Vec::new()),
    };
    assert!(locate(search(), &zone).await.0.is_empty(), "there is nothing");
    zone.set(vec![
        srv(&["a.example", "b.example", "c.example"]),
        host("a.example", "192.0.2.1"),
        host("b.example", "2001:db8::1"),
        host("c.example", "127.0.0.9"),
    ]);
    let (places, lives) = locate(search(), &zone).await;
    assert_eq!(lives, Duration::from_secs(60), "the shortest life of all records");
    let targets: Vec<_> = places.into_iter().filter_map(|place| doors.target(place)).collect();
    let seen: Vec<_> = targets.iter().map(|one| format!("{} from {}", one.remote, one.local)).collect();
    let expected = ["192.0.2.1:5060 from 192.0.2.200:5060", "127.0.0.9:5060 from 127.0.0.1:5062"];
    assert_eq!(seen, expected, "nothing of ours speaks IPv6");
    let turned: Vec<_> = targets.iter().rev().copied().collect();
    assert!(same(&turned, &targets) && !same(&turned[1..], &targets), "an order drawn by weight is no news");
}
