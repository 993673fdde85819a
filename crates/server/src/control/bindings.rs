//! Receptionists' bindings as the store keeps them, sealed: they must survive a restart.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use vorzimmer_sip::ua::{Binding, Flow, Transport};
use vorzimmer_types::{Pii, ReceptionistId, UnixMillis};

/// The form in which a binding is sealed. Connections do not survive a restart, so streams are kept without theirs.
#[derive(Serialize, Deserialize)]
struct Kept {
    contact: String,
    transport: KeptTransport,
    local: SocketAddr,
    remote: SocketAddr,
    #[serde(default)]
    path: Vec<String>,
    call_id: String,
    cseq: u32,
    instance: Option<String>,
    #[serde(default)]
    reg_id: Option<u32>,
    q_milli: u16,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeptTransport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl From<Transport> for KeptTransport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
            Transport::Ws => Self::Ws,
            Transport::Wss => Self::Wss,
        }
    }
}

impl From<KeptTransport> for Transport {
    fn from(kept: KeptTransport) -> Self {
        match kept {
            KeptTransport::Udp => Self::Udp,
            KeptTransport::Tcp => Self::Tcp,
            KeptTransport::Tls => Self::Tls,
            KeptTransport::Ws => Self::Ws,
            KeptTransport::Wss => Self::Wss,
        }
    }
}

/// For the store, which seals it.
pub(super) fn stored(bindings: &[Binding]) -> Vec<vorzimmer_store::Binding> {
    let stored = bindings.iter().filter_map(|binding| {
        let kept = Kept {
            contact: binding.contact.expose().clone(),
            transport: binding.flow.transport.into(),
            local: binding.flow.local,
            remote: binding.flow.remote,
            path: binding.path.iter().map(|hop| hop.expose().clone()).collect(),
            call_id: binding.call_id.expose().clone(),
            cseq: binding.cseq,
            instance: binding.instance.as_ref().map(|instance| instance.expose().clone()),
            reg_id: binding.reg_id,
            q_milli: binding.q_milli,
        };
        match serde_json::to_vec(&kept) {
            Ok(contact) => Some(vorzimmer_store::Binding { contact, expires_at: binding.expires_at }),
            Err(error) => {
                tracing::error!(%error, "a binding cannot be kept: the device has to register again after a restart");
                None
            }
        }
    });
    stored.collect()
}

/// What was kept, for the user agent. What cannot be read is left out: that device registers again by itself.
pub fn restorable(kept: Vec<(ReceptionistId, vorzimmer_store::Binding)>) -> Vec<Binding> {
    kept.into_iter()
        .filter_map(|(receptionist, stored)| restore(receptionist, &stored.contact, stored.expires_at))
        .collect()
}

fn restore(receptionist: ReceptionistId, sealed: &[u8], expires_at: UnixMillis) -> Option<Binding> {
    let kept: Kept = serde_json::from_slice(sealed)
        .inspect_err(|error| tracing::warn!(%receptionist, %error, "a kept binding cannot be read"))
        .ok()?;
    let transport = kept.transport.into();
    Some(Binding {
        receptionist,
        contact: Pii::new(kept.contact),
        flow: Flow { transport, local: kept.local, remote: kept.remote, connection: None },
        path: kept.path.into_iter().map(Pii::new).collect(),
        call_id: Pii::new(kept.call_id),
        cseq: kept.cseq,
        instance: kept.instance.map(Pii::new),
        reg_id: kept.reg_id,
        q_milli: kept.q_milli,
        expires_at,
    })
}

#[cfg(test)]
mod tests {
    use vorzimmer_sip::ua::{Binding, ConnectionId, Flow, Transport};
    use vorzimmer_types::{Pii, ReceptionistId, UnixMillis};

    use super::{restorable, stored};

    fn binding(transport: Transport, connection: Option<u64>) -> Binding {
        Binding {
            receptionist: ReceptionistId::from_bytes([1; 16]),
            contact: Pii::new("sip:anna@[2001:db8::7]:5070;transport=udp".into()),
            flow: Flow {
                transport,
                local: "[2001:db8::1]:5060".parse().expect("address"),
                remote: "[2001:db8::7]:5070".parse().expect("address"),
                connection: connection.map(ConnectionId),
            },
            path: vec![Pii::new("<sip:edge.example;lr>".into())],
            call_id: Pii::new("abc@phone".into()),
            cseq: 17,
            instance: Some(Pii::new("<urn:uuid:1>".into())),
            reg_id: Some(2),
            q_milli: 500,
            expires_at: UnixMillis(1_800_000_000_000),
        }
    }

    #[test]
    fn a_binding_survives_the_store() {
        let udp = binding(Transport::Udp, None);
        let kept =
            stored(std::slice::from_ref(&udp)).into_iter().map(|kept| (udp.receptionist, kept)).collect();
        assert_eq!(restorable(kept), [udp]);
    }

    #[test]
    fn a_stream_comes_back_without_its_connection_and_rubbish_not_at_all() {
        let tcp = binding(Transport::Tcp, Some(9));
        let mut kept: Vec<_> =
            stored(std::slice::from_ref(&tcp)).into_iter().map(|kept| (tcp.receptionist, kept)).collect();
        let rubbish = vorzimmer_store::Binding { contact: b"{}".to_vec(), expires_at: tcp.expires_at };
        kept.push((tcp.receptionist, rubbish));
        assert_eq!(restorable(kept), [binding(Transport::Tcp, None)]);
    }
}
