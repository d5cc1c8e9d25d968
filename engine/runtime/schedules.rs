//! The loop of schedules: looks at those that are due, and stores what it finds together with the jobs of the fires.
//!
//! What was decided is in the store and nowhere else. In memory is when to look at which schedule, and which jobs it
//! waits for; both are made anew at open.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{Runtime, lock};
use crate::error::Error;
use crate::job::config::ChainElement;
use crate::job::schedule::{Decision, Fire, Look, ScheduleStatus, Trouble, UnderWay, due};
use crate::job::{Calendar, Event, Fired as FiredBy, JobId, JobSpec, Overlap, ScheduleSpec, Seq, Target, Timestamp};
use crate::store::{
    DocumentKind, DocumentName, Fired, NewFire, NewJob, ScheduleChange, decode_schedule_spec, with_files,
};

/// Schedules looked at together: what they store shares a group.
const BATCH: usize = 256;
/// Checked calendars that are remembered. Reading one again costs little, and a cron text takes kilobytes in memory.
const CALENDARS: usize = 4_096;
/// A sleep of the loop: a clock that was set is noticed within it.
const NAP_MS: u64 = 30_000;
/// How long fires wait that found no room, and whatever else could not be stored.
const AGAIN_MS: u64 = 1_000;
/// How often a look is decided again because the schedule changed under it, before others have their turn.
const TRIES: usize = 8;

/// What the loop of schedules remembers.
#[derive(Default)]
pub(crate) struct Schedules {
    held: std::sync::Mutex<Held>,
    /// Some schedule waits for jobs; saves the lock where none does.
    waits: AtomicBool,
    work: Notify,
}

#[derive(Default)]
struct Held {
    /// When to look at which.
    due: BTreeSet<(Timestamp, Seq)>,
    at: HashMap<Seq, Timestamp>,
    /// Fires under way that somebody waits for: the first job, how many, whose.
    under_way: BTreeMap<Seq, (u32, Seq)>,
    /// Checked calendars, by the revision that they come from.
    calendars: HashMap<Seq, (u32, Arc<Checked>)>,
}

/// A schedule that was read and checked.
pub(crate) struct Checked {
    pub(crate) spec: ScheduleSpec,
    pub(crate) calendar: Calendar,
}

/// A schedule that looks could be taken of.
pub(crate) struct Known {
    pub(crate) status: ScheduleStatus,
    pub(crate) checked: Arc<Checked>,
}

impl Held {
    fn look_at(&mut self, schedule: Seq, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.at.insert(schedule, at),
            None => self.at.remove(&schedule),
        };
        if let Some(before) = before {
            self.due.remove(&(before, schedule));
        }
        if let Some(at) = at {
            self.due.insert((at, schedule));
        }
    }

    fn wait_for(&mut self, schedule: Seq, under_way: &[UnderWay]) {
        self.under_way.retain(|_, (_, of)| *of != schedule);
        self.under_way.extend(under_way.iter().map(|it| (it.first, (it.count, schedule))));
    }
}

impl Schedules {
    /// To be looked at soon.
    pub(crate) fn look_at(&self, schedule: Seq, at: Timestamp) {
        lock(&self.held).look_at(schedule, Some(at));
        self.work.notify_one();
    }

    /// It is gone.
    pub(crate) fn forget(&self, schedule: Seq) {
        let mut held = lock(&self.held);
        held.look_at(schedule, None);
        held.wait_for(schedule, &[]);
        held.calendars.remove(&schedule);
    }

    /// Jobs are over: schedules that wait for them are looked at.
    pub(super) fn ended(&self, jobs: &[Seq]) {
        if jobs.is_empty() || !self.waits.load(Ordering::Acquire) {
            return;
        }
        let mut held = lock(&self.held);
        let mut found = false;
        for job in jobs {
            let fire = held.under_way.range(..=*job).next_back().map(|(first, (count, of))| (*first, *count, *of));
            if let Some((first, count, schedule)) = fire
                && *job - first < u64::from(count)
            {
                held.look_at(schedule, Some(Timestamp::from_millis(0)));
                found = true;
            }
        }
        if found {
            self.work.notify_one();
        }
    }

