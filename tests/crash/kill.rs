//! A real process is killed with `kill -9`, again and again on the same store, while it says what it was told.

use std::collections::{HashMap, HashSet};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use windlass::executors::AttemptName;
use windlass::job::{JobFact, OnCrash, Task};
use windlass::secret::Entropy;
use windlass::{Engine, EngineConfig, JobId, JobSpec, JobView, State, Supervisor};

use crate::acts::tries;
use crate::drain::all_jobs;

const DIR: &str = "WINDLASS_TEST_KILLED_DIR";
const PROCESSES: &str = "WINDLASS_TEST_KILLED_PROCESSES";

/// Kills of the loop with functions, unless `WINDLASS_KILL_CYCLES` says more.
const CYCLES: usize = 200;
/// Kills of the loop with processes.
const PROCESS_CYCLES: usize = 24;
/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn note_start(dir: &Path, attempt: AttemptName) {
    let mut file = OpenOptions::new().append(true).create(true).open(dir.join("starts")).unwrap();
    file.write_all(format!("{} {}\n", attempt.job, attempt.attempt).as_bytes()).unwrap();
}

async fn open(dir: &Path) -> Engine {
    let (store, starts) = (dir.join("store"), dir.to_owned());
    let config = EngineConfig { default_slots: 8, ..EngineConfig::default() };
    let engine = Engine::builder(store).config(config).function("work", move |context, label: String| {
        let starts = starts.clone();
        async move {
            note_start(&starts, context.attempt());
            if label.ends_with('0') {
                context.sleep(5).await;
            }
            Ok(label)
        }
    });
    engine.process(Supervisor::new(env!("CARGO_BIN_EXE_windlass"))).open().await.unwrap()
}

/// One line of what the killed process knew, in one write.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn function(label: &str, number: u64) -> JobSpec {
    let mut spec = JobSpec::function("work", serde_json::to_vec(label).unwrap()).named(label);
    spec.retry = windlass::job::RetryPolicy { max_interruptions: 1_000, ..tries(1) };
    if number % 3 == 1 {
        spec.on_crash = OnCrash::Fail;
    }
    if number % 5 == 2 {
        spec.idempotency_key = Some(label.to_owned());
    }
    spec
}

/// A program that says where it is, and ends with a code that its name tells.
fn process(dir: &Path, label: &str, number: u64) -> JobSpec {
    let code = number % 3;
    let script =
        "echo \"$WINDLASS_JOB_ID $WINDLASS_ATTEMPT\" >> \"$STARTS\"; echo one; sleep 0.03; echo two >&2; exit ";
    let spec = JobSpec::process("/bin/sh", ["-c".to_owned(), format!("{script}{code}")]).named(label);
    let spec = spec.option("STARTS", dir.join("starts").to_str().unwrap());
    if number.is_multiple_of(2) { JobSpec { on_crash: OnCrash::Fail, ..spec } } else { spec }
}

/// Not a test: what the tests run in a process of its own, to kill it.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn life() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(live(dir.into(), std::env::var_os(PROCESSES).is_some()));
}

async fn live(dir: PathBuf, processes: bool) {
    let engine = open(&dir).await;
    let mut news = engine.subscribe();
    say("open");
    tokio::spawn(async move {
        while let Some(event) = news.next().await {
            let event = event.unwrap();
            if let JobFact::Finished { state, .. } = event.fact {
                say(&format!("ended {} {state}", event.id));
            }
        }
    });
    let hands = (0..3).map(|hand| tokio::spawn(submit_for_ever(engine.clone(), dir.clone(), hand, processes)));
    for hand in hands.collect::<Vec<_>>() {
        hand.await.unwrap();
    }
}

async fn submit_for_ever(engine: Engine, dir: PathBuf, hand: u64, processes: bool) {
    for number in 0.. {
        let label = |part: u64| format!("{}-{hand}-{number}-{part}", std::process::id());
        let count = if number % 7 == 6 && !processes { 20 } else { 1 };
        let labels: Vec<String> = (0..count).map(label).collect();
        let spec = |label: &String| match processes {
            true => process(&dir, label, number),
            false => function(label, number),
        };
        let specs = labels.iter().map(spec).collect();
        say(&format!("asked {}", labels.join(" ")));
        let ids = engine.submit_many(specs).await.unwrap();
        for (id, label) in ids.iter().zip(&labels) {
            say(&format!("accepted {id} {label}"));
        }
        if number % 4 == 3 {
            let job = engine.cancel(ids[0], "the test").await.unwrap();
            if matches!(job.state(), State::Cancelling | State::Cancelled) {
                say(&format!("cancelled {}", ids[0]));
            }
        }
        tokio::time::sleep(Duration::from_millis(if processes { 15 } else { 1 })).await;
    }
}

