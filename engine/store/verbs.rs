//! What the store does: submit, claim, change, note. Each is decided by the pure machine, written by one
//! operation, and refused when it was decided on an old revision.

use tokio::sync::oneshot;

use super::group::{Change, NewRow, Op, Refusal, Reply, Submission};
use super::index::placement;
use super::outputs::{Left, OutputWrite};
use super::records::{SealedField, Seals, encode_done, encode_event, encode_live, encode_spec};
use super::writer::Urgency;
use super::{Store, Stored, idempotency_key, lock};
use crate::error::Error;
use crate::job::event::{fact_of, is_stored};
use crate::job::id::MAX_SEQ;
use crate::job::{
    Event, Illegal, Job, JobFact, JobId, JobSpec, Private, RunOptions, Seq, Task, Timestamp, Verdict, apply,
};
use crate::secret::{Keyring, keyed_digest};

/// The next job's place: sequence numbers and creation times never go back, so lists can be searched by time.
#[derive(Debug)]
pub(super) struct NextJob {
    pub(super) seq: Seq,
    pub(super) created_at: Timestamp,
}

/// A job that is about to be stored.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) job: Job,
    /// Its input, where that was written to a file beside the store.
    pub(crate) large_input: Option<Vec<u8>>,
}

/// Those that have their input, or input files, in a file beside the store.
pub(crate) fn with_files(jobs: &[NewJob]) -> impl Iterator<Item = JobId> {
    jobs.iter().filter(|new| new.large_input.is_some()).map(|new| new.job.id)
}

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Moved {
    /// The job as it is from now on; on disk.
    Changed(Job),
    /// Accepted, nothing to change.
    Unchanged(Job),
    /// An outcome that came too late, recorded as a fact.
    Late(Job),
    /// It cannot happen to the job as it is.
    Illegal(Illegal, Job),
}

/// A change on its way to the disk.
enum Sent {
    /// To be waited for; and the job as it is then.
    Sent(oneshot::Receiver<Result<Reply, Refusal>>, Box<Job>),
    Settled(Box<Moved>),
}

/// A change that was decided and waits to be written.
enum Decided {
    /// The one change, in the list that its operation is made of.
    Write(Vec<Change>),
    Settled(Box<Moved>),
}

impl Store {
    /// Takes `count` consecutive sequence numbers, and the time at which their jobs are created: `now`, or
    /// the time of the job before when the clock was set back.
    ///
    /// # Errors
    /// [`Error::Full`] when the numbers are used up, after 2^40 jobs.
    pub(crate) fn reserve(&self, count: u64, now: Timestamp) -> Result<(Seq, Timestamp), Error> {
        let mut next = lock(&self.next);
        if next.seq + count > MAX_SEQ {
            return Err(Error::Full { what: "the store".into(), limit: MAX_SEQ });
        }
        let first = next.seq;
        next.seq += count;
        next.created_at = next.created_at.max(now);
        Ok((first, next.created_at))
    }

    /// Stores new jobs, all or none; returns when they are on disk. Where an idempotency key was used before,
    /// the id of the job that was accepted then.
    pub(crate) async fn submit(&self, jobs: Vec<NewJob>, joined: bool, may_lead: bool) -> Result<Vec<JobId>, Error> {
        let answer = {
            let keyring = self.keyring();
            let rows = jobs.into_iter().map(|new| self.encode_new(&keyring, new));
            let rows = rows.collect::<Result<Vec<_>, Error>>()?;
            let submission = Submission { rows, joined, queue_limit: self.queue_limit };
            let urgency = if may_lead { Urgency::MayLead } else { Urgency::Waited };
            self.writer.send(Op::Insert(submission), urgency)
        };
        match answer.await {
            Ok(Ok(Reply::Ids(ids))) => Ok(ids),
            Ok(Err(Refusal::Error(error))) => Err(error),
            Ok(Ok(Reply::Done | Reply::Number(_)) | Err(Refusal::Stale)) | Err(_) => Err(Error::Closed),
        }
    }

    pub(super) fn encode_new(&self, keyring: &Keyring, new: NewJob) -> Result<NewRow, Error> {
        let NewJob { mut job, large_input } = new;
        let private = private_of(&job.spec, large_input.is_some());
        let sealed = Store::seal_in_spec(keyring, SealedField::Private, job.seq(), private.as_ref())?;
        let parameters = parameters_of(&job.spec).filter(|parameters| !parameters.is_empty());
        let parameters = Store::seal_in_spec(keyring, SealedField::Parameters, job.seq(), parameters)?;
        let idempotency = idempotency_key(&job.spec).map(|key| {
            let digest = self.digest(&job, large_input.as_deref())?;
            Ok::<_, Error>((key, digest))
        });
        let idempotency = idempotency.transpose()?;
        let large_input = large_input.map(|large| keyed_digest(&self.digest_secret, &[b"input", &large]));
        let told = private.map(|private| self.digest_of_told(&private)).transpose()?.flatten();
        let seals = Seals { private: sealed.as_ref(), parameters: parameters.as_ref(), told };
        let spec = encode_spec(&job, seals, large_input)?;
        let live = encode_live(&job, &placement(&job))?;
        // From here on what is sealed is only on disk.
        let open = std::sync::Arc::make_mut(&mut job.spec);
        drop(Private::take(open));
        if let Some(run) = open.node.as_mut().and_then(|node| node.run.as_mut()) {
            run.parameters = RunOptions::new();
        }
        let stored = Stored { job, private: sealed, parameters, large_input, told };
        Ok(NewRow { stored, spec, live, idempotency })
    }

