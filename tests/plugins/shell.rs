//! The built-in `shell` against a real shell server: the whole way from a job to a process of another platform and back.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use windlass::files::Layout;
use windlass::job::{NamedTask, Reason, Task};
use windlass::plugin::parse_config;
use windlass::{Engine, EngineConfig, JobId, JobSpec, KeepWork, State};

/// The server, built once.
static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shell-server");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--package", "windlass-shell-server", "--target-dir"]).arg(&target);
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    assert!(status.success(), "the shell server is not built");
    target.join("debug/windlass-shell-server")
});

const TOKEN: &str = "t0ken";

pub(crate) struct Platform {
    pub(crate) dir: tempfile::TempDir,
    server: Child,
}

impl Platform {
    pub(crate) fn new(arguments: &[&str]) -> Platform {
        let dir = tempfile::tempdir().unwrap();
        let server = serve(&dir, arguments);
        Platform { dir, server }
    }

    pub(crate) fn grants(&self) -> String {
        let socket = self.dir.path().join("socket");
        format!(
            "[plugin.shell]\nwork = \"write\"\n[plugin.shell.endpoint.jobs]\naddress = \"unix:{}\"\n\
             auth = {{ kind = \"bearer\", token = {{ value = \"{TOKEN}\" }} }}\n",
            socket.display()
        )
    }