/// What killed processes have said.
#[derive(Default)]
struct Said {
    asked: HashSet<String>,
    accepted: HashMap<JobId, String>,
    cancelled: HashSet<JobId>,
    ended: HashMap<JobId, String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let verb = words.next().unwrap();
        let mut id = || words.next().unwrap().parse::<JobId>().unwrap();
        match verb {
            "asked" => self.asked.extend(line.split(' ').skip(1).map(str::to_owned)),
            "accepted" => {
                let before = self.accepted.insert(id(), words.next().unwrap().to_owned());
                assert!(before.is_none(), "an id was given twice: {line}");
            }
            "cancelled" => drop(self.cancelled.insert(id())),
            "ended" => {
                let (id, state) = (id(), words.next().unwrap().to_owned());
                let before = self.ended.insert(id, state.clone());
                assert!(before.as_ref().is_none_or(|before| *before == state), "{id}: {before:?}, then {state}");
            }
            "open" => {}
            other => panic!("what is {other:?}?"),
        }
    }

    fn check(&self, engine: &Engine) -> Vec<JobView> {
        let jobs = all_jobs(engine);
        let by_id: HashMap<JobId, &JobView> = jobs.iter().map(|job| (job.job.id, job)).collect();
        assert_eq!(by_id.len(), jobs.len());
        let names: HashSet<&String> = jobs.iter().map(|job| job.job.spec.name.as_ref().unwrap()).collect();
        assert_eq!(names.len(), jobs.len(), "no job is there twice");
        assert!(names.iter().all(|name| self.asked.contains(*name)), "only what was asked for is there");
        for (id, label) in &self.accepted {
            let job = by_id.get(id).unwrap_or_else(|| panic!("{id} ({label}) is lost"));
            assert_eq!(job.job.spec.name.as_ref(), Some(label));
        }
        for id in &self.cancelled {
            let state = by_id[id].state();
            assert!(matches!(state, State::Cancelling | State::Cancelled), "{id} was cancelled and is {state}");
        }
        for (id, state) in &self.ended {
            assert_eq!(by_id[id].state().word(), state, "{id} has one end");
        }
        jobs
    }
}

/// Starts a life, kills it, and hears what it had to say.
fn kill_one(dir: &Path, processes: bool, dice: &Entropy, said: &mut Said) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kill::life", "--ignored", "--nocapture", "--test-threads=1"]).env(DIR, dir);
    if processes {
        command.env(PROCESSES, "1");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (tell, opened) = std::sync::mpsc::channel();
    let listener = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in out.lines().map_while(Result::ok) {
            // The harness may say something before the first line, on the same one.
            if let Some((_, line)) = line.split_once('@') {
                let _ = (line == "open").then(|| tell.send(()));
                lines.push(line.to_owned());
            }
        }
        lines
    });
    // Some die while they open the store.
    if !dice.next_u64().is_multiple_of(5) {
        let open = opened.recv_timeout(PATIENCE);
        assert!(open.is_ok(), "the store does not open: {}", end_of(child));
    }
    std::thread::sleep(Duration::from_micros(5_000 + dice.next_u64() % 55_000));
    child.kill().unwrap();
    let heard = listener.join().unwrap();
    let status = child.wait_with_output().unwrap();
    assert!(status.stderr.is_empty(), "{}", String::from_utf8_lossy(&status.stderr));
    // A line that the kill has cut short is none, but each was one write.
    heard.iter().for_each(|line| said.hear(line));
}

fn end_of(mut child: Child) -> String {
    let _ = child.kill();
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned()
}