    fn entered(&self, schedule: Seq, status: &ScheduleStatus, waits: bool) {
        let mut held = lock(&self.held);
        held.look_at(schedule, status.again);
        held.wait_for(schedule, if waits { &status.under_way } else { &[] });
        self.waits.store(!held.under_way.is_empty(), Ordering::Release);
    }

    /// When the next look is due.
    fn next(&self) -> Option<Timestamp> {
        lock(&self.held).due.first().map(|(at, _)| *at)
    }

    /// Takes up to `most` that are due by `now`. A look says when the next one is; where it fails, that is in a while.
    fn take_due(&self, now: Timestamp, most: usize) -> Vec<Seq> {
        let mut held = lock(&self.held);
        let due = held.due.iter().take_while(|(at, _)| *at <= now).take(most);
        let due: Vec<Seq> = due.map(|(_, schedule)| *schedule).collect();
        due.iter().for_each(|schedule| held.look_at(*schedule, Some(now.plus_millis(AGAIN_MS))));
        due
    }
}

pub(super) async fn run(runtime: Arc<Runtime>) {
    if !runtime.config.fires {
        return;
    }
    if let Err(error) = begin(&runtime) {
        tracing::error!(%error, "the schedules cannot be read; none fires");
        return;
    }
    loop {
        let work = runtime.schedules.work.notified();
        tokio::pin!(work);
        work.as_mut().enable();
        let due = runtime.schedules.take_due(runtime.clock.now(), BATCH);
        if !due.is_empty() {
            look_at_all(&runtime, due).await;
            if runtime.store.failure().is_some() {
                // Nothing is acknowledged any more; the next start finds out what there is.
                return;
            }
            continue;
        }
        match runtime.schedules.next() {
            Some(at) => tokio::select! {
                () = work => {}
                () = runtime.clock.nap_until(at, NAP_MS) => {}
            },
            None => work.await,
        }
    }
}

async fn look_at_all(runtime: &Arc<Runtime>, due: Vec<Seq>) {
    let mut looks = JoinSet::new();
    for schedule in due {
        let runtime = runtime.clone();
        looks.spawn(async move {
            if let Err(error) = runtime.look(schedule).await {
                tracing::error!(%error, schedule, "a schedule cannot be looked at");
            }
        });
    }
    while let Some(looked) = looks.join_next().await {
        if let Err(error) = looked {
            tracing::error!(%error, "a look at a schedule has panicked");
        }
    }
}

/// Every schedule is looked at once: fires may have ended, and some are due, while nobody was there.
fn begin(runtime: &Runtime) -> Result<(), Error> {
    let now = runtime.clock.now();
    let mut held = lock(&runtime.schedules.held);
    for (seq, status) in runtime.store.schedules()? {
        let at = if status.under_way.is_empty() { status.again } else { Some(now) };
        held.look_at(seq, at);
    }
    Ok(())
}

impl Runtime {
    /// A schedule as it stands; `None` when there is none with this number any more.
    pub(crate) fn known_schedule(&self, schedule: Seq) -> Result<Option<Known>, Error> {
        let Some(status) = self.store.schedule(schedule)? else { return Ok(None) };
        let name = DocumentName::new(DocumentKind::Schedule, &status.project, &status.name);
        let Some(document) = self.store.document(&name, None)? else { return Ok(None) };
        let revision = document.revision;
        let cached = lock(&self.schedules.held).calendars.get(&schedule).cloned();
        if let Some((_, checked)) = cached.filter(|(of, _)| *of == revision) {
            return Ok(Some(Known { status, checked }));
        }
        let mut spec = decode_schedule_spec(&document.body)?.spec;
        spec.options = self.store.document_private(&document)?.options;
        let calendar = Calendar::parse(&spec.calendar, &self.config.schedule_limits).map_err(Error::Invalid)?;
        let checked = Arc::new(Checked { spec, calendar });
        let mut held = lock(&self.schedules.held);
        if held.calendars.len() >= CALENDARS {
            held.calendars.clear();
        }
        held.calendars.insert(schedule, (revision, checked.clone()));
        drop(held);
        Ok(Some(Known { status, checked }))
    }

