//! Where news goes after a commit: to the loops, to running attempts, to whoever waits or listens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, oneshot};

use super::attempts::Attempts;
use super::lock;
use super::schedules::Schedules;
use crate::job::{Job, JobEvent, Seq};
use crate::store::{Committed, Listener};

/// The switchboard between the writer and everybody else.
pub(crate) struct Hub {
    /// Work for the dispatcher: a job became ready or a slot free.
    pub(super) dispatch: Notify,
    /// Work for the scheduler: the earliest due time may have changed.
    pub(super) schedule: Notify,
    pub(super) attempts: Attempts,
    /// Schedules wait for the ends of jobs.
    pub(super) schedules: Arc<Schedules>,
    waiters: Mutex<Waiters>,
    events: Mutex<Events>,
    listeners: AtomicUsize,
    runtime: Handle,
}

#[derive(Default)]
struct Waiters {
    by_job: HashMap<Seq, Vec<oneshot::Sender<Job>>>,
    /// Nobody will be told any more.
    closed: bool,
}

#[derive(Default)]
enum Events {
    /// Nobody has subscribed yet.
    #[default]
    Silent,
    Open(broadcast::Sender<JobEvent>),
    Closed,
}

impl Hub {
    /// A hub whose news are delivered by tasks of this runtime.
    pub(crate) fn new(runtime: Handle) -> Hub {
        Hub {
            dispatch: Notify::new(),
            schedule: Notify::new(),
            attempts: Attempts::default(),
            schedules: Arc::default(),
            waiters: Mutex::default(),
            events: Mutex::default(),
            listeners: AtomicUsize::new(0),
            runtime,
        }
    }

    fn tell_waiters(&self, ended: Vec<Job>) {
        let mut waiters = lock(&self.waiters);
        let told: Vec<_> =
            ended.into_iter().map(|job| (waiters.by_job.remove(&job.seq()).unwrap_or_default(), job)).collect();
        drop(waiters);
        let tell = move || {
            for (waiters, job) in told {
                for waiter in waiters {
                    let _ = waiter.send(job.clone());
                }
            }
        };
        self.deliver(Box::new(tell));
    }

    /// Calls back when the job is over; gives up at once when nobody will be told any more. Register first, then
    /// look: a job that ends in between is not missed.
    pub(crate) fn when_over(&self, seq: Seq) -> oneshot::Receiver<Job> {
        let (tell, told) = oneshot::channel();
        let mut waiters = lock(&self.waiters);
        if waiters.closed {
            return told;
        }
        let of_job = waiters.by_job.entry(seq).or_default();
        of_job.retain(|waiter| !waiter.is_closed());
        of_job.push(tell);
        told
    }

    /// Stops waiting for a job that turned out to be over.
    pub(crate) fn forget_waiters(&self, seq: Seq) {
        let mut waiters = lock(&self.waiters);
        if let Some(of_job) = waiters.by_job.get_mut(&seq) {
            of_job.retain(|waiter| !waiter.is_closed());
            if of_job.is_empty() {
                waiters.by_job.remove(&seq);
            }
        }
    }

    /// A listener that gets every event from now on. The backlog is made at the first call, so an engine that
    /// nobody listens to pays nothing.
    pub(crate) fn subscribe(&self, backlog: usize) -> Option<broadcast::Receiver<JobEvent>> {
        let mut events = lock(&self.events);
        if let Events::Silent = *events {
            *events = Events::Open(broadcast::channel(backlog.max(16)).0);
        }
        let Events::Open(sender) = &*events else { return None };
        let receiver = sender.subscribe();
        self.listeners.store(sender.receiver_count(), Ordering::Release);
        Some(receiver)
    }

    /// Tells listeners.
    pub(crate) fn publish(&self, news: impl IntoIterator<Item = JobEvent>) {
        let events = lock(&self.events);
        let Events::Open(sender) = &*events else { return };
        for event in news {
            // An error says that nobody listens any more.
            let _ = sender.send(event);
        }
        self.listeners.store(sender.receiver_count(), Ordering::Release);
    }

    /// No more news: whoever waits gets none.
    pub(crate) fn close(&self) {
        *lock(&self.events) = Events::Closed;
        let mut waiters = lock(&self.waiters);
        waiters.closed = true;
        waiters.by_job.clear();
    }

    /// The names of running attempts and how far they are.
    pub(crate) fn progress(&self, seq: Seq) -> Option<crate::executors::function::Progress> {
        self.attempts.progress(seq)
    }
}

impl Listener for Hub {
    fn wants_events(&self) -> bool {
        self.listeners.load(Ordering::Acquire) > 0
    }

    fn awaits(&self, job: Seq) -> bool {
        lock(&self.waiters).by_job.contains_key(&job)
    }

    fn committed(&self, group: Committed) {
        for seq in &group.stopping {
            self.attempts.stop(*seq);
        }
        if !group.events.is_empty() {
            self.publish(group.events);
        }
        for seq in &group.finished {
            self.attempts.stop(*seq);
        }
        self.schedules.ended(&group.finished);
        if !group.awaited.is_empty() {
            self.tell_waiters(group.awaited);
        }
        if group.ready {
            self.dispatch.notify_one();
        }
        if group.ticks {
            self.schedule.notify_one();
        }
    }

    fn deliver(&self, answers: Box<dyn FnOnce() + Send>) {
        self.runtime.spawn(async move { answers() });
    }

    fn failed(&self, message: &str) {
        tracing::error!(message, "the store has failed; nothing is acknowledged any more");
        self.close();
    }
}
