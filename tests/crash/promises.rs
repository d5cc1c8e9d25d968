//! What must hold of a store after any crash, given what the world knows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use windlass::executors::AttemptName;
use windlass::job::{After, JobSpec, On, OnCrash, Outcome, Reason, RunOptions, Task};
use windlass::{JobId, JobView, State};

use crate::drain::all_jobs;
use crate::stage::Stage;
use crate::world::{Fact, Work};

/// What is known of the past, in order.
#[derive(Default)]
pub(crate) struct Past {
    pub(crate) asked: HashMap<String, JobSpec>,
    batches: Vec<Arc<Vec<JobSpec>>>,
    pub(crate) accepted: Vec<(JobId, JobSpec)>,
    chains: Vec<Vec<JobId>>,
    cancelled: HashSet<JobId>,
    ended: HashMap<JobId, Vec<(State, Option<Reason>)>>,
    began: Vec<(AttemptName, u32)>,
    /// Where in the past a job was known to have succeeded, by the number of attempts that had begun.
    succeeded: HashMap<JobId, usize>,
}

impl Past {
    pub(crate) fn of(facts: Vec<(u64, Fact)>) -> Past {
        let mut past = Past::default();
        for (_, fact) in facts {
            match fact {
                Fact::Asked(specs) => {
                    past.asked.extend(specs.iter().map(|spec| (spec.name.clone().unwrap(), spec.clone())));
                    past.batches.push(specs);
                }
                Fact::Accepted { ids, specs } => {
                    if specs.iter().any(|spec| !spec.after.is_empty()) {
                        past.chains.push(ids.clone());
                    }
                    past.accepted.extend(ids.into_iter().zip(specs.iter().cloned()));
                }
                Fact::Cancelled(id) => drop(past.cancelled.insert(id)),
                Fact::Ended { id, state, reason } => past.ended.entry(id).or_default().push((state, reason)),
                Fact::Began { attempt, life } => past.began.push((attempt, life)),
                Fact::Returned { attempt, outcome: Outcome::Succeeded } => {
                    past.succeeded.entry(attempt.job).or_insert(past.began.len());
                }
                Fact::Returned { .. } | Fact::Started(_) | Fact::Removed(_) | Fact::Keys(_) => {}
            }
        }
        past
    }

    /// Whether it may be over, and so be forgotten where finished jobs are.
    fn may_be_over(&self, id: JobId) -> bool {
        self.cancelled.contains(&id)
            || self.ended.contains_key(&id)
            || self.began.iter().any(|(attempt, _)| attempt.job == id)
    }
}

/// The spec as the engine shows it: options are left out, and so is an input that lies in a file.
fn shown(spec: &JobSpec, inline_bytes: usize) -> JobSpec {
    let mut shown = JobSpec { options: RunOptions::new(), ..spec.clone() };
    if let Task::Function(task) = &mut shown.task
        && task.input.len() > inline_bytes
    {
        task.input.clear();
    }
    shown
}

/// What a story lets the engine do.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) inline_bytes: usize,
    /// Finished jobs are forgotten.
    pub(crate) forgets: bool,
}

impl Stage {
    /// The jobs, once the figures agree with them. Where jobs are being forgotten that may take a while.
    async fn counted_jobs(&self, rules: Rules) -> Vec<JobView> {
        for tries in (0..200).rev() {
            let (stats, jobs) = (self.engine.stats().unwrap(), all_jobs(&self.engine));
            let mut live = [0; State::ALL.len()];
            jobs.iter().filter(|job| !job.state().is_final()).for_each(|job| live[job.state() as usize] += 1);
            let finished = jobs.iter().filter(|job| job.state().is_final()).count() as u64;
            if (stats.live, stats.finished) == (live, finished) {
                return jobs;
            }
            let (found, counted) = ((live, finished), (stats.live, stats.finished));
            assert!(tries > 0 && rules.forgets, "the list has {found:?}, the figures say {counted:?}");
            self.settle().await;
        }
        unreachable!("the last try has ended it")
    }

    /// Everything that was acknowledged is there, and nothing that was not asked for.
    pub(crate) async fn check(&self, rules: Rules) -> Vec<JobView> {
        let past = Past::of(self.world.facts());
        let jobs = self.counted_jobs(rules).await;
        let by_id: HashMap<JobId, &JobView> = jobs.iter().map(|job| (job.job.id, job)).collect();
        assert_eq!(by_id.len(), jobs.len(), "ids are unique");
        let seqs: HashSet<u64> = jobs.iter().map(|job| job.job.seq()).collect();
        assert_eq!(seqs.len(), jobs.len(), "numbers are unique");
        let mut present = HashSet::new();
        for job in &jobs {
            let name = job.job.spec.name.clone().unwrap();
            let asked = past.asked.get(&name).unwrap_or_else(|| panic!("{name} was never submitted"));
            assert_eq!(*job.job.spec, shown(asked, rules.inline_bytes), "{name} has its spec");
            assert!(present.insert(name.clone()), "{name} is there twice");
            self.check_job(&past, job, rules);
        }
        for batch in past.batches.iter().filter(|_| !rules.forgets) {
            let there = batch.iter().filter(|spec| present.contains(spec.name.as_ref().unwrap())).count();
            assert!(there == 0 || there == batch.len(), "{there} jobs of a submission of {}", batch.len());
        }
        for (id, spec) in &past.accepted {
            match by_id.get(id) {
                Some(job) => assert_eq!(job.job.spec.name, spec.name, "{id} is the job it was"),
                None => assert!(rules.forgets && past.may_be_over(*id), "{id} ({:?}) is lost", spec.name),
            }
        }
        for chain in &past.chains {
            let members = chain.iter().filter_map(|id| by_id.get(id));
            assert!(members.into_iter().all(|job| job.job.chain == Some(chain[0])), "{chain:?} is one chain");
        }
        self.check_attempts(&past, &by_id);
        let broken = self.world.broken();
        assert!(broken.is_empty(), "{broken:#?}");
        jobs
    }