    /// Decides what is due of a schedule and stores it. Returns the schedule as it is then.
    pub(crate) async fn look(&self, schedule: Seq) -> Result<Option<ScheduleStatus>, Error> {
        for _ in 0..TRIES {
            let Some(known) = self.known_schedule(schedule)? else {
                self.schedules.forget(schedule);
                return Ok(None);
            };
            if let Some(status) = self.look_once(schedule, &known).await? {
                return Ok(Some(status));
            }
        }
        Err(Error::Conflict("the schedule keeps changing".into()))
    }

    /// `None` when the schedule has changed meanwhile.
    async fn look_once(&self, schedule: Seq, known: &Known) -> Result<Option<ScheduleStatus>, Error> {
        let Checked { spec, calendar } = &*known.checked;
        let seen = known.status.rev;
        let status = known.status.clone().with_under_way(self.still_under_way(&known.status)?);
        let limits = &self.config.schedule_limits;
        let look = due(calendar, &spec.policy, &status.state, self.clock.now(), limits);
        let fires = self.fires_of(schedule, &look)?;
        let waits = spec.policy.overlap != Overlap::Allow;
        let is_news = !look.decisions.is_empty() || look.decided != status.state.decided;
        if !is_news && status.under_way.len() == known.status.under_way.len() {
            let status = ScheduleStatus { again: look.again, ..status };
            self.watch(schedule, &status, waits)?;
            self.cancel_earlier(&spec.policy.overlap, &status).await?;
            return Ok(Some(status));
        }
        let (new, refused) = self.begin_fires(&status, spec, &fires).await?;
        let begun: Vec<UnderWay> = new.iter().filter_map(under_way_of).collect();
        let mut after = status.after(&look, &begun, &refused);
        if !waits {
            // Nobody asks how far they are.
            after = after.with_under_way(Vec::new());
        }
        if !refused.is_empty() && !after.state.waiting.is_empty() {
            // No end of a refused fire will let the next one begin.
            after.again = Some(self.clock.now());
        }
        let change = ScheduleChange { seq: schedule, seen: Some(seen), status: Some(after.clone()) };
        match self.store_fires(change, new).await? {
            Fired::Stored => {
                self.watch(schedule, &after, waits)?;
                self.cancel_earlier(&spec.policy.overlap, &after).await?;
                Ok(Some(after))
            }
            Fired::Stale => Ok(None),
            Fired::Full(error) => {
                tracing::warn!(%error, schedule = after.name, "fires wait for room");
                let again = Some(self.clock.now().plus_millis(AGAIN_MS));
                lock(&self.schedules.held).look_at(schedule, again);
                Ok(Some(known.status.clone()))
            }
        }
    }

    /// Remembers when to look again and what to wait for. A fire that ended before that was remembered is looked for once
    /// more: nobody would tell of it.
    fn watch(&self, schedule: Seq, status: &ScheduleStatus, waits: bool) -> Result<(), Error> {
        self.schedules.entered(schedule, status, waits);
        if waits && self.still_under_way(status)?.len() < status.under_way.len() {
            self.schedules.look_at(schedule, self.clock.now());
        }
        Ok(())
    }

    /// Stores fires with their jobs; what lies beside the store of those that are not stored goes.
    pub(crate) async fn store_fires(&self, change: ScheduleChange, fires: Vec<NewFire>) -> Result<Fired, Error> {
        let files: Vec<JobId> = fires.iter().flat_map(|fire| with_files(&fire.jobs)).collect();
        let stored = self.store.fire(change, fires).await;
        // After a failure nobody knows what is on disk.
        if matches!(stored, Ok(Fired::Stale | Fired::Full(_))) {
            self.discard_inputs(files);
        }
        stored
    }

    fn still_under_way(&self, status: &ScheduleStatus) -> Result<Vec<UnderWay>, Error> {
        let mut found = Vec::new();
        for fire in &status.under_way {
            if !self.store.live_among(fire.first, fire.count)?.is_empty() {
                found.push(*fire);
            }
        }
        Ok(found)
    }

