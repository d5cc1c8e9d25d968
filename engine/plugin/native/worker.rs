//! The process that has a plugin loaded: gets orders over a socket, one after the other, and calls the plugin.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::process::{DumpableBehavior, Signal};

use super::call::{About, Question, ask, broken};
use super::frame::{Order, Report, decode, encode, most_bytes};
use super::host::{HostCalls, Level};
use super::library::Library;
use crate::files::LogStream;
use crate::plugin::contract::{Answer, ErrorKind, Handle, PluginError, Retry};

/// The hidden first argument of such a process; the second one is the library.
pub(super) const SERVE_ARG: &str = "--windlass-plugin";
/// The engine's copy of a message says whether it is one of its own, so its length needs no other bound.
const MOST_ORDER_BYTES: usize = u32::MAX as usize;
/// The engine sends one order at a time.
const ORDERS_AHEAD: usize = 2;

/// Returns at once, unless this process was started to call a plugin; then it does that and exits.
pub(crate) fn serve_if_asked() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|arg| arg != SERVE_ARG) {
        return;
    }
    let served = serve(PathBuf::from(args.next().unwrap_or_default()));
    if let Err(error) = &served {
        eprintln!("{error}");
    }
    std::process::exit(i32::from(served.is_err()))
}

fn serve(path: PathBuf) -> io::Result<()> {
    // The thread that has started this process lives as long as its engine has a use for it. Should the engine have ended
    // before this line, the socket tells.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // What a plugin is told may be secret and is not to lie around in a core dump.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::chdir("/")?;
    let mut socket = Socket { stream: take_stdin()?, most: usize::MAX };
    let orders = listen(socket.stream.try_clone()?)?;
    let Some(Order::Open { settings, engine_id, answer_bytes }) = orders.recv().ok() else {
        return Err(io::Error::other("this is for the engine to start"));
    };
    socket.most = most_bytes(answer_bytes);
    // SAFETY: whoever has registered the plugin vouches for it, and this process is there to bear the harm.
    #[expect(unsafe_code, reason = "the plugin is loaded")]
    let library = match unsafe { Library::load(&path) } {
        Ok(library) => library,
        Err(error) => return socket.send(&Report::Opened(Err(error))),
    };
    socket.send(&Report::Opened(Ok(())))?;
    let about = About { settings, engine_id, answer_bytes };
    while let Ok(order) = orders.recv() {
        let Order::Ask(question) = order else { break };
        let mut calls = CallsOverSocket { socket: &mut socket, orders: &orders };
        // SAFETY: it was loaded as a plugin, and this is the only thread that calls it.
        #[expect(unsafe_code, reason = "the plugin is called")]
        let answer = unsafe { ask(&library.table, &about, &question, &mut calls) };
        socket.send_answer(&question, answer)?;
    }
    Ok(())
}

/// The socket, which the engine passes as standard input. What the plugin starts is not to inherit it, and is to find an
/// empty standard input.
#[expect(unsafe_code, reason = "a number stands for the standard input")]
fn take_stdin() -> io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let empty = OpenOptions::new().read(true).open("/dev/null")?;
    // SAFETY: it is open, as it was just copied, and is not closed below.
    let mut stdin = unsafe { OwnedFd::from_raw_fd(0) };
    let replaced = rustix::io::dup2(&empty, &mut stdin);
    let _ = stdin.into_raw_fd();
    replaced?;
    Ok(UnixStream::from(socket))
}

/// Reads orders on a thread of its own, so that the end of the engine is noticed whatever the plugin is doing.
fn listen(mut stream: UnixStream) -> io::Result<Receiver<Order>> {
    let (orders, received) = sync_channel(ORDERS_AHEAD);
    let body = move || {
        let _ = read_orders(&mut stream, &orders);
        // Not by an exit: that runs code of the plugin, which may be in the midst of a call.
        if rustix::process::getpgrp() == rustix::process::getpid() {
            let _ = rustix::process::kill_current_process_group(Signal::KILL);
        }
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
    };
    thread::Builder::new().name("windlass-orders".to_owned()).spawn(body)?;
    Ok(received)
}

/// Until the engine closes the socket, or sends what is none of its messages.
fn read_orders(stream: &mut UnixStream, orders: &SyncSender<Order>) -> io::Result<()> {
    loop {
        let mut frame = vec![0; 4];
        stream.read_exact(&mut frame)?;
        let header = frame.first_chunk::<4>().copied().unwrap_or_default();
        let len = u64::from(u32::from_le_bytes(header));
        stream.take(len).read_to_end(&mut frame)?;
        let order = decode(&frame, MOST_ORDER_BYTES).map_err(io::Error::other)?;
        let (order, _) = order.ok_or(io::ErrorKind::UnexpectedEof)?;
        orders.send(order).map_err(io::Error::other)?;
    }
}

struct Socket {
    stream: UnixStream,
    most: usize,
}

impl Socket {
    fn send(&mut self, report: &Report) -> io::Result<()> {
        let frame = encode(report, self.most).map_err(io::Error::other)?;
        self.stream.write_all(&frame)
    }

    /// Sends the answer, or that it is too long.
    fn send_answer(&mut self, question: &Question, answer: Answer<super::call::Reply>) -> io::Result<()> {
        let frame = encode(&Report::Answered(answer), self.most).or_else(|error| {
            let error = broken(question, &format!("it {error}"));
            encode(&Report::Answered(Err(error)), usize::MAX)
        });
        self.stream.write_all(&frame.map_err(io::Error::other)?)
    }
}

/// Asks the engine, over the socket.
struct CallsOverSocket<'a> {
    socket: &'a mut Socket,
    orders: &'a Receiver<Order>,
}

impl CallsOverSocket<'_> {
    /// The engine's answer; `None` when it is gone, which this process will not live to tell.
    fn asked(&mut self, report: &Report) -> Option<Order> {
        self.socket.send(report).ok()?;
        self.orders.recv().ok()
    }
}

impl HostCalls for CallsOverSocket<'_> {
    fn log(&mut self, level: Level, message: String) {
        let _ = self.socket.send(&Report::Log(level, message));
    }

    fn checkpoint(&mut self, handle: Handle) -> Answer<()> {
        match self.asked(&Report::Checkpoint(handle)) {
            Some(Order::Kept(answer)) => answer,
            _ => Err(PluginError::new(ErrorKind::Cancelled, Retry::Backoff, "the engine is gone")),
        }
    }

    fn write(&mut self, stream: LogStream, bytes: Vec<u8>, cursor: String) -> bool {
        let order = self.asked(&Report::Write { stream, bytes, cursor });
        matches!(order, Some(Order::Written { wants_more: true }))
    }
}
