//! From a name to places, in the order in which they are to be tried (RFC 3263 §4, RFC 2782, RFC 3403).
//!
//! Asks nobody itself: [`Locate::next`] says which question comes next, [`Locate::answer`] takes what was found, and
//! [`Locate::places`] gives the result. An empty answer is one too: the search goes on by the next rule.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use vorzimmer_types::{Entropy, entropy};

use crate::flow::Transport;
use crate::uri::Host;

/// The most records of one answer that are looked at.
const MAX_RECORDS: usize = 16;
/// The most questions of one search.
const MAX_QUESTIONS: usize = 40;
/// The transports that we dial, in our order of preference where the other side has none.
const SPOKEN: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// A question to the domain name system. Names have no dot at their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Which services a domain has.
    Naptr(String),
    /// Which hosts have a service.
    Srv(String),
    /// Which addresses a host has, A and AAAA.
    Addresses(String),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// To [`Query::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Query::Srv`].
    Srv(Vec<Srv>),
    /// To [`Query::Addresses`].
    Addresses(Vec<IpAddr>),
    /// There is nothing, or nobody answered.
    Nothing,
}

/// One NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lowest first.
    pub order: u16,
    /// Lowest first among the same order.
    pub preference: u16,
    /// `s`: the replacement is the name of SRV records.
    pub flags: String,
    /// `SIP+D2U` and its like.
    pub service: String,
    /// Where to look next.
    pub replacement: String,
}

/// One SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lowest first.
    pub priority: u16,
    /// The share of requests among the same priority.
    pub weight: u16,
    /// On which port.
    pub port: u16,
    /// On which host; empty: the service is decidedly not there.
    pub target: String,
}

/// Somewhere to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// By which transport.
    pub transport: Transport,
    /// To which address.
    pub remote: SocketAddr,
}

/// One search.
#[derive(Debug)]
pub struct Locate {
    domain: String,
    wanted: Option<Transport>,
    questions: VecDeque<Asked>,
    asked: usize,
    /// In order; those that are still names wait for their addresses.
    found: Vec<Found>,
}

#[derive(Clone, Debug)]
struct Asked {
    query: Query,
    transport: Option<Transport>,
}

#[derive(Clone, Debug)]
enum Found {
    Place(Place),
    Host { transport: Transport, name: String, port: u16 },
}

impl Locate {
    /// Begins for what stands in a URI: host, port and `transport`.
    #[must_use]
    pub fn new(host: &Host, port: Option<u16>, wanted: Option<Transport>) -> Self {
        let mut search =
            Self { domain: String::new(), wanted, questions: VecDeque::new(), asked: 0, found: Vec::new() };
        let transport = wanted.unwrap_or(Transport::Udp);
        match host {
            // §4.1, §4.2: an address is where to go, and a port says that no service is to be looked for.
            Host::Ip(ip) => {
                let remote = SocketAddr::new(*ip, port.unwrap_or(default_port(transport)));
                search.found.push(Found::Place(Place { transport, remote }));
            }
            Host::Name(name) => {
                search.domain = name.trim_end_matches('.').to_ascii_lowercase();
                match port {
                    Some(port) => search.host(transport, search.domain.clone(), port),
                    None => search.ask_for_services(),
                }
            }
        }
        search
    }

    fn ask_for_services(&mut self) {
        match self.wanted {
            Some(transport) => self.ask(Query::Srv(service(transport, &self.domain)), Some(transport)),
            None => self.ask(Query::Naptr(self.domain.clone()), None),
        }
    }

    fn ask(&mut self, query: Query, transport: Option<Transport>) {
        if self.asked < MAX_QUESTIONS {
            self.asked += 1;
            self.questions.push_back(Asked { query, transport });
        }
    }

    fn host(&mut self, transport: Transport, name: String, port: u16) {
        let waits = |found: &Found| matches!(found, Found::Host { name: known, .. } if *known == name);
        if !self.found.iter().any(waits) {
            self.ask(Query::Addresses(name.clone()), None);
        }
        self.found.push(Found::Host { transport, name, port });
    }

    /// The next question; none when all is known.
    #[must_use]
    pub fn next(&self) -> Option<&Query> {
        self.questions.front().map(|asked| &asked.query)
    }

    /// The answer to it. `entropy` spreads requests by weight (RFC 2782).
    pub fn answer(&mut self, records: Records, entropy: &mut dyn Entropy) {
        let Some(Asked { query, transport }) = self.questions.pop_front() else { return };
        match (query, records) {
            (Query::Naptr(_), Records::Naptr(records)) => self.services(records),
            (Query::Naptr(_), _) => self.services(Vec::new()),
            (Query::Srv(_), Records::Srv(records)) if !records.is_empty() => {
                let transport = transport.unwrap_or(Transport::Udp);
                for record in in_order(records, entropy) {
                    if let target @ 1.. = record.target.trim_end_matches('.').len() {
                        let name = record.target.get(..target).unwrap_or_default().to_ascii_lowercase();
                        self.host(transport, name, record.port);
                    }
                }
                // A single record with the root as its target says that there is no such service, and that is that.
                self.domain.clear();
            }
            (Query::Srv(_), _) => {}
            (Query::Addresses(name), Records::Addresses(addresses)) => self.addresses(&name, &addresses),
            (Query::Addresses(name), _) => self.addresses(&name, &[]),
        }
        // §4.2: without any service the name itself is a host.
        if self.questions.is_empty() && self.found.is_empty() && !self.domain.is_empty() {
            let transport = self.wanted.unwrap_or(Transport::Udp);
            let domain = std::mem::take(&mut self.domain);
            self.host(transport, domain, default_port(transport));
        }
    }