    /// Kills the server alone, and starts the next one.
    fn restart(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        self.server = serve(&self.dir, &[]);
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn serve(dir: &tempfile::TempDir, arguments: &[&str]) -> Child {
    let mut command = Command::new(&*SERVER);
    command.arg("--directory").arg(dir.path()).arg("--unix").arg(dir.path().join("socket")).args(arguments);
    let mut server = command.env("SHELL_SERVER_TOKEN", TOKEN).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on unix:"), "{line}");
    server
}

async fn open(dir: &Path, platform: &Platform) -> Engine {
    open_with(dir, platform, EngineConfig::default()).await
}

async fn open_with(dir: &Path, platform: &Platform, config: EngineConfig) -> Engine {
    let config = EngineConfig { shutdown_grace_ms: 0, ..config };
    let grants = parse_config(platform.grants().as_bytes()).unwrap();
    Engine::builder(dir).config(config).plugins(grants).open().await.unwrap()
}

fn script(script: &str) -> JobSpec {
    let params = serde_json::json!({ "command": ["sh", "-c", script] }).to_string().into_bytes();
    JobSpec::new(Task::Named(NamedTask { executor: "shell".into(), params }))
}

async fn run(engine: &Engine, spec: JobSpec) -> (JobId, State, Option<Reason>) {
    let id = engine.submit(spec).await.unwrap();
    let (state, reason) = end(engine, id).await;
    (id, state, reason)
}

async fn end(engine: &Engine, id: JobId) -> (State, Option<Reason>) {
    let over = tokio::time::timeout(Duration::from_secs(60), engine.wait(id)).await;
    let job = over.expect("it hangs").unwrap();
    (job.state(), job.job.status.reason.clone())
}

fn log(engine: &Engine, id: JobId) -> String {
    let page = engine.logs(id, None, 0, 1 << 20).unwrap();
    page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_there_and_its_log_comes_here() {
    let (platform, dir) = (Platform::new(&[]), tempfile::tempdir().unwrap());
    let engine = open(dir.path(), &platform).await;
    let (id, state, reason) = run(&engine, script("echo out; sleep 0.05; echo err >&2; test -d output")).await;
    assert_eq!((state, reason), (State::Succeeded, None), "{}", log(&engine, id));
    assert_eq!(log(&engine, id), "out\nerr\n");
    let (_, state, reason) = run(&engine, script("exit 3")).await;
    assert_eq!((state, reason), (State::Failed, Some(Reason::ExitCode(3))));
    engine.shutdown().await;
}

/// What comes true some time.
async fn within(mut look: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect("it does not come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_while_the_engine_and_the_server_are_away() {
    let (mut platform, dir) = (Platform::new(&[]), tempfile::tempdir().unwrap());
    let flag = platform.dir.path().join("flag");
    let engine = open(dir.path(), &platform).await;
    let waits = format!("echo up; while ! test -e {}; do sleep 0.01; done; echo down; exit 5", flag.display());
    let id = engine.submit(script(&waits)).await.unwrap();
    within(async || log(&engine, id) == "up\n").await;
    drop(engine);
    platform.restart();
    let engine = open(dir.path(), &platform).await;
    std::fs::write(&flag, "").unwrap();
    assert_eq!(end(&engine, id).await, (State::Failed, Some(Reason::ExitCode(5))));
    assert_eq!(log(&engine, id), "up\ndown\n");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_at_any_request_leaves_one_run_that_ends_well() {
    let one = async |cut: String| {
        let (platform, dir) = (Platform::new(&["--cut", &cut]), tempfile::tempdir().unwrap());
        let counter = platform.dir.path().join("counter");
        let engine = open(dir.path(), &platform).await;
        let (id, state, reason) = run(&engine, script(&format!("echo run >> {}; echo said", counter.display()))).await;
        assert_eq!((state, reason), (State::Succeeded, None), "{cut}: {}", log(&engine, id));
        assert_eq!(std::fs::read_to_string(&counter).unwrap(), "run\n", "{cut}");
        assert_eq!(log(&engine, id), "said\n", "{cut}");
        engine.shutdown().await;
    };
    // Find or make, work, start, then observe, log, output and removal in whichever order.
    for request in 1..=6 {
        tokio::join!(one(format!("before:{request}")), one(format!("after:{request}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_stopped_there() {
    let (platform, dir) = (Platform::new(&[]), tempfile::tempdir().unwrap());
    let engine = open(dir.path(), &platform).await;
    let pid = platform.dir.path().join("pid");
    let id = engine.submit(script(&format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000", pid.display()))).await;
    let id = id.unwrap();
    within(async || pid.exists()).await;
    let process = format!("/proc/{}", std::fs::read_to_string(&pid).unwrap().trim());
    assert!(Path::new(&process).exists());
    engine.cancel(id, "the test").await.unwrap();
    assert_eq!(end(&engine, id).await.0, State::Cancelled);
    within(async || !Path::new(&process).exists()).await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_come_home_whole_and_nothing_but_files_and_directories() {
    const BIG: u64 = 64 << 20;
    let (platform, dir) = (Platform::new(&[]), tempfile::tempdir().unwrap());
    let config = EngineConfig { keep_work: KeepWork::All, ..EngineConfig::default() };
    let engine = open_with(dir.path(), &platform, config).await;
    let make = format!(
        "mkdir -p output/a/b output/empty; printf hi > 'output/a/b/with space'; head -c {BIG} /dev/zero > output/big"
    );
    let (id, state, reason) = run(&engine, script(&make)).await;
    assert_eq!((state, reason), (State::Succeeded, None), "{}", log(&engine, id));
    let output = Layout::new(dir.path()).work(id, 1).join("output");
    assert_eq!(std::fs::read_to_string(output.join("a/b/with space")).unwrap(), "hi");
    assert_eq!(std::fs::metadata(output.join("big")).unwrap().len(), BIG);
    assert!(output.join("empty").is_dir());
    let (_, state, reason) = run(&engine, script("ln -s /etc/passwd output/link")).await;
    assert_eq!(state, State::Failed);
    assert!(matches!(&reason, Some(Reason::Error(told)) if told.contains("output/link is no file")), "{reason:?}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_project_go_there_and_results_come_back() {
    let (platform, dir) = (Platform::new(&[]), tempfile::tempdir().unwrap());
    let engine = open(dir.path(), &platform).await;
    engine.put_file("default", "raw/names", "Grace\nAda\n".as_bytes()).await.unwrap();
    let sort = r#"sort "$WINDLASS_INPUTS" > "$WINDLASS_OUTPUTS" && wc -l < input/raw/names > output/value"#;
    let spec = script(sort).reads("raw/names").writes("sorted");
    let (id, state, reason) = run(&engine, spec).await;
    assert_eq!((state, reason), (State::Succeeded, None), "{}", log(&engine, id));
    assert_eq!(engine.read_file("default", "sorted", 0, 100).await.unwrap(), b"Ada\nGrace\n");
    assert_eq!(engine.output(id).unwrap().as_deref(), Some(br#""2""#.as_slice()));
    let (_, state, reason) = run(&engine, script("true").writes("more")).await;
    assert_eq!(state, State::Failed);
    assert!(matches!(&reason, Some(Reason::Error(told)) if told.contains(r#""more" is to be written"#)), "{reason:?}");
    let (_, state, reason) = run(&engine, script("true").reads("gone")).await;
    assert_eq!(state, State::Failed);
    let told = format!("{reason:?}");
    assert!(told.contains(r#"an input is not there: there is no file \"gone\""#), "{told}");
    engine.shutdown().await;
}

/// More than the operator lets a plugin bring in is refused, and said.
#[tokio::test(flavor = "multi_thread")]
async fn too_much_output_is_the_reason_of_the_end() {
    let (platform, dir) = (Platform::new(&[]), tempfile::tempdir().unwrap());
    let mut config = EngineConfig::default();
    config.wasm.unpack_bytes = 1 << 20;
    let engine = open_with(dir.path(), &platform, config).await;
    let (_, state, reason) = run(&engine, script("head -c 3000000 /dev/zero > output/big")).await;
    assert_eq!(state, State::Failed);
    assert!(matches!(&reason, Some(Reason::Error(told)) if told.contains("more than 1048576 bytes")), "{reason:?}");
    engine.shutdown().await;
}
