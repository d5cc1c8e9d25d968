//! What is kept in memory of the live jobs: the order of each queue, the times that are due, who waits for
//! whom. Rebuilt at open from the placements in the live records.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::recent::Recent;
use super::records::Placement;
use crate::job::{Job, Seq, State, Timestamp, effect::next_tick, event::waits_for, spec::DEFAULT_NAME};

/// The order of a queue: a job of priority `p` stands where a job of priority 0 would that entered the queue
/// `p × ageing` earlier. So a higher one goes first, and a low one that has waited long enough overtakes.
type Rank = i64;

/// The index of the live jobs.
#[derive(Debug)]
pub(super) struct Index {
    ageing_ms: u64,
    queues: HashMap<Arc<str>, Queue>,
    ticks: BTreeSet<(Timestamp, Seq)>,
    followers: HashMap<Seq, Vec<Seq>>,
    /// Running and cancelling jobs.
    active: BTreeSet<Seq>,
    live: [u64; State::ALL.len()],
    /// Changes of documents since the store was opened.
    pub(super) documents: u64,
    pub(super) recent: Recent,
}

#[derive(Debug, Default)]
struct Queue {
    ready: BTreeSet<(Rank, Seq)>,
    live: u64,
}

/// Where the index puts a job.
pub(super) fn placement(job: &Job) -> Placement<'_> {
    let queue = job.spec.slots_of();
    Placement {
        queue: (queue != DEFAULT_NAME).then_some(queue.into()),
        state: job.status.state,
        priority: job.spec.priority,
        ready_at: job.status.ready_at,
        tick: next_tick(job),
        after: waits_for(job).into(),
    }
}

impl Index {
    pub(super) fn new(ageing_ms: u64, recent_bytes: usize) -> Self {
        Index {
            ageing_ms,
            queues: HashMap::new(),
            ticks: BTreeSet::new(),
            followers: HashMap::new(),
            active: BTreeSet::new(),
            live: [0; State::ALL.len()],
            documents: 0,
            recent: Recent::new(recent_bytes),
        }
    }

    fn rank(&self, priority: u8, ready_at: Timestamp) -> Rank {
        let head_start = u64::from(priority).saturating_mul(self.ageing_ms);
        (ready_at.as_millis() as i64).saturating_sub(head_start as i64)
    }

    fn count(&mut self, state: State, change: i64) {
        if let Some(count) = self.live.get_mut(state as usize) {
            *count = count.saturating_add_signed(change);
        }
    }

    /// Puts a live job in.
    pub(super) fn insert(&mut self, seq: Seq, at: &Placement<'_>) {
        self.count(at.state, 1);
        let rank = self.rank(at.priority, at.ready_at);
        self.change_queue(at.queue.as_deref(), |queue| {
            queue.live += 1;
            if at.state == State::Queued {
                queue.ready.insert((rank, seq));
            }
        });
        if matches!(at.state, State::Running | State::Cancelling) {
            self.active.insert(seq);
        }
        if let Some(tick) = at.tick {
            self.ticks.insert((tick, seq));
        }
        for before in at.after.iter() {
            let followers = self.followers.entry(*before).or_default();
            if let Err(place) = followers.binary_search(&seq) {
                followers.insert(place, seq);
            }
        }
    }

    /// Takes a live job out; `at` is where it was put.
    pub(super) fn remove(&mut self, seq: Seq, at: &Placement<'_>) {
        self.count(at.state, -1);
        let rank = self.rank(at.priority, at.ready_at);
        self.change_queue(at.queue.as_deref(), |queue| {
            queue.live = queue.live.saturating_sub(1);
            if at.state == State::Queued {
                queue.ready.remove(&(rank, seq));
            }
        });
        if matches!(at.state, State::Running | State::Cancelling) {
            self.active.remove(&seq);
        }
        if let Some(tick) = at.tick {
            self.ticks.remove(&(tick, seq));
        }
    }

    /// The job is over: nobody follows it any more.
    pub(super) fn forget_followers(&mut self, seq: Seq) {
        self.followers.remove(&seq);
    }

    fn change_queue(&mut self, name: Option<&str>, change: impl FnOnce(&mut Queue)) {
        let name = name.unwrap_or(DEFAULT_NAME);
        if let Some(queue) = self.queues.get_mut(name) {
            return change(queue);
        }
        change(self.queues.entry(name.into()).or_default());
    }

    /// Live jobs of a queue.
    pub(super) fn live_in(&self, queue: &str) -> u64 {
        self.queues.get(queue).map_or(0, |queue| queue.live)
    }

    /// The names of the queues that have ready jobs.
    pub(super) fn ready_queues(&self) -> Vec<Arc<str>> {
        let ready = self.queues.iter().filter(|(_, queue)| !queue.ready.is_empty());
        ready.map(|(name, _)| name.clone()).collect()
    }

    /// Takes up to `most` ready jobs off a queue, in its order. Whoever takes them claims them or gives them back.
    pub(super) fn take_ready(&mut self, queue: &str, most: usize) -> Vec<Seq> {
        let Some(queue) = self.queues.get_mut(queue) else { return Vec::new() };
        std::iter::from_fn(|| queue.ready.pop_first()).take(most).map(|(_, seq)| seq).collect()
    }

    /// Gives a taken job back.
    pub(super) fn give_back(&mut self, job: &Job) {
        let rank = self.rank(job.spec.priority, job.status.ready_at);
        self.change_queue(Some(&job.spec.queue), |queue| {
            queue.ready.insert((rank, job.seq()));
        });
    }

    /// The earliest time at which a job is due.
    pub(super) fn first_tick(&self) -> Option<Timestamp> {
        self.ticks.first().map(|(at, _)| *at)
    }

    /// Up to `most` jobs that are due by `now`, earliest first.
    pub(super) fn due(&self, now: Timestamp, most: usize) -> Vec<Seq> {
        self.ticks.range(..=(now, Seq::MAX)).take(most).map(|(_, seq)| *seq).collect()
    }

    /// Whether a job waits for this one.
    pub(super) fn has_followers(&self, seq: Seq) -> bool {
        self.followers.contains_key(&seq)
    }

    /// The jobs that wait for this one, in order.
    pub(super) fn followers(&self, seq: Seq) -> Vec<Seq> {
        self.followers.get(&seq).cloned().unwrap_or_default()
    }

    /// Running and cancelling jobs.
    pub(super) fn active(&self) -> Vec<Seq> {
        self.active.iter().copied().collect()
    }

    /// Live jobs by state, in the order of [`State::ALL`].
    pub(super) fn live(&self) -> [u64; State::ALL.len()] {
        self.live
    }
}
