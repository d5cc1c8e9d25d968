//! The stories that are cut short: each uses the engine in one way, one uses it in all.

use std::pin::Pin;

use windlass::job::{Deadlines, Outcome};
use windlass::secret::Entropy;
use windlass::{EngineConfig, Error, JobId, JobSpec, Retention};

use crate::acts::{at_most_once, held, in_a_fan, in_line, keyed, queued_in};
use crate::promises::Rules;
use crate::stage::Stage;

type Told<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

/// A story.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) tell: fn(&mut Stage, u64) -> Told<'_>,
    pub(crate) seed: u64,
    pub(crate) quick_repair: bool,
    pub(crate) forgets: bool,
}

/// Payloads over this lie in files.
const INLINE_BYTES: usize = 1_024;

impl Story {
    fn new(name: &'static str, tell: fn(&mut Stage, u64) -> Told<'_>) -> Story {
        Story { name, tell, seed: 0, quick_repair: true, forgets: false }
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules { inline_bytes: INLINE_BYTES, forgets: self.forgets }
    }

    /// The configuration while it is told; the queue "shut" has no slots then.
    pub(crate) fn config(&self) -> EngineConfig {
        let mut config = self.config_after();
        config.queues.insert("shut".into(), 0);
        config
    }

    /// The configuration after the crash.
    pub(crate) fn config_after(&self) -> EngineConfig {
        let mut retention = Retention { interval_ms: 1_000, ..Retention::default() };
        retention.max_jobs = self.forgets.then_some(4);
        EngineConfig {
            default_slots: 6,
            inline_payload_bytes: INLINE_BYTES,
            quick_repair: self.quick_repair,
            retention,
            ..EngineConfig::default()
        }
    }
}

pub(crate) fn all() -> Vec<Story> {
    let mixed =
        |seed, quick_repair| Story { seed, quick_repair, ..Story::new("mixed", |s, seed| Box::pin(mixed(s, seed))) };
    vec![
        Story::new("bulk", |s, _| Box::pin(bulk(s))),
        Story::new("singles", |s, _| Box::pin(singles(s))),
        Story { quick_repair: false, ..Story::new("singles, no quick repair", |s, _| Box::pin(singles(s))) },
        Story::new("chains", |s, _| Box::pin(chains(s))),
        Story::new("retries", |s, _| Box::pin(retries(s))),
        Story::new("cancels", |s, _| Box::pin(cancels(s))),
        Story::new("at most once", |s, _| Box::pin(once(s))),
        Story::new("idempotency keys", |s, _| Box::pin(keys(s))),
        Story::new("key rotation", |s, _| Box::pin(rotation(s))),
        Story { forgets: true, ..Story::new("retention", |s, _| Box::pin(retention(s))) },
        Story::new("all at once", |s, _| Box::pin(all_at_once(s))),
        Story::new("polite restarts", |s, _| Box::pin(restarts(s))),
        mixed(1, true),
        mixed(2, false),
        mixed(3, true),
        mixed(4, true),
    ]
}

async fn singles(stage: &mut Stage) -> Result<(), Error> {
    for number in 0..4 {
        let quick = stage.quick();
        stage.submit(quick).await?;
        let large = stage.function(|work| {
            work.padding = "x".repeat(3_000 * (number % 2));
            work.output_bytes = 2_000 * (number % 3);
        });
        let id = stage.submit(large).await?;
        stage.settle().await;
        stage.engine.wait(id).await?;
    }
    Ok(())
}

async fn bulk(stage: &mut Stage) -> Result<(), Error> {
    let specs: Vec<JobSpec> = (0..200).map(|_| stage.quick()).collect();
    stage.submit_many(specs).await?;
    stage.settle().await;
    let specs: Vec<JobSpec> = (0..20).map(|_| queued_in(stage.quick(), "other")).collect();
    stage.submit_many(specs).await?;
    stage.settle().await;
    Ok(())
}