    /// What tells a job from another one whose record says the same, but for its options.
    fn digest_of_told(&self, private: &Private) -> Result<Option<[u8; 16]>, Error> {
        if private.transfers.is_empty() && private.inputs.is_empty() {
            return Ok(None);
        }
        let told = rmp_serde::to_vec(&(&private.transfers, &private.inputs));
        let told = told.map_err(|error| Error::Storage(error.to_string()))?;
        Ok(Some(keyed_digest(&self.digest_secret, &[b"told", &told])))
    }

    /// What an idempotency key stands for: everything that was asked for, with names and values of options, and
    /// with the input wherever it lies.
    fn digest(&self, job: &Job, large_input: Option<&[u8]>) -> Result<[u8; 16], Error> {
        let nobody = JobId::new(0, Timestamp::default(), 0);
        let mut asked = Job { id: nobody, chain: None, created_at: Timestamp::default(), ..job.clone() };
        if let Some(large) = large_input
            && let Task::Function(task) = &mut std::sync::Arc::make_mut(&mut asked.spec).task
        {
            task.input = large.to_vec();
        }
        let inputs = large_input.filter(|_| inputs_lie_beside(&job.spec)).unwrap_or_default();
        let private = rmp_serde::to_vec(&Private::of(&job.spec)).map_err(|error| Error::Storage(error.to_string()))?;
        let encode = |told| rmp_serde::to_vec(told).map_err(|error| Error::Storage(error.to_string()));
        let parameters = parameters_of(&job.spec).map(encode).transpose()?.unwrap_or_default();
        let spec = encode_spec(&asked, Seals::default(), None)?;
        Ok(keyed_digest(&self.digest_secret, &[&spec, &private, inputs, &parameters]))
    }

    /// Applies events to a job, one after the other, and writes the result once. `job` saves a read when the
    /// caller has the job in hand; a stale one is read again. What is `left` is stored when the job succeeds.
    ///
    /// Attempts wait in this by the thousand, so what is rare is boxed.
    pub(crate) async fn change(
        &self,
        job: &Job,
        events: &[Event],
        left: Option<&Left>,
        now: Timestamp,
    ) -> Result<Moved, Error> {
        let (answer, after) = match self.send_change(job, events, left, now)? {
            Sent::Sent(answer, after) => (answer, after),
            Sent::Settled(moved) => return Box::pin(self.settle(*moved, events, now)).await,
        };
        match answer.await {
            Ok(Ok(_)) => Ok(Moved::Changed(*after)),
            Ok(Err(Refusal::Error(error))) => Err(error),
            Ok(Err(Refusal::Stale)) => Box::pin(self.change_anew(job.id, events, left, now)).await,
            Err(_) => Err(Error::Closed),
        }
    }

    /// Applies one event to each of many jobs, in order; they travel together and not as one. How many it has changed.
    pub(crate) async fn change_each(&self, jobs: &[Job], event: &Event, now: Timestamp) -> Result<usize, Error> {
        let events = std::slice::from_ref(event);
        let sent = jobs.iter().map(|job| self.send_change(job, events, None, now));
        let sent = sent.collect::<Result<Vec<Sent>, Error>>()?;
        let mut changed = 0;
        for (job, sent) in jobs.iter().zip(sent) {
            let moved = match sent {
                Sent::Settled(moved) => *moved,
                Sent::Sent(answer, after) => match answer.await {
                    Ok(Ok(_)) => Moved::Changed(*after),
                    Ok(Err(Refusal::Error(error))) => return Err(error),
                    Ok(Err(Refusal::Stale)) => Box::pin(self.change_anew(job.id, events, None, now)).await?,
                    Err(_) => return Err(Error::Closed),
                },
            };
            changed += usize::from(matches!(moved, Moved::Changed(_)));
        }
        Ok(changed)
    }

    fn send_change(&self, job: &Job, events: &[Event], left: Option<&Left>, now: Timestamp) -> Result<Sent, Error> {
        let changes = match self.decide(job, events, left, now)? {
            Decided::Settled(moved) => return Ok(Sent::Settled(moved)),
            Decided::Write(changes) => changes,
        };
        let after = changes.first().map(|change| Box::new(change.after.clone())).ok_or(Error::Closed)?;
        Ok(Sent::Sent(self.writer.send(Op::Change(changes), Urgency::Waited), after))
    }

