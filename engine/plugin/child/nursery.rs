//! Starts processes, on a thread that lives as long as they may.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The thread that is the parent of processes. The kernel ends them when this thread ends, which no other thread of a
/// program can be trusted with: the threads of a runtime come and go. It ends when this value is dropped.
pub(crate) struct Nursery {
    births: Sender<Birth>,
}

struct Birth {
    command: Command,
    runtime: Handle,
    born: oneshot::Sender<io::Result<Child>>,
}

impl Nursery {
    pub(crate) fn new() -> io::Result<Nursery> {
        let (births, asked) = channel();
        thread::Builder::new().name("windlass-children".to_owned()).spawn(move || attend(&asked))?;
        Ok(Nursery { births })
    }

    pub(crate) async fn start(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts processes is gone");
        let (born, birth) = oneshot::channel();
        self.births.send(Birth { command, runtime: Handle::current(), born }).map_err(|_| gone())?;
        birth.await.map_err(|_| gone())?
    }
}

fn attend(asked: &Receiver<Birth>) {
    while let Ok(Birth { mut command, runtime, born }) = asked.recv() {
        let _entered = runtime.enter();
        // A child that nobody waits for any more is killed when it is dropped.
        let _ = born.send(command.kill_on_drop(true).spawn());
    }
}
