//! Faults are over: everything that can still run comes to its end.

use windlass::job::{Filter, Order, Outcome};
use windlass::{Engine, JobView, State};

use crate::stage::Stage;
use crate::world::Work;

/// Rounds after which whatever is still live hangs. The longest job of a story needs a handful.
const ROUNDS: usize = 40;

pub(crate) fn all_jobs(engine: &Engine) -> Vec<JobView> {
    let filter = Filter { order: Order::OldestFirst, ..Filter::default() };
    let (mut jobs, mut cursor) = (Vec::new(), None);
    loop {
        let page = engine.list(&filter, cursor, 1_000).unwrap();
        jobs.extend(page.jobs);
        cursor = page.next;
        if cursor.is_none() {
            return jobs;
        }
    }
}

impl Stage {
    /// Ends every run on the platform as its job says.
    pub(crate) fn end_runs(&self) {
        for attempt in self.world.platform().running() {
            let order = self.world.platform().order(attempt).unwrap();
            let spec = windlass::JobSpec::new(order.task);
            let fails = Work::of(&spec).unwrap().fails;
            let failed = attempt.attempt <= fails;
            self.world.end(attempt, if failed { Outcome::Exit { code: 7 } } else { Outcome::Succeeded });
        }
    }

    /// Runs until nothing is live any more.
    pub(crate) async fn drain(&self) {
        for _ in 0..ROUNDS {
            self.settle().await;
            self.end_runs();
            self.settle().await;
            let live = self.engine.stats().unwrap().live;
            if live.iter().sum::<u64>() == 0 {
                return;
            }
            if live[State::Waiting as usize] > 0 {
                let waiting = Filter { states: vec![State::Waiting], ..Filter::default() };
                for job in self.engine.list(&waiting, None, 1_000).unwrap().jobs {
                    if job.job.status.waits.held {
                        self.engine.release(job.job.id).await.unwrap();
                    }
                }
            }
            self.engine.advance(60_000).await;
        }
        let stuck: Vec<_> = all_jobs(&self.engine).into_iter().filter(|job| !job.state().is_final()).collect();
        panic!("these jobs never end: {stuck:#?}");
    }
}
