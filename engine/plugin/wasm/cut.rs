//! Cutting a call off at one of its steps, as an engine that goes down in the middle of it does. A step is what is seen
//! outside of the guest: a request, a checkpoint, a piece of a log.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

/// On which side of a step a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It does not happen.
    Before,
    /// It has happened, and the guest is not told.
    After,
}

/// Counts the steps of calls, and ends one of them at one.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// The first step is 0.
    at: Option<(u32, Side)>,
    steps: AtomicU32,
    reached: AtomicBool,
    wakes: Notify,
}

impl Cut {
    /// Only counts.
    pub(crate) fn never() -> Arc<Cut> {
        Arc::new(Cut::default())
    }

    /// Ends the call at this step; the first one is 0.
    pub(crate) fn at(step: u32, side: Side) -> Arc<Cut> {
        Arc::new(Cut { at: Some((step, side)), ..Cut::default() })
    }

    /// How many steps there were, the one included at which the call was ended.
    pub(crate) fn steps(&self) -> u32 {
        self.steps.load(Ordering::Acquire)
    }

    /// Whether the call came as far as that.
    pub(crate) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Acquire)
    }

    /// Returns when the call is to end.
    async fn reaches(&self) {
        // The permit of a notification that came before is kept.
        self.wakes.notified().await;
    }

    /// Has the call end. The guest waits until it is dropped.
    async fn ends<T>(&self) -> T {
        self.reached.store(true, Ordering::Release);
        self.wakes.notify_one();
        pending().await
    }

    async fn around<T>(&self, step: impl Future<Output = T>) -> T {
        let number = self.steps.fetch_add(1, Ordering::AcqRel);
        if self.at == Some((number, Side::Before)) {
            return self.ends().await;
        }
        let done = step.await;
        if self.at == Some((number, Side::After)) {
            return self.ends().await;
        }
        done
    }
}

/// Makes a step of a call that may be cut off there.
pub(super) async fn step<T>(cut: Option<&Cut>, step: impl Future<Output = T>) -> T {
    match cut {
        Some(cut) => cut.around(step).await,
        None => step.await,
    }
}

/// Returns when a call is to end; never for one that is not cut off.
pub(super) async fn cut_off(cut: Option<&Cut>) {
    match cut {
        Some(cut) => cut.reaches().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that happened until the call ended.
    async fn steps(cut: &Cut) -> Vec<u32> {
        let done = std::sync::Mutex::new(Vec::new());
        let all = async {
            for number in 0..3 {
                step(Some(cut), async { done.lock().unwrap().push(number) }).await;
            }
        };
        tokio::select! {
            () = all => {}
            () = cut_off(Some(cut)) => {}
        }
        done.into_inner().unwrap()
    }

    #[tokio::test]
    async fn a_call_ends_before_or_after_a_step() {
        for (cut, done, counted) in [
            (Cut::at(0, Side::Before), vec![], 1),
            (Cut::at(0, Side::After), vec![0], 1),
            (Cut::at(2, Side::Before), vec![0, 1], 3),
            (Cut::at(2, Side::After), vec![0, 1, 2], 3),
            (Cut::at(3, Side::Before), vec![0, 1, 2], 3),
            (Cut::never(), vec![0, 1, 2], 3),
        ] {
            assert_eq!((steps(&cut).await, cut.steps()), (done, counted), "{cut:?}");
            assert_eq!(cut.was_reached(), cut.at.is_some_and(|(step, _)| step < 3), "{cut:?}");
        }
    }
}
