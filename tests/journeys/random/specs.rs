//! Random specs, of all varieties.

use windlass::JobSpec;
use windlass::job::{After, Backoff, Deadlines, NamedTask, On, OnCrash, OutcomeKind, RetryOn, RetryPolicy, Task};

use super::World;

impl World {
    pub(super) fn spec(&self) -> JobSpec {
        if self.percent(60) { self.far_spec() } else { self.call_spec() }
    }

    pub(super) fn far_spec(&self) -> JobSpec {
        let mut spec = JobSpec::new(Task::Named(NamedTask { executor: "fake".into(), params: b"{}".to_vec() }));
        spec.queue = self.pick(&["near", "near", "far", "far", "far", "stopped"]).unwrap().into();
        self.vary(spec)
    }

    fn call_spec(&self) -> JobSpec {
        let name = self.pick(&["echo", "flaky", "hopeless", "sleeps", "sleeps", "polite", "panics"]).unwrap();
        let number = match name {
            "flaky" => 1 + self.roll(4),
            _ => 1 + self.roll(20_000),
        };
        let mut spec = JobSpec::function(name, number.to_string());
        spec.queue = "calls".into();
        self.vary(spec)
    }

    fn vary(&self, mut spec: JobSpec) -> JobSpec {
        spec.priority = self.roll(256) as u8;
        spec.project = self.pick(&["default", "default", "red", "blue"]).unwrap().into();
        spec.config = self.pick(&[None, None, Some("daily"), Some("hourly")]).unwrap().map(str::to_owned);
        for _ in 0..self.roll(4) {
            let (name, value) = (self.pick(&["A", "B", "C"]).unwrap(), self.roll(1 << 40).to_string());
            if self.percent(30) {
                spec.options.set_secret(name, value)
            } else {
                spec.options.set(name, value)
            };
        }
        spec.hold = self.percent(12);
        spec.open_items = self.percent(12);
        if self.percent(12) {
            let ahead = self.pick(&[0, 700, 9_000, 30 * 86_400_000]).unwrap();
            spec.start_at = Some(self.model.now.plus_millis(ahead));
        }
        let limit = |chance| self.percent(chance).then(|| 1 + self.roll(15_000));
        let (queue_ms, attempt_ms, total_ms) = (limit(12), limit(15), limit(12));
        spec.deadlines = Deadlines { queue_ms, attempt_ms, total_ms, ..Deadlines::default() };
        spec.retry = self.retry_policy();
        spec.on_crash = if self.percent(25) { OnCrash::Fail } else { OnCrash::Rerun };
        spec.stop_grace_ms = self.pick(&[0, 400, 3_000]).unwrap();
        if self.percent(15) {
            spec.idempotency_key = Some(format!("key {}", self.dice.next_u64()));
        }
        spec
    }

    fn retry_policy(&self) -> RetryPolicy {
        let on = if self.percent(70) {
            RetryOn::Any
        } else {
            let kinds = [OutcomeKind::Signal, OutcomeKind::TimedOut, OutcomeKind::NotStarted, OutcomeKind::Panic];
            RetryOn::Only { kinds: vec![self.pick(&kinds).unwrap()], exit_codes: vec![2] }
        };
        let backoff = Backoff {
            initial_ms: self.pick(&[0, 100, 1_000, 5_000]).unwrap(),
            factor_percent: self.pick(&[100, 200, 300]).unwrap(),
            max_ms: self.pick(&[4_000, 3_600_000]).unwrap(),
            jitter_percent: self.pick(&[0, 0, 30]).unwrap(),
        };
        RetryPolicy { max_attempts: 1 + self.roll(4) as u32, max_interruptions: self.roll(3) as u32, backoff, on }
    }

    /// A chain of two to five: a line, or a graph in which each comes after some of those before.
    pub(super) fn chain_specs(&self) -> Vec<JobSpec> {
        let mut specs = Vec::new();
        for at in 0..2 + self.roll(4) {
            let mut spec = self.spec().named(format!("n{at}"));
            spec.idempotency_key = None;
            let last = at.checked_sub(1).filter(|_| at > 1 && self.percent(40));
            let first = (at > 0).then(|| self.roll(at));
            for before in [first, last.filter(|last| Some(*last) != first)].into_iter().flatten() {
                let on = self.pick(&[None, None, Some(On::Success), Some(On::Failure), Some(On::Always)]).unwrap();
                spec.after.push(After { job: format!("n{before}"), on });
            }
            specs.push(spec);
        }
        specs
    }

    /// A submission with a mistake.
    pub(super) fn invalid_specs(&self) -> Vec<JobSpec> {
        let mut specs = vec![self.spec(), self.spec()];
        let mut spec = self.spec();
        match self.roll(10) {
            0 => return Vec::new(),
            1 => spec.project = "../x".into(),
            2 => spec.retry.max_attempts = 0,
            3 => spec.deadlines.total_ms = Some(0),
            4 => spec = spec.after("nobody"),
            5 => spec = JobSpec::function("unknown", "1"),
            6 => spec = JobSpec::process("true", [] as [&str; 0]),
            7 => drop(spec.options.set("A=B", "x")),
            8 => {
                specs.push(self.spec().named("one").after("two"));
                spec = spec.named("two").after("one");
            }
            _ => {
                spec.idempotency_key = Some("twice".into());
                specs.push(spec.clone());
            }
        }
        specs.push(spec);
        specs
    }
}
