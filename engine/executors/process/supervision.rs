//! One run, watched to its end: output, stop, leftovers.

use std::fs;
use std::io;
use std::process::Child;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, getpgid, kill_process, kill_process_group, wait,
    waitid, waitpid,
};
use tokio::time::Instant;

use super::capture::{Log, Pipe, now_ms};
use super::leftovers::all_processes;
use super::order::LaunchOrder;
use super::record::{ExitOutcome, ExitRecord};
use super::run_dir::{RunDir, StopOrder};
use super::supervisor::{CpuTime, Signals};
use crate::files::LogStream;

/// How long killed leftovers may take to die. One that hangs in the kernel must not keep the record from being written.
const DEATH_WAIT: Duration = Duration::from_secs(5);
/// How long a pipe is read after the job if somebody out of reach holds it open.
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// A job younger than this is not worth looking up how often the kernel ran out of memory.
const OOM_BASELINE_WAIT: Duration = Duration::from_millis(20);

/// A job under supervision.
pub(super) struct Supervision<'a> {
    run_dir: &'a RunDir,
    signals: &'a mut Signals,
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

impl<'a> Supervision<'a> {
    pub(super) fn new(
        mut child: Child,
        order: &LaunchOrder,
        run_dir: &'a RunDir,
        signals: &'a mut Signals,
    ) -> io::Result<Self> {
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("the job has no pipes"));
        };
        Ok(Self {
            leader: Pid::from_child(&child),
            stdout: Pipe::new(stdout, LogStream::Stdout, order)?,
            stderr: Pipe::new(stderr, LogStream::Stderr, order)?,
            log: Log::new(order),
            run_dir,
            signals,
            status: None,
            childless: false,
            kill_at: None,
            killed: false,
            oom: OomWatch::Due(Instant::now() + OOM_BASELINE_WAIT),
        })
    }

    pub(super) async fn watch(mut self) -> Self {
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

    /// A stop was asked for, perhaps again: the shorter grace counts. The signal alone asks for nothing: it may have been
    /// meant for an earlier run.
    fn stop(&mut self) {
        let Ok(Some(StopOrder { grace_ms })) = self.run_dir.read_stop() else {
            return;
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

    /// Whether nothing of the job is left.
    pub(super) fn is_clean(&self) -> bool {
        self.childless
    }

    pub(super) fn into_record(self, started_ms: u64, cpu: CpuTime) -> ExitRecord {
        let outcome = self.status.map_or(ExitOutcome::Exited { code: 0 }, outcome_of);
        let by_kill = matches!(outcome, ExitOutcome::Signalled { signal, .. } if signal == Signal::KILL.as_raw());
        ExitRecord {
            outcome,
            started_ms,
            ended_ms: now_ms(),
            user_cpu_ms: cpu.user_ms,
            system_cpu_ms: cpu.system_ms,
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
