//! What is done to the engine and to the model at once.

use windlass::executors::{AttemptName, StartError};
use windlass::job::{Outcome, State};
use windlass::{Error, JobId, JobSpec, RunOptions};

use super::{QUEUE_LIMIT, World};
use crate::model::{Run, Told};

/// Every kind of operation and how often it is drawn.
pub(super) const KINDS: &[(&str, u64)] = &[
    ("submit", 20),
    ("submit many", 5),
    ("submit a chain", 8),
    ("submit nonsense", 4),
    ("submit over the limit", 1),
    ("repeat a submission", 4),
    ("repeat a chain", 3),
    ("use a key for another job", 4),
    ("cancel waiting", 4),
    ("cancel queued", 4),
    ("cancel running", 5),
    ("cancel cancelling", 6),
    ("cancel what is over", 2),
    ("release", 5),
    ("add items", 6),
    ("close items", 5),
    ("end a run", 25),
    ("lose a run", 3),
    ("cut the line", 4),
    ("restore the line", 3),
    ("refuse starts", 2),
    ("accept starts", 4),
    ("ignore stops", 2),
    ("heed stops", 4),
    ("a moment passes", 20),
    ("months pass", 2),
    ("retry", 4),
    ("list", 8),
    ("page while things change", 5),
    ("wait", 5),
    ("read events", 5),
    ("read the output", 5),
    ("ask for a stranger", 2),
    ("rotate the key", 2),
    ("restart", 4),
    ("crash", 5),
    ("crash right after a submission", 3),
    ("crash right after a cancel", 3),
];

pub(super) fn draw(world: &World) -> &'static str {
    let mut at = world.roll(KINDS.iter().map(|(_, weight)| weight).sum());
    for (kind, weight) in KINDS {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return kind,
        }
    }
    unreachable!("the weights add up")
}

impl World {
    /// Whether it could be done.
    pub(super) async fn operate(&mut self, kind: &str) -> bool {
        match kind {
            "submit" => self.submit(vec![self.spec()], false).await,
            "submit many" => {
                let specs = (0..1 + self.roll(6)).map(|_| self.spec()).collect();
                self.submit(specs, false).await
            }
            "submit a chain" => self.submit_chain().await,
            "submit nonsense" => self.refused(self.invalid_specs()).await,
            "submit over the limit" => self.overfill().await,
            "repeat a submission" => self.repeat().await,
            "repeat a chain" => self.repeat_chain().await,
            "use a key for another job" => self.conflict().await,
            "cancel waiting" => self.cancel(|job| job.state == State::Waiting).await,
            "cancel queued" => self.cancel(|job| job.state == State::Queued).await,
            "cancel running" => self.cancel(|job| job.state == State::Running).await,
            "cancel cancelling" => self.cancel(|job| job.state == State::Cancelling).await,
            "cancel what is over" => self.cancel(|job| job.state.is_final()).await,
            "release" => self.release().await,
            "add items" => self.add_items().await,
            "close items" => self.close_items().await,
            "retry" => self.retry().await,
            "rotate the key" => self.rotate().await,
            "restart" | "crash" | "crash right after a submission" | "crash right after a cancel" => {
                self.start_anew(kind).await
            }
            "list" | "page while things change" | "wait" | "read events" | "read the output" | "ask for a stranger" => {
                self.look(kind).await
            }
            _ => self.steer(kind).await,
        }
    }

    /// Moves the platform and the time.
    async fn steer(&mut self, kind: &str) -> bool {
        match kind {
            "end a run" => self.end_run(),
            "lose a run" => self.lose_run(),
            "cut the line" => {
                self.platform.unreachable(true);
                self.model.cut = true;
                true
            }
            "restore the line" => self.restore().await,
            "refuse starts" => self.refuse_starts(true),
            "accept starts" => self.refuse_starts(false),
            "ignore stops" | "heed stops" => {
                self.model.ignoring_stops = kind == "ignore stops";
                self.platform.ignore_stops(self.model.ignoring_stops);
                true
            }
            "a moment passes" => {
                let millis = 1 + self.roll(4_000);
                self.advance(millis).await;
                true
            }
            // A platform that is out of reach is asked every two seconds: months of that take too long.
            "months pass" if self.model.cut => false,
            "months pass" => {
                let millis = 86_400_000 * (1 + self.roll(100));
                self.advance(millis).await;
                true
            }
            other => panic!("nobody knows how to {other}"),
        }
    }

    fn live_in(&self, queue: &str) -> u64 {
        self.model.ids(|job| job.spec.queue == queue && !job.state.is_final()).len() as u64
    }

    fn fits(&self, specs: &[JobSpec]) -> bool {
        let adds = |queue: &str| specs.iter().filter(|spec| spec.queue == queue).count() as u64;
        specs.iter().all(|spec| self.live_in(&spec.queue) + adds(&spec.queue) <= QUEUE_LIMIT)
    }