/// The starts of each attempt.
fn starts(dir: &Path) -> HashMap<(JobId, u32), u32> {
    let mut starts = HashMap::new();
    for line in std::fs::read_to_string(dir.join("starts")).unwrap().lines() {
        let (id, attempt) = line.split_once(' ').unwrap();
        *starts.entry((id.parse().unwrap(), attempt.parse().unwrap())).or_default() += 1;
    }
    starts
}

async fn drain(engine: &Engine) {
    let since = Instant::now();
    while engine.stats().unwrap().live.iter().sum::<u64>() > 0 {
        assert!(since.elapsed() < PATIENCE, "what is left never ends: {:?}", engine.stats().unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn on_threads<T>(life: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(life)
}

#[test]
fn killed_again_and_again_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (dice, mut said) = (Entropy::system().unwrap(), Said::default());
    let cycles = std::env::var("WINDLASS_KILL_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(CYCLES);
    for cycle in 1..=cycles {
        kill_one(dir.path(), false, &dice, &mut said);
        if cycle % 50 == 0 {
            // Dropped like this an engine ends as in a crash.
            on_threads(async { drop(said.check(&open(dir.path()).await)) });
        }
    }
    let jobs = on_threads(async {
        let engine = open(dir.path()).await;
        drain(&engine).await;
        let jobs = said.check(&engine);
        for job in jobs.iter().filter(|job| job.state() == State::Succeeded) {
            let expected = serde_json::to_vec(job.job.spec.name.as_ref().unwrap()).unwrap();
            assert_eq!(engine.output(job.job.id).unwrap(), Some(expected));
        }
        for job in jobs.iter().filter(|job| job.job.spec.idempotency_key.is_some()).take(500) {
            let again = JobSpec { name: job.job.spec.name.clone(), ..(*job.job.spec).clone() };
            assert_eq!(engine.submit(again).await.unwrap(), job.job.id, "a key is one job");
        }
        engine.shutdown().await;
        jobs
    });
    let starts = starts(dir.path());
    let mut interrupted = 0;
    for view in &jobs {
        let job = &view.job;
        let runs: u32 = (1..=job.status.attempt.max(1)).filter_map(|attempt| starts.get(&(job.id, attempt))).sum();
        interrupted += job.status.interruptions;
        if job.spec.on_crash == OnCrash::Fail {
            assert!(runs <= 1, "{} ran {runs} times", job.id);
        }
        assert!(view.state() != State::Succeeded || runs >= 1, "{} never ran", job.id);
    }
    let ended = said.ended.len();
    println!("{cycles} kills, {} accepted, {ended} ends told, {interrupted} attempts interrupted", said.accepted.len());
    assert!(said.accepted.len() > cycles / 4 && ended > cycles / 4 && interrupted > 0);
}

#[test]
fn processes_go_on_while_the_engine_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (dice, mut said) = (Entropy::system().unwrap(), Said::default());
    for _ in 0..PROCESS_CYCLES {
        kill_one(dir.path(), true, &dice, &mut said);
    }
    on_threads(async {
        let engine = open(dir.path()).await;
        drain(&engine).await;
        let jobs = said.check(&engine);
        let starts = starts(dir.path());
        assert!(starts.values().all(|starts| *starts == 1), "an attempt started twice: {starts:?}");
        let mut whole = 0;
        for view in jobs.iter().filter(|view| view.state() != State::Cancelled) {
            let job = &view.job;
            let Task::Process(task) = &job.spec.task else { panic!("{task:?}", task = job.spec.task) };
            let code = task.args[1].rsplit_once(' ').unwrap().1;
            let expected = if code == "0" { None } else { Some(format!("exit code {code}")) };
            let reason = job.status.reason.as_ref().map(ToString::to_string);
            assert_eq!((reason, job.status.attempt), (expected, 1), "{job:?}");
            assert_eq!(starts.get(&(job.id, 1)), Some(&1));
            let chunks = engine.logs(job.id, None, 0, usize::MAX).unwrap().chunks;
            let text: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
            assert_eq!(String::from_utf8_lossy(&text), "one\ntwo\n", "{}", job.id);
            whole += 1;
        }
        println!("{PROCESS_CYCLES} kills, {} accepted, {whole} processes ran to their end", said.accepted.len());
        assert!(whole > PROCESS_CYCLES / 4);
        engine.shutdown().await;
    });
}
