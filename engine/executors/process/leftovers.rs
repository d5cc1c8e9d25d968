//! Who a process is, and what a dead supervisor left running.
//!
//! A pid alone names nobody: it is used again. A pid with the start time the kernel keeps for it does, within one boot.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Descendants may be born while their parents are being killed; a tree that outruns this many rounds wins.
const MAX_ROUNDS: usize = 20;
/// How long the death of one killed process is waited for.
const DEATH_WAIT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// A process, told apart from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its pid.
    pub pid: i32,
    /// When it was started, in clock ticks since the boot.
    pub start_ticks: u64,
}

/// Who claimed a run: the content of `lock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) supervisor: ProcessIdentity,
    /// Start times say nothing across boots.
    pub(super) boot_id: String,
}

impl ProcessIdentity {
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let pid = pid.as_raw_pid();
        let stat = ProcessStat::read(pid)?;
        Ok(Self { pid, start_ticks: stat.start_ticks })
    }

    /// A handle on this very process; `None` when it is gone.
    pub(super) fn open(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Checked after the handle was taken: if it is the right one now, it was then.
        match ProcessStat::read(self.pid) {
            Ok(stat) if stat.start_ticks == self.start_ticks => Ok(Some(handle)),
            _ => Ok(None),
        }
    }
}

impl Owner {
    pub(super) fn this_process() -> io::Result<Self> {
        Ok(Self { supervisor: ProcessIdentity::of(rustix::process::getpid())?, boot_id: boot_id()? })
    }

    /// Kills what is left of the run of a dead supervisor: all of its session, and their descendants.
    pub(super) fn kill_leftovers(&self) -> io::Result<()> {
        if boot_id()? != self.boot_id || !self.supervisor_is_gone()? {
            return Ok(());
        }
        for _ in 0..MAX_ROUNDS {
            let leftovers = select_leftovers(&all_processes()?, self.supervisor);
            if leftovers.is_empty() {
                break;
            }
            kill_and_await(&leftovers)?;
        }
        Ok(())
    }

    /// One that dies lets go of its locks a little earlier. One that lives may have another run by now.
    fn supervisor_is_gone(&self) -> io::Result<bool> {
        self.supervisor.open()?.as_ref().map_or(Ok(true), wait_for_death)
    }
}

fn wait_for_death(handle: &OwnedFd) -> io::Result<bool> {
    Ok(poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&DEATH_WAIT))? > 0)
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}

fn kill_and_await(processes: &[ProcessIdentity]) -> io::Result<()> {
    let mut killed = Vec::new();
    for process in processes {
        if let Some(handle) = process.open()? {
            // It may have died meanwhile, or be none of ours to kill; neither is helped by giving up on the others.
            if pidfd_send_signal(&handle, Signal::KILL).is_ok() {
                killed.push(handle);
            }
        }
    }
    for handle in &killed {
        wait_for_death(handle)?;
    }
    Ok(())
}

/// Which processes belong to the run of a dead supervisor.
fn select_leftovers(processes: &[ProcessStat], supervisor: ProcessIdentity) -> Vec<ProcessIdentity> {
    // The kernel does not give out a pid while a session of that number has members: if the pid is in use again, the
    // session has been empty, and the one which is there now is somebody else's.
    let reused = |process: &ProcessStat| process.pid == supervisor.pid && process.start_ticks != supervisor.start_ticks;
    if processes.iter().any(reused) {
        return Vec::new();
    }
    let mut chosen: Vec<&ProcessStat> = processes
        .iter()
        .filter(|process| process.session == supervisor.pid && process.start_ticks >= supervisor.start_ticks)
        .collect();
    let mut next = 0;
    while let Some(parent) = chosen.get(next).map(|process| process.pid) {
        next += 1;
        for process in processes {
            if process.parent == parent && !chosen.iter().any(|known| known.pid == process.pid) {
                chosen.push(process);
            }
        }
    }
    let alive = chosen.into_iter().filter(|process| process.state != 'Z');
    alive.map(|process| ProcessIdentity { pid: process.pid, start_ticks: process.start_ticks }).collect()
}

