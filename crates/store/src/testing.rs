//! A PostgreSQL of one's own for tests, made from Debian's package in a temporary folder. Not part of the product:
//! behind the feature `testing`.
//!
//! The server listens on a socket in its folder only, syncs like a real one, and ends with the process that started
//! it, however that ends: a shell watches the other end of a pipe.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian puts its versions of PostgreSQL.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Starts the server, says its process id once it answers, and stops it when the pipe says something or closes. When
/// it closes, nobody needs the folder any more.
const WATCH: &str = r#"
trap '' INT TERM HUP
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=on </dev/null >>"$2/log" 2>&1 &
server=$!
until "$1/pg_isready" -q -h "$2" -U postgres; do
    kill -0 "$server" 2>/dev/null || { tail -n 5 "$2/log" >&2; exit 1; }
    sleep 0.05
done
echo "$server"
read -r word; gone=$?
kill -CONT "$server" 2>/dev/null; kill -QUIT "$server" 2>/dev/null
wait "$server" 2>/dev/null
[ "$gone" = 0 ] || rm -rf "$2"
"#;

/// Why there is no PostgreSQL to test with.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Debian's package is not installed.
    #[error("the tests need PostgreSQL and find none in {DEBIAN}: apt-get install postgresql")]
    NotInstalled,
    /// PostgreSQL does not run as root, and there is nobody to run it as.
    #[error("PostgreSQL does not run as root, and there is no user `postgres` in /etc/passwd")]
    NoAccount,
    /// A step failed.
    #[error("cannot {doing}: {why}")]
    Step {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        why: String,
    },
}

fn step<E: ToString>(doing: &'static str) -> impl FnOnce(E) -> PostgresError {
    move |why| PostgresError::Step { doing, why: why.to_string() }
}

/// A running PostgreSQL. Stopped and removed when dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    account: Option<Account>,
    folder: PathBuf,
    databases: AtomicU32,
    running: Running,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

#[derive(Debug)]
struct Running {
    watch: Child,
    /// Held open for as long as the server is wanted.
    pipe: Option<ChildStdin>,
    server: u32,
}

impl Postgres {
    /// The server that all tests of this process share, started by the first one that asks.
    ///
    /// # Errors
    /// [`PostgresError`]; a test should fail with it, not skip.
    pub fn shared() -> Result<&'static Self, &'static PostgresError> {
        static SHARED: OnceLock<Result<Postgres, PostgresError>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Starts a server of one's own, for tests that stop it.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub fn start() -> Result<Self, PostgresError> {
        let programs = programs()?;
        let account = account()?;
        let folder = make_folder(account).map_err(step("make a folder for PostgreSQL"))?;
        let data = folder.join("data");
        let mut initdb = command(account, &programs.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        run("initialise PostgreSQL", initdb)?;
        let running = watch(&programs, account, &folder)?;
        Ok(Self { programs, account, folder, databases: AtomicU32::new(0), running })
    }

    /// Makes an empty database and gives its URL.
    ///
    /// # Errors
    /// [`PostgresError::Step`].
    pub fn create_database(&self) -> Result<String, PostgresError> {
        self.create("template1")
    }

    /// Makes a copy of the database at `url`, to which nobody may be connected, and gives its URL: a backup.
    ///
    /// # Errors
    /// [`PostgresError::Step`].
    pub fn copy_database(&self, url: &str) -> Result<String, PostgresError> {
        let path = url.split_once('?').map_or(url, |(path, _)| path);
        self.create(path.rsplit('/').next().unwrap_or_default())
    }

    fn create(&self, template: &str) -> Result<String, PostgresError> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut createdb = command(self.account, &self.programs.join("createdb"));
        createdb.arg("-h").arg(&self.folder).args(["-U", "postgres", "-T", template, &name]);
        run("create a database", createdb)?;
        Ok(format!("postgres://postgres@localhost/{name}?host={}", self.folder.display()))
    }

