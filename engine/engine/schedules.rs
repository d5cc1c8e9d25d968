//! Schedules: what is stored of them, and what can be done with them.

use super::Engine;
use super::plans::{Applied, Plan, TRIES, keeps_changing};
use crate::error::{Error, Problem};
use crate::job::calendar::Calendar;
use crate::job::schedule::{Pause, ScheduleSpec, ScheduleState, ScheduleStatus, backfill};
use crate::job::validate::shown;
use crate::job::{JobId, Overlap, Owner, Seq, Timestamp};
use crate::runtime::schedules::{Known, under_way_of};
use crate::store::{
    Document, DocumentKind, DocumentName, Fired, NewFire, ScheduleChange, StoredSchedule, decode_schedule_spec,
};

/// Fires of a backfill that are stored together.
const FIRES_AT_ONCE: usize = 100;
/// Fires that a view tells.
const LATEST_FIRES: usize = 20;

/// A stored schedule and how it stands.
#[derive(Clone, Debug)]
pub struct ScheduleView {
    /// Which revision of it this is, the latest one.
    pub revision: u32,
    /// When that was stored.
    pub stored_at: Timestamp,
    /// What it says. Its options are left out: they are sealed and never shown.
    pub spec: ScheduleSpec,
    /// What it belongs to, and changes with.
    pub owner: Option<Owner>,
    /// The names of its options.
    pub option_names: Vec<String>,
    /// How it stands.
    pub status: ScheduleStatus,
    /// The next nominal time; `None` when there is none or while it is paused.
    pub next: Option<Timestamp>,
    /// Its latest fires that are known, newest first: nominal times and first jobs.
    pub fires: Vec<(Timestamp, JobId)>,
}

/// What a backfill does, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// The nominal times that fire or wait for their turn.
    pub nominal: Vec<Timestamp>,
    /// Those in the range that had fired before.
    pub known: usize,
}

impl Engine {
    /// Stores schedules of a project under names, all or none. One that is new fires from now on; one that changes keeps
    /// what was decided by then. With `dry_run` nothing is stored.
    ///
    /// ```
    /// use windlass::job::{CalendarSpec, JobConfig, ScheduleSpec, Target};
    /// use windlass::{Engine, JobSpec};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let engine = Engine::builder(dir.path())
    /// #     .function("clean", |_, (): ()| async move { Ok::<_, windlass::FunctionError>(()) })
    /// #     .open()
    /// #     .await?;
    /// engine.apply_configs(vec![("clean".into(), JobConfig::new(JobSpec::function("clean", "null")))], false).await?;
    /// let nightly = CalendarSpec::cron("30 2 * * *").in_zone("Europe/Paris");
    /// let schedule = ScheduleSpec::new(nightly, Target::Config("clean".into()));
    /// engine.apply_schedules("default", vec![("nightly".into(), schedule)], false).await?;
    /// assert_eq!(engine.next_fires("default", "nightly", 3)?.len(), 3);
    ///
    /// let ids = engine.fire_schedule("default", "nightly").await?;
    /// assert_eq!(engine.wait(ids[0]).await?.job.spec.fired.as_ref().map(|it| it.name.as_str()), Some("nightly"));
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake, [`Error::Storage`].
    pub async fn apply_schedules(
        &self,
        project: &str,
        schedules: Vec<(String, ScheduleSpec)>,
        dry_run: bool,
    ) -> Result<Vec<Applied>, Error> {
        let schedules = schedules.into_iter().map(|(name, spec)| (project.to_owned(), name, spec)).collect();
        self.apply_plan(Plan { schedules, ..Plan::default() }, dry_run).await
    }

