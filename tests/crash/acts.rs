//! Specs of jobs that can be told apart.

use windlass::job::{After, Backoff, JobSpec, NamedTask, On, OnCrash, RetryPolicy, Task};

use crate::stage::Stage;
use crate::world::{Work, token};

impl Stage {
    fn label(&mut self) -> String {
        self.serial += 1;
        format!("job-{}", self.serial)
    }

    fn work(&mut self) -> Work {
        let label = self.label();
        Work { label, fails: 0, sleep_ms: 0, output_bytes: 0, padding: String::new() }
    }

    /// A call of a function that succeeds at once, changed by `change`.
    pub(crate) fn function(&mut self, change: impl FnOnce(&mut Work)) -> JobSpec {
        let mut work = self.work();
        change(&mut work);
        let task = JobSpec::function("work", serde_json::to_vec(&work).unwrap());
        labelled(task, &work)
    }

    pub(crate) fn quick(&mut self) -> JobSpec {
        self.function(|_| {})
    }

    /// A run on the platform.
    pub(crate) fn run(&mut self, fails: u32) -> JobSpec {
        let work = Work { fails, ..self.work() };
        let params = serde_json::to_vec(&work).unwrap();
        let task = Task::Named(NamedTask { executor: "fake".into(), params });
        labelled(JobSpec::new(task), &work)
    }
}

fn labelled(mut spec: JobSpec, work: &Work) -> JobSpec {
    spec.options.set("OWNER", work.label.clone());
    spec.options.set_secret("TOKEN", token(&work.label));
    spec.retry = tries(work.fails + 1);
    spec.named(work.label.clone())
}

/// As many attempts, with a second and more between them.
pub(crate) fn tries(max_attempts: u32) -> RetryPolicy {
    let backoff = Backoff { jitter_percent: 0, ..Backoff::default() };
    RetryPolicy { max_attempts, max_interruptions: 10, backoff, ..RetryPolicy::default() }
}

pub(crate) fn at_most_once(mut spec: JobSpec) -> JobSpec {
    spec.on_crash = OnCrash::Fail;
    spec
}

pub(crate) fn keyed(mut spec: JobSpec, key: &str) -> JobSpec {
    spec.idempotency_key = Some(key.to_owned());
    spec
}

pub(crate) fn queued_in(mut spec: JobSpec, queue: &str) -> JobSpec {
    spec.queue = queue.to_owned();
    spec
}

pub(crate) fn held(mut spec: JobSpec) -> JobSpec {
    spec.hold = true;
    spec
}

/// Makes each job wait for the one before.
pub(crate) fn in_line(specs: Vec<JobSpec>) -> Vec<JobSpec> {
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone().unwrap()).collect();
    let befores = std::iter::once(None).chain(names.into_iter().map(Some));
    let join = |(spec, before): (JobSpec, Option<String>)| match before {
        Some(before) => spec.after(before),
        None => spec,
    };
    specs.into_iter().zip(befores).map(join).collect()
}

/// The first comes before those in the middle; of the last two, one needs the success of all of these, and the other comes
/// after that, however it ends.
pub(crate) fn in_a_fan(specs: Vec<JobSpec>) -> Vec<JobSpec> {
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone().unwrap()).collect();
    let (first, join) = (0, specs.len() - 2);
    let place = |(at, spec): (usize, JobSpec)| match at {
        at if at == first => spec,
        at if at < join => spec.after(After::on(&names[first], On::Success)),
        at if at == join => names[1..join].iter().fold(spec, |spec, name| spec.after(After::on(name, On::Success))),
        _ => spec.after(After::on(&names[join], On::Always)),
    };
    specs.into_iter().enumerate().map(place).collect()
}
