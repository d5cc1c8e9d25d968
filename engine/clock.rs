//! The time of the engine: the system's, or one that a test moves by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use crate::job::Timestamp;

/// Where the engine takes the time from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Mutex<Manual>>),
}

#[derive(Debug)]
struct Manual {
    now: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    next_sleeper: u64,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::advance_to`] moves it, or [`Clock::set_back_to`].
    pub fn manual(start: Timestamp) -> Clock {
        let manual = Manual { now: start, sleepers: BTreeMap::new(), next_sleeper: 0 };
        Clock(Source::Manual(Arc::new(Mutex::new(manual))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(since_epoch.as_millis() as u64)
            }
            Source::Manual(manual) => lock(manual).now,
        }
    }

    /// Returns at `deadline` or, where it has passed, at once.
    ///
    /// The system's clock may be set back or forward and the machine may sleep: callers look at
    /// [`Clock::now`] again and sleep again when they woke too early. A single sleep is a day at most, so a
    /// step of the clock is noticed within a day even by a sleeper that waits for next year.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        match &self.0 {
            Source::System => {
                let millis = deadline.millis_since(self.now()).min(86_400_000);
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            Source::Manual(manual) => {
                let Some(sleep) = lock(manual).sleep(deadline) else {
                    return;
                };
                // The sender is dropped only with the clock itself, and then nobody is left to wake.
                let _ = sleep.await;
            }
        }
    }

    /// Returns at `deadline`, or after `most_ms` by the system's clock: whoever must notice soon that the clock was set
    /// looks again that often. A manual clock wakes its sleepers when it is set forward.
    pub async fn nap_until(&self, deadline: Timestamp, most_ms: u64) {
        let deadline = match self.0 {
            Source::System => deadline.min(self.now().plus_millis(most_ms)),
            Source::Manual(_) => deadline,
        };
        self.sleep_until(deadline).await;
    }

    /// Returns after this many milliseconds.
    pub async fn sleep(&self, millis: u64) {
        self.sleep_until(self.now().plus_millis(millis)).await;
    }

    /// Moves a manual clock to `to` and wakes everybody who sleeps until then; never backwards. The system's
    /// clock is left alone.
    pub fn advance_to(&self, to: Timestamp) {
        let Source::Manual(manual) = &self.0 else {
            return;
        };
        let woken = lock(manual).advance_to(to);
        for sleeper in woken {
            let _ = sleeper.send(());
        }
    }

    /// Sets a manual clock back to `to`; never forward. Nobody is woken: whoever sleeps until a time sleeps longer. The
    /// system's clock is left alone.
    pub fn set_back_to(&self, to: Timestamp) {
        if let Source::Manual(manual) = &self.0 {
            let mut manual = lock(manual);
            manual.now = manual.now.min(to);
        }
    }

    /// The earliest time that somebody sleeps until, on a manual clock.
    pub fn next_wake(&self) -> Option<Timestamp> {
        match &self.0 {
            Source::System => None,
            Source::Manual(manual) => {
                let mut manual = lock(manual);
                manual.sleepers.retain(|_, sleeper| !sleeper.is_closed());
                manual.sleepers.keys().next().map(|(at, _)| *at)
            }
        }
    }
}

impl Manual {
    fn sleep(&mut self, deadline: Timestamp) -> Option<oneshot::Receiver<()>> {
        if deadline <= self.now {
            return None;
        }
        let (wake, sleep) = oneshot::channel();
        self.sleepers.insert((deadline, self.next_sleeper), wake);
        self.next_sleeper += 1;
        Some(sleep)
    }

    fn advance_to(&mut self, to: Timestamp) -> Vec<oneshot::Sender<()>> {
        self.now = self.now.max(to);
        let later = self.sleepers.split_off(&(self.now.plus_millis(1), 0));
        std::mem::replace(&mut self.sleepers, later).into_values().collect()
    }
}

fn lock(manual: &Mutex<Manual>) -> MutexGuard<'_, Manual> {
    manual.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_in_time() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(500).await }
        });
        while clock.next_wake().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.next_wake(), Some(Timestamp::from_millis(1_500)));
        clock.advance_to(Timestamp::from_millis(1_499));
        assert!(!sleeper.is_finished());
        clock.advance_to(Timestamp::from_millis(1_500));
        sleeper.await.unwrap();
        clock.sleep_until(Timestamp::from_millis(1)).await;
    }
}
