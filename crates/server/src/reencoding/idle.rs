//! Whether the machine has nothing better to do.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Trouble;
use crate::config::Reencoding;
use crate::control::Report;

const LOAD: &str = "/proc/loadavg";

/// Looks at the running calls, and at the machine's load.
pub(super) struct Idle {
    max_calls: usize,
    /// Tasks that want to run, over all cores.
    max_load: f64,
    report: watch::Receiver<Report>,
}

impl Idle {
    pub(super) fn new(settings: &Reencoding, report: watch::Receiver<Report>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cores = f64::from(u32::try_from(cores).unwrap_or(u32::MAX));
        Self { max_calls: settings.max_calls, max_load: settings.max_load * cores, report }
    }

    /// Whether work may begin.
    pub(super) fn is_now(&self) -> bool {
        // A machine that does not tell its load is judged by its calls.
        let load = std::fs::read_to_string(LOAD).ok().and_then(|text| of_last_minute(&text));
        self.calls_allow() && load.is_none_or(|load| load <= self.max_load)
    }

    /// Waits until calls allow work to go on. The load is not asked: it counts our own work.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if they do not for so long; [`Trouble::Ended`] if the server ends.
    pub(super) async fn wait(&mut self, patience: Duration) -> Result<(), Trouble> {
        let deadline = Instant::now() + patience;
        while !self.calls_allow() {
            match timeout_at(deadline, self.report.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Trouble::Ended),
                Err(_) => return Err(Trouble::Busy),
            }
        }
        Ok(())
    }

    fn calls_allow(&self) -> bool {
        let report = self.report.borrow();
        report.calls.running <= self.max_calls && !report.draining
    }
}

/// The first number of /proc/loadavg.
fn of_last_minute(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;

    use super::{Idle, of_last_minute};
    use crate::config::Reencoding;
    use crate::control::Report;
    use crate::reencoding::Trouble;

    #[test]
    fn the_load_is_the_first_number() {
        assert_eq!(of_last_minute("0.42 1.00 2.50 3/456 7890\n"), Some(0.42));
        assert_eq!(of_last_minute(""), None);
    }

    #[tokio::test]
    async fn calls_come_first() {
        let settings = Reencoding { max_calls: 1, max_load: 1e6, ..Reencoding::default() };
        let (tell, report) = watch::channel(Report::default());
        let mut idle = Idle::new(&settings, report);
        let with = |running| {
            let mut report = Report::default();
            report.calls.running = running;
            report
        };
        assert!(idle.is_now());
        tell.send_replace(with(2));
        assert!(!idle.is_now());
        let minute = Duration::from_secs(60);
        assert!(matches!(idle.wait(Duration::from_millis(1)).await, Err(Trouble::Busy)));
        let waiting = tokio::spawn(async move { idle.wait(minute).await.map(|()| idle) });
        tell.send_replace(with(1));
        let mut idle = waiting.await.expect("no panic").expect("in time");
        tell.send_replace(Report { draining: true, ..with(0) });
        assert!(!idle.is_now(), "a server that drains begins nothing");
        drop(tell);
        assert!(matches!(idle.wait(minute).await, Err(Trouble::Ended)));
    }
}
