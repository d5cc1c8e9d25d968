//! A job with items, read top to bottom: claim → list → release → count → finish. The jobs of the items run by themselves; this
//! finds out which there are, lets as many go as may run at once, and counts how they end.
//!
//! All it knows is in the store: a life that ends anywhere is taken up by the next one, and no item that is over runs again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Runtime;
use super::attempt::{Begin, claimed, detached, finish, not_started};
use super::attempts::Control;
use super::fetch::bring_into;
use super::rows::Rows;
use super::transfer::{Masked, keys_of, open_private, tried};
use crate::error::Error;
use crate::executors::{FetchOrder, StartError, TransferError};
use crate::files::remove_tree;
use crate::job::items::item_spec;
use crate::job::{
    Event, Fetch, Filter, Item, Job, JobEvent, JobFact, JobId, JobSpec, ListedItem, Order, Outcome, Private, Seq,
    State, Step, Told,
};
use crate::store::{Left, Moved, Stored};

/// Jobs that are read, released or cancelled together.
const BATCH: usize = 1_000;

/// Runs a job with items.
pub(super) async fn run(
    runtime: &Arc<Runtime>,
    mut stored: Box<Stored>,
    control: &Control,
    begin: Begin,
) -> Result<(), Error> {
    if begin == Begin::Claim {
        let moved = runtime.store.change(&stored.job, &[Event::Claim], None, runtime.clock.now()).await?;
        let Some(job) = claimed(moved) else { return Ok(()) };
        stored.job = job;
    }
    let Some(events) = runtime.hub.subscribe(runtime.config.event_backlog) else { return Err(Error::Closed) };
    let mut detach = runtime.detach.subscribe();
    let mut supervision = Supervision::of(runtime, stored.job.clone())?;
    let supervised = tokio::select! {
        outcome = supervision.whole(&stored, control, events) => outcome?,
        // The next life goes on with it.
        () = detached(&mut detach) => return Ok(()),
    };
    let job = finish(runtime, &supervision.job, supervised, Left::default()).await?;
    let rows = runtime.layout.rows(job.id);
    if job.status.state.is_final() && rows.exists() {
        let removed = tokio::task::spawn_blocking(move || remove_tree(&rows)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, job = %job.id, "the rows of a job stay");
        }
    }
    Ok(())
}

/// Where the job of an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Held,
    Released,
    Running,
    Over { succeeded: bool },
}

/// Where it is in this state. One that has begun and waits for its next attempt is not begun a second time.
fn place_of(job: &Job) -> Place {
    match job.status.state {
        State::Succeeded => Place::Over { succeeded: true },
        State::Failed | State::Cancelled | State::TimedOut => Place::Over { succeeded: false },
        _ if job.status.attempt > 0 => Place::Running,
        State::Waiting if job.status.waits.held => Place::Held,
        _ => Place::Released,
    }
}

/// The items of one job.
struct Supervision<'a> {
    runtime: &'a Arc<Runtime>,
    job: Job,
    places: HashMap<Seq, Place>,
    names: HashSet<String>,
    held: VecDeque<Seq>,
    /// Released and not over.
    under_way: usize,
    begun: u32,
    succeeded: u32,
    failed: u32,
}

