//! To and from `rsip::Uri`, which a request line is made of.
//!
//! `rsip` knows no `tel:`: such a URI, like every foreign one, is its `Scheme::Other` with the rest as the host. It has no
//! room for headers either; a Request-URI has none (RFC 3261 §19.1.1, table 1).

use rsip::common::uri::auth::Auth;
use rsip::common::uri::param::{OtherParam, OtherParamValue};
use rsip::common::uri::{HostWithPort, Param as RsipParam, Scheme as RsipScheme};

use super::{Host, Param, Scheme, Uri};

impl From<Uri> for rsip::Uri {
    fn from(uri: Uri) -> Self {
        let (scheme, auth, host) = match uri.scheme {
            Scheme::Sip => (RsipScheme::Sip, uri.user, uri.host),
            Scheme::Sips => (RsipScheme::Sips, uri.user, uri.host),
            Scheme::Tel => (RsipScheme::Other("tel".into()), None, uri.user.map(Host::Name)),
            Scheme::Other(name) => (RsipScheme::Other(name), None, uri.rest.map(Host::Name)),
        };
        Self {
            scheme: Some(scheme),
            auth: auth.map(|user| Auth { user, password: uri.password }),
            host_with_port: HostWithPort {
                host: rsip_host(host.unwrap_or_else(|| Host::Name(String::new()))),
                port: uri.port.map(Into::into),
            },
            params: uri.params.into_iter().map(rsip_param).collect(),
            headers: Vec::new(),
        }
    }
}

impl From<&rsip::Uri> for Uri {
    fn from(uri: &rsip::Uri) -> Self {
        let scheme = match &uri.scheme {
            None | Some(RsipScheme::Sip) => Scheme::Sip,
            Some(RsipScheme::Sips) => Scheme::Sips,
            Some(RsipScheme::Other(name)) if name.eq_ignore_ascii_case("tel") => Scheme::Tel,
            Some(RsipScheme::Other(name)) => Scheme::Other(name.to_ascii_lowercase()),
        };
        let host = own_host(&uri.host_with_port.host);
        let (user, host, rest) = match scheme {
            Scheme::Sip | Scheme::Sips => (uri.auth.as_ref().map(|a| a.user.clone()), Some(host), None),
            Scheme::Tel => (Some(host.to_string()), None, None),
            Scheme::Other(_) => (None, None, Some(host.to_string())),
        };
        Self {
            scheme,
            user,
            password: uri.auth.as_ref().and_then(|a| a.password.clone()),
            host,
            port: uri.host_with_port.port.map(Into::into),
            params: uri.params.iter().map(own_param).collect(),
            rest,
        }
    }
}

fn rsip_host(host: Host) -> rsip::Host {
    match host {
        Host::Name(name) => rsip::Host::Domain(name.into()),
        Host::Ip(ip) => rsip::Host::IpAddr(ip),
    }
}

fn own_host(host: &rsip::Host) -> Host {
    match host {
        rsip::Host::Domain(name) => Host::Name(name.to_string()),
        rsip::Host::IpAddr(ip) => Host::Ip(*ip),
    }
}

/// Only what `rsip` can give back unchanged becomes one of its named parameters.
fn rsip_param(param: Param) -> RsipParam {
    match (param.name.as_str(), param.value.as_deref()) {
        ("lr", None) => RsipParam::Lr,
        ("transport", Some("udp")) => RsipParam::Transport(rsip::Transport::Udp),
        ("transport", Some("tcp")) => RsipParam::Transport(rsip::Transport::Tcp),
        ("transport", Some("tls")) => RsipParam::Transport(rsip::Transport::Tls),
        ("transport", Some("ws")) => RsipParam::Transport(rsip::Transport::Ws),
        _ => RsipParam::Other(OtherParam::from(param.name), param.value.map(OtherParamValue::from)),
    }
}

fn own_param(param: &RsipParam) -> Param {
    let (name, value) = match param {
        RsipParam::Lr => ("lr", None),
        RsipParam::Transport(transport) => ("transport", Some(transport.to_string().to_ascii_lowercase())),
        RsipParam::User(user) => ("user", Some(user.to_string())),
        RsipParam::Method(method) => ("method", Some(crate::wire::method_name(*method).to_owned())),
        RsipParam::Ttl(ttl) => ("ttl", Some(ttl.to_string())),
        RsipParam::Maddr(maddr) => ("maddr", Some(maddr.to_string())),
        RsipParam::Branch(branch) => ("branch", Some(branch.to_string())),
        RsipParam::Received(received) => ("received", Some(received.to_string())),
        RsipParam::Tag(tag) => ("tag", Some(tag.to_string())),
        RsipParam::Expires(expires) => ("expires", Some(expires.to_string())),
        RsipParam::Q(q) => ("q", Some(q.to_string())),
        RsipParam::Other(name, value) => {
            return Param { name: name.to_string(), value: value.as_ref().map(ToString::to_string) };
        }
    };
    Param { name: name.to_owned(), value }
}

#[cfg(test)]
mod tests {
    use crate::uri::Uri;

    #[test]
    fn a_request_uri_survives_the_way_there_and_back() {
        for text in [
            "sip:+493023125001@[2001:db8::1]:5062;user=phone;lr;transport=tcp",
            "sips:a:b@example.com;transport=TLS-SCTP",
            "sip:192.0.2.1",
            "tel:+49-30-23125-001;phone-context=+49",
            "soap.beep:x/y",
        ] {
            let there = rsip::Uri::from(Uri::parse(text).unwrap());
            assert_eq!(Uri::from(&there).to_string(), text);
        }
    }
}