    /// §4.1: by order, then preference, and only what we speak.
    fn services(&mut self, mut records: Vec<Naptr>) {
        records.truncate(MAX_RECORDS);
        records.sort_by_key(|record| (record.order, record.preference));
        let mut any = false;
        for record in records {
            let Some(transport) = named(&record.service) else { continue };
            if record.flags.eq_ignore_ascii_case("s") && !record.replacement.is_empty() {
                any = true;
                self.ask(Query::Srv(record.replacement.trim_end_matches('.').to_owned()), Some(transport));
            }
        }
        if !any {
            for transport in SPOKEN {
                self.ask(Query::Srv(service(transport, &self.domain)), Some(transport));
            }
        }
    }

    fn addresses(&mut self, host: &str, addresses: &[IpAddr]) {
        let found = std::mem::take(&mut self.found);
        for one in found {
            match one {
                Found::Host { transport, name, port } if name == host => {
                    let addresses = addresses.iter().take(MAX_RECORDS);
                    self.found.extend(
                        addresses
                            .map(|ip| Found::Place(Place { transport, remote: SocketAddr::new(*ip, port) })),
                    );
                }
                other => self.found.push(other),
            }
        }
    }

    /// What was found, to be tried in this order; each once.
    #[must_use]
    pub fn places(self) -> Vec<Place> {
        let mut places = Vec::new();
        for found in self.found {
            if let Found::Place(place) = found
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
        places
    }
}

/// RFC 2782: by priority; within one, each next is drawn by weight.
fn in_order(mut records: Vec<Srv>, entropy: &mut dyn Entropy) -> Vec<Srv> {
    records.truncate(MAX_RECORDS);
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let same = records.iter().take_while(|record| record.priority == priority).count();
        let sum: u32 = records.iter().take(same).map(|record| u32::from(record.weight)).sum();
        let drawn = u32::from_be_bytes(entropy::array::<4>(entropy)) % (sum + 1);
        let mut running = 0;
        let at = records.iter().take(same).position(|record| {
            running += u32::from(record.weight);
            running >= drawn
        });
        ordered.push(records.remove(at.unwrap_or(0)));
    }
    ordered
}

fn default_port(transport: Transport) -> u16 {
    if transport.is_secure() { 5061 } else { 5060 }
}

/// The name of a transport's SRV records (§4.1).
fn service(transport: Transport, domain: &str) -> String {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tls => "_sips._tcp",
        Transport::Tcp | Transport::Ws | Transport::Wss => "_sip._tcp",
    };
    format!("{prefix}.{domain}")
}

