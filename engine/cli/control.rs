//! The control socket: how a command reaches the process that holds the store.
//!
//! One request a line, one reply a line, both JSON. Only processes of the same user are answered. Lines, connections and
//! the time a connection may be idle are bounded.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::{Failure, STORE, USAGE};
use super::files::Transfer;
use super::request::{Reply, Request, answer};
use super::store_dir::Place;
use crate::engine::Engine;
use crate::files::Layout;

const NAME: &str = "control.sock";
/// The longest request: files that are applied together, a pipeline of the largest kind among them.
const MAX_REQUEST_BYTES: u64 = 32 * 1024 * 1024;
/// The longest reply: a page of a list whose every text is as long as it may be.
const MAX_REPLY_BYTES: u64 = 64 * 1024 * 1024;
const MAX_CONNECTIONS: usize = 32;
const IDLE: Duration = Duration::from_secs(60);

/// Answers on the socket until it is dropped; then the socket is gone.
pub(super) struct ControlServer {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl ControlServer {
    /// Starts to answer for `engine`, whose store is in `place`. The caller holds the store, so a socket that is there
    /// was left by a process that is gone, and is replaced.
    pub(super) fn start(place: &Place, engine: Engine) -> io::Result<ControlServer> {
        let dir = place.dir();
        let path = Layout::new(dir).control_socket();
        let fresh = format!("{NAME}.{}", std::process::id());
        let listener = UnixListener::bind(Reachable::new(dir, &fresh)?.path)?;
        // It takes its name only when nobody else can connect.
        let fresh = dir.join(fresh);
        fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
        fs::rename(&fresh, &path)?;
        let task = tokio::spawn(accept(listener, engine, place.clone()));
        Ok(ControlServer { path, task })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
        // Where it cannot be removed it stays behind as a stale one, which the next holder replaces.
        let _ = fs::remove_file(&self.path);
    }
}

/// A path to a file of a directory that is short enough for a socket, however long the directory's own is.
struct Reachable {
    path: PathBuf,
    _dir: File,
}

impl Reachable {
    fn new(dir: &Path, name: &str) -> io::Result<Reachable> {
        let dir = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()));
        Ok(Reachable { path, _dir: dir })
    }
}

async fn accept(listener: UnixListener, engine: Engine, place: Place) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(turn) = free.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file handles, most likely: it passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (engine, place) = (engine.clone(), place.clone());
        tokio::spawn(async move {
            // A connection that breaks is the other side's business.
            let _ = serve(stream, &engine, &place).await;
            drop(turn);
        });
    }
}

async fn serve(stream: UnixStream, engine: &Engine, place: &Place) -> io::Result<()> {
    let own = rustix::process::geteuid().as_raw();
    if stream.peer_cred()?.uid() != own {
        return Ok(());
    }
    let mut stream = BufStream::new(stream);
    let mut transfer = Transfer::default();
    loop {
        let line = timeout(IDLE, read_line(&mut stream, MAX_REQUEST_BYTES)).await??;
        let Some(line) = line else { return Ok(()) };
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(Request::File(request)) => transfer.answer(engine, request).await.map(Reply::File),
            Ok(request) => answer(engine, Some(place), request).await,
            Err(_) => Err(Failure::new(
                STORE,
                "the process that holds the store does not know this request; is it another version of windlass?",
            )),
        };
        let reply = reply.unwrap_or_else(|failure| Reply::Failed { code: failure.code, message: failure.message });
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        timeout(IDLE, async {
            stream.write_all(&line).await?;
            stream.flush().await
        })
        .await??;
    }
}

/// One line without its end; `None` at the end of the stream.
async fn read_line(stream: &mut BufStream<UnixStream>, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    stream.take(max_bytes).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::other("a line that is too long or cut off")),
    }
}

/// The way to the process that holds a store.
pub(super) struct Remote {
    stream: BufStream<UnixStream>,
}

impl Remote {
    /// Connects to the holder of the store in `dir`; `None` when there is none.
    pub(super) async fn connect(dir: &Path) -> io::Result<Option<Remote>> {
        let Ok(socket) = Reachable::new(dir, NAME) else {
            return Ok(None);
        };
        match UnixStream::connect(&socket.path).await {
            Ok(stream) => Ok(Some(Remote { stream: BufStream::new(stream) })),
            Err(error) if is_nobody(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks and waits for the answer; `None` when the holder of the store has ended.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Option<Reply>, Failure> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
        line.push(b'\n');
        if line.len() as u64 > MAX_REQUEST_BYTES {
            let problem =
                format!("what is asked for has {} bytes; allowed: {MAX_REQUEST_BYTES} bytes at a time", line.len());
            return Err(Failure::new(USAGE, problem));
        }
        let exchange = timeout(request.patience(), self.exchange(&line)).await;
        let problem = match exchange {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) if is_gone(&error) => return Ok(None),
            Ok(Err(error)) => format!("the process that holds the store cannot be reached: {error}"),
            Err(_) => "the process that holds the store does not answer".to_owned(),
        };
        Err(Failure::new(STORE, problem))
    }

    async fn exchange(&mut self, line: &[u8]) -> io::Result<Option<Reply>> {
        self.stream.write_all(line).await?;
        self.stream.flush().await?;
        let line = read_line(&mut self.stream, MAX_REPLY_BYTES).await?;
        Ok(line.map(|line| serde_json::from_slice(&line)).transpose()?)
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
