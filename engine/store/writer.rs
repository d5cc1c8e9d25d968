//! Group commit: whatever queued during the last sync is the next group, one transaction, one sync.
//!
//! Normally one thread commits. A lone caller that finds the writer free commits for itself, which saves the
//! hand-off to that thread and back; as soon as operations queue up the thread takes over. Lazy operations
//! (claims that nobody waits for) ride in the next group, or make one after [`LAZY`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase};
use tokio::sync::oneshot;

use super::backend::Meter;
use super::commit::{Group, Names};
use super::group::{Committed, Envelope, FireWrite, Listener, Op, Refusal, Reply, Submission};
use super::index::{Index, placement};
use super::recent::Recent;
use super::{lock, storage};
use crate::error::Error;
use crate::job::{JobEvent, JobFact, JobId, State};

/// Rows of one group at most; one larger operation is a group of its own.
const GROUP_ROWS: usize = 4_096;

/// How long an operation that nobody waits for may lie before it is written.
const LAZY: Duration = Duration::from_millis(20);

/// Groups of this many rows are sealed (quick-repair): it costs them little, and the open after a crash need not
/// walk the whole file.
const SEALED_ROWS: usize = 1_024;

/// In a file of this many bytes, whose walk would be felt (about a third of a second), smaller groups are too.
const LARGE_FILE: u64 = 256 << 20;
const SEALED_ROWS_OF_LARGE_FILE: usize = 64;

/// The answers of a group of this many operations are given by a task: waking so many tasks one by one from
/// outside their runtime would cost more than the group itself.
const ANSWERED_HERE: usize = 8;

/// Groups of fewer rows fill the file ahead: their syncs are short, so that what a growing file adds is felt.
const FILLING_ROWS: usize = 256;

/// After this much quiet the last group is sealed by an empty one.
const SEAL_AFTER: Duration = Duration::from_millis(50);

/// What the writer and its callers share.
pub(super) struct Writer {
    /// `None` when the store is closed: its file is free for the next engine, whoever still holds this one.
    db: RwLock<Option<Database>>,
    meter: Arc<Meter>,
    pub(super) index: Arc<Mutex<Index>>,
    listener: Arc<dyn Listener>,
    pending: Mutex<Pending>,
    wake: Condvar,
    committer: Mutex<Committer>,
    quick_repair: bool,
    operations: AtomicU64,
}

#[derive(Default)]
struct Pending {
    ops: Vec<Envelope>,
    /// Somebody waits for one of them.
    urgent: bool,
    /// How many callers the last group had.
    callers: usize,
    /// The thread sleeps.
    asleep: bool,
    /// The last group was not sealed.
    unsealed: bool,
    /// When the last group was committed.
    last_commit: Option<Instant>,
    /// The thread waits for the quiet moment in which it seals.
    watched: bool,
    /// No more operations are taken.
    closed: bool,
    /// The disk has failed.
    failed: Option<String>,
}

/// Held by whoever commits.
struct Committer {
    names: Names,
}

/// How an operation is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for it.
    Waited,
    /// The same, and the calling thread may commit itself.
    MayLead,
}

impl Writer {
    pub(super) fn new(
        db: Database,
        meter: Arc<Meter>,
        index: Arc<Mutex<Index>>,
        listener: Arc<dyn Listener>,
        names: Names,
        quick_repair: bool,
    ) -> Self {
        Writer {
            db: RwLock::new(Some(db)),
            meter,
            index,
            listener,
            pending: Mutex::new(Pending::default()),
            wake: Condvar::new(),
            committer: Mutex::new(Committer { names }),
            quick_repair,
            operations: AtomicU64::new(0),
        }
    }