/// The fields of `/proc/PID/stat` which are used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessStat {
    pub(super) pid: i32,
    pub(super) state: char,
    pub(super) parent: i32,
    pub(super) session: i32,
    /// Of the children that were waited for, in clock ticks.
    pub(super) children_user_ticks: u64,
    pub(super) children_system_ticks: u64,
    pub(super) start_ticks: u64,
}

impl ProcessStat {
    pub(super) fn read(pid: i32) -> io::Result<Self> {
        // One line of less than a kilobyte, read at once: it is of one moment.
        let mut buffer = [0; 2048];
        let len = File::open(format!("/proc/{pid}/stat"))?.read(&mut buffer)?;
        let text = String::from_utf8_lossy(buffer.get(..len).unwrap_or_default());
        Self::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(text: &str) -> Option<Self> {
        // The name of the program stands in parentheses and may hold anything, parentheses included.
        let (before, after) = text.rsplit_once(')')?;
        let pid = before.split(' ').next()?.parse().ok()?;
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        // Field 3 of proc(5), the state, is the first one here.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            pid,
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            children_user_ticks: field(16)?.parse().ok()?,
            children_system_ticks: field(17)?.parse().ok()?,
            start_ticks: field(22)?.parse().ok()?,
        })
    }
}

/// All processes there are, but for those which end while they are looked at.
pub(super) fn all_processes() -> io::Result<Vec<ProcessStat>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            && let Ok(stat) = ProcessStat::read(pid)
        {
            processes.push(stat);
        }
    }
    Ok(processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, session: i32, start_ticks: u64) -> ProcessStat {
        let (children_user_ticks, children_system_ticks) = (0, 0);
        ProcessStat { pid, state: 'S', parent, session, children_user_ticks, children_system_ticks, start_ticks }
    }

    fn pids(processes: &[ProcessStat], supervisor: ProcessIdentity) -> Vec<i32> {
        select_leftovers(processes, supervisor).into_iter().map(|process| process.pid).collect()
    }

    #[test]
    fn a_name_with_parentheses_is_parsed() {
        let text = "42 (a) R 1 (b) S 7 42 40 0 -1 4194560 1 2 3 4 5 6 70 80 20 0 1 0 9999 1 2";
        let stat = ProcessStat::parse(text).unwrap();
        assert_eq!((stat.pid, stat.state, stat.parent, stat.session), (42, 'S', 7, 40));
        assert_eq!((stat.children_user_ticks, stat.children_system_ticks, stat.start_ticks), (70, 80, 9999));
        assert_eq!(ProcessStat::parse("42 (short) S 1"), None);
    }

    #[test]
    fn the_session_and_its_descendants_are_left_over() {
        let supervisor = ProcessIdentity { pid: 10, start_ticks: 100 };
        let zombie = |process| ProcessStat { state: 'Z', ..process };
        let all = [
            process(1, 0, 1, 0),
            zombie(process(10, 5, 10, 100)),
            process(11, 1, 10, 101),
            process(12, 11, 12, 110),
            process(13, 12, 12, 111),
            zombie(process(14, 1, 10, 120)),
            process(15, 1, 15, 130),
            process(16, 1, 10, 99),
        ];
        assert_eq!(pids(&all, supervisor), [11, 12, 13]);
    }

    #[test]
    fn a_session_number_used_again_is_nobody_of_ours() {
        let supervisor = ProcessIdentity { pid: 10, start_ticks: 100 };
        let all = [process(10, 1, 10, 500), process(11, 10, 10, 501)];
        assert_eq!(pids(&all, supervisor), [0; 0]);
    }

    #[test]
    fn a_handle_is_given_for_the_right_start_time_only() {
        let me = ProcessIdentity::of(rustix::process::getpid()).unwrap();
        assert!(me.open().unwrap().is_some());
        assert!(ProcessIdentity { start_ticks: me.start_ticks + 1, ..me }.open().unwrap().is_none());
        assert!(ProcessIdentity { pid: i32::MAX, start_ticks: 0 }.open().unwrap().is_none());
    }
}
