//! Kamailio, as a provider or as a proxy in front of telephones: what it routes is the test's own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running Kamailio; ended when dropped.
#[derive(Debug)]
pub struct Kamailio(Child);

impl Kamailio {
    /// Starts it on this UDP `address:port`, with modules and routes that the test brings.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn start(folder: &Path, address: &str, routes: &str) -> Self {
        let config = format!(
            "#!KAMAILIO\ndebug=1\nlog_stderror=yes\nfork=no\nchildren=1\ndisable_tcp=yes\nauto_aliases=no\n\
             listen=udp:{address}\nloadmodule \"tm.so\"\nloadmodule \"sl.so\"\nloadmodule \"rr.so\"\n\
             loadmodule \"pv.so\"\nloadmodule \"textops.so\"\nloadmodule \"siputils.so\"\n{routes}"
        );
        let file = folder.join("kamailio.cfg");
        fs::write(&file, config).expect("Kamailio's configuration");
        let log = fs::File::create(folder.join("kamailio.log")).expect("Kamailio's log");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .expect("Kamailio starts: install Debian's kamailio");
        Self(child)
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // It may be gone already.
        drop(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status());
        drop(self.0.wait());
    }
}