    /// Operations handed in so far.
    pub(super) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Acquire)
    }

    /// A snapshot of what is on disk.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, Error> {
        self.db().as_ref().ok_or(Error::Closed)?.begin_read().map_err(storage)
    }

    fn db(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the file, when a commit under way is through.
    pub(super) fn release(&self) {
        drop(self.db.write().unwrap_or_else(PoisonError::into_inner).take());
        // A caller that commits for itself may still be entering what it wrote: that finds no room.
        lock(&self.index).recent = Recent::new(0);
    }

    /// Why the store acknowledges nothing any more, if so.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.pending).failed.clone()
    }

    /// Hands in an operation. The answer comes when it is on disk.
    pub(super) fn send(&self, op: Op, urgency: Urgency) -> oneshot::Receiver<Result<Reply, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.operations.fetch_add(1, Ordering::AcqRel);
        let mut pending = lock(&self.pending);
        if let Some(error) = pending.refusal() {
            drop(pending);
            let _ = reply.send(Err(Refusal::Error(error)));
            return answer;
        }
        let alone = !pending.urgent && pending.callers <= 1;
        pending.ops.push(Envelope { op, reply: Some(reply) });
        pending.urgent = true;
        if urgency == Urgency::MayLead
            && alone
            && let Ok(mut committer) = self.committer.try_lock()
        {
            let group = pending.take();
            drop(pending);
            self.guarded(|| self.commit(&mut committer, group));
            drop(committer);
            self.wake_for_leftovers();
            return answer;
        }
        self.wake_thread(pending);
        answer
    }

    /// Hands in an operation that nobody waits for: it rides in the next group, or makes one after [`LAZY`].
    pub(super) fn send_lazily(&self, op: Op) {
        self.operations.fetch_add(1, Ordering::AcqRel);
        let mut pending = lock(&self.pending);
        if pending.refusal().is_some() {
            return;
        }
        let first = pending.ops.is_empty();
        pending.ops.push(Envelope { op, reply: None });
        // The thread must know when to write it; it knows already when there is something before it.
        if first {
            self.wake_thread(pending);
        }
    }

    /// Tells the thread that there is something for it. Of many calls the first one pays for that.
    fn wake_thread(&self, mut pending: MutexGuard<'_, Pending>) {
        if std::mem::take(&mut pending.asleep) {
            drop(pending);
            self.wake.notify_one();
        }
    }

    /// After a caller has committed for itself: the thread takes what came meanwhile, and the sealing.
    fn wake_for_leftovers(&self) {
        let mut pending = lock(&self.pending);
        pending.last_commit = Some(Instant::now());
        let unwatched = pending.unsealed && self.quick_repair && !pending.watched;
        if !pending.ops.is_empty() || unwatched {
            self.wake_thread(pending);
        }
    }

    /// redb panics where a page of a damaged file holds something else: that is a failure like any other.
    fn guarded(&self, commit: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(commit)).is_err() {
            self.fail(Vec::new(), &Error::Storage("the store is damaged".into()));
        }
    }

    /// The writer thread: commits group after group until the store is closed.
    pub(super) fn run(&self) {
        self.guarded(|| self.run_trusting());
    }

    fn run_trusting(&self) {
        while let Some(next) = self.next_group() {
            let mut committer = lock(&self.committer);
            let group = match next {
                Next::Group => lock(&self.pending).take(),
                Next::Seal => Vec::new(),
            };
            // A caller may have taken it along meanwhile.
            if group.is_empty() && next == Next::Group {
                continue;
            }
            self.commit(&mut committer, group);
        }
    }

    /// Waits for work; `None` when the store is closed and everything is written.
    fn next_group(&self) -> Option<Next> {
        let mut pending = lock(&self.pending);
        loop {
            if pending.failed.is_some() {
                if pending.closed {
                    return None;
                }
                pending = self.wait(pending, None);
                continue;
            }
            if pending.urgent || (pending.closed && !pending.ops.is_empty()) {
                return Some(Next::Group);
            }
            if pending.closed {
                return pending.unsealed.then_some(Next::Seal);
            }
            if !pending.ops.is_empty() {
                pending = self.wait(pending, Some(LAZY));
                if !pending.ops.is_empty() {
                    return Some(Next::Group);
                }
                continue;
            }
            pending.watched = pending.unsealed && self.quick_repair;
            let quiet = pending.last_commit.map_or(SEAL_AFTER, |at| at.elapsed());
            match (pending.watched, SEAL_AFTER.saturating_sub(quiet)) {
                (false, _) => pending = self.wait(pending, None),
                (true, Duration::ZERO) => return Some(Next::Seal),
                (true, left) => pending = self.wait(pending, Some(left)),
            }
        }
    }

    fn wait<'a>(&self, mut pending: MutexGuard<'a, Pending>, most: Option<Duration>) -> MutexGuard<'a, Pending> {
        pending.asleep = true;
        let mut pending = match most {
            None => self.wake.wait(pending).unwrap_or_else(PoisonError::into_inner),
            Some(most) => self.wake.wait_timeout(pending, most).unwrap_or_else(PoisonError::into_inner).0,
        };
        pending.asleep = false;
        pending
    }

    /// Commits one group and answers it. An error of the disk ends all acknowledging: a failed sync is never
    /// tried again on the same handle, since nobody knows what it has dropped.
    fn commit(&self, committer: &mut Committer, mut group: Vec<Envelope>) {
        if let Err(error) = self.add_followers(&mut group) {
            return self.fail(group, &error);
        }
        let rows: usize = group.iter().map(|envelope| envelope.op.rows()).sum();
        let seal = group.is_empty() || (self.quick_repair && rows >= self.sealed_rows());
        match self.write(committer, &group, rows, seal) {
            Ok(results) => {
                let told = self.enter(&group, &results);
                {
                    let mut pending = lock(&self.pending);
                    // A group that was refused as a whole has changed nothing.
                    if group.is_empty() || results.iter().any(Result::is_ok) {
                        pending.unsealed = !seal;
                    }
                    pending.callers = group.iter().filter(|envelope| envelope.reply.is_some()).count();
                }
                self.listener.committed(told);
                let alone = group.len() < ANSWERED_HERE;
                let answer =
                    move || group.into_iter().zip(results).for_each(|(envelope, result)| envelope.answer(result));
                if alone { answer() } else { self.listener.deliver(Box::new(answer)) }
            }
            Err(error) => self.fail(group, &error),
        }
    }

    fn sealed_rows(&self) -> usize {
        if self.meter.file_bytes() < LARGE_FILE { SEALED_ROWS } else { SEALED_ROWS_OF_LARGE_FILE }
    }

    fn write(
        &self,
        committer: &mut Committer,
        group: &[Envelope],
        rows: usize,
        seal: bool,
    ) -> Result<Vec<Result<Reply, Refusal>>, Error> {
        self.meter.fill_ahead(rows < FILLING_ROWS);
        let db = self.db();
        let mut txn = db.as_ref().ok_or(Error::Closed)?.begin_write().map_err(storage)?;
        txn.set_quick_repair(seal);
        let results = Group::new(&txn, &mut committer.names, &self.index).write(group)?;
        let nothing = !group.is_empty() && results.iter().all(Result::is_err);
        if nothing {
            // Everything was refused: there is nothing to sync, and a refusal need not wait for a disk.
            txn.abort().map_err(storage)?;
        } else {
            txn.commit().map_err(storage)?;
        }
        Ok(results)
    }

    /// Takes what is on disk into the index, and notes what there is to tell.
    fn enter(&self, group: &[Envelope], results: &[Result<Reply, Refusal>]) -> Committed {
        let wants_events = self.listener.wants_events();
        let mut told = Committed::default();
        let mut index = lock(&self.index);
        let tick_before = index.first_tick();
        for (envelope, result) in group.iter().zip(results) {
            match (&envelope.op, result) {
                (Op::Insert(submission) | Op::Fire(FireWrite { submission, .. }), Ok(Reply::Ids(ids))) => {
                    told.enter_new(&mut index, submission, ids, wants_events);
                }
                (Op::Documents { .. }, Ok(_)) => index.documents += 1,
                (Op::Change(changes), Ok(_)) => {
                    for change in changes {
                        let seq = change.after.seq();
                        index.remove(seq, &placement(&change.before));
                        index.recent.change(&change.after);
                        told.note_change(change, wants_events, &*self.listener);
                        if change.after.status.state.is_final() {
                            index.forget_followers(seq);
                        } else {
                            index.insert(seq, &placement(&change.after));
                        }
                    }
                }
                (Op::Reseal(rows), Ok(_)) => rows.iter().for_each(|(seq, _)| index.recent.remove(*seq)),
                (Op::Note { id, at, fact, .. }, Ok(_)) if wants_events => {
                    told.events.push(JobEvent { id: *id, at: *at, fact: fact.clone() });
                }
                _ => {}
            }
        }
        told.ticks = index.first_tick() != tick_before;
        told
    }

    /// Fail-stop: everybody gets an error, now and from now on.
    pub(super) fn fail(&self, group: Vec<Envelope>, error: &Error) {
        let text = match error {
            Error::Storage(text) => text.clone(),
            other => other.to_string(),
        };
        let mut pending = lock(&self.pending);
        pending.failed = Some(text.clone());
        pending.urgent = false;
        let waiting = std::mem::take(&mut pending.ops);
        drop(pending);
        self.listener.failed(&text);
        for envelope in group.into_iter().chain(waiting) {
            if let Some(reply) = envelope.reply {
                let _ = reply.send(Err(Refusal::Error(Error::Storage(text.clone()))));
            }
        }
    }

    /// Takes no more operations. The thread writes what is there and ends.
    pub(super) fn close(&self) {
        lock(&self.pending).closed = true;
        self.wake.notify_all();
    }

    /// Ends as a crash would: what is not written is not written.
    pub(super) fn abandon(&self) {
        let mut pending = lock(&self.pending);
        pending.closed = true;
        pending.failed.get_or_insert_with(|| "the engine has crashed".into());
        pending.ops.clear();
        drop(pending);
        self.wake.notify_all();
    }
}