async fn chains(stage: &mut Stage) -> Result<(), Error> {
    let well = in_line((0..4).map(|_| stage.quick()).collect());
    stage.submit_many(well).await?;
    let badly = in_line(vec![stage.quick(), stage.run(1), stage.run(0), stage.quick()]);
    let badly = badly.into_iter().map(|mut spec| {
        spec.retry.max_attempts = 1;
        spec
    });
    stage.submit_many(badly.collect()).await?;
    let (top, left, right, end) = (stage.quick(), stage.run(0), stage.function(|work| work.fails = 1), stage.quick());
    let name = |spec: &JobSpec| spec.name.clone().unwrap();
    let (of_top, of_left, of_right) = (name(&top), name(&left), name(&right));
    let graph = vec![top, left.after(of_top.clone()), right.after(of_top), end.after(of_left).after(of_right)];
    stage.submit_many(graph).await?;
    let fan =
        vec![stage.quick(), stage.quick(), stage.run(1), stage.quick(), stage.quick(), stage.quick(), stage.quick()];
    let fan = in_a_fan(fan).into_iter().map(|mut spec| {
        spec.retry.max_attempts = 1;
        spec
    });
    stage.submit_many(fan.collect()).await?;
    for _ in 0..4 {
        stage.settle().await;
        stage.end_runs();
        stage.engine.advance(1_000).await;
    }
    Ok(())
}

async fn retries(stage: &mut Stage) -> Result<(), Error> {
    let mut specs: Vec<JobSpec> = (1..4).map(|fails| stage.function(|work| work.fails = fails)).collect();
    specs.push(stage.run(2));
    let mut late = stage.function(|work| work.sleep_ms = 50_000);
    late.deadlines = Deadlines { attempt_ms: Some(2_000), ..Deadlines::default() };
    late.retry = crate::acts::tries(2);
    specs.push(late);
    let mut never = queued_in(stage.quick(), "shut");
    never.deadlines = Deadlines { queue_ms: Some(3_000), ..Deadlines::default() };
    specs.push(never);
    for spec in specs {
        stage.submit(spec).await?;
    }
    for _ in 0..6 {
        stage.settle().await;
        stage.end_runs();
        stage.engine.advance(1_500).await;
    }
    Ok(())
}

async fn cancels(stage: &mut Stage) -> Result<(), Error> {
    let (queued, waiting) = (queued_in(stage.quick(), "shut"), held(stage.quick()));
    let (running, sleeping) = (stage.run(0), stage.function(|work| work.sleep_ms = 60_000));
    let (stubborn, head) = (stage.run(0), vec![held(stage.quick()), stage.quick(), stage.run(0)]);
    let mut ids = Vec::new();
    for spec in [queued, waiting, running, sleeping, stubborn] {
        ids.push(stage.submit(spec).await?);
    }
    ids.insert(2, stage.submit_many(in_line(head)).await?[0]);
    stage.settle().await;
    for id in &ids[..5] {
        stage.cancel(*id).await?;
    }
    stage.settle().await;
    stage.world.platform().ignore_stops(true);
    stage.cancel(ids[5]).await?;
    stage.cancel(ids[5]).await?;
    stage.settle().await;
    stage.end_runs();
    stage.settle().await;
    Ok(())
}

async fn once(stage: &mut Stage) -> Result<(), Error> {
    let mut specs = vec![at_most_once(stage.quick()), at_most_once(stage.run(0)), at_most_once(stage.run(1))];
    specs.extend((1..4).map(|number| at_most_once(stage.function(|work| work.sleep_ms = 1_000 * number))));
    specs.push(at_most_once(stage.function(|work| work.fails = 1)));
    for spec in specs {
        stage.submit(spec).await?;
        stage.settle().await;
    }
    for _ in 0..4 {
        stage.engine.advance(1_000).await;
        stage.end_runs();
    }
    stage.settle().await;
    Ok(())
}

async fn keys(stage: &mut Stage) -> Result<(), Error> {
    for number in 0..3 {
        let spec = keyed(stage.quick(), &format!("key-{number}"));
        let first = stage.submit(spec.clone()).await?;
        stage.settle().await;
        assert_eq!(stage.submit(spec.clone()).await?, first);
        let other = JobSpec { priority: 7, ..spec };
        assert!(matches!(stage.engine.submit(other).await, Err(Error::Conflict(_) | Error::Storage(_))));
    }
    let batch: Vec<JobSpec> = (0..5).map(|number| keyed(stage.quick(), &format!("batch-{number}"))).collect();
    let first = stage.submit_many(batch.clone()).await?;
    assert_eq!(stage.submit_many(batch).await?, first);
    let mut chain = in_line(vec![stage.quick(), stage.quick(), stage.quick()]);
    chain[1].idempotency_key = Some("chain".into());
    let first = stage.submit_many(chain.clone()).await?;
    stage.settle().await;
    assert_eq!(stage.submit_many(chain).await?, first);
    Ok(())
}