/// The transport of a NAPTR service (§4.1).
fn named(service: &str) -> Option<Transport> {
    [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(service))
        .map(|(_, transport)| transport)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vorzimmer_types::entropy::Seeded;

    use super::*;

    fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Naptr {
        let (flags, service, replacement) = ("s".into(), service.into(), replacement.into());
        Naptr { order, preference, flags, service, replacement }
    }

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
        Srv { priority, weight, port, target: target.into() }
    }

    /// A zone of three hosts, of which one has two addresses.
    fn addresses(name: &str) -> Records {
        match name {
            "a.carrier.example" => Records::Addresses(vec!["192.0.2.1".parse().unwrap()]),
            "b.carrier.example" => {
                Records::Addresses(vec!["192.0.2.2".parse().unwrap(), "2001:db8::2".parse().unwrap()])
            }
            "carrier.example" => Records::Addresses(vec!["192.0.2.9".parse().unwrap()]),
            _ => Records::Nothing,
        }
    }

    fn search(mut locate: Locate, zone: &[(&str, Records)]) -> (Vec<String>, Vec<String>) {
        let (mut asked, mut entropy) = (Vec::new(), Seeded::new(1));
        while let Some(query) = locate.next().cloned() {
            let (kind, name) = match &query {
                Query::Naptr(name) => ("NAPTR", name),
                Query::Srv(name) => ("SRV", name),
                Query::Addresses(name) => ("A", name),
            };
            asked.push(format!("{kind} {name}"));
            let known = zone.iter().find(|(known, _)| *known == asked.last().unwrap());
            let answer = known.map(|(_, records)| records.clone()).unwrap_or_else(|| addresses(name));
            locate.answer(answer, &mut entropy);
        }
        let places =
            locate.places().iter().map(|p| format!("{} {}", p.transport.in_via(), p.remote)).collect();
        (asked, places)
    }

    fn name(text: &str) -> Host {
        Host::Name(text.into())
    }

    #[test]
    fn section_4_addresses_and_ports_need_no_services() {
        let ip = Host::Ip("192.0.2.7".parse().unwrap());
        assert_eq!(search(Locate::new(&ip, None, None), &[]).1, ["UDP 192.0.2.7:5060"]);
        assert_eq!(search(Locate::new(&ip, None, Some(Transport::Tls)), &[]).1, ["TLS 192.0.2.7:5061"]);
        assert_eq!(search(Locate::new(&ip, Some(5080), Some(Transport::Tcp)), &[]).1, ["TCP 192.0.2.7:5080"]);
        let (asked, places) = search(Locate::new(&name("B.carrier.example."), Some(5070), None), &[]);
        assert_eq!(asked, ["A b.carrier.example"]);
        assert_eq!(places, ["UDP 192.0.2.2:5070", "UDP [2001:db8::2]:5070"]);
    }

    #[test]
    fn section_4_1_naptr_says_which_transport_is_liked_best() {
        let zone = [
            (
                "NAPTR carrier.example",
                Records::Naptr(vec![
                    naptr(20, 10, "SIP+D2U", "_sip._udp.carrier.example."),
                    naptr(10, 50, "SIP+D2T", "_sip._tcp.carrier.example"),
                    naptr(10, 10, "SIPS+D2T", "_sips._tcp.carrier.example"),
                    naptr(5, 1, "E2U+sip", "ignored.example"),
                    naptr(5, 1, "SIP+D2S", "_sip._sctp.carrier.example"),
                ]),
            ),
            ("SRV _sips._tcp.carrier.example", Records::Srv(vec![srv(1, 1, 5061, "a.carrier.example")])),
            (
                "SRV _sip._tcp.carrier.example",
                Records::Srv(vec![
                    srv(2, 0, 5062, "b.carrier.example"),
                    srv(1, 0, 5063, "a.carrier.example"),
                ]),
            ),
            ("SRV _sip._udp.carrier.example", Records::Nothing),
        ];
        let (asked, places) = search(Locate::new(&name("carrier.example"), None, None), &zone);
        assert_eq!(
            asked[..4],
            [
                "NAPTR carrier.example",
                "SRV _sips._tcp.carrier.example",
                "SRV _sip._tcp.carrier.example",
                "SRV _sip._udp.carrier.example"
            ]
        );
        assert_eq!(
            places,
            ["TLS 192.0.2.1:5061", "TCP 192.0.2.1:5063", "TCP 192.0.2.2:5062", "TCP [2001:db8::2]:5062"]
        );
    }

    #[test]
    fn section_4_2_without_naptr_and_srv_the_name_is_a_host() {
        let (asked, places) = search(Locate::new(&name("carrier.example"), None, None), &[]);
        assert_eq!(asked.len(), 5, "{asked:?}");
        assert_eq!(places, ["UDP 192.0.2.9:5060"]);
        let (asked, places) = search(Locate::new(&name("carrier.example"), None, Some(Transport::Tcp)), &[]);
        assert_eq!(asked, ["SRV _sip._tcp.carrier.example", "A carrier.example"]);
        assert_eq!(places, ["TCP 192.0.2.9:5060"]);
        let gone = [("SRV _sip._udp.carrier.example", Records::Srv(vec![srv(0, 0, 0, ".")]))];
        let (_, places) = search(Locate::new(&name("carrier.example"), None, Some(Transport::Udp)), &gone);
        assert!(places.is_empty(), "RFC 2782: a dot says that there is none");
    }

    #[test]
    fn weights_spread_and_priorities_rule() {
        let mut entropy = Seeded::new(3);
        let records = || vec![srv(2, 1, 3, "c"), srv(1, 90, 1, "a"), srv(1, 10, 2, "b"), srv(3, 0, 4, "d")];
        let mut first: BTreeMap<u16, u32> = BTreeMap::new();
        for _ in 0..1000 {
            let ports: Vec<_> = in_order(records(), &mut entropy).iter().map(|record| record.port).collect();
            assert_eq!(ports[2..], [3, 4]);
            *first.entry(ports[0]).or_default() += 1;
        }
        assert!((850..=940).contains(&first[&1]), "{first:?}");
    }

    #[test]
    fn answers_without_end_end() {
        let many =
            |n: u16| Records::Srv((0..n).map(|at| srv(at, 0, 5060, &format!("h{at}.example"))).collect());
        let zone = [("SRV _sip._udp.carrier.example", many(5000))];
        let (asked, _) = search(Locate::new(&name("carrier.example"), None, Some(Transport::Udp)), &zone);
        assert!(asked.len() <= MAX_QUESTIONS);
        let mut nothing = Locate::new(&name("carrier.example"), Some(1), None);
        nothing.answer(Records::Nothing, &mut Seeded::new(1));
        nothing.answer(Records::Nothing, &mut Seeded::new(1));
        assert!(nothing.places().is_empty());
    }
}