    /// Enters what the engine has accepted.
    fn accept(&mut self, ids: &[JobId], specs: &[JobSpec], joined: bool) {
        for (id, spec) in ids.iter().zip(specs) {
            let position = |name: &String| specs.iter().position(|spec| spec.name.as_ref() == Some(name)).unwrap();
            let after = spec.after.iter().map(|after| (ids[position(&after.job)].seq(), after.on)).collect();
            let job = Told::accept(*id, joined.then_some(ids[0]), spec.clone(), after, self.model.now);
            if let Some(key) = &spec.idempotency_key {
                self.keyed.insert((spec.project.clone(), key.clone()), (spec.clone(), *id));
            }
            assert!(self.model.jobs.keys().all(|seq| *seq < id.seq()), "{id} is not the newest");
            self.model.jobs.insert(id.seq(), job);
        }
    }

    pub(super) async fn submit(&mut self, specs: Vec<JobSpec>, joined: bool) -> bool {
        let answer = match (specs.as_slice(), joined) {
            ([spec], false) => self.engine.submit(spec.clone()).await.map(|id| vec![id]),
            _ => self.engine.submit_many(specs.clone()).await,
        };
        if !self.fits(&specs) {
            assert!(matches!(answer, Err(Error::Full { limit: QUEUE_LIMIT, .. })), "{answer:?}");
            return false;
        }
        self.accept(&answer.unwrap(), &specs, joined);
        true
    }

    async fn submit_chain(&mut self) -> bool {
        let mut specs = self.chain_specs();
        if self.percent(30) {
            specs[0].idempotency_key = Some(format!("chain {}", self.dice.next_u64()));
        }
        let request: RunOptions = [("A", "from the request"), ("D", "also")].into_iter().collect();
        let asked = specs.clone();
        let own = std::mem::take(&mut specs[0].options);
        specs[0].options = own.overlaid(request.clone());
        if !self.fits(&specs) {
            let answer = self.engine.submit_chain(asked, request).await;
            assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
            return false;
        }
        let ids = self.engine.submit_chain(asked, request).await.unwrap();
        self.accept(&ids, &specs, true);
        if specs[0].idempotency_key.is_some() {
            self.repeatable.push((specs, ids));
        }
        true
    }

    /// Nothing of it is stored, which the next comparison sees.
    async fn refused(&mut self, specs: Vec<JobSpec>) -> bool {
        let answer = self.engine.submit_many(specs).await;
        assert!(matches!(&answer, Err(Error::Invalid(problems)) if !problems.is_empty()), "{answer:?}");
        true
    }

    async fn overfill(&mut self) -> bool {
        let room = QUEUE_LIMIT - self.live_in("stopped");
        let specs = (0..=room).map(|_| JobSpec { queue: "stopped".into(), ..self.far_spec() }).collect();
        !self.submit(specs, false).await
    }

    async fn repeat(&mut self) -> bool {
        let alone: Vec<_> = self.keyed.values().filter(|(spec, _)| spec.name.is_none()).cloned().collect();
        let Some((spec, id)) = self.pick(&alone) else { return false };
        assert_eq!(self.engine.submit(spec).await.unwrap(), id);
        true
    }

    async fn repeat_chain(&mut self) -> bool {
        let Some((specs, ids)) = self.pick(&self.repeatable) else { return false };
        assert_eq!(self.engine.submit_many(specs.clone()).await.unwrap(), ids);
        // With a part that is new, it is neither the old submission nor a new one.
        let mut other = specs;
        other[1].idempotency_key = Some("new here".into());
        let answer = self.engine.submit_many(other).await;
        assert!(matches!(answer, Err(Error::Conflict(_))), "{answer:?}");
        true
    }

    async fn conflict(&mut self) -> bool {
        let Some((mut spec, _)) = self.pick(&self.keyed.values().cloned().collect::<Vec<_>>()) else { return false };
        spec.after.clear();
        match self.roll(3) {
            0 => spec.priority ^= 1,
            1 => spec.stop_grace_ms += 1,
            _ => drop(spec.options.set("A", "another value")),
        }
        let answer = self.engine.submit_many(vec![self.spec(), spec]).await;
        assert!(matches!(answer, Err(Error::Conflict(_))), "{answer:?}");
        true
    }

    pub(super) async fn cancel(&mut self, wanted: impl Fn(&Told) -> bool) -> bool {
        let Some(id) = self.pick_job(wanted) else { return false };
        let before = self.model.job(id).state;
        let view = self.engine.cancel(id, "the test").await.unwrap();
        self.model.cancel(id, "the test");
        let right = match before {
            State::Running | State::Cancelling => State::Cancelling,
            State::Waiting | State::Queued => State::Cancelled,
            over => over,
        };
        assert_eq!(view.state(), right);
        true
    }

    async fn release(&mut self) -> bool {
        let Some(id) = self.pick_job(|job| job.held || job.state.is_final()) else { return false };
        let answer = self.engine.release(id).await;
        let over = self.model.job(id).state.is_final();
        assert_eq!(matches!(answer, Err(Error::Conflict(_))), over, "{answer:?}");
        self.model.release(id);
        !over
    }