    async fn change_anew(
        &self,
        id: JobId,
        events: &[Event],
        left: Option<&Left>,
        now: Timestamp,
    ) -> Result<Moved, Error> {
        let job = self.reload(id)?.job;
        self.change(&job, events, left, now).await
    }

    /// The same without waiting: the change rides in the next group. The job as it will be, or `None` when
    /// nothing changes. Nobody hears when it is refused as stale: whoever changed the job meanwhile was told
    /// of the job as it is. So what is returned is a forecast. Only the claim of a queued job may be built on:
    /// whatever else can happen to a queued job ends it, and then no revision matches any more.
    pub(crate) fn change_lazily(&self, job: &Job, events: &[Event], now: Timestamp) -> Result<Option<Job>, Error> {
        let Decided::Write(changes) = self.decide(job, events, None, now)? else { return Ok(None) };
        let after = changes.first().map(|change| change.after.clone());
        self.writer.send_lazily(Op::Change(changes));
        Ok(after)
    }

    /// Returns when everything handed in before is on disk.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        self.send(Op::Flush, Urgency::Waited).await.map(drop)
    }

    /// The sequence number that the next job gets.
    pub(crate) fn next_seq(&self) -> Seq {
        lock(&self.next).seq
    }

    fn reload(&self, id: JobId) -> Result<Stored, Error> {
        self.find(id)?.ok_or_else(|| Error::NotFound(id.to_string()))
    }

    fn decide(&self, job: &Job, events: &[Event], left: Option<&Left>, now: Timestamp) -> Result<Decided, Error> {
        let mut after = job.clone();
        let mut changed = false;
        for event in events {
            match apply(&after, event, now) {
                Ok(Verdict::Changed(next)) => (after, changed) = (next, true),
                Ok(Verdict::Late) if matches!(event, Event::Ended { .. }) => {
                    return Ok(Decided::Settled(Box::new(Moved::Late(job.clone()))));
                }
                // Any other late report has nothing to tell any more.
                Ok(Verdict::Unchanged | Verdict::Late) => {}
                Err(illegal) => return Ok(Decided::Settled(Box::new(Moved::Illegal(illegal, job.clone())))),
            }
        }
        if !changed {
            return Ok(Decided::Settled(Box::new(Moved::Unchanged(after))));
        }
        Ok(Decided::Write(vec![encode_change(job, after, left, now)?]))
    }

    async fn settle(&self, moved: Moved, events: &[Event], now: Timestamp) -> Result<Moved, Error> {
        if let (Moved::Late(job), Some(Event::Ended { attempt, outcome, .. })) = (&moved, events.last()) {
            let fact = JobFact::LateOutcome { attempt: *attempt, outcome: outcome.clone() };
            let bytes = encode_event(now, &fact)?;
            self.send(Op::Note { id: job.id, at: now, fact, bytes }, Urgency::Waited).await?;
        }
        Ok(moved)
    }
}

/// Whether what lies beside the store of a job that has something there is its input files. That of a function is its input.
pub(crate) fn inputs_lie_beside(spec: &JobSpec) -> bool {
    !spec.inputs.is_empty() && !matches!(spec.task, Task::Function(_))
}

/// What is to be sealed of a spec, where there is something.
fn private_of(spec: &JobSpec, has_payload: bool) -> Option<Private> {
    let transfers = spec.fetches.is_empty() && spec.deliveries.is_empty() && spec.items.is_none();
    let is_plain = spec.options.is_empty() && transfers && spec.inputs.is_empty();
    let mut private = (!is_plain).then(|| Private::of(spec))?;
    if has_payload && inputs_lie_beside(spec) {
        private.inputs.clear();
    }
    Some(private).filter(|private| !private.is_empty())
}

/// The parameters of the run of a pipeline whose first job this is.
fn parameters_of(spec: &JobSpec) -> Option<&RunOptions> {
    Some(&spec.node.as_ref()?.run.as_ref()?.parameters)
}

pub(super) fn encode_change(before: &Job, after: Job, left: Option<&Left>, now: Timestamp) -> Result<Change, Error> {
    let over = after.status.state.is_final();
    let bytes = if over { encode_done(&after.status)? } else { encode_live(&after, &placement(&after))? };
    let fact = fact_of(before, &after).map(|fact| (now, fact));
    let event = match &fact {
        Some((at, fact)) if is_stored(fact) => Some(encode_event(*at, fact)?),
        _ => None,
    };
    let succeeded = after.status.state == crate::job::State::Succeeded;
    let left = left.filter(|_| succeeded).cloned().unwrap_or_default();
    let outputs = left.outputs.into_iter().map(|new| OutputWrite::new(&after.spec.project, new, left.most, now));
    let outputs = outputs.collect::<Result<Vec<_>, Error>>()?;
    let refused = left.refused.into_iter().map(|fact| (now, fact)).collect();
    Ok(Change { before: before.clone(), after, bytes, fact, event, output: left.value, outputs, refused })
}
