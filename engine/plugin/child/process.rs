//! The engine's side of a process of its own: starting it, talking to it, and finding out how it ended.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::frame::{FrameError, decode, encode};
use super::nursery::Nursery;

/// How much of what it has printed is kept for an error.
const TAIL_BYTES: usize = 2_048;
/// How many bytes are read at once.
const READ_BYTES: usize = 64 << 10;
/// How long a process that has closed its socket gets to end.
const END_TIME: Duration = Duration::from_secs(2);
/// What the process finds in its environment, where the engine has it.
const ENVIRONMENT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ"];

/// What came of listening to a process for a moment.
pub(crate) enum News<R> {
    Report(R),
    /// It has printed something, or sent a part of a message.
    Sign,
    /// The socket is closed.
    Closed,
}

/// A process that the engine talks to. Dropping it kills it and what it has started within its process group.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    pidfd: AsyncFd<OwnedFd>,
    socket: UnixStream,
    /// Received and not decoded yet.
    received: Vec<u8>,
    most_frame_bytes: usize,
    output: Output,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts a program, which is told nothing but these arguments. No message of it may be longer than `most` bytes.
    pub(crate) async fn start(nursery: &Nursery, program: &Path, args: &[&OsStr], most: usize) -> io::Result<Process> {
        let (ours, theirs) = StdUnixStream::pair()?;
        let (output, its_stdout) = io::pipe()?;
        let its_stderr = its_stdout.try_clone()?;
        let mut command = Command::new(program);
        command.args(args).env_clear().process_group(0);
        command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(its_stdout).stderr(its_stderr);
        let child = nursery.start(command).await?;
        // Not reaped yet, so the pid is still its own.
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let group = pid.ok_or_else(|| io::Error::other("it has no pid"))?;
        ours.set_nonblocking(true)?;
        Ok(Process {
            child,
            group,
            pidfd: watch(pidfd_open(group, PidfdFlags::empty())?)?,
            socket: UnixStream::from_std(ours)?,
            received: Vec::new(),
            most_frame_bytes: most,
            output: Output::new(pipe::Receiver::from_owned_fd(OwnedFd::from(output))?),
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        let mut events = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
    }

    pub(crate) async fn send<O: Serialize>(&mut self, order: &O) -> io::Result<()> {
        let frame = encode(order, usize::MAX).map_err(io::Error::other)?;
        self.socket.write_all(&frame).await
    }

    /// Waits for a sign of life. May be dropped at any time, nothing is lost.
    pub(crate) async fn listen<R: DeserializeOwned>(&mut self) -> Result<News<R>, FrameError> {
        if let Some((report, len)) = decode(&self.received, self.most_frame_bytes)? {
            self.received.drain(..len);
            return Ok(News::Report(report));
        }
        self.received.reserve(READ_BYTES);
        tokio::select! {
            read = self.socket.read_buf(&mut self.received) => Ok(match read {
                Ok(0) | Err(_) => News::Closed,
                Ok(_) => News::Sign,
            }),
            () = self.output.read() => Ok(News::Sign),
        }
    }

    /// Forgets what earlier calls have printed.
    pub(crate) fn begin_call(&mut self) {
        self.output.drain();
        self.output.tail.clear();
        self.output.bytes = 0;
    }

    /// How many bytes this call has printed.
    pub(crate) fn printed_bytes(&self) -> usize {
        self.output.bytes
    }

    /// Bytes of memory that it has resident.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.group.as_raw_pid())).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kibibytes.unwrap_or(0).saturating_mul(1_024)
    }

    /// Ends it, or waits for its end when it is about to; how it ended, if that was not by us, and the last it printed.
    pub(crate) async fn end(mut self, has_closed: bool) -> (Option<String>, Vec<u8>) {
        let by_itself = has_closed && timeout(END_TIME, self.pidfd.readable()).await.is_ok_and(|end| end.is_ok());
        // Before it is reaped: as long as it is not, its number is that of no other group.
        self.kill();
        let status = timeout(END_TIME, self.child.wait()).await;
        self.output.drain();
        let end = match status {
            Ok(Ok(status)) if by_itself => Some(ending(status)),
            _ => None,
        };
        (end, self.output.tail.drain(..).collect())
    }

    fn kill(&self) {
        // Once it was reaped the id is gone, and with it the right to use the number.
        if self.child.id().is_some() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }
}

/// Registers a process handle, which becomes readable when the process ends.
#[allow(deprecated, reason = "its successor is unsafe, for types that change their descriptor; an OwnedFd does not")]
fn watch(handle: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(handle, Interest::READABLE)
}

fn ending(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let known = Signal::from_named_raw(signal);
            let name = known.and_then(signal_name).unwrap_or("a signal");
            // By the kernel, where memory is short, or by somebody.
            let what = if matches!(known, Some(Signal::KILL | Signal::TERM)) { "was killed" } else { "crashed" };
            format!("{what} ({name}, signal {signal})")
        }
        (None, Some(code)) => format!("ended its process (exit code {code})"),
        (None, None) => "ended its process".to_owned(),
    }
}

/// Those that a crash has.
fn signal_name(signal: Signal) -> Option<&'static str> {
    let names = [
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::ILL, "SIGILL"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::TERM, "SIGTERM"),
        (Signal::TRAP, "SIGTRAP"),
    ];
    names.iter().find(|(named, _)| *named == signal).map(|(_, name)| *name)
}

/// What a process prints. Others that it has started may hold the pipe too, so its end means nothing.
struct Output {
    pipe: pipe::Receiver,
    tail: VecDeque<u8>,
    bytes: usize,
    closed: bool,
}

impl Output {
    fn new(pipe: pipe::Receiver) -> Output {
        Output { pipe, tail: VecDeque::new(), bytes: 0, closed: false }
    }

    /// Returns when something was read; never when there will be nothing more.
    async fn read(&mut self) {
        if !self.closed && self.pipe.readable().await.is_ok() {
            self.read_now();
            if !self.closed {
                return;
            }
        }
        std::future::pending().await
    }

    /// Takes what is there, within bounds: somebody may be printing all the time.
    fn drain(&mut self) {
        let before = self.bytes;
        while self.read_now() && self.bytes - before < 4 * READ_BYTES {}
    }

    /// Whether there was anything.
    fn read_now(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        let Ok(len) = self.pipe.try_read(&mut buffer) else {
            return false;
        };
        self.closed = len == 0;
        self.bytes = self.bytes.saturating_add(len);
        self.tail.extend(buffer.iter().take(len));
        let excess = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        len > 0
    }
}