async fn rotation(stage: &mut Stage) -> Result<(), Error> {
    for _ in 0..3 {
        let jobs = vec![stage.quick(), queued_in(stage.quick(), "shut"), stage.run(0), held(stage.quick())];
        for spec in jobs {
            stage.submit(spec).await?;
        }
        stage.rotate().await?;
        stage.settle().await;
    }
    stage.end_runs();
    stage.settle().await;
    Ok(())
}

async fn retention(stage: &mut Stage) -> Result<(), Error> {
    for number in 0..5 {
        for key in 0..2 {
            let key = format!("key-{number}-{key}");
            let spec = if number % 2 == 0 { keyed(stage.quick(), &key) } else { stage.quick() };
            stage.submit(JobSpec { project: format!("project-{}", number % 3), ..spec }).await?;
        }
        stage.engine.advance(1_000).await;
    }
    Ok(())
}

async fn all_at_once(stage: &mut Stage) -> Result<(), Error> {
    for round in 0..3 {
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..16 {
            let spec = match number % 4 {
                0 => stage.run(0),
                1 => held(stage.quick()),
                2 => at_most_once(stage.quick()),
                _ => stage.quick(),
            };
            let hand = stage.hand();
            calls.spawn(async move {
                let ids = hand.submit_many(vec![spec]).await?;
                if (number + round) % 3 == 0 { hand.cancel(ids[0]).await } else { Ok(()) }
            });
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap()?;
        }
        stage.end_runs();
        stage.settle().await;
    }
    Ok(())
}

async fn restarts(stage: &mut Stage) -> Result<(), Error> {
    for _ in 0..3 {
        for spec in [stage.quick(), stage.run(0), stage.function(|work| work.fails = 1), held(stage.quick())] {
            stage.submit(spec).await?;
        }
        stage.settle().await;
        stage.restart().await?;
        stage.end_runs();
        stage.engine.advance(2_000).await;
    }
    stage.engine.shutdown().await;
    Ok(())
}

/// Everything, in no order.
pub(crate) async fn mixed(stage: &mut Stage, seed: u64) -> Result<(), Error> {
    let dice = Entropy::seeded(seed);
    let roll = |most: u64| dice.next_u64() % most;
    let mut ids: Vec<JobId> = Vec::new();
    for number in 0..30_u64 {
        match roll(13) {
            0 => ids.push(stage.submit_quick().await?),
            1 => {
                let fails = roll(3) as u32;
                let spec = stage.function(|work| work.fails = fails);
                ids.push(stage.submit(spec).await?);
            }
            2 => {
                let spec = stage.run(roll(2) as u32);
                ids.push(stage.submit(JobSpec { project: "p".into(), ..spec }).await?);
            }
            3 => {
                let spec = stage.function(|work| work.sleep_ms = 700);
                ids.push(stage.submit(at_most_once(spec)).await?);
            }
            4 => {
                let specs = vec![stage.quick(), stage.run(0), stage.quick(), stage.quick(), stage.quick()];
                let specs = if roll(2) == 0 { in_line(specs) } else { in_a_fan(specs) };
                ids.extend(stage.submit_many(specs).await?);
            }
            5 => {
                let spec = stage.function(|work| (work.padding, work.output_bytes) = ("y".repeat(2_000), 1_500));
                ids.push(stage.submit(keyed(spec, &format!("key-{number}"))).await?);
            }
            6 if !ids.is_empty() => stage.cancel(ids[roll(ids.len() as u64) as usize]).await?,
            7 => drop(stage.rotate().await?),
            8 => stage.end_runs(),
            9 => {
                if let Some(attempt) = stage.world.platform().running().first() {
                    stage.world.end(*attempt, Outcome::Exit { code: 3 });
                }
            }
            10 => stage.engine.advance(400).await,
            11 => {
                let specs = (0..5).map(|_| queued_in(stage.one_by_one(), "other")).collect();
                ids.extend(stage.submit_many(specs).await?);
            }
            _ => stage.settle().await,
        }
    }
    Ok(())
}

impl Stage {
    async fn submit_quick(&mut self) -> Result<JobId, Error> {
        let spec = self.quick();
        self.submit(spec).await
    }

    /// A call of a function that is called by one job at a time.
    fn one_by_one(&mut self) -> JobSpec {
        let mut spec = self.quick();
        if let windlass::job::Task::Function(task) = &mut spec.task {
            task.name = "one-by-one".into();
        }
        spec
    }
}
