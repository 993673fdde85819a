//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::floor::Style;
use crate::subject::Case;

/// Measures what calls cost, beside the floor.
#[derive(Debug, Parser)]
#[command(name = "load")]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Measure, print a table, and write results.json and plot.svg.
    Run(Run),
    /// Be the bare forwarder; `run` starts it by itself.
    Floor {
        /// In which style.
        #[arg(long)]
        style: Style,
        /// How many calls.
        #[arg(long)]
        calls: usize,
    },
}

/// How calls come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// So many calls for so long, beside the floor and a peer.
    Steady,
    /// More and more calls, until the first packet is lost or a call refused.
    Ramp,
    /// So many calls for so long, and what becomes of memory.
    Soak,
    /// The same while further calls come and go.
    Churn,
    /// SIPp's calls without voices.
    Signalling,
    /// Calls of 11 s that are asked, press a digit and are recorded.
    Consent,
    /// Recorded calls whose recordings are encoded again, while as many come in between.
    Reencoding,
}

/// What to measure.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Where results.json and plot.svg are written.
    #[arg(long, env = "BENCH_OUT", default_value = "bench")]
    pub out: PathBuf,
    /// How calls come and go.
    #[arg(long, env = "BENCH_MODES", value_delimiter = ',', default_value = "steady,signalling")]
    pub modes: Vec<Mode>,
    /// What calls do.
    #[arg(
        long,
        env = "BENCH_CASES",
        value_delimiter = ',',
        default_value = "relayed,recorded,srtp-recorded"
    )]
    pub cases: Vec<Case>,
    /// How many calls run at a time; `ramp` begins with the first.
    #[arg(long, env = "BENCH_CALLS", value_delimiter = ',', default_value = "50,200")]
    pub calls: Vec<usize>,
    /// For how long each is measured.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 10.0)]
    pub seconds: f64,
    /// `churn`: further calls a second.
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
    /// `churn`: for how many seconds each of them runs.
    #[arg(long, default_value_t = 3.0)]
    pub hold: f64,
    /// `ramp`: no more calls than this.
    #[arg(long, default_value_t = 3_000)]
    pub most: usize,
    /// `signalling`: calls a second.
    #[arg(long, default_value_t = 100)]
    pub sipp_rate: u32,
    /// `signalling`: calls in all.
    #[arg(long, default_value_t = 1_000)]
    pub sipp_calls: u32,
    /// `signalling`: calls at a time at most.
    #[arg(long, default_value_t = 500)]
    pub sipp_limit: u32,
    /// Threads of the server that move voices.
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// The core for what is measured; by default the last. `none` leaves it to the kernel.
    #[arg(long)]
    pub core: Option<String>,
    /// The server's folder, filled by `FILL=DIR cargo bench -p vorzimmer-retention --bench day`: it forgets while calls run.
    #[arg(long)]
    pub house: Option<PathBuf>,
    /// Leave the peer out, even where it is installed.
    #[arg(long)]
    pub no_peer: bool,
}

impl Run {
    /// The core for what is measured, and another for the generator; none on a machine with a single one.
    pub fn cores(&self) -> (Option<usize>, Option<usize>) {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = match self.core.as_deref() {
            Some("none") => None,
            Some(core) => core.parse().ok(),
            None => Some(count - 1),
        };
        match wanted {
            Some(core) if count > 1 => (Some(core), Some(usize::from(core == 0))),
            _ => (None, None),
        }
    }
}