    /// Each with its calendar in its one spelling.
    pub(super) fn checked_schedules(
        &self,
        schedules: Vec<(String, String, ScheduleSpec)>,
        problems: &mut Vec<Problem>,
    ) -> Vec<(String, String, ScheduleSpec)> {
        let config = &self.runtime().config;
        let mut names = std::collections::HashSet::new();
        let mut checked = Vec::with_capacity(schedules.len());
        for (project, name, mut spec) in schedules {
            let mut found = Vec::new();
            crate::job::validate::check_name("project", &project, &config.job_limits, &mut found);
            match spec.check(&name, &config.job_limits, &config.schedule_limits) {
                Ok(calendar) => spec.calendar = calendar.spec().clone(),
                Err(of_spec) => found.extend(of_spec),
            }
            if !names.insert((project.clone(), name.clone())) {
                let allowed = "one schedule of each name".to_owned();
                found.push(Problem { field: "name".into(), problem: "it is given twice".into(), allowed });
            }
            let field = |field: &str| format!("{}.{field}", shown(&name));
            problems.extend(found.into_iter().map(|it| Problem { field: field(&it.field), ..it }));
            checked.push((project, name, spec));
        }
        checked
    }

    /// A stored schedule.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub fn schedule(&self, project: &str, name: &str) -> Result<ScheduleView, Error> {
        let document = self.schedule_document(project, name)?;
        self.schedule_view(&document)
    }

    /// The stored schedules of a project in the order of their names, after this one, at most `limit` and
    /// [`EngineConfig::page_jobs`](crate::EngineConfig::page_jobs). The last name is where the next page goes on.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn schedules(
        &self,
        project: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, ScheduleView)>, Error> {
        let most = limit.min(self.runtime().config.page_jobs);
        let documents = self.runtime().store.documents(DocumentKind::Schedule, project, after, most)?;
        let view = |document: &Document| Ok((document.name.name.clone(), self.schedule_view(document)?));
        documents.iter().map(view).collect()
    }

    /// The next `count` nominal times of a schedule, as if it were not paused; at most
    /// [`EngineConfig::page_jobs`](crate::EngineConfig::page_jobs).
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub fn next_fires(&self, project: &str, name: &str, count: usize) -> Result<Vec<Timestamp>, Error> {
        let known = self.known(project, name)?;
        let after = known.status.state.decided.max(self.runtime().clock.now());
        Ok(known.checked.calendar.preview(after, count.min(self.runtime().config.page_jobs)))
    }

    /// The next `count` nominal times of a calendar that nothing is stored of.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub fn preview(&self, spec: &ScheduleSpec, count: usize) -> Result<Vec<Timestamp>, Error> {
        let config = &self.runtime().config;
        let calendar = Calendar::parse(&spec.calendar, &config.schedule_limits).map_err(Error::Invalid)?;
        Ok(calendar.preview(self.runtime().clock.now(), count.min(config.page_jobs)))
    }

    /// Pauses a schedule: nominal times that come while it is paused are skipped. Pausing again changes the note.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Invalid`] for a note that is too long, [`Error::Storage`].
    pub async fn pause_schedule(&self, project: &str, name: &str, note: &str) -> Result<ScheduleView, Error> {
        let runtime = self.runtime();
        let limits = &runtime.config.schedule_limits;
        let pause = Pause::new(note, runtime.clock.now(), limits).map_err(|problem| Error::Invalid(vec![problem]))?;
        self.change_state(project, name, |state| ScheduleState { pause: Some(pause.clone()), ..state }).await
    }

    /// Ends the pause of a schedule. What was skipped stays so.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub async fn resume_schedule(&self, project: &str, name: &str) -> Result<ScheduleView, Error> {
        self.change_state(project, name, |state| ScheduleState { pause: None, ..state }).await
    }

    async fn change_state(
        &self,
        project: &str,
        name: &str,
        change: impl Fn(ScheduleState) -> ScheduleState,
    ) -> Result<ScheduleView, Error> {
        let runtime = self.runtime();
        for _ in 0..TRIES {
            let seq = self.known(project, name)?.status.state.seq;
            // What came due before is decided as it was then.
            let Some(status) = runtime.look(seq).await? else { break };
            let next = ScheduleStatus {
                rev: status.rev.wrapping_add(1),
                state: change(status.state.clone()),
                again: Some(runtime.clock.now()),
                ..status.clone()
            };
            if self.fire_with(seq, status.rev, next, Vec::new()).await? {
                return self.schedule(project, name);
            }
        }
        Err(keeps_changing())
    }

    /// Stores a change of a schedule with its fires. Whether it was decided on what is there.
    async fn fire_with(&self, seq: Seq, seen: u32, status: ScheduleStatus, fires: Vec<NewFire>) -> Result<bool, Error> {
        let runtime = self.runtime();
        let change = ScheduleChange { seq, seen: Some(seen), status: Some(status) };
        match runtime.store_fires(change, fires).await? {
            Fired::Stored => {
                runtime.schedules.look_at(seq, runtime.clock.now());
                Ok(true)
            }
            Fired::Stale => Ok(false),
            Fired::Full(error) => Err(error),
        }
    }

    /// Fires a schedule now, beside its calendar and whatever is under way or paused. Its jobs.
    ///
    /// # Errors
    /// [`Error::Unknown`], else as [`Engine::run_config`].
    pub async fn fire_schedule(&self, project: &str, name: &str) -> Result<Vec<JobId>, Error> {
        let runtime = self.runtime();
        for _ in 0..TRIES {
            let Known { status, checked, .. } = self.known(project, name)?;
            let seq = status.state.seq;
            // Each fire has a time of its own.
            let mut nominal = runtime.clock.now();
            while !runtime.store.fired(seq, &[nominal])?.is_empty() {
                nominal = nominal.plus_millis(1);
            }
            let jobs = runtime.jobs_of_fire(&status, &checked.spec, nominal).await?;
            let ids = jobs.iter().map(|new| new.job.id).collect();
            let seen = status.rev;
            let fire = NewFire { nominal, jobs };
            let next = begun(status, checked.spec.policy.overlap, std::slice::from_ref(&fire));
            if self.fire_with(seq, seen, next, vec![fire]).await? {
                return Ok(ids);
            }
        }
        Err(keeps_changing())
    }

    /// Fires a schedule at the nominal times of a range that has passed, `until` not among them, also
    /// at those that were skipped or came before it was stored; those that have fired, as far as that is known, do not fire
    /// again. Where fires may overlap all begin at once, else each waits for its turn. With `dry_run` nothing fires.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Invalid`] for a range with too many or in the future, [`Error::Storage`].
    pub async fn backfill_schedule(
        &self,
        project: &str,
        name: &str,
        from: Timestamp,
        until: Timestamp,
        dry_run: bool,
    ) -> Result<Backfill, Error> {
        let runtime = self.runtime();
        if until > runtime.clock.now() {
            return Err(Error::invalid("until", format!("{until} is in the future"), "a range that has passed"));
        }
        for _ in 0..TRIES {
            let seq = self.known(project, name)?.status.state.seq;
            // What is due fires by itself.
            let status = if dry_run { None } else { runtime.look(seq).await? };
            let known = self.known(project, name)?;
            let status = status.unwrap_or_else(|| known.status.clone());
            let limits = &runtime.config.schedule_limits;
            let all = backfill(&known.checked.calendar, from, until, limits)
                .map_err(|problem| Error::Invalid(vec![problem]))?;
            let fired = runtime.store.fired(seq, &all)?;
            let is_new = |at: &Timestamp| !fired.contains(at) && !status.state.waiting.contains(at);
            let nominal: Vec<Timestamp> = all.iter().copied().filter(is_new).collect();
            let backfill = Backfill { known: all.len() - nominal.len(), nominal };
            if dry_run || backfill.nominal.is_empty() || self.begin_backfill(status, &known, &backfill.nominal).await? {
                return Ok(backfill);
            }
        }
        Err(keeps_changing())
    }

    async fn begin_backfill(
        &self,
        status: ScheduleStatus,
        known: &Known,
        nominal: &[Timestamp],
    ) -> Result<bool, Error> {
        let (seq, spec) = (status.state.seq, &known.checked.spec);
        if spec.policy.overlap != Overlap::Allow {
            let seen = status.rev;
            let mut next = ScheduleStatus { rev: seen.wrapping_add(1), ..status };
            next.state.waiting.extend(nominal);
            let most = self.runtime().config.schedule_limits.backfill;
            if next.state.waiting.len() > most {
                return Err(Error::Full {
                    what: format!("what waits of schedule {:?}", next.name),
                    limit: most as u64,
                });
            }
            return self.fire_with(seq, seen, next, Vec::new()).await;
        }
        let mut status = status;
        for (at, nominals) in nominal.chunks(FIRES_AT_ONCE).enumerate() {
            let mut fires = Vec::with_capacity(nominals.len());
            for nominal in nominals {
                let jobs = self.runtime().jobs_of_fire(&status, spec, *nominal).await?;
                fires.push(NewFire { nominal: *nominal, jobs });
            }
            let seen = status.rev;
            let next = begun(status, spec.policy.overlap, &fires);
            if !self.fire_with(seq, seen, next.clone(), fires).await? {
                // What has begun is known as fired when it is decided again.
                tracing::debug!(seq, at, "a backfill begins anew");
                return Ok(false);
            }
            status = next;
        }
        Ok(true)
    }

    /// Forgets a schedule. Jobs of its fires stay as they are.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Conflict`] for one that belongs to a config or a pipeline, [`Error::Storage`].
    pub async fn delete_schedule(&self, project: &str, name: &str) -> Result<(), Error> {
        self.delete_document(DocumentName::new(DocumentKind::Schedule, project, name)).await
    }

    fn schedule_document(&self, project: &str, name: &str) -> Result<Document, Error> {
        let key = DocumentName::new(DocumentKind::Schedule, project, name);
        let found = self.runtime().store.document(&key, None)?;
        found.ok_or_else(|| Error::Unknown { what: "schedule", name: name.to_owned() })
    }

    pub(super) fn known(&self, project: &str, name: &str) -> Result<Known, Error> {
        let seq = decode_schedule_spec(&self.schedule_document(project, name)?.body)?.seq;
        let known = self.runtime().known_schedule(seq)?;
        known.ok_or_else(|| Error::Unknown { what: "schedule", name: name.to_owned() })
    }

    fn schedule_view(&self, document: &Document) -> Result<ScheduleView, Error> {
        let runtime = self.runtime();
        let StoredSchedule { seq, spec, owner } = decode_schedule_spec(&document.body)?;
        let unknown = || Error::Unknown { what: "schedule", name: document.name.name.clone() };
        let known = runtime.known_schedule(seq)?.ok_or_else(unknown)?;
        let after = known.status.state.decided.max(runtime.clock.now());
        let next = known.status.state.pause.is_none().then(|| known.checked.calendar.next_after(after)).flatten();
        let mut fires = Vec::new();
        for (nominal, first) in runtime.store.latest_fires(seq, LATEST_FIRES)? {
            fires.extend(runtime.store.load(first)?.map(|stored| (nominal, stored.job.id)));
        }
        let options = &known.checked.spec.options;
        Ok(ScheduleView {
            revision: document.revision,
            stored_at: document.stored_at,
            option_names: options.iter().map(|(name, _)| name.to_owned()).collect(),
            spec,
            owner,
            status: known.status,
            next,
            fires,
        })
    }
}

/// A schedule when these fires have begun beside its calendar.
fn begun(status: ScheduleStatus, overlap: Overlap, fires: &[NewFire]) -> ScheduleStatus {
    let mut under_way = status.under_way.clone();
    if overlap != Overlap::Allow {
        under_way.extend(fires.iter().filter_map(under_way_of));
    }
    let (rev, fired) = (status.rev.wrapping_add(1), status.fired + fires.len() as u64);
    ScheduleStatus { rev, fired, ..status }.with_under_way(under_way)
}
