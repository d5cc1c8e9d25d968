//! What a process with a JVM may do to the engine: nothing. And what is to be seen of a password: nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use windlass::plugin::contract::ErrorKind;
use windlass::plugin::sql::{Jdbc, SqlLimits, SqlQuery};

use super::{H2, ODD, POSTGRESQL, PROGRAM, fails, grant, limited, query, told};

const SECRET: &str = "hush-hush-and-more";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A grant whose processes go by a name of their own, so that a test finds its own among those of others.
struct Own {
    jdbc: Jdbc,
    program: PathBuf,
    _dir: TempDir,
}

impl Own {
    fn new(databases: &[&str]) -> Option<Own> {
        let mut grant = grant(databases)?;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("windlass-of-a-test");
        std::os::unix::fs::symlink(PROGRAM, &program).unwrap();
        grant.program = Some(program.clone());
        grant.config.processes = 1;
        Some(Own { jdbc: Jdbc::new(grant), program, _dir: dir })
    }

    /// Its processes, by their directories in `/proc`.
    fn workers(&self) -> Vec<PathBuf> {
        let dirs = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let begins = format!("{}\0", self.program.display());
        let is_own = |dir: &PathBuf| {
            let line = fs::read(dir.join("cmdline")).unwrap_or_default();
            line.starts_with(begins.as_bytes())
        };
        dirs.filter(is_own).collect()
    }

