//! Kamailio in front of the server, as operators put it there: telephones register through it (RFC 3327), carriers come
//! through another address of it, and it stays in every dialog (Record-Route).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vorzimmer_tests::server::Server;
use vorzimmer_tests::{ports, wait};

/// Where telephones speak to it.
const EDGE: &str = "127.0.0.7";
/// Where carriers do.
const OUTER: &str = "127.0.0.8";

pub struct Front {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Front {
    /// Carriers come from its outer address.
    pub const TRUNK: &str = "[trunks.front]\naddresses = [\"127.0.0.8/32\"]\n";

    /// Starts it with the server's own certificate.
    pub fn start(server: &Server) -> Self {
        let folder = server.folder().join("kamailio");
        fs::create_dir(&folder).expect("a folder for Kamailio");
        let port = ports::block(2);
        let file = folder.join("kamailio.cfg");
        fs::write(&file, config(server, port)).expect("Kamailio's configuration");
        let log = fs::File::create(folder.join("log")).expect("Kamailio's log");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .expect("Kamailio starts: install Debian's kamailio, kamailio-tls-modules and kamailio-outbound-modules");
        let front = Self { child, folder, port };
        wait::until("Kamailio to listen", Duration::from_secs(20), || {
            std::net::TcpStream::connect((EDGE, port + 1)).ok().map(drop)
        });
        front
    }

    /// The `host:port` for a caller's phone or a receptionist's.
    pub fn door(&self, caller: bool, transport: &str) -> String {
        let host = if caller { OUTER } else { EDGE };
        format!("{host}:{}", self.port + u16::from(transport == "tls"))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status());
        drop(self.child.wait());
    }
}

fn config(server: &Server, port: u16) -> String {
    let tls = server.folder().join("tls");
    CONFIG
        .replace("EDGE", EDGE)
        .replace("OUTER", OUTER)
        .replace("SECURE", &(port + 1).to_string())
        .replace("PORT", &port.to_string())
        .replace("SERVER", &server.sip)
        .replace("CERTIFICATE", &path(&tls.join("own.pem")))
        .replace("KEY", &path(&tls.join("own.key")))
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const CONFIG: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:EDGE:PORT
listen=tcp:EDGE:PORT
listen=tls:EDGE:SECURE
listen=udp:OUTER:PORT
enable_tls=yes
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "stun.so"
loadmodule "outbound.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "maxfwd.so"
loadmodule "nathelper.so"
loadmodule "path.so"
loadmodule "tls.so"
modparam("tls", "certificate", "CERTIFICATE")
modparam("tls", "private_key", "KEY")
modparam("tls", "tls_method", "TLSv1.2+")
modparam("path", "use_received", 1)
modparam("outbound", "force_outbound_flag", 1)

request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("CANCEL")) {
        if (t_check_trans()) t_relay();
        exit;
    }
    route(ALIAS);
    if (has_totag()) {
        if (loose_route()) {
            if ($fU != "" && is_method("INVITE|UPDATE")) record_route();
            handle_ruri_alias();
            t_on_reply("ANSWERED");
            t_relay();
            exit;
        }
        if (is_method("ACK") && t_check_trans()) t_relay();
        exit;
    }
    if (is_method("REGISTER")) {
        # RFC 5626 §5.1: the flow that the telephone opened, as a token in the Path.
        setflag(1);
        add_path_received();
        $fs = "udp:EDGE:PORT";
        $du = "sip:SERVER";
        t_relay();
        exit;
    }
    t_on_reply("ANSWERED");
    record_route();
    if ($si + ":" + $sp == "SERVER") {
        # To a telephone: where the Path that it registered with says.
        loose_route();
    } else {
        $fs = "udp:" + $Ri + ":PORT";
        $du = "sip:SERVER";
    }
    t_relay();
}

# Whoever is no server of ours is reached where its message came from (its Contact may be behind a NAT).
route[ALIAS] {
    if ($si + ":" + $sp != "SERVER" && !is_method("REGISTER")) add_contact_alias();
}

onreply_route[ANSWERED] {
    if ($si + ":" + $sp != "SERVER") add_contact_alias();
}
"#;