/// What the writer thread does next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Group,
    Seal,
}

impl Pending {
    fn refusal(&self) -> Option<Error> {
        match (&self.failed, self.closed) {
            (Some(text), _) => Some(Error::Storage(text.clone())),
            (None, true) => Some(Error::Closed),
            (None, false) => None,
        }
    }

    /// The next group: operations in order, as many as fit.
    fn take(&mut self) -> Vec<Envelope> {
        let mut rows = 0;
        let fits = |envelope: &Envelope| {
            rows += envelope.op.rows();
            rows <= GROUP_ROWS
        };
        let count = self.ops.iter().map(fits).take_while(|fits| *fits).count().max(1).min(self.ops.len());
        let rest = self.ops.split_off(count);
        self.urgent = !rest.is_empty();
        self.last_commit = Some(Instant::now());
        std::mem::replace(&mut self.ops, rest)
    }
}

impl Committed {
    fn tell(&mut self, job: &crate::job::Job, at: crate::job::Timestamp, fact: JobFact) {
        self.events.push(JobEvent { id: job.id, at, fact });
    }

    fn enter_new(&mut self, index: &mut Index, submission: &Submission, ids: &[JobId], wants_events: bool) {
        for (row, id) in submission.rows.iter().zip(ids) {
            let job = &row.stored.job;
            if job.id != *id {
                continue;
            }
            index.insert(job.seq(), &placement(job));
            index.recent.insert(&row.stored, row.spec.len());
            self.ready |= job.status.state == State::Queued;
            if wants_events {
                self.tell(job, job.created_at, JobFact::Submitted);
            }
        }
    }

    fn note_change(&mut self, change: &super::group::Change, wants_events: bool, listener: &dyn Listener) {
        let (before, after) = (change.before.status.state, change.after.status.state);
        self.ready |= after == State::Queued;
        if after == State::Cancelling && before != State::Cancelling {
            self.stopping.push(change.after.seq());
        }
        if after.is_final() {
            self.finished.push(change.after.seq());
            if listener.awaits(change.after.seq()) {
                self.awaited.push(change.after.clone());
            }
        }
        if let (true, Some((at, fact))) = (wants_events, &change.fact) {
            for (at, fact) in &change.refused {
                self.tell(&change.after, *at, fact.clone());
            }
            self.tell(&change.after, *at, fact.clone());
        }
    }
}