    /// Waits until it has as many.
    async fn have(&self, count: usize) -> Vec<PathBuf> {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let workers = self.workers();
                if workers.len() == count {
                    return workers;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{count} processes are wanted, there are {:?}", self.workers()))
    }
}

fn kill(dir: &Path) {
    let pid: i32 = dir.file_name().unwrap().to_str().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_in_the_middle_costs_its_query() {
    let Some(own) = Own::new(&["jdbc:h2:mem:"]) else { return };
    let one = || query(H2, "jdbc:h2:mem:", "SELECT 1 AS a");
    assert_eq!(told(&own.jdbc, one()).await.unwrap(), "{\"A\":1}\n");
    let endless =
        query(H2, "jdbc:h2:mem:;LAZY_QUERY_EXECUTION=1", "SELECT X, REPEAT('x', 1000) FROM SYSTEM_RANGE(1, 100000000)");
    let mut rows = own.jdbc.query(endless).await.unwrap();
    assert!(!rows.next(1 << 20).await.unwrap().is_empty());
    kill(&own.have(1).await[0]);
    let error = loop {
        match rows.next(1 << 20).await {
            Ok(lines) => assert!(!lines.is_empty(), "a result that broke off looks whole"),
            Err(error) => break error,
        }
    };
    assert!(error.kind == ErrorKind::Internal && error.message.contains("was killed (SIGKILL"), "{error}");
    assert_eq!(rows.next(1).await.unwrap_err(), error);
    assert_eq!(told(&own.jdbc, one()).await.unwrap(), "{\"A\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_ends_the_process_costs_its_query() {
    let Some(own) = Own::new(&["jdbc:h2:mem:", ODD]) else { return };
    let error = fails(&own.jdbc, query(H2, ODD, "SELECT QUIT(7)")).await;
    assert!(error.kind == ErrorKind::Internal && error.message.contains("exit code 7"), "{error}");
    assert_eq!(told(&own.jdbc, query(H2, "jdbc:h2:mem:", "SELECT 1 AS a")).await.unwrap(), "{\"A\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_nobody_wants_any_more_ends_its_process() {
    let Some(own) = Own::new(&["jdbc:h2:mem:", ODD]) else { return };
    let rows = own.jdbc.query(query(H2, "jdbc:h2:mem:", "SELECT X FROM SYSTEM_RANGE(1, 1000000)")).await.unwrap();
    own.have(1).await;
    drop(rows);
    own.have(0).await;
    // So does a call that is cut off, here by its caller.
    let asked = told(&own.jdbc, query(H2, ODD, "SELECT NAP(600000)"));
    assert!(tokio::time::timeout(Duration::from_secs(3), asked).await.is_err());
    own.have(0).await;
    // There is one place, and it is free again.
    let limits = SqlLimits { time_ms: Some(30_000), ..SqlLimits::default() };
    let one = limited(query(H2, "jdbc:h2:mem:", "SELECT 1 AS a"), limits);
    assert_eq!(told(&own.jdbc, one).await.unwrap(), "{\"A\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_queries_than_places_wait_and_then_are_told() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:"]) else { return };
    grant.config.processes = 1;
    grant.config.start_ms = 5_000;
    let jdbc = Jdbc::new(grant);
    let one = || query(H2, "jdbc:h2:mem:", "SELECT X AS a FROM SYSTEM_RANGE(1, 1000000)");
    let first = jdbc.query(one()).await.unwrap();
    let error = jdbc.query(one()).await.err().unwrap();
    assert!(error.kind == ErrorKind::Exhausted && error.message.contains("were busy for 5000 ms"), "{error}");
    drop(first);
    assert!(jdbc.query(one()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_finds_nothing_of_the_engine_around_it() {
    let Some(own) = Own::new(&[ODD]) else { return };
    let statement =
        "SELECT PROPERTY('user.timezone') AS zone, PROPERTY('user.dir') AS dir, PROPERTY('java.class.path') AS path";
    let text = told(&own.jdbc, query(H2, ODD, statement)).await.unwrap();
    assert_eq!(text, "{\"ZONE\":\"UTC\",\"DIR\":\"/\",\"PATH\":\"\"}\n");
}

/// A server that asks for a password, waits to be told to go on, and says it back in a refusal.
fn gossip() -> (SocketAddr, Receiver<String>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ((told, heard), (go_on, may_go_on)) = (channel(), channel());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
        stream.read_exact(&mut startup).unwrap();
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03").unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut password = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
        stream.read_exact(&mut password).unwrap();
        let password = String::from_utf8_lossy(&password).trim_end_matches('\0').to_owned();
        told.send(password.clone()).unwrap();
        may_go_on.recv().unwrap();
        let fields = format!("SFATAL\0VFATAL\0C28P01\0Mno user has the password {password}\0\0");
        stream.write_all(b"E").unwrap();
        stream.write_all(&(u32::try_from(fields.len()).unwrap() + 4).to_be_bytes()).unwrap();
        stream.write_all(fields.as_bytes()).unwrap();
    });
    (address, heard, go_on)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_gets_to_the_database_and_is_seen_nowhere_else() {
    let (address, heard, go_on) = gossip();
    let url = format!("jdbc:postgresql://{address}/x?sslmode=disable");
    let Some(own) = Own::new(&[&format!("jdbc:postgresql://{address}/")]) else { return };
    let query = SqlQuery {
        username: Some("anna".into()),
        password: Some(SECRET.into()),
        ..query(POSTGRESQL, &url, "SELECT 1")
    };
    assert!(!format!("{query:?}").contains(SECRET));
    let looked = async {
        let got = tokio::task::spawn_blocking(move || heard.recv_timeout(PATIENCE)).await.unwrap().unwrap();
        assert_eq!(got, SECRET);
        let [worker] = own.have(1).await.try_into().unwrap();
        for file in ["cmdline", "environ", "status", "comm"] {
            let text = fs::read(worker.join(file)).unwrap();
            assert!(file == "environ" || !text.is_empty(), "{file} could be read");
            assert!(!text.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{file}");
        }
        let environment = String::from_utf8_lossy(&fs::read(worker.join("environ")).unwrap()).into_owned();
        let names: Vec<_> = environment.split_terminator('\0').map(|it| it.split('=').next().unwrap()).collect();
        assert!(names.iter().all(|name| ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ"].contains(name)), "{names:?}");
        go_on.send(()).unwrap();
    };
    let (error, ()) = tokio::join!(fails(&own.jdbc, query), looked);
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Unauthenticated, Some("28P01")), "{error}");
    assert!(error.message.contains("no user has the password ***"), "{error}");
}
