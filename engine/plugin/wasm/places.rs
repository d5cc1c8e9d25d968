//! The places of calls that are under way at once. Calls that may take long leave one to those that do not: a stop waits for
//! no log.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a call may take by its nature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// It answers at once.
    #[default]
    Quick,
    /// It moves files.
    Moves,
    /// It waits for something to happen.
    Waits,
}

/// Places for so many calls. Where there are three or more, calls that wait leave one to calls that move files, and both
/// together leave one to all others.
pub(super) struct Places {
    all: Semaphore,
    long: Semaphore,
    waiting: Semaphore,
}

/// What a call has taken: a place, and the rights to it.
pub(super) type Taken<'p> = [Option<SemaphorePermit<'p>>; 3];

impl Places {
    pub(super) fn new(count: u32) -> Places {
        let leaving = |left: u32| Semaphore::new(count.saturating_sub(left).max(1) as usize);
        Places { all: leaving(0), long: leaving(1), waiting: leaving(2) }
    }

    /// Waits for a place; it is given back when what is returned is dropped. The semaphores are never closed.
    pub(super) async fn take(&self, pace: Pace) -> Taken<'_> {
        let waiting = if pace == Pace::Waits { self.waiting.acquire().await.ok() } else { None };
        let long = if pace == Pace::Quick { None } else { self.long.acquire().await.ok() };
        [waiting, long, self.all.acquire().await.ok()]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn take(places: &Places, pace: Pace) -> Option<Taken<'_>> {
        tokio::time::timeout(Duration::from_millis(20), places.take(pace)).await.ok()
    }

    #[tokio::test]
    async fn long_calls_leave_a_place_to_others() {
        let places = Places::new(4);
        let mut taken = Vec::new();
        while let Some(place) = take(&places, Pace::Waits).await {
            taken.push(place);
        }
        assert_eq!(taken.len(), 2);
        taken.push(take(&places, Pace::Moves).await.expect("a place for what moves files"));
        assert!(take(&places, Pace::Moves).await.is_none());
        let quick = take(&places, Pace::Quick).await.expect("a place for what is quick");
        assert!(take(&places, Pace::Quick).await.is_none());
        drop(quick);
        assert!(take(&places, Pace::Quick).await.is_some());
        drop(taken);
        assert!(take(&places, Pace::Waits).await.is_some());
    }

    #[tokio::test]
    async fn quick_calls_may_have_all_places_and_a_single_one_serves_all() {
        let places = Places::new(3);
        let quick =
            [take(&places, Pace::Quick).await, take(&places, Pace::Quick).await, take(&places, Pace::Quick).await];
        assert!(quick.iter().all(Option::is_some));
        let single = Places::new(1);
        for pace in [Pace::Waits, Pace::Moves, Pace::Quick] {
            assert!(take(&single, pace).await.is_some(), "{pace:?}");
        }
    }
}
