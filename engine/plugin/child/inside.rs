//! Within a process that the engine has started: what comes before anything else, and the orders.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::process::{DumpableBehavior, Signal};
use serde::de::DeserializeOwned;

use super::frame::decode;

/// The engine's copy of a message says whether it is one of its own, so its length needs no other bound.
const MOST_ORDER_BYTES: usize = u32::MAX as usize;
/// The engine sends one order at a time.
const ORDERS_AHEAD: usize = 2;

/// Ties this process to the engine; the socket to it.
pub(crate) fn enter() -> io::Result<UnixStream> {
    // The thread that has started this process lives as long as its engine has a use for it. Should the engine have ended
    // before this line, the socket tells.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // What it is told may be secret and is not to lie around in a core dump.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::chdir("/")?;
    take_stdin()
}

/// The socket, which the engine passes as standard input. What this process starts is not to inherit it, and is to find an
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

/// Reads orders on a thread of its own, so that the end of the engine is noticed whatever else this process is doing.
pub(crate) fn listen<O: DeserializeOwned + Send + 'static>(mut stream: UnixStream) -> io::Result<Receiver<O>> {
    let (orders, received) = sync_channel(ORDERS_AHEAD);
    let body = move || {
        let _ = read_orders(&mut stream, &orders);
        // Not by an exit: that runs code of what is loaded, which may be in the midst of something.
        if rustix::process::getpgrp() == rustix::process::getpid() {
            let _ = rustix::process::kill_current_process_group(Signal::KILL);
        }
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
    };
    thread::Builder::new().name("windlass-orders".to_owned()).spawn(body)?;
    Ok(received)
}

/// Until the engine closes the socket, or sends what is none of its messages.
fn read_orders<O: DeserializeOwned>(stream: &mut UnixStream, orders: &SyncSender<O>) -> io::Result<()> {
    loop {
        let mut frame = vec![0; 4];
        stream.read_exact(&mut frame)?;
        let header = frame.first_chunk::<4>().copied().unwrap_or_default();
        let len = u64::from(u32::from_le_bytes(header));
        stream.take(len).read_to_end(&mut frame)?;
        let order = decode(&frame, MOST_ORDER_BYTES).map_err(io::Error::other)?;
        let (order, _) = order.ok_or(io::ErrorKind::UnexpectedEof)?;
        orders.send(order).map_err(|_| io::ErrorKind::BrokenPipe)?;
    }
}
