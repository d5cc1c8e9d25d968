//! The supervisor process: gets orders, one after the other, and runs each to its end before the next.

use std::io::{self, Write};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{self, SignalKind};

use super::capture::now_ms;
use super::job::start_job;
use super::leftovers::{Owner, ProcessIdentity, ProcessStat};
use super::limits::{LIMIT_ARG, run_limited};
use super::order::{LaunchOrder, Orders};
use super::pool::IDLE_TIME;
use super::record::{Entry, ExitOutcome, ExitRecord, Report, Started};
use super::run_dir::{Claim, RunDir};
use super::supervision::Supervision;

/// The hidden first argument of a supervisor.
pub(super) const SUPERVISE_ARG: &str = "--windlass-supervise";
/// A launcher sends the first order as soon as it gets to run.
const FIRST_ORDER_TIME: Duration = Duration::from_secs(60);
/// How often, a second apart, the record is tried to be written on a full disk.
const RECORD_TRIES: usize = 600;
/// `/proc` counts in hundredths of a second on every architecture that Linux has left.
const MS_PER_TICK: u64 = 10;

/// Returns at once, unless the program was started to supervise a job; then it does that and exits.
pub(crate) fn supervise_if_asked() {
    let mut args = std::env::args_os().skip(1);
    let asked = args.next();
    let code = match asked.as_deref().and_then(|arg| arg.to_str()) {
        Some(SUPERVISE_ARG) => supervise(),
        Some(LIMIT_ARG) => run_limited(args),
        _ => return,
    };
    std::process::exit(code)
}

fn supervise() -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let mut orders = Orders::from_stdin()?;
            let mut supervisor = SupervisorProcess::new()?;
            let mut patience = FIRST_ORDER_TIME;
            // Without a whole order there is nobody or nothing to work for, and nothing has begun.
            while let Ok(order) = orders.next(patience).await {
                if !supervisor.run(order).await? {
                    break;
                }
                patience = IDLE_TIME;
            }
            Ok(())
        })
    });
    match served {
        Ok(()) => 0,
        Err(error) => {
            report(&Report::Failed { message: error.to_string() });
            1
        }
    }
}

/// Tells the launcher, if it still lives.
fn report(report: &Report) {
    if let Ok(mut line) = serde_json::to_vec(report) {
        line.push(b'\n');
        let _ = io::stdout().write_all(&line);
    }
}

/// What is kept from run to run: nothing of the runs.
struct SupervisorProcess {
    owner: Owner,
    signals: Signals,
    /// Of all children so far.
    cpu: CpuTime,
}

impl SupervisorProcess {
    /// Becomes independent of the launcher: own session, own directory, and the parent of every orphan of its jobs.
    fn new() -> io::Result<Self> {
        let signals = Signals::install()?;
        // Fails only for the leader of a process group, which cannot be told from here to be harmful: go on.
        let _ = rustix::process::setsid();
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        rustix::process::chdir("/")?;
        Ok(Self { owner: Owner::this_process()?, signals, cpu: CpuTime::default() })
    }

    /// Runs a job to its end. Whether this process is as good as new then, and nobody waits for its end.
    async fn run(&mut self, order: LaunchOrder) -> io::Result<bool> {
        let run_dir = RunDir::new(&order.run_dir);
        let Some(mut claim) = run_dir.claim(&self.owner)? else {
            report(&Report::Busy);
            return Ok(true);
        };
        let started_ms = now_ms();
        let (record, is_clean) = match start_job(&order) {
            Err(message) => {
                self.cpu.advance();
                (not_started(message, started_ms), true)
            }
            Ok(child) => {
                let leader = Pid::from_child(&child);
                let supervision = Supervision::new(child, &order, &run_dir, &mut self.signals).inspect_err(|_| {
                    // Nobody would watch it.
                    let _ = kill_process_group(leader, Signal::KILL);
                })?;
                announce(&mut claim, leader, started_ms);
                let over = supervision.watch().await;
                let is_clean = over.is_clean();
                (over.into_record(started_ms, self.cpu.advance()), is_clean)
            }
        };
        drop(order);
        Ok(hand_in(claim, record, is_clean).await)
    }
}

/// Says that the job runs, on disk and to the launcher.
fn announce(claim: &mut Claim, leader: Pid, started_ms: u64) {
    // The leader is not reaped yet, so its entry is there even if it has ended.
    let Ok(job) = ProcessIdentity::of(leader) else {
        return;
    };
    let started = Started { job, started_ms };
    // On a full disk the run goes on without it; the claim tells the same of the supervisor.
    let _ = claim.write(&Entry::Started(started.clone()));
    report(&Report::Started(started));
}

/// Writes the record and lets go of the run; on a full disk when there is room, but then the launcher is told first. Whether
/// this process can take another run.
async fn hand_in(mut claim: Claim, record: ExitRecord, is_clean: bool) -> bool {
    let entry = Entry::Ended(record.clone());
    if claim.write(&entry).is_ok() {
        let reusable = claim.release().unwrap_or(false) && is_clean;
        report(&Report::Ended { record, reusable });
        return reusable;
    }
    report(&Report::Ended { record, reusable: false });
    for _ in 0..RECORD_TRIES {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if claim.is_removed() || claim.write(&entry).is_ok() {
            break;
        }
    }
    false
}

fn not_started(message: String, started_ms: u64) -> ExitRecord {
    ExitRecord {
        outcome: ExitOutcome::NotStarted { message },
        started_ms,
        ended_ms: now_ms(),
        user_cpu_ms: 0,
        system_cpu_ms: 0,
        log: Default::default(),
        log_lost_bytes: 0,
        out_of_memory: false,
        stopped: false,
    }
}

/// Processor time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CpuTime {
    pub(super) user_ms: u64,
    pub(super) system_ms: u64,
}

impl CpuTime {
    /// Advances to what the children of this process have used so far; the difference.
    fn advance(&mut self) -> CpuTime {
        let Ok(stat) = ProcessStat::read(rustix::process::getpid().as_raw_pid()) else {
            return CpuTime::default();
        };
        let now = CpuTime {
            user_ms: stat.children_user_ticks * MS_PER_TICK,
            system_ms: stat.children_system_ticks * MS_PER_TICK,
        };
        let before = std::mem::replace(self, now);
        CpuTime {
            user_ms: now.user_ms.saturating_sub(before.user_ms),
            system_ms: now.system_ms.saturating_sub(before.system_ms),
        }
    }
}

/// The signals that matter, and those that must not.
pub(super) struct Signals {
    pub(super) child: unix::Signal,
    pub(super) terminate: unix::Signal,
    /// Caught so that they do not kill; nobody listens.
    _deaf_to: [unix::Signal; 3],
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            child: unix::signal(SignalKind::child())?,
            terminate: unix::signal(SignalKind::terminate())?,
            _deaf_to: [
                unix::signal(SignalKind::hangup())?,
                unix::signal(SignalKind::interrupt())?,
                unix::signal(SignalKind::quit())?,
            ],
        })
    }
}
