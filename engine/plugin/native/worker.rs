//! The process that has a plugin loaded: gets orders over a socket, one after the other, and calls the plugin.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use super::call::{About, Question, ask, broken};
use super::frame::{Order, Report, most_bytes};
use super::host::{HostCalls, Level};
use super::library::Library;
use crate::files::LogStream;
use crate::plugin::child::{encode, enter, listen};
use crate::plugin::contract::{Answer, ErrorKind, Handle, PluginError, Retry};

/// The hidden first argument of such a process; the second one is the library.
pub(super) const SERVE_ARG: &str = "--windlass-plugin";

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
    let mut socket = Socket { stream: enter()?, most: usize::MAX };
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
