//! Fires of schedules: no nominal time is missed or doubled, wherever the power fails and whenever the process is killed.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use windlass::job::{
    CalendarSpec, CatchUp, Filter, JobConfig, Order, Overlap, OwnSchedule, Policy, ScheduleSpec, Target,
};
use windlass::testing::{CrashDisk, Life, Loss, START, TestEngine};
use windlass::{Builder, Clock, Engine, FunctionError, JobSpec, Plan, Supervisor, Timestamp};

use crate::power::{on_a_thread, on_two_threads};
use crate::stage::scratch;

const PROJECT: &str = "default";
const MINUTE: u64 = 60_000;
/// How long the story goes on, and how long every life after a cut.
const STORY: u64 = 4 * MINUTE;
const ALL: u64 = 8 * MINUTE;

fn setup(builder: Builder) -> Builder {
    builder.function("work", |_, (): ()| async { Ok::<_, FunctionError>(()) })
}

fn work() -> JobConfig {
    JobConfig::new(JobSpec::function("work", "null"))
}

/// A chain of two and a single job, fired every minute in three ways; the single one by its own schedule.
fn plan() -> Plan {
    let own = |overlap: Overlap| {
        let policy = Policy { overlap, catch_up: CatchUp::Window { ms: 60 * MINUTE }, ..Policy::default() };
        OwnSchedule { calendar: CalendarSpec::cron("* * * * *"), policy }
    };
    let second = work().on(own(Overlap::BufferAll { most: 100 }));
    let configs = vec![("first".to_owned(), work().then("second")), ("second".to_owned(), second)];
    let schedule = |name: &str, overlap: Overlap| {
        let OwnSchedule { calendar, policy } = own(overlap);
        let spec = ScheduleSpec { policy, ..ScheduleSpec::new(calendar, Target::Config("first".to_owned())) };
        (PROJECT.to_owned(), name.to_owned(), spec)
    };
    let schedules = vec![schedule("chain", Overlap::Allow), schedule("both", Overlap::BufferAll { most: 100 })];
    Plan { configs, schedules, ..Plan::default() }
}