    fn check_job(&self, past: &Past, view: &JobView, rules: Rules) {
        let (job, status) = (&view.job, &view.job.status);
        if past.cancelled.contains(&job.id) {
            assert!(
                matches!(status.state, State::Cancelling | State::Cancelled),
                "{} was cancelled: {status:?}",
                job.id
            );
        }
        for (state, reason) in past.ended.get(&job.id).into_iter().flatten() {
            assert_eq!((&status.state, &status.reason), (state, reason), "{} has one end", job.id);
        }
        let most = job.spec.retry.max_attempts + status.interruptions + status.handed_back;
        assert!(status.attempt <= most, "{} has had {} attempts of {most}", job.id, status.attempt);
        if let (State::Succeeded, Task::Function(_), false) = (status.state, &job.spec.task, rules.forgets) {
            let asked = &past.asked[job.spec.name.as_ref().unwrap()];
            let expected = Work::of(asked).unwrap().output();
            assert_eq!(self.engine.output(job.id).unwrap(), Some(expected), "the output of {}", job.id);
        }
    }

    fn check_attempts(&self, past: &Past, jobs: &HashMap<JobId, &JobView>) {
        let mut seen: HashMap<AttemptName, u32> = HashMap::new();
        let mut starts: HashMap<JobId, u32> = HashMap::new();
        for (at, (attempt, life)) in past.began.iter().enumerate() {
            *starts.entry(attempt.job).or_default() += 1;
            let before = seen.insert(*attempt, *life);
            let Some(view) = jobs.get(&attempt.job) else { continue };
            let (job, spec) = (&view.job, &view.job.spec);
            // Only the claim of a function that may run again is not waited for.
            let waited = spec.on_crash == OnCrash::Fail || !matches!(spec.task, Task::Function(_));
            assert!(
                before.is_none() || !waited && before != Some(*life),
                "{attempt} began twice, in lives {before:?} and {life}: {spec:?} is {:?}; {:#?}",
                job.status,
                self.world.facts().iter().filter(|(_, fact)| fact.is_of(attempt.job)).collect::<Vec<_>>()
            );
            if spec.on_crash == OnCrash::Fail && spec.retry.max_attempts == 1 {
                assert_eq!(starts[&attempt.job], 1, "{} runs at most once", job.id);
            }
            if waited && job.status.state.is_final() {
                assert!(attempt.attempt <= job.status.attempt, "{attempt} ran and is not known");
            }
            let needs_success = |after: &&After| matches!(after.on, None | Some(On::Success));
            for name in spec.after.iter().filter(needs_success) {
                let same =
                    |other: &&&JobView| other.job.chain == job.chain && other.job.spec.name.as_ref() == Some(&name.job);
                let first = jobs.values().find(same).unwrap();
                let since = past.succeeded.get(&first.job.id);
                assert!(since.is_some_and(|since| *since <= at), "{attempt} began before {} had succeeded", name.job);
            }
        }
    }

    /// Submissions with a key are the jobs they were, and a repetition makes no new one.
    pub(crate) async fn repeat_keyed(&self, rules: Rules) {
        if rules.forgets {
            return;
        }
        let past = Past::of(self.world.facts());
        for batch in &past.batches {
            if batch.iter().all(|spec| spec.idempotency_key.is_none()) {
                continue;
            }
            let known: HashMap<&str, JobId> =
                past.accepted.iter().map(|(id, spec)| (spec.name.as_deref().unwrap(), *id)).collect();
            let ids = self.submit_many(batch.to_vec()).await.unwrap();
            let again = self.submit_many(batch.to_vec()).await.unwrap();
            assert_eq!(ids, again);
            for (id, spec) in ids.iter().zip(batch.iter()) {
                let name = spec.name.as_deref().unwrap();
                assert!(known.get(name).is_none_or(|known| known == id), "{name} got another id");
            }
        }
    }

    /// The sealed options of what is over still open: it can be submitted again.
    pub(crate) async fn run_again(&self, jobs: &[JobView], pick: u64) {
        let plain = |job: &&JobView| {
            let spec = &job.job.spec;
            job.state() == State::Succeeded
                && spec.after.is_empty()
                && !spec.hold
                && spec.idempotency_key.is_none()
                && spec.start_at.is_none()
        };
        let plain: Vec<&JobView> = jobs.iter().filter(plain).collect();
        let Some(job) = plain.get((pick % plain.len().max(1) as u64) as usize) else { return };
        let again = self.engine.retry(job.job.id).await.unwrap();
        self.drain().await;
        assert_eq!(self.engine.get(again).unwrap().state(), State::Succeeded, "{:?}", job.job.spec.name);
        assert!(self.world.broken().is_empty(), "{:#?}", self.world.broken());
    }
}
