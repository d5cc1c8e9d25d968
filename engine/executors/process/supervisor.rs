//! The supervisor process: starts one job, captures its output, stops it when asked, writes down how it ended.

use std::fs;
use std::io::{self, Write};
use std::process::Child;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpgid, kill_process, kill_process_group, wait,
    waitid, waitpid,
};
use tokio::signal::unix::{self, SignalKind};
use tokio::time::Instant;

use super::capture::{Log, Pipe, now_ms};
use super::job::start_job;
use super::leftovers::{Owner, ProcessIdentity, ProcessStat, all_processes};
use super::limits::{LIMIT_ARG, run_limited};
use super::order::LaunchOrder;
use super::record::{ExitOutcome, ExitRecord, Report, Started};
use super::run_dir::RunDir;
use crate::files::LogStream;

/// The hidden first argument of a supervisor.
pub(super) const SUPERVISE_ARG: &str = "--windlass-supervise";
/// How long killed leftovers may take to die. One that hangs in the kernel must not keep the record from being written.
const DEATH_WAIT: Duration = Duration::from_secs(5);
/// How long a pipe is read after the job if somebody out of reach holds it open.
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// A job younger than this is not worth looking up how often the kernel ran out of memory.
const OOM_BASELINE_WAIT: Duration = Duration::from_millis(20);
/// How often, a second apart, the record is tried to be written on a full disk.
const RECORD_TRIES: usize = 600;
/// `/proc` counts in hundredths of a second on every architecture that Linux has left.
const MS_PER_TICK: u64 = 10;

