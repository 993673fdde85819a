//! A thread that gets the processor when nobody else wants it.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

/// The lowest priority that there is.
const NICE: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;

/// The thread. It ends when this is dropped and its job is done.
pub(super) struct Worker(mpsc::Sender<Job>);

impl Worker {
    pub(super) fn start() -> io::Result<Self> {
        let (give, jobs) = mpsc::channel::<Job>();
        thread::Builder::new().name("reencoding".to_owned()).spawn(move || {
            // Linux counts niceness thread by thread.
            if let Err(error) = rustix::process::setpriority_process(None, NICE) {
                tracing::warn!(%error, "recordings are encoded again at the usual priority");
            }
            jobs.into_iter().for_each(|job| job());
        })?;
        Ok(Self(give))
    }

    /// Does a piece of work on the thread, one at a time. None if the thread is gone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || drop(tell.send(work())));
        self.0.send(job).ok()?;
        told.await.ok()
    }
}
