//! The command is killed with `kill -9` between any two requests to a Docker Engine. Every container is started once, ends
//! as it ended there, and leaves nothing behind; its log is whole.

#[path = "../../plugins/kill/proxy.rs"]
mod proxy;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use proxy::{Proxy, Side};
use tempfile::TempDir;
use windlass::job::{Filter, Reason};
use windlass::{EngineConfig, JobView, State};
use windlass_backends::{BUSYBOX, Docker, Events, Setup};

use super::stage::{PATIENCE, Stage, at_socket, container_of, grants, is_swept, open};

/// What happens to the jobs of one siege.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// They print some lines, leave a file, and end in three ways.
    End,
    /// They print some lines, have no `/work`, and end in three ways.
    Workless,
    /// They are stopped by a deadline, at which they print something.
    Stop,
}

/// Containers that are in flight at once.
const MANY: usize = 30;
/// How often the command is killed over them.
const LIVES: u64 = 5;

struct Siege {
    story: Story,
    dir: TempDir,
    docker: Docker,
    events: Events,
    proxy: Proxy,
}

impl Siege {
    fn new(story: Story) -> Option<Siege> {
        let docker = Docker::start(Setup::default())?;
        let dir = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(dir.path(), docker.socket().to_owned());
        let through = grants(&format!("address = \"unix:{}\"", proxy.socket.display()));
        std::fs::create_dir(dir.path().join("store")).unwrap();
        std::fs::write(dir.path().join("store/windlass.toml"), through).unwrap();
        let events = docker.events();
        Some(Siege { story, dir, docker, events, proxy })
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// A file of jobs of this siege's story.
    fn jobs(&self, name: &str, labels: &[String], seconds: &str) -> PathBuf {
        let mut text = format!("name: {name}\njobs:\n");
        for (number, label) in labels.iter().enumerate() {
            let code = number % 3;
            let (script, more) = match self.story {
                Story::Workless => (format!("echo 1; echo 2 >&2; sleep {seconds}; echo 3; exit {code}"), ""),
                Story::End => {
                    let ends = format!("echo 3; echo {label} > /work/output/f; exit {code}");
                    (format!("echo 1; echo 2 >&2; sleep {seconds}; {ends}"), "")
                }
                Story::Stop => {
                    let waits = "trap 'echo 3; exit 1' TERM; echo 1; echo 2 >&2; while :; do sleep 0.05; done";
                    (waits.to_owned(), ", timeout: 700ms")
                }
            };
            let work = self.story != Story::Workless;
            let command = serde_json::json!(["sh", "-c", script]);
            // A queue for each: a queue has some slots only.
            let _ = writeln!(
                text,
                "  - {{name: {label}, queue: {label}{more}, executor: docker, with: {{image: \"{BUSYBOX}\", \
                 pull: never, init: false, work: {work}, command: {command}}}}}"
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
        let said = File::options().create(true).append(true).open(self.dir.path().join("said")).unwrap();
        let engine = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap();
        self.proxy.guard(engine, kill_at);
        let begun = Instant::now();
        loop {
            if let Some((status, count)) = self.proxy.over() {
                eprintln!("{jobs:?} {kill_at:?}: {status} after {count} requests");
                return (count, status.code().is_some());
            }
            assert!(begun.elapsed() < PATIENCE, "it hangs: {}", self.told());
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
    }

    /// What the command has said and the engine has of a life that does not end.
    fn told(&self) -> String {
        let said = std::fs::read_to_string(self.dir.path().join("said")).unwrap();
        format!("{said}\n{:#?}", self.docker.containers("windlass.engine"))
    }

    /// All of it is over, as it was on the platform, and the platform has nothing left.
    async fn judge(&self, labels: usize) {
        let engine = open(&self.store(), &at_socket(&self.docker), EngineConfig::default()).await;
        let jobs = engine.list(&Filter::default(), None, 1_000).unwrap().jobs;
        let mut by_label: BTreeMap<String, Vec<JobView>> = BTreeMap::new();
        for job in jobs {
            by_label.entry(job.job.spec.name.clone().unwrap()).or_default().push(job);
        }
        assert_eq!(by_label.len(), labels);
        let dir = tempfile::tempdir().unwrap();
        let stage = Stage { dir, engine };
        // A command that is killed when its job is over and was shown is a command that is given anew: another job.
        let whole = by_label.values().flatten().filter(|job| self.judge_job(&stage, job)).count();
        // A deadline that passes early stops some before they print.
        assert!(whole >= if self.story != Story::Stop { by_label.len() } else { labels / 2 }, "{whole} of {labels}");
        is_swept(&self.docker).await;
        stage.engine.shutdown().await;
    }

    /// One job, which was started once at most and ended as its container did; whether it has printed everything.
    fn judge_job(&self, stage: &Stage, job: &JobView) -> bool {
        let (id, status) = (job.job.id, &job.job.status);
        let label = job.job.spec.name.clone().unwrap();
        let container = container_of(id);
        let told: Vec<_> = self.events.heard().into_iter().filter(|it| it.container.starts_with(&container)).collect();
        let starts = told.iter().filter(|event| event.action == "start").count();
        let code = told.iter().find_map(|event| event.exit_code);
        let mut lines: Vec<String> = stage.text(id).lines().map(str::to_owned).collect();
        lines.sort();
        let is_whole = lines == ["1", "2", "3"];
        let expected = match (self.story, code) {
            (Story::End | Story::Workless, Some(0)) => (State::Succeeded, None),
            (Story::End | Story::Workless, code) => (State::Failed, code.map(Reason::ExitCode)),
            (Story::Stop, _) => (State::TimedOut, status.reason.clone()),
        };
        assert_eq!((status.state, status.reason.clone()), expected, "{label}: {told:?}");
        assert_eq!((status.attempt, status.interruptions), (1, 0), "{label}");
        match self.story {
            Story::End | Story::Workless => assert!(starts == 1 && is_whole, "{label}: {lines:?} {told:?}"),
            Story::Stop => assert!(starts <= 1 && (starts == 1 || lines.is_empty()), "{label}: {lines:?} {told:?}"),
        }
        is_whole
    }
}

/// Every request of a whole run is the last one of a life, unheard and unanswered.
async fn kill_at_every_request(story: Story, sides: &[Side]) {
    let Some(siege) = Siege::new(story) else { return };
    let undisturbed = siege.jobs("undisturbed", &["undisturbed".into()], "0.2");
    let (requests, whole) = siege.live(&undisturbed, None);
    assert!(whole && requests >= 8, "{requests}");
    let mut labels = 1;
    for number in 1..=requests {
        for side in sides.iter().copied() {
            let label = format!("{}-{number}", if side == Side::Before { "before" } else { "after" });
            let jobs = siege.jobs(&label, std::slice::from_ref(&label), "0.2");
            labels += 1;
            // Not every life makes as many requests.
            if !siege.live(&jobs, Some((number, side))).1 {
                assert!(siege.live(&jobs, None).1);
            }
        }
    }
    // Nothing is asked any more about what is over, though its files are kept.
    let (last, whole) = siege.live(&siege.jobs("at-last", &["at-last".into()], "0.2"), None);
    assert!(whole && last <= 2 * requests, "{last} requests after {requests} of the first life");
    siege.judge(labels + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_to_an_engine_costs_nothing() {
    kill_at_every_request(Story::End, &[Side::Before, Side::After]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_of_a_stop_costs_nothing() {
    kill_at_every_request(Story::Stop, &[Side::Before, Side::After]).await;
}

/// What is left of one that was made and is not heard of is what another life has to find.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_for_one_without_work_costs_nothing() {
    kill_at_every_request(Story::Workless, &[Side::After]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_with_many_containers_in_flight_cost_nothing() {
    let Some(siege) = Siege::new(Story::End) else { return };
    let labels: Vec<String> = (0..MANY).map(|number| format!("r{number}")).collect();
    let jobs = siege.jobs("many", &labels, "4");
    // Other requests each time; those that fail are printed.
    let random = std::collections::hash_map::RandomState::new();
    let mut kills = 0;
    for life in 0..LIVES {
        let number = 1 + random.hash_one(life) % 120;
        let side = if life % 2 == 0 { Side::Before } else { Side::After };
        eprintln!("life {life}: {side:?} request {number}");
        if siege.live(&jobs, Some((number, side))).1 {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0);
    if kills == LIVES {
        let whole = siege.live(&jobs, None).1;
        assert!(whole);
    }
    siege.judge(labels.len()).await;
}
