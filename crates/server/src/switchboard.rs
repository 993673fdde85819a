//! How the command line reaches the running server: a socket in the data folder that only the server's own user may
//! open. One question and one answer, each a line of JSON.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use vorzimmer_sip::carrier::Standing;
use vorzimmer_sip::ua::{TrunkOrder, TrunkStatus};

use crate::control::{Ordered, Report};
use crate::failure::{Failure, Kind};

/// The longest question or answer, in bytes: 64 trunks and more.
const LONGEST: u64 = 64 * 1024;
/// One conversation may take so long.
const WITHIN: Duration = Duration::from_secs(5);
/// After a question that could not be taken the next one waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Question {
    /// How all trunks are.
    Trunks,
    /// An order for one of them.
    Trunk {
        /// Its name.
        name: String,
        /// What.
        order: Wish,
    },
}

/// What may be wanted of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// No new calls.
    Drain,
    /// The end of that.
    Resume,
    /// Register again.
    Retry,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Reply {
    /// All trunks.
    Trunks {
        /// In the order of the configuration.
        trunks: Vec<Row>,
    },
    /// It will be done.
    Done,
    /// There is no such trunk.
    Unknown,
    /// The question cannot be read: command line and server differ in age.
    Unreadable,
}

/// One trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// `up`, `degraded`, `down` or `unknown`.
    pub state: String,
    /// `none`, `asking`, `registered`, `waiting`, `refused` or `given back`.
    pub registration: String,
    /// What the provider said when it refused.
    pub refused_with: Option<u16>,
    /// For how long the registration is good still, in seconds.
    pub registered_for_s: Option<u64>,
    /// Whether it takes no new calls.
    pub draining: bool,
    /// The server that calls go to now.
    pub server: Option<String>,
    /// How many servers are known.
    pub servers: usize,
}

impl From<&TrunkStatus> for Row {
    fn from(status: &TrunkStatus) -> Self {
        let (registration, refused_with) = match status.registration {
            None => ("none", None),
            Some(Standing::Waiting { .. }) => ("waiting", None),
            Some(Standing::Asking) => ("asking", None),
            Some(Standing::Registered { .. }) => ("registered", None),
            Some(Standing::Refused { status }) => ("refused", Some(status)),
            Some(Standing::Ended) => ("given back", None),
        };
        let server = status.target.map(|target| format!("{} {}", target.transport.in_via(), target.remote));
        Self {
            name: status.name.clone(),
            state: status.pulse.as_str().to_owned(),
            registration: registration.to_owned(),
            refused_with,
            registered_for_s: status.registered_for.map(|left| left.as_secs()),
            draining: status.draining,
            server,
            servers: status.targets,
        }
    }
}

/// Where the socket is.
pub fn path(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Listens from now on. What an earlier run left behind is removed.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(
    data: &Path,
    report: watch::Receiver<Report>,
    orders: mpsc::Sender<Ordered>,
) -> Result<(), Failure> {
    let path = path(data);
    let listener = bind(&path).map_err(|error| {
        Failure::failed(
            format!("the socket {} cannot be made: {error}", path.display()),
            "choose a data.folder with a shorter path that the server may write to",
        )
    })?;
    tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                // No file descriptors left, for one: that passes, and the operator will ask again.
                Err(error) => {
                    tracing::warn!(%error, "a question of the command line could not be taken");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // One at a time: whoever may open it is the operator.
            if !matches!(timeout(WITHIN, converse(stream, &report, &orders)).await, Ok(Ok(()))) {
                tracing::debug!("a question of the command line was not answered");
            }
        }
    });
    Ok(())
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn converse(
    stream: UnixStream,
    report: &watch::Receiver<Report>,
    orders: &mpsc::Sender<Ordered>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream.take(LONGEST));
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(question) => answer(question, report, orders).await,
        Err(_) => Reply::Unreadable,
    };
    let mut text = serde_json::to_string(&reply).map_err(io::Error::other)?;
    text.push('\n');
    stream.into_inner().into_inner().write_all(text.as_bytes()).await
}

async fn answer(
    question: Question,
    report: &watch::Receiver<Report>,
    orders: &mpsc::Sender<Ordered>,
) -> Reply {
    let trunks = report.borrow().trunks.clone();
    match question {
        Question::Trunks => Reply::Trunks { trunks: trunks.iter().map(Row::from).collect() },
        Question::Trunk { name, order } => {
            let Some(trunk) = trunks.iter().find(|trunk| trunk.name == name) else { return Reply::Unknown };
            let order = match order {
                Wish::Drain => TrunkOrder::Drain,
                Wish::Resume => TrunkOrder::Resume,
                Wish::Retry => TrunkOrder::Retry,
            };
            match orders.send((trunk.id, order)).await {
                Ok(()) => Reply::Done,
                Err(_) => Reply::Unknown,
            }
        }
    }
}

/// Asks the running server.
///
/// # Errors
/// It does not run, or does not answer.
pub async fn ask(data: &Path, question: &Question) -> Result<Reply, Failure> {
    let path = path(data);
    let advice = "start it with `vorzimmer run`, and ask as the same user";
    let asked = timeout(WITHIN, exchange(&path, question)).await;
    match asked {
        Ok(Ok(Reply::Unreadable)) => {
            Err(Failure::failed("the running server is older or newer than this command", "restart it"))
        }
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => {
            Err(Failure::failed(format!("no server answers at {}: {error}", path.display()), advice))
        }
        Err(_) => Err(Failure::failed("the server does not answer", advice)),
    }
}

async fn exchange(path: &Path, question: &Question) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(path).await?;
    let mut text = serde_json::to_string(question).map_err(io::Error::other)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line).await?;
    serde_json::from_str(&line).map_err(io::Error::other)
}

/// A trunk that the running server does not know.
pub fn unknown(name: &str) -> Failure {
    Failure::failed(format!("there is no trunk {name}"), "`vorzimmer trunks` lists them")
        .of_kind(Kind::NotFound)
}
