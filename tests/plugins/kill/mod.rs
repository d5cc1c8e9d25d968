//! The command is killed with `kill -9` between any two requests to a platform. Every run is started once, ends as it ended
//! there, and leaves nothing behind; its log is whole.

mod proxy;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proxy::{Proxy, Side};
use tempfile::TempDir;
use windlass::job::Reason;
use windlass::plugin::parse_config;
use windlass::{Engine, JobView, State};

use crate::shell::Platform;

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Runs that are in flight at once.
const MANY: u64 = 100;
/// How often the engine is killed over them.
const LIVES: u64 = 6;

struct Stage {
    dir: TempDir,
    platform: Platform,
    proxy: Proxy,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let platform = Platform::new(&[]);
        let proxy = Proxy::start(dir.path(), platform.dir.path().join("socket"));
        let direct = platform.grants();
        let through = direct
            .replace(&platform.dir.path().join("socket").display().to_string(), &proxy.socket.display().to_string());
        std::fs::create_dir(dir.path().join("store")).unwrap();
        std::fs::write(dir.path().join("store/windlass.toml"), through).unwrap();
        Stage { dir, platform, proxy }
    }

    fn store(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    /// A file of jobs; each notes in the journal that it has started and how it is about to end, and prints some lines.
    fn jobs(&self, name: &str, labels: &[String], seconds: &str) -> std::path::PathBuf {
        let journal = self.dir.path().join("journal");
        let mut text = format!("name: {name}\njobs:\n");
        for (number, label) in labels.iter().enumerate() {
            let code = number % 3;
            let journal = journal.display();
            let script = format!(
                "echo '{label} start' >> {journal}; echo 1; sleep {seconds}; echo 2; sleep {seconds}; echo 3; \
                 echo '{label} end {code}' >> {journal}; exit {code}"
            );
            // A queue for each: a queue has some slots only.
            let command = serde_json::json!(["sh", "-c", script]);
            let _ = writeln!(
                text,
                "  - {{name: {label}, queue: {label}, executor: shell, with: {{work: false, command: {command}}}}}"
            );
        }
        let path = self.dir.path().join(format!("{name}.yaml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// One life of the command. How many requests it made, and whether it came to its end.
    fn live(&self, jobs: &Path, kill_at: Option<(u64, Side)>) -> (u64, bool) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.arg("--store").arg(self.store()).arg("run").arg("--quiet").arg(jobs);
        let engine = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        self.proxy.guard(engine, kill_at);
        let begun = Instant::now();
        loop {
            if let Some((status, count)) = self.proxy.over() {
                eprintln!("{jobs:?} {kill_at:?}: {status} after {count} requests");
                return (count, status.code().is_some());
            }
            assert!(begun.elapsed() < PATIENCE, "it hangs: {}", self.told());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// What the command and the platform say of a life that does not end.
    fn told(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.arg("--store").arg(self.store()).args(["--json", "jobs", "--limit", "3"]);
        let jobs = command.output().unwrap();
        let runs = Command::new("find").arg(self.platform.dir.path().join("runs")).output().unwrap();
        let texts = [jobs.stdout, jobs.stderr, runs.stdout].map(|text| String::from_utf8_lossy(&text).into_owned());
        texts.join("\n")
    }

    /// What the commands themselves have noted, by their labels.
    fn journal(&self) -> BTreeMap<String, Vec<String>> {
        let text = std::fs::read_to_string(self.dir.path().join("journal")).unwrap_or_default();
        let mut journal: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (label, what) = line.split_once(' ').unwrap();
            journal.entry(label.to_owned()).or_default().push(what.to_owned());
        }
        journal
    }

    /// All of it is over, as it was on the platform, and the platform has nothing left.
    async fn judge(&self, labels: usize) {
        let grants = parse_config(self.platform.grants().as_bytes()).unwrap();
        let engine = Engine::builder(self.store()).plugins(grants).open().await.unwrap();
        let journal = self.journal();
        let mut by_label: BTreeMap<String, Vec<JobView>> = BTreeMap::new();
        for job in jobs_of(&engine) {
            by_label.entry(job.job.spec.name.clone().unwrap()).or_default().push(job);
        }
        assert_eq!(by_label.len(), labels);
        for (label, jobs) in &by_label {
            // A command that is killed when its job is over and was shown is a command that is given anew: another job.
            let noted = journal.get(label).unwrap_or_else(|| panic!("{label} was never started"));
            assert_eq!(noted.len(), 2 * jobs.len(), "{label}: {noted:?}");
            jobs.iter().for_each(|job| judge_job(&engine, job, &noted[..2]));
            assert!(noted.chunks(2).all(|run| run == &noted[..2]), "{label}: {noted:?}");
        }
        let runs = self.platform.dir.path().join("runs");
        let gone = async {
            while std::fs::read_dir(&runs).unwrap().next().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("something is left on the platform");
        engine.shutdown().await;
    }
}

fn jobs_of(engine: &Engine) -> Vec<JobView> {
    let page = engine.list(&windlass::job::Filter::default(), None, 1_000).unwrap();
    page.jobs
}

fn judge_job(engine: &Engine, job: &JobView, noted: &[String]) {
    let label = job.job.spec.name.clone().unwrap();
    let [start, end] = noted else { panic!("{label}: {noted:?}") };
    assert_eq!(start, "start", "{label}");
    let status = &job.job.status;
    let told = match (status.state, &status.reason) {
        (State::Succeeded, None) => "end 0".to_owned(),
        (State::Failed, Some(Reason::ExitCode(code))) => format!("end {code}"),
        other => panic!("{label}: {other:?}, and it noted {noted:?}"),
    };
    assert_eq!(&told, end, "{label}");
    assert_eq!((status.attempt, status.interruptions), (1, 0), "{label}");
    let page = engine.logs(job.job.id, None, 0, 1 << 20).unwrap();
    let log: String = page.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect();
    assert_eq!(log, "1\n2\n3\n", "{label}");
}

/// Every request of a whole run is the last one of a life, unheard and unanswered.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_of_a_run_costs_nothing() {
    let stage = Stage::new();
    let undisturbed = stage.jobs("undisturbed", &["undisturbed".into()], "0.1");
    let (requests, whole) = stage.live(&undisturbed, None);
    assert!(whole && requests >= 6, "{requests}");
    let mut labels = 1;
    for number in 1..=requests {
        for side in [Side::Before, Side::After] {
            let label = format!("{}-{number}", if side == Side::Before { "before" } else { "after" });
            let jobs = stage.jobs(&label, std::slice::from_ref(&label), "0.1");
            labels += 1;
            // Not every life makes as many requests.
            if !stage.live(&jobs, Some((number, side))).1 {
                assert!(stage.live(&jobs, None).1);
            }
        }
    }
    stage.judge(labels).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_with_many_runs_in_flight_cost_nothing() {
    let stage = Stage::new();
    let labels: Vec<String> = (0..MANY).map(|number| format!("r{number}")).collect();
    let jobs = stage.jobs("many", &labels, "1.5");
    // Other requests each time; those that fail are printed.
    let random = std::collections::hash_map::RandomState::new();
    let mut kills = 0;
    for life in 0..LIVES {
        let number = 1 + random.hash_one(life) % 220;
        let side = if life % 2 == 0 { Side::Before } else { Side::After };
        eprintln!("life {life}: {side:?} request {number}");
        if stage.live(&jobs, Some((number, side))).1 {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0);
    if kills == LIVES {
        assert!(stage.live(&jobs, None).1);
    }
    stage.judge(labels.len()).await;
}