/// Has to be the first thing `main` does in a program that runs jobs as processes: returns at once, unless the program was
/// started to supervise one; then it does that and exits.
pub fn supervise_if_asked() {
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
    // Without a whole order the launcher has died; nothing has begun.
    let Ok(order) = LaunchOrder::read_from(&mut io::stdin().lock()) else {
        return 1;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.and_then(|runtime| runtime.block_on(run(order)));
    match result {
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

async fn run(mut order: LaunchOrder) -> io::Result<()> {
    let signals = Signals::install()?;
    leave_launcher(&mut order)?;
    let run_dir = RunDir::new(&order.run_dir);
    let owner = Owner::this_process()?;
    let Some(_locked_while_alive) = run_dir.claim(&owner)? else {
        report(&Report::Busy);
        return Ok(());
    };
    let started_ms = now_ms();
    let record = match start_job(&order) {
        Err(message) => not_started(message, started_ms),
        Ok(child) => {
            let leader = Pid::from_child(&child);
            let supervision = Supervision::new(child, order, run_dir.clone(), signals).inspect_err(|_| {
                // Nobody would watch it.
                let _ = kill_process_group(leader, Signal::KILL);
            })?;
            supervision.announce(&owner, started_ms);
            supervision.watch().await.into_record(started_ms)
        }
    };
    hand_in(&run_dir, record).await;
    Ok(())
}

/// Becomes independent of the launcher: own session, own directory, and the parent of every orphan of the job.
fn leave_launcher(order: &mut LaunchOrder) -> io::Result<()> {
    // Fails only for the leader of a process group, which cannot be told from here to be harmful: go on.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    for path in [&mut order.run_dir, &mut order.work_dir, &mut order.log_dir] {
        *path = std::path::absolute(&path)?;
    }
    rustix::process::chdir("/")?;
    Ok(())
}

/// Writes the record; on a full disk until there is room, but then the launcher is told first.
async fn hand_in(run_dir: &RunDir, record: ExitRecord) {
    let mut written = run_dir.write_exit(&record);
    report(&Report::Ended(record.clone()));
    for _ in 0..RECORD_TRIES {
        match &written {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            // Not found: the run was removed by an engine that had our report.
            _ => break,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        written = run_dir.write_exit(&record);
    }
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

/// The signals that matter, and those that must not.
struct Signals {
    child: unix::Signal,
    terminate: unix::Signal,
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

/// A job under supervision.
struct Supervision {
    order: LaunchOrder,
    run_dir: RunDir,
    signals: Signals,
    leader: Pid,
    /// Set when the leader has ended.
    status: Option<WaitStatus>,
    /// No process of the job is left.
    childless: bool,
    /// When a stop that was asked for becomes a kill.
    kill_at: Option<Instant>,
    killed: bool,
    stdout: Pipe,
    stderr: Pipe,
    log: Log,
    oom: OomWatch,
}

impl Supervision {
    fn new(mut child: Child, order: LaunchOrder, run_dir: RunDir, signals: Signals) -> io::Result<Self> {
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("the job has no pipes"));
        };
        Ok(Self {
            leader: Pid::from_child(&child),
            stdout: Pipe::new(stdout, LogStream::Stdout, &order)?,
            stderr: Pipe::new(stderr, LogStream::Stderr, &order)?,
            log: Log::new(&order),
            order,
            run_dir,
            signals,
            status: None,
            childless: false,
            kill_at: None,
            killed: false,
            oom: OomWatch::Due(Instant::now() + OOM_BASELINE_WAIT),
        })
    }

    /// Says that the job runs, on disk and to the launcher.
    fn announce(&self, owner: &Owner, started_ms: u64) {
        // The leader is not reaped yet, so its entry is there even if it has ended.
        let Ok(job) = ProcessIdentity::of(self.leader) else {
            return;
        };
        let started = Started { supervisor: owner.supervisor, job, started_ms };
        // On a full disk the run goes on without this file; the lock tells the same of the supervisor.
        let _ = self.run_dir.write_started(&started);
        report(&Report::Started(started));
    }

    async fn watch(mut self) -> Self {
        // A job that has ended before the first look has left its signal behind.
        while !self.is_over() {
            let timer = self.next_timer();
            tokio::select! {
                filled = self.stdout.fill(), if self.stdout.is_open() => self.stdout.pass_on(filled, &mut self.log),
                filled = self.stderr.fill(), if self.stderr.is_open() => self.stderr.pass_on(filled, &mut self.log),
                _ = self.signals.child.recv() => self.reap(),
                _ = self.signals.terminate.recv() => self.stop(),
                () = tokio::time::sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => self.on_timer(),
            }
        }
        self.end_leftovers().await;
        self.stdout.drain(DRAIN_WAIT, &mut self.log).await;
        self.stderr.drain(DRAIN_WAIT, &mut self.log).await;
        self
    }

    /// The leader has ended and nobody is given time any more. During a stop the rest of the group has the same grace as its
    /// leader: a shell dies of the signal at once, what it started may have to clean up.
    fn is_over(&self) -> bool {
        self.status.is_some() && (self.childless || self.kill_at.is_none() || self.killed)
    }

    fn next_timer(&self) -> Option<Instant> {
        let kill_at = self.kill_at.filter(|_| !self.killed);
        [self.stdout.write_at, self.stderr.write_at, kill_at, self.oom.due()].into_iter().flatten().min()
    }

    fn on_timer(&mut self) {
        let now = Instant::now();
        self.stdout.write_due(now, &mut self.log);
        self.stderr.write_due(now, &mut self.log);
        self.oom.look(now);
        if !self.killed && self.kill_at.is_some_and(|at| at <= now) {
            self.kill();
        }
    }

    /// A stop was asked for, perhaps again: the shorter grace counts.
    fn stop(&mut self) {
        let grace_ms = match self.run_dir.read_stop() {
            Ok(Some(stop)) => stop.grace_ms,
            _ => self.order.grace_ms,
        };
        let now = Instant::now();
        // A grace beyond what the clock can hold is a month, which is beyond what anybody waits.
        let kill_at =
            now.checked_add(Duration::from_millis(grace_ms)).unwrap_or(now + Duration::from_secs(30 * 86_400));
        if self.kill_at.is_none() && self.status.is_none() {
            let _ = kill_process_group(self.leader, Signal::TERM);
            // A stopped process gets no signal but this one and KILL.
            let _ = kill_process_group(self.leader, Signal::CONT);
        }
        self.kill_at = Some(self.kill_at.map_or(kill_at, |earlier| earlier.min(kill_at)));
    }

    /// Kills what can be named safely: the group while its leader is not reaped, and our own children.
    fn kill(&mut self) {
        self.killed = true;
        if self.status.is_none() {
            let _ = kill_process_group(self.leader, Signal::KILL);
        }
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
    }

    /// Takes note of the children that have ended.
    fn reap(&mut self) {
        if self.status.is_none() {
            self.reap_leader();
        }
        if self.status.is_none() {
            // Only orphans have ended. The leader must not be reaped by chance: until it is, its pid names its group.
            for child in children().into_iter().filter(|child| *child != self.leader) {
                let _ = waitpid(Some(child), WaitOptions::NOHANG);
            }
            return;
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        self.childless = !has_children();
    }

    fn reap_leader(&mut self) {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !matches!(waitid(WaitId::Pid(self.leader), peek), Ok(Some(_))) {
            return;
        }
        if self.kill_at.is_none() || self.killed {
            let _ = kill_process_group(self.leader, Signal::KILL);
        }
        if let Ok(Some((_, status))) = waitpid(Some(self.leader), WaitOptions::NOHANG) {
            self.status = Some(status);
        }
        if self.kill_at.is_some() && !self.killed {
            self.ask_leavers();
        }
    }

    /// Asks those descendants to end which had left the group and so were not asked with it.
    fn ask_leavers(&self) {
        for child in children() {
            if getpgid(Some(child)).is_ok_and(|group| group != self.leader) {
                let _ = kill_process(child, Signal::TERM);
            }
        }
    }

    /// Kills whatever the job has left running. As the parents die their children become ours, until there are none.
    async fn end_leftovers(&mut self) {
        let deadline = Instant::now() + DEATH_WAIT;
        while !self.childless && Instant::now() < deadline {
            self.kill();
            // Not the signal alone: an orphan may arrive without one.
            let _ = tokio::time::timeout(Duration::from_millis(10), self.signals.child.recv()).await;
            self.reap();
        }
    }

    fn into_record(self, started_ms: u64) -> ExitRecord {
        let (user_cpu_ms, system_cpu_ms) = cpu_of_children_ms();
        let outcome = self.status.map_or(ExitOutcome::Exited { code: 0 }, outcome_of);
        let by_kill = matches!(outcome, ExitOutcome::Signalled { signal, .. } if signal == Signal::KILL.as_raw());
        ExitRecord {
            outcome,
            started_ms,
            ended_ms: now_ms(),
            user_cpu_ms,
            system_cpu_ms,
            log: self.log.totals(),
            log_lost_bytes: self.log.lost_bytes(),
            out_of_memory: by_kill && self.kill_at.is_none() && self.oom.has_risen(),
            stopped: self.kill_at.is_some(),
        }
    }
}

fn outcome_of(status: WaitStatus) -> ExitOutcome {
    // The bit which `wait(2)` calls WCOREDUMP.
    const CORE_DUMPED: i32 = 0x80;
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) => ExitOutcome::Signalled { signal, core_dumped: status.as_raw() & CORE_DUMPED != 0 },
        (code, None) => ExitOutcome::Exited { code: code.unwrap_or_default() },
    }
}

/// The direct children of this process, ended ones included.
fn children() -> Vec<Pid> {
    let me = rustix::process::getpid().as_raw_pid();
    // This process has one thread, so its list is all. A kernel may be built without it.
    if let Ok(list) = fs::read_to_string(format!("/proc/self/task/{me}/children")) {
        return list.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect();
    }
    let all = all_processes().unwrap_or_default();
    all.iter().filter(|process| process.parent == me).filter_map(|process| Pid::from_raw(process.pid)).collect()
}

fn has_children() -> bool {
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, peek).is_ok()
}

fn cpu_of_children_ms() -> (u64, u64) {
    let stat = ProcessStat::read(rustix::process::getpid().as_raw_pid());
    stat.map_or((0, 0), |stat| (stat.children_user_ticks * MS_PER_TICK, stat.children_system_ticks * MS_PER_TICK))
}

/// Whether the kernel killed for lack of memory while the job ran. It counts for the whole machine: a hint, no proof.
enum OomWatch {
    /// The count at the start is to be looked up then.
    Due(Instant),
    Since(Option<u64>),
}

impl OomWatch {
    fn due(&self) -> Option<Instant> {
        match self {
            Self::Due(at) => Some(*at),
            Self::Since(_) => None,
        }
    }

    fn look(&mut self, now: Instant) {
        if self.due().is_some_and(|at| at <= now) {
            *self = Self::Since(oom_kills());
        }
    }

    fn has_risen(&self) -> bool {
        match self {
            Self::Since(Some(before)) => oom_kills().is_some_and(|now| now > *before),
            _ => false,
        }
    }
}

fn oom_kills() -> Option<u64> {
    let counters = fs::read_to_string("/proc/vmstat").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