impl<'a> Supervision<'a> {
    fn of(runtime: &'a Arc<Runtime>, job: Job) -> Result<Supervision<'a>, Error> {
        let mut all = Supervision {
            runtime,
            job,
            places: HashMap::new(),
            names: HashSet::new(),
            held: VecDeque::new(),
            under_way: 0,
            begun: 0,
            succeeded: 0,
            failed: 0,
        };
        all.read()?;
        Ok(all)
    }

    /// Reads where all jobs of items are.
    fn read(&mut self) -> Result<(), Error> {
        let order = Order::OldestFirst;
        let filter = Filter { items_of: Some(self.job.id), order, ..Filter::default() };
        let mut cursor = None;
        loop {
            let page = self.runtime.store.list(&filter, cursor, BATCH)?;
            page.jobs.iter().for_each(|stored| self.note(&stored.job));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    fn note(&mut self, job: &Job) {
        let place = place_of(job);
        if let Some(item) = &job.spec.item {
            self.names.insert(item.name.clone());
        }
        if place == Place::Held && !self.places.contains_key(&job.seq()) {
            self.held.push_back(job.seq());
        }
        self.moved(job.seq(), place);
    }

    /// A job of an item is further on.
    fn moved(&mut self, seq: Seq, place: Place) {
        let before = self.places.insert(seq, place);
        if let Some(Place::Over { .. }) = before {
            self.places.insert(seq, before.unwrap_or(place));
            return;
        }
        let (was, is) = (before.unwrap_or(Place::Held), place);
        let is_out = |place| matches!(place, Place::Released | Place::Running);
        let has_begun = |place| matches!(place, Place::Running | Place::Over { .. });
        self.under_way = self.under_way + usize::from(is_out(is)) - usize::from(is_out(was));
        self.begun += u32::from(has_begun(is) && !has_begun(was));
        match is {
            Place::Over { succeeded: true } => self.succeeded += 1,
            Place::Over { succeeded: false } => self.failed += 1,
            _ => {}
        }
    }

    fn hear(&mut self, event: &JobEvent) {
        let Some(place) = self.places.get(&event.id.seq()).copied() else { return };
        match &event.fact {
            JobFact::Started { .. } if place != Place::Running => self.moved(event.id.seq(), Place::Running),
            JobFact::Finished { state, .. } => {
                self.moved(event.id.seq(), Place::Over { succeeded: *state == State::Succeeded });
            }
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        (self.succeeded + self.failed) as usize == self.places.len()
    }

    /// Lists, releases and counts until all are over.
    async fn whole(
        &mut self,
        stored: &Stored,
        control: &Control,
        mut events: broadcast::Receiver<JobEvent>,
    ) -> Result<Outcome, Error> {
        if self.job.status.step == Some(Step::Preparing) {
            let listed = tokio::select! {
                listed = self.list(stored) => listed?,
                () = control.stop.raised() => Err(Outcome::Stopped),
            };
            // What was listed until then waits for the next attempt, or ends with the job.
            if let Err(outcome) = listed {
                return Ok(outcome);
            }
        }
        let mut is_stopping = false;
        loop {
            if control.stop.is_raised() && !is_stopping {
                is_stopping = true;
                self.cancel().await?;
            }
            if !is_stopping {
                self.release().await?;
            }
            self.count().await?;
            // Those that were not released end with the job.
            if is_stopping && self.under_way == 0 {
                return Ok(Outcome::Stopped);
            }
            if !is_stopping && self.is_over() {
                return Ok(self.outcome());
            }
            tokio::select! {
                heard = self.listen(&mut events) => heard?,
                () = control.stop.raised(), if !is_stopping => {}
            }
        }
    }

    /// Waits for news, and takes in all there is.
    async fn listen(&mut self, events: &mut broadcast::Receiver<JobEvent>) -> Result<(), Error> {
        match events.recv().await {
            Ok(event) => self.hear(&event),
            Err(RecvError::Lagged(_)) => self.read()?,
            Err(RecvError::Closed) => return Err(Error::Closed),
        }
        loop {
            match events.try_recv() {
                Ok(event) => self.hear(&event),
                Err(TryRecvError::Lagged(_)) => self.read()?,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(()),
            }
        }
    }

    /// Lets as many jobs of items go as may be under way.
    async fn release(&mut self) -> Result<(), Error> {
        let most = self.job.spec.items.as_ref().and_then(|items| items.parallel).map_or(usize::MAX, |it| it as usize);
        loop {
            let room = most.saturating_sub(self.under_way).min(self.held.len()).min(BATCH);
            if room == 0 {
                return Ok(());
            }
            let seqs: Vec<Seq> = self.held.drain(..room).collect();
            let jobs = self.live(&seqs)?;
            self.runtime.store.change_each(&jobs, &Event::Release, self.runtime.clock.now()).await?;
            // What has moved on meanwhile says so itself.
            for seq in seqs {
                if self.places.get(&seq) == Some(&Place::Held) {
                    self.moved(seq, Place::Released);
                }
            }
        }
    }

    /// Cancels the items that were released.
    async fn cancel(&mut self) -> Result<(), Error> {
        let out = |place: &Place| matches!(place, Place::Released | Place::Running);
        let mut seqs: Vec<Seq> = self.places.iter().filter(|(_, place)| out(place)).map(|(seq, _)| *seq).collect();
        seqs.sort_unstable();
        let cancel = Event::Cancel { by: format!("the job of its item, {}", self.job.id) };
        for batch in seqs.chunks(BATCH) {
            let jobs = self.live(batch)?;
            self.runtime.store.change_each(&jobs, &cancel, self.runtime.clock.now()).await?;
        }
        self.read()
    }

    fn live(&self, seqs: &[Seq]) -> Result<Vec<Job>, Error> {
        let loaded = self.runtime.store.load_many(seqs)?;
        let jobs = loaded.into_iter().flatten().map(|stored| stored.job);
        Ok(jobs.filter(|job| !job.status.state.is_final()).collect())
    }

    /// Has the counters of the job say what is known of its items, in one write.
    async fn count(&mut self) -> Result<(), Error> {
        loop {
            let events = self.news();
            if events.is_empty() {
                return Ok(());
            }
            match self.runtime.store.change(&self.job, &events, None, self.runtime.clock.now()).await? {
                Moved::Changed(job) | Moved::Unchanged(job) => {
                    self.job = job;
                    return Ok(());
                }
                // It is being stopped since: what has not begun is not counted as such.
                Moved::Illegal(_, job) if job.status.state == State::Cancelling && self.job.status != job.status => {
                    self.job = job;
                }
                Moved::Late(_) | Moved::Illegal(..) => return Ok(()),
            }
        }
    }

    /// What the counters do not say yet.
    fn news(&self) -> Vec<Event> {
        let (attempt, has) = (self.job.status.attempt, self.job.status.items);
        let is_running = self.job.status.state == State::Running;
        let mut events = Vec::new();
        let all = self.places.len() as u32;
        if is_running && all > has.total {
            events.push(Event::ItemsAdded(all - has.total));
        }
        let mut running = has.running;
        if is_running {
            let began = self.begun.saturating_sub(has.running + has.succeeded + has.failed);
            running += began;
            events.extend((0..began).map(|_| Event::ItemBegan { attempt }));
        }
        for (ended, counted, succeeded) in [(self.succeeded, has.succeeded, true), (self.failed, has.failed, false)] {
            let more = ended.saturating_sub(counted).min(running);
            running -= more;
            events.extend((0..more).map(|_| Event::ItemEnded { attempt, succeeded }));
        }
        events
    }

    fn outcome(&self) -> Outcome {
        let (all, failed) = (self.places.len(), self.failed);
        let tolerated = self.job.spec.items.as_ref().and_then(|items| items.tolerated);
        let message = match tolerated {
            _ if all == 0 => "it has no items; allowed: one at least".to_owned(),
            Some(most) if failed > most => format!("{failed} of {all} items failed; tolerated: {most}"),
            _ => return Outcome::Succeeded,
        };
        Outcome::Error { message, permanent: true }
    }

    /// Finds out which items there are beside those that were given, and stores a job for each.
    async fn list(&mut self, stored: &Stored) -> Result<Result<(), Outcome>, Error> {
        let private = match open_private(self.runtime, stored) {
            Ok(private) => private,
            Err(error) => return Ok(Err(not_started(&error))),
        };
        let (mut spec, masked) = ((*self.job.spec).clone(), Masked::of(&private));
        private.clone().put(&mut spec);
        let items = spec.items.take().unwrap_or_default();
        let (listed, rows) = (items.listed, items.rows);
        let known = self.names.clone();
        let mut new = HashSet::new();
        for (position, fetch) in listed.iter().enumerate() {
            match self.list_one(&spec, &private, fetch, &known, &mut new).await? {
                Ok(()) => {}
                Err(TransferError { message, permanent, .. }) => {
                    let message = format!("items.listed[{position}] from {}: {}", fetch.from, masked.show(&message));
                    return Ok(Err(Outcome::NotStarted { message, permanent }));
                }
            }
        }
        if let Err(error) = self.list_rows(&spec, &private, &rows, &known, &mut new).await? {
            let StartError { message, permanent } = error;
            return Ok(Err(Outcome::NotStarted { message, permanent }));
        }
        let executing = Event::Step { attempt: self.job.status.attempt, step: Step::Executing };
        if let Moved::Changed(job) =
            self.runtime.store.change(&self.job, &[executing], None, self.runtime.clock.now()).await?
        {
            self.job = job;
        }
        Ok(Ok(()))
    }

    async fn list_one(
        &mut self,
        spec: &JobSpec,
        private: &Private,
        fetch: &Fetch,
        known: &HashSet<String>,
        new: &mut HashSet<String>,
    ) -> Result<Result<(), TransferError>, Error> {
        let Some(fetcher) = self.runtime.transfers.fetcher(&fetch.from) else {
            return Ok(Err(TransferError::passing(format!("the fetcher {:?} is not enabled here", fetch.from))));
        };
        let order = FetchOrder {
            project: spec.project.clone(),
            keys: keys_of(private, &fetch.told),
            options: fetch.told.options.clone(),
            destination: fetch.to.clone(),
        };
        let mut cursor: Option<String> = None;
        loop {
            let page = match tried(self.runtime, || fetcher.items(&order, cursor.as_deref())).await {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            let mut items = Vec::with_capacity(page.items.len());
            for listed in page.items.into_iter().map(ListedItem::from) {
                if !new.insert(listed.name.clone()) {
                    return Ok(Err(TransferError::permanent(format!("two items are called {:?}", listed.name))));
                }
                // A life before this one has stored it.
                if known.contains(&listed.name) {
                    continue;
                }
                let name = listed.name.clone();
                let told = Told { only: Some(listed), ..fetch.told.clone() };
                items.push(Item::new(name).fetch(Fetch { told, ..fetch.clone() }));
            }
            if let Err(error) = self.store(spec, items).await? {
                return Ok(Err(error));
            }
            match page.next {
                Some(next) if cursor.as_ref() == Some(&next) => {
                    return Ok(Err(TransferError::permanent("the list of the fetcher does not go on")));
                }
                Some(next) => cursor = Some(next),
                None => return Ok(Ok(())),
            }
        }
    }

    /// Brings in rows, unless that was done before, and stores a job for each.
    async fn list_rows(
        &mut self,
        spec: &JobSpec,
        private: &Private,
        rows: &[Fetch],
        known: &HashSet<String>,
        new: &mut HashSet<String>,
    ) -> Result<Result<(), StartError>, Error> {
        if rows.is_empty() {
            return Ok(Ok(()));
        }
        let tree = self.runtime.layout.rows(self.job.id);
        let found = Rows::new(tree.clone(), self.runtime.config.transfers.row_bytes);
        // Each has a folder of its own there, whatever it was asked for.
        let folders: Vec<Fetch> = (0..).zip(rows).map(|(at, fetch)| fetch.clone().to(format!("rows/{at}"))).collect();
        if !found.are_complete() {
            let brought = bring_into(self.runtime, &self.job, private, "items.rows", &folders, tree).await;
            let completed = brought.and_then(|()| {
                let message = |error| StartError { message: format!("the rows: {error}"), permanent: false };
                found.complete("rows").map_err(message)
            });
            if let Err(error) = completed {
                return Ok(Err(error));
            }
        }
        let refused = |TransferError { message, permanent, .. }| StartError {
            message: format!("items.rows: {message}"),
            permanent,
        };
        let mut lines = match found.read("rows") {
            Ok(lines) => lines,
            Err(error) => return Ok(Err(refused(TransferError::passing(error.to_string())))),
        };
        loop {
            let items = match lines.next_items(BATCH) {
                Ok(items) if items.is_empty() => return Ok(Ok(())),
                Ok(items) => items,
                Err(error) => return Ok(Err(refused(error))),
            };
            let mut wanted = Vec::with_capacity(items.len());
            for item in items {
                if !new.insert(item.name.clone()) {
                    let error = TransferError::permanent(format!("two items are called {:?}", item.name));
                    return Ok(Err(refused(error)));
                }
                if !known.contains(&item.name) {
                    wanted.push(item);
                }
            }
            if let Err(error) = self.store(spec, wanted).await? {
                return Ok(Err(refused(error)));
            }
        }
    }

    /// Stores a job for each of these items.
    async fn store(&mut self, spec: &JobSpec, items: Vec<Item>) -> Result<Result<(), TransferError>, Error> {
        let most = self.runtime.config.job_limits.items as usize;
        if self.places.len() + items.len() > most {
            return Ok(Err(TransferError::permanent(format!("more than {most} items; allowed: at most {most}"))));
        }
        let mut items = items.into_iter();
        loop {
            let specs: Vec<JobSpec> =
                items.by_ref().take(BATCH).map(|item| item_spec(spec, self.job.id, item)).collect();
            if specs.is_empty() {
                return self.count().await.map(Ok);
            }
            let jobs = match self.runtime.prepare(specs, false).await {
                Ok(jobs) => jobs,
                Err(Error::Invalid(problems)) => {
                    let told: Vec<String> = problems.iter().take(3).map(ToString::to_string).collect();
                    return Ok(Err(TransferError::permanent(told.join("; "))));
                }
                Err(error) => return Err(error),
            };
            let stored: Vec<Job> = jobs.iter().map(|new| new.job.clone()).collect();
            let ids: Vec<JobId> = self.runtime.store.submit(jobs, false, false).await?;
            debug_assert_eq!(ids.len(), stored.len());
            stored.iter().for_each(|job| self.note(job));
        }
    }
}
