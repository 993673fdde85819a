//! The domain name system, behind a trait so that tests can be it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use vorzimmer_sip::carrier::{Naptr, Query, Records, Srv};

use crate::failure::Failure;

/// How long one question may take, and how often it is asked.
const QUESTION_WITHIN: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// How long it is believed that there is nothing.
const NOTHING_LIVES: Duration = Duration::from_secs(60);
/// Answers that are kept at a time.
const CACHE: u64 = 256;

/// What was found, and for how long it is good.
pub struct Answer {
    /// The records.
    pub records: Records,
    /// The shortest of their lives.
    pub lives: Duration,
}

/// Somebody who can be asked for names.
pub trait Names: Send + Sync {
    /// Asks. That there is nothing is an answer, and so is that nobody answered.
    fn look_up(&self, query: &Query) -> impl Future<Output = Answer> + Send;
}

/// The domain name system. Cheap to clone; what was answered is kept for as long as its records live.
#[derive(Clone)]
pub struct System(TokioResolver);

impl System {
    /// By these name servers; without any, by those that the system is configured with.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, Failure> {
        let advice = "set sip.name_servers, or restore /etc/resolv.conf";
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| Failure::failed(error, advice))?
        } else {
            by(servers)
        };
        let options = builder.options_mut();
        options.timeout = QUESTION_WITHIN;
        options.attempts = ATTEMPTS;
        options.cache_size = CACHE;
        options.negative_max_ttl = Some(NOTHING_LIVES);
        builder.build().map(Self).map_err(|error| Failure::failed(error, advice))
    }

    async fn records(&self, name: &str, kind: RecordType) -> (Vec<Record>, Duration) {
        // With a dot at the end it is nobody's subdomain.
        match self.0.lookup(format!("{}.", name.trim_end_matches('.')), kind).await {
            Ok(found) => {
                let records = found.answers().to_vec();
                let lives = records.iter().map(|record| record.ttl).min().unwrap_or_default();
                (records, Duration::from_secs(u64::from(lives)))
            }
            Err(error) => {
                if !error.is_no_records_found() {
                    tracing::debug!(%error, "a name server did not answer");
                }
                (Vec::new(), NOTHING_LIVES)
            }
        }
    }
}

fn by(servers: &[SocketAddr]) -> ResolverBuilder<TokioRuntimeProvider> {
    let servers = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    let config = ResolverConfig::from_name_servers(servers.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

impl Names for System {
    async fn look_up(&self, query: &Query) -> Answer {
        match query {
            Query::Naptr(name) => {
                let (found, lives) = self.records(name, RecordType::NAPTR).await;
                Answer { records: Records::Naptr(found.iter().filter_map(naptr).collect()), lives }
            }
            Query::Srv(name) => {
                let (found, lives) = self.records(name, RecordType::SRV).await;
                Answer { records: Records::Srv(found.iter().filter_map(srv).collect()), lives }
            }
            Query::Addresses(name) => {
                let (v4, v6) =
                    tokio::join!(self.records(name, RecordType::A), self.records(name, RecordType::AAAA));
                let addresses = v4.0.iter().chain(&v6.0).filter_map(address).collect();
                Answer { records: Records::Addresses(addresses), lives: v4.1.min(v6.1) }
            }
        }
    }
}

fn naptr(record: &Record) -> Option<Naptr> {
    let RData::NAPTR(found) = &record.data else { return None };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(Naptr {
        order: found.order,
        preference: found.preference,
        flags: text(&found.flags)?,
        service: text(&found.services)?,
        replacement: found.replacement.to_ascii().trim_end_matches('.').to_owned(),
    })
}

fn srv(record: &Record) -> Option<Srv> {
    let RData::SRV(found) = &record.data else { return None };
    Some(Srv {
        priority: found.priority,
        weight: found.weight,
        port: found.port,
        target: found.target.to_ascii().trim_end_matches('.').to_owned(),
    })
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(found) => Some(IpAddr::V4(found.0)),
        RData::AAAA(found) => Some(IpAddr::V6(found.0)),
        _ => None,
    }
}
