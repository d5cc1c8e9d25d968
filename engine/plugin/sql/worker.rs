//! The process that has a JVM: gets one order over a socket, does it, and ends.

use std::io::{self, Write};
use std::thread;

use super::jvm;
use super::order::{Order, Report};
use crate::plugin::child::{encode, enter, listen};

/// The hidden first argument of such a process.
pub(super) const SERVE_ARG: &str = "--windlass-jdbc";
/// Drivers run on the stack of the thread that asks them.
const STACK_BYTES: usize = 16 << 20;

/// Returns at once, unless this process was started to ask a database; then it does that and exits.
pub(crate) fn serve_if_asked() {
    if std::env::args_os().nth(1).is_none_or(|arg| arg != SERVE_ARG) {
        return;
    }
    let served = serve();
    if let Err(error) = &served {
        eprintln!("{error}");
    }
    std::process::exit(i32::from(served.is_err()))
}

fn serve() -> io::Result<()> {
    let mut socket = enter()?;
    let orders = listen::<Order>(socket.try_clone()?)?;
    let order = orders.recv().map_err(|_| io::Error::other("this is for the engine to start"))?;
    let body = move || {
        jvm::perform(&order, &mut |report: Report| {
            let frame = encode(&report, usize::MAX).map_err(io::Error::other)?;
            // The engine reads when it wants more, so this is where a fast database waits.
            socket.write_all(&frame)
        })
    };
    // The JVM asks the system where the stack of its thread is, which of the first thread a process without core dumps is
    // not told.
    let asked = thread::Builder::new().name("windlass-jdbc".to_owned()).stack_size(STACK_BYTES).spawn(body)?;
    asked.join().map_err(|_| io::Error::other("it panicked"))?
}
