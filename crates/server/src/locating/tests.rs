use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use vorzimmer_sip::carrier::{Locate, Query, Records, Srv};
use vorzimmer_sip::ua::{Input, Transport};
use vorzimmer_sip::uri::Host;
use vorzimmer_types::TrunkId;

use super::{Answer, Doors, Names, Wanted, keep_located};
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

#[tokio::test(start_paused = true)]
async fn a_provider_is_found_and_followed_and_not_forgotten_when_the_names_are_away() {
    let zone = Zone::default();
    let wanted = Wanted {
        trunk: TrunkId::from_bytes([1; 16]),
        name: "carrier".into(),
        search: Box::new(|| Locate::new(&Host::Name("carrier.example".into()), None, Some(Transport::Udp))),
    };
    let doors = Doors {
        bound: vec![
            (Transport::Tcp, "192.0.2.200:5060".parse().expect("an address")),
            (Transport::Udp, "127.0.0.1:5062".parse().expect("an address")),
            (Transport::Udp, "192.0.2.200:5060".parse().expect("an address")),
        ],
        addresses: LocalAddresses::new(Vec::new()),
    };
    let (tell, mut told) = mpsc::channel(4);
    tokio::spawn(keep_located(wanted, doors, zone.clone(), tell));
    assert!(tokio::time::timeout(Duration::from_secs(100), told.recv()).await.is_err(), "there is nothing");
    zone.set(vec![
        srv(&["a.example", "b.example"]),
        host("a.example", "192.0.2.1"),
        host("b.example", "2001:db8::1"),
    ]);
    let Some(Input::Located { targets, .. }) = told.recv().await else { panic!("nothing was found") };
    assert_eq!(targets.len(), 1, "nothing of ours speaks IPv6");
    assert_eq!(
        (targets[0].local.to_string(), targets[0].remote.to_string()),
        ("192.0.2.200:5060".into(), "192.0.2.1:5060".into())
    );
    zone.set(Vec::new());
    assert!(
        tokio::time::timeout(Duration::from_secs(1000), told.recv()).await.is_err(),
        "what was known stays"
    );
    zone.set(vec![
        srv(&["a.example", "b.example"]),
        host("a.example", "192.0.2.7"),
        host("b.example", "192.0.2.8"),
    ]);
    let Some(Input::Located { targets, .. }) = told.recv().await else { panic!("nothing has changed") };
    let places: Vec<String> = targets.iter().map(|target| target.remote.to_string()).collect();
    assert_eq!(places, ["192.0.2.7:5060", "192.0.2.8:5060"]);
}