/// The jobs of each fire of each schedule.
fn fires(engine: &Engine) -> BTreeMap<(String, Timestamp), usize> {
    let filter = Filter { order: Order::OldestFirst, ..Filter::default() };
    let (mut found, mut cursor) = (BTreeMap::new(), None);
    loop {
        let page = engine.list(&filter, cursor, 1_000).unwrap();
        for fired in page.jobs.iter().filter_map(|view| view.job.spec.fired.clone()) {
            *found.entry((fired.name, fired.nominal)).or_insert(0) += 1;
        }
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

/// Each minute has fired once, with as many jobs as there are configs in a row.
fn check(engine: &Engine, first: u64, last: u64) {
    let fires = fires(engine);
    for (name, jobs) in [("chain", 2), ("second", 1), ("both", 2)] {
        for minute in first..=last {
            let at = START.plus_millis(minute * MINUTE);
            assert_eq!(fires.get(&(name.to_owned(), at)), Some(&jobs), "{name} at minute {minute}");
        }
        let status = engine.schedule(PROJECT, name).unwrap().status;
        assert_eq!((status.skipped, status.state.waiting.len(), status.under_way.len()), (0, 0, 0), "{name}");
    }
    assert_eq!(fires.len() as u64, 3 * (last - first + 1));
}

#[test]
fn no_power_cut_parts_a_config_from_its_schedule() {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    disk.record();
    let life = |disk: &Arc<CrashDisk>, dir: &std::path::Path| Life {
        dir: Some(dir.to_owned()),
        disk: disk.clone(),
        clock: Clock::manual(START),
        seed: 11,
    };
    let mut opened = 0;
    on_a_thread(async {
        let engine = TestEngine::open_as(life(&disk, dir.path()), setup).await.unwrap();
        opened = disk.recorded();
        for cron in [Some("@daily"), None, Some("@hourly"), Some("@daily")] {
            let config = JobConfig { schedule: cron.map(|cron| OwnSchedule::new(CalendarSpec::cron(cron))), ..work() };
            engine.apply_configs(vec![("c".to_owned(), config)], false).await.unwrap();
        }
        engine.delete_config(PROJECT, "c").await.unwrap();
    });
    let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let steps: Vec<usize> = (opened..disk.recorded()).collect();
    on_two_threads(&steps, |step| {
        let image = disk.power_cut_before(*step, Loss::Random { seed: *step as u64 }).unwrap();
        let copy = scratch();
        std::fs::copy(dir.path().join("key"), copy.path().join("key")).unwrap();
        on_a_thread(async {
            let disk = Arc::new(CrashDisk::from_image(image));
            let engine = TestEngine::open_as(life(&disk, copy.path()), setup).await.unwrap();
            let config = engine.config(PROJECT, "c", None).ok();
            let schedule = engine.schedule(PROJECT, "c").ok();
            let says = config.as_ref().and_then(|it| it.config.schedule.clone()).map(|own| own.calendar);
            assert_eq!(schedule.map(|it| it.spec.calendar), says, "before step {step}");
            seen.lock().unwrap().insert((config.map(|it| it.revision), says.is_some()));
        });
    });
    let all = [(None, false), (Some(1), true), (Some(2), false), (Some(3), true), (Some(4), true)];
    assert_eq!(seen.into_inner().unwrap().into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn no_power_cut_misses_or_doubles_a_fire() {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    disk.record();
    let life = |disk: &Arc<CrashDisk>, at: Timestamp, dir: &std::path::Path| Life {
        dir: Some(dir.to_owned()),
        disk: disk.clone(),
        clock: Clock::manual(at),
        seed: 11,
    };
    // The steps of the disk that had been taken when the plan was acknowledged, and at each time of the clock.
    let (mut acknowledged, mut times) = (0, Vec::new());
    on_a_thread(async {
        let engine = TestEngine::open_as(life(&disk, START, dir.path()), setup).await.unwrap();
        engine.apply_plan(plan(), false).await.unwrap();
        acknowledged = disk.recorded();
        for second in 1..=STORY / 1_000 {
            engine.advance(1_000).await;
            times.push((disk.recorded(), START.plus_millis(second * 1_000)));
        }
        check(&engine, 1, STORY / MINUTE);
    });
    let steps: Vec<usize> = (acknowledged..disk.recorded()).collect();
    on_two_threads(&steps, |step| {
        let loss = if step % 8 == 0 { Loss::Everything } else { Loss::Random { seed: *step as u64 } };
        let image = disk.power_cut_before(*step, loss).unwrap();
        // What the clock showed: the life after begins a while later.
        let at = times.iter().find(|(taken, _)| taken >= step).map_or(START, |(_, at)| *at);
        let at = at.plus_millis((*step as u64 * 7_919) % (3 * MINUTE));
        let copy = scratch();
        std::fs::copy(dir.path().join("key"), copy.path().join("key")).unwrap();
        on_a_thread(async {
            let disk = Arc::new(CrashDisk::from_image(image));
            let engine = TestEngine::open_as(life(&disk, at, copy.path()), setup).await.unwrap();
            engine.advance(START.plus_millis(ALL).millis_since(at)).await;
            check(&engine, 1, ALL / MINUTE);
        });
    });
    println!("{} cuts", steps.len());
    assert!(steps.len() > 100, "{} steps are too few", steps.len());
}

/// Kills of the process.
const KILLS: u64 = 12;

#[test]
fn no_kill_of_the_server_misses_or_doubles_a_fire() {
    let dir = scratch();
    let store = dir.path().join("store");
    let windlass = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.args(args).env_remove("WINDLASS_KEY").env("WINDLASS_STORE", &store);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let plan = "configs: { tick: { command: [\"true\"] } }\nschedules:\n  \
        a: { cron: '@every 1s', config: tick, catch_up: { window: 1h } }\n  \
        b: { cron: '@every 1s', config: tick, catch_up: { window: 1h }, overlap: buffer_all }\n  \
        c: { cron: '@every 2s', chain: [tick, tick], catch_up: { window: 1h }, overlap: buffer_all, jitter: 500ms }\n";
    let file = dir.path().join("plan.yaml");
    std::fs::write(&file, plan).unwrap();
    assert!(windlass(&["apply", "-f", file.to_str().unwrap()]).status().unwrap().success());
    for kill in 0..KILLS {
        let mut server = windlass(&["serve"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(900 + kill * 377 % 1_100));
        // SIGKILL.
        server.kill().unwrap();
        server.wait().unwrap();
    }
    on_a_thread(async {
        let engine = Engine::builder(&store).process(Supervisor::new(env!("CARGO_BIN_EXE_windlass")));
        let engine = engine.open().await.unwrap();
        let begun = Instant::now();
        for (name, every, jobs) in [("a", 1_000, 1), ("b", 1_000, 1), ("c", 2_000, 2)] {
            engine.pause_schedule(PROJECT, name, "").await.unwrap();
            let status = loop {
                let status = engine.schedule(PROJECT, name).unwrap().status;
                if status.state.waiting.is_empty() {
                    break status;
                }
                assert!(begun.elapsed() < Duration::from_secs(120), "{name} still waits: {status:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            let of_schedule: BTreeMap<Timestamp, usize> = fires(&engine)
                .into_iter()
                .filter_map(|((of, nominal), jobs)| (of == name).then_some((nominal, jobs)))
                .collect();
            assert!(of_schedule.values().all(|count| *count == jobs), "{name}: {of_schedule:?}");
            let nominals: Vec<u64> = of_schedule.keys().map(|at| at.as_millis()).collect();
            let gaps: Vec<u64> = nominals.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.iter().all(|gap| *gap == every), "{name}: {gaps:?}");
            assert!(nominals.len() as u64 >= KILLS / (every / 1_000), "{name}: {}", nominals.len());
            let paused = status.skips.iter().filter(|it| it.reason.word() == "paused").map(|it| it.count).sum::<u64>();
            assert_eq!((status.fired, status.skipped - paused), (nominals.len() as u64, 0), "{name}");
        }
        engine.shutdown().await;
    });
}