    async fn add_items(&mut self) -> bool {
        let Some(id) = self.pick_job(|_| true) else { return false };
        let count = 1 + self.roll(5) as u32;
        let answer = self.engine.add_items(id, count).await;
        let job = self.model.job_mut(id);
        let may = job.state == State::Running || (job.state == State::Waiting && job.open);
        assert_eq!(answer.is_ok(), may, "{answer:?} {job:#?}");
        if may {
            job.items += count;
        }
        may
    }

    async fn close_items(&mut self) -> bool {
        let Some(id) = self.pick_job(|job| job.open) else { return false };
        self.engine.close_items(id).await.unwrap();
        self.model.close_items(id);
        true
    }

    fn running(&self) -> Option<JobId> {
        self.pick_job(|job| matches!(job.run, Some(Run::Far { ended: None, there: true, .. })))
    }

    fn end_run(&mut self) -> bool {
        let Some(id) = self.running() else { return false };
        let text = || "from the platform".to_owned();
        let outcomes = [
            Outcome::Succeeded,
            Outcome::Succeeded,
            Outcome::Succeeded,
            Outcome::Exit { code: 1 },
            Outcome::Exit { code: 2 },
            Outcome::Signal { signal: 11 },
            Outcome::OutOfMemory,
            Outcome::Panicked { message: text() },
            Outcome::Error { message: text(), permanent: false },
            Outcome::Error { message: text(), permanent: true },
            Outcome::Interrupted,
        ];
        let outcome = self.pick(&outcomes).unwrap();
        let attempt = self.model.job(id).attempt;
        assert!(self.platform.end(AttemptName { job: id, attempt }, outcome.clone()));
        self.model.far_end(id, Some(outcome));
        true
    }

    fn lose_run(&mut self) -> bool {
        let Some(id) = self.running() else { return false };
        self.platform.lose(AttemptName { job: id, attempt: self.model.job(id).attempt });
        self.model.far_end(id, None);
        true
    }

    async fn restore(&mut self) -> bool {
        let was_cut = self.model.cut;
        self.platform.unreachable(false);
        self.model.cut = false;
        // The engine asks again every two seconds at least.
        self.advance(2_000).await;
        let lost = self.model.ids(|job| job.lost.is_some());
        assert!(lost.is_empty(), "still out of contact: {lost:?}");
        was_cut
    }

    fn refuse_starts(&mut self, refuse: bool) -> bool {
        let error = StartError { message: "the platform is full".into(), permanent: false };
        self.platform.refuse_starts(refuse.then_some(error));
        self.model.refusing = refuse;
        true
    }

    async fn retry(&mut self) -> bool {
        let Some(id) = self.pick_job(|_| true) else { return false };
        let told = self.model.job(id).clone();
        let answer = self.engine.retry(id).await;
        if !told.state.is_final() {
            assert!(matches!(answer, Err(Error::Conflict(_))), "{answer:?}");
            return false;
        }
        let mut spec = told.spec;
        (spec.after, spec.hold, spec.open_items) = (Vec::new(), false, false);
        (spec.start_at, spec.idempotency_key) = (None, None);
        if !self.fits(std::slice::from_ref(&spec)) {
            assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}");
            return false;
        }
        self.accept(&[answer.unwrap()], &[spec], false);
        true
    }

    async fn rotate(&mut self) -> bool {
        let rotation = self.engine.rotate_key().await.unwrap();
        assert_eq!(rotation.resealed, self.model.ids(|job| !job.spec.options.is_empty()).len() as u64);
        true
    }

    async fn start_anew(&mut self, kind: &str) -> bool {
        let ready = match kind {
            // Whether it was started before the crash, nobody can ask while the line is cut.
            "crash right after a submission" => !self.model.cut && self.submit(vec![self.far_spec()], false).await,
            "crash right after a cancel" => self.cancel(|job| !job.state.is_final()).await,
            _ => true,
        };
        if !ready {
            return false;
        }
        if kind == "restart" {
            self.engine.restart().await.unwrap();
        } else {
            self.engine.crash_and_recover().await.unwrap();
        }
        self.reopened(kind == "restart").await;
        true
    }

    /// At the end of a life everything that may end does.
    pub(super) async fn finish_all(&mut self) {
        self.restore().await;
        self.refuse_starts(false);
        self.settle().await;
        while let Some(id) = self.pick_job(|job| job.held || job.open) {
            if self.model.job(id).held {
                self.engine.release(id).await.unwrap();
                self.model.release(id);
            } else {
                self.engine.close_items(id).await.unwrap();
                self.model.close_items(id);
            }
            self.settle().await;
        }
        for id in self.model.ids(|job| job.spec.queue == "stopped" && !job.state.is_final()) {
            self.engine.cancel(id, "the end").await.unwrap();
            self.model.cancel(id, "the end");
        }
        self.settle().await;
        loop {
            while self.end_run() {
                self.settle().await;
            }
            if self.model.ids(|job| !job.state.is_final()).is_empty() {
                break;
            }
            self.advance(40 * 86_400_000).await;
        }
    }
}