    /// Stops every process of the server in its tracks: it still accepts connections, and answers nothing.
    ///
    /// # Errors
    /// [`PostgresError::Step`].
    pub fn freeze(&self) -> Result<(), PostgresError> {
        // The parent first, so that it starts no further child.
        signal("STOP", &[self.running.server])?;
        signal("STOP", &self.children())
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// [`PostgresError::Step`].
    pub fn thaw(&self) -> Result<(), PostgresError> {
        signal("CONT", &self.children())?;
        signal("CONT", &[self.running.server])
    }

    /// Kills every process of the server, as a power cut would.
    ///
    /// # Errors
    /// [`PostgresError::Step`].
    pub fn kill(&mut self) -> Result<(), PostgresError> {
        self.freeze()?;
        signal("KILL", &self.children())?;
        signal("KILL", &[self.running.server])?;
        self.running.end(b"stop\n").map_err(step("wait for PostgreSQL to be gone"))
    }

    /// Starts the server again after [`Postgres::kill`], with all that it had made durable.
    ///
    /// # Errors
    /// [`PostgresError::Step`].
    pub fn restart(&mut self) -> Result<(), PostgresError> {
        self.running = watch(&self.programs, self.account, &self.folder)?;
        Ok(())
    }

    /// The folder that holds all files of the server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn children(&self) -> Vec<u32> {
        let server = self.running.server;
        let listed = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
        listed.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.running.end(b"") {
            tracing::warn!(%error, "a test's PostgreSQL did not end");
        }
    }
}

impl Running {
    /// Says `word` to the watching shell, closes the pipe, and waits for it.
    fn end(&mut self, word: &[u8]) -> io::Result<()> {
        if let Some(mut pipe) = self.pipe.take() {
            pipe.write_all(word)?;
        }
        self.watch.wait().map(|_| ())
    }
}

fn programs() -> Result<PathBuf, PostgresError> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = fs::read_dir(DEBIAN).map_err(|_| PostgresError::NotInstalled)?;
    let newest = folders
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/postgres").exists())
        .max_by_key(|path| version(path));
    newest.map(|path| path.join("bin")).ok_or(PostgresError::NotInstalled)
}

/// Whom to run the server as; none if that is who we are.
fn account() -> Result<Option<Account>, PostgresError> {
    let me = fs::metadata("/proc/self").map_err(step("find out who runs the tests"))?;
    if me.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").map_err(step("read /etc/passwd"))?;
    let line = accounts.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.ok_or(PostgresError::NoAccount)?.split(':').skip(2).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Ok(Some(Account { user, group })),
        _ => Err(PostgresError::NoAccount),
    }
}

fn make_folder(account: Option<Account>) -> io::Result<PathBuf> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("vorzimmer-pg-{}-{number}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&folder)?;
    if let Some(Account { user, group }) = account {
        std::os::unix::fs::chown(&folder, Some(user), Some(group))?;
    }
    Ok(folder)
}

fn command(account: Option<Account>, program: &Path) -> Command {
    let mut command = match account {
        None => Command::new(program),
        Some(Account { user, group }) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
            command.arg(program);
            command
        }
    };
    // A folder that the account may not enter would be in its way.
    command.current_dir("/");
    command
}

fn run(doing: &'static str, mut command: Command) -> Result<(), PostgresError> {
    let output = command.stdin(Stdio::null()).output().map_err(step(doing))?;
    if output.status.success() {
        return Ok(());
    }
    Err(PostgresError::Step { doing, why: String::from_utf8_lossy(&output.stderr).into_owned() })
}

fn watch(programs: &Path, account: Option<Account>, folder: &Path) -> Result<Running, PostgresError> {
    let doing = "start PostgreSQL";
    let mut shell = command(account, Path::new("/bin/sh"));
    shell.arg("-c").arg(WATCH).arg("sh").arg(programs).arg(folder);
    let mut watch = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(step(doing))?;
    let pipe = watch.stdin.take();
    let mut said = String::new();
    if let Some(output) = watch.stdout.take() {
        BufReader::new(output).read_line(&mut said).map_err(step(doing))?;
    }
    let server = said.trim().parse().map_err(|_| PostgresError::Step {
        doing,
        why: fs::read_to_string(folder.join("log")).unwrap_or_default(),
    })?;
    Ok(Running { watch, pipe, server })
}

fn signal(name: &str, processes: &[u32]) -> Result<(), PostgresError> {
    let doing = "signal PostgreSQL";
    if processes.is_empty() {
        return Ok(());
    }
    let mut kill = Command::new("/bin/sh");
    kill.arg("-c").arg("kill -s \"$@\"; exit 0").arg("sh").arg(name);
    kill.args(processes.iter().map(u32::to_string));
    run(doing, kill)
}