    /// The fires of a look, but for those that there have been: somebody may have asked for one of them before.
    fn fires_of(&self, schedule: Seq, look: &Look) -> Result<Vec<Fire>, Error> {
        let fires = look.decisions.iter().filter_map(|decision| match decision {
            Decision::Fire(fire) => Some(*fire),
            Decision::Wait(_) | Decision::Skip(_) => None,
        });
        let fires: Vec<Fire> = fires.collect();
        let nominals: Vec<Timestamp> = fires.iter().map(|fire| fire.nominal).collect();
        let known = self.store.fired(schedule, &nominals)?;
        Ok(fires.into_iter().filter(|fire| !known.contains(&fire.nominal)).collect())
    }

    /// The jobs of fires, and those fires of which there can be none.
    async fn begin_fires(
        &self,
        status: &ScheduleStatus,
        spec: &ScheduleSpec,
        fires: &[Fire],
    ) -> Result<(Vec<NewFire>, Vec<Trouble>), Error> {
        let (mut begun, mut refused) = (Vec::new(), Vec::new());
        for fire in fires {
            match self.jobs_of_fire(status, spec, fire.nominal).await {
                Ok(jobs) => begun.push(NewFire { nominal: fire.nominal, jobs }),
                Err(Error::Invalid(problems)) => {
                    let message = Error::Invalid(problems).to_string();
                    tracing::warn!(schedule = status.name, message, "a fire is refused");
                    refused.push(Trouble { nominal: fire.nominal, message });
                }
                Err(error) => return Err(error),
            }
        }
        Ok((begun, refused))
    }

    pub(crate) async fn jobs_of_fire(
        &self,
        status: &ScheduleStatus,
        spec: &ScheduleSpec,
        nominal: Timestamp,
    ) -> Result<Vec<NewJob>, Error> {
        let mut specs = self.jobs_of_target(&status.project, &spec.target, spec)?;
        for job in &mut specs {
            job.fired = Some(FiredBy { schedule: status.state.seq, name: status.name.clone(), nominal });
        }
        // A run of a pipeline is a chain also where it has one node.
        let chained = specs.len() > 1 || specs.iter().any(|spec| spec.node.is_some());
        self.prepare(specs, chained).await
    }

    fn jobs_of_target(&self, project: &str, target: &Target, spec: &ScheduleSpec) -> Result<Vec<JobSpec>, Error> {
        match target {
            Target::Config(name) => self.jobs_of_config(project, name, &spec.options),
            Target::Chain(names) => {
                let element = |(position, config): (usize, &String)| {
                    let options = if position == 0 { spec.options.clone() } else { Default::default() };
                    ChainElement { config: config.clone(), options }
                };
                let elements: Vec<ChainElement> = names.iter().enumerate().map(element).collect();
                self.jobs_of_chain(project, &elements)
            }
            Target::Pipeline(name) => self.jobs_of_pipeline(project, name, &spec.options),
        }
    }

    /// Of a schedule whose fires end earlier ones, all but the last are cancelled. Done again it changes nothing.
    async fn cancel_earlier(&self, overlap: &Overlap, status: &ScheduleStatus) -> Result<(), Error> {
        if *overlap != Overlap::CancelOther {
            return Ok(());
        }
        let Some((_, earlier)) = status.under_way.split_last() else { return Ok(()) };
        let by = format!("schedule {}", status.name);
        for fire in earlier {
            // The last first: else those that follow the first would end with its word before they are asked.
            let last_first: Vec<_> = self.store.live_among(fire.first, fire.count)?.into_iter().rev().collect();
            let jobs = self.store.load_many(&last_first)?.into_iter().flatten().map(|stored| stored.job);
            let cancel = Event::Cancel { by: by.clone() };
            self.store.change_each(&jobs.collect::<Vec<_>>(), &cancel, self.clock.now()).await?;
        }
        Ok(())
    }
}

pub(crate) fn under_way_of(fire: &NewFire) -> Option<UnderWay> {
    let first = fire.jobs.first()?.job.seq();
    Some(UnderWay { first, count: u32::try_from(fire.jobs.len()).unwrap_or(u32::MAX) })
}
