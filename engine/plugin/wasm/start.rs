//! Where a call of a plugin begins: on the thread of its caller while such calls are short, since handing one over and being
//! woken at its end takes longer than the call does. What is not over by then goes on on the threads of guests.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// A call that has kept its caller's thread for longer should not have had it. Computing for longer than a tick ends there in
/// any case: the guest gives way, and goes on elsewhere.
const SHORT: Duration = Duration::from_millis(1);
/// As many calls of a function begin on the threads of guests after a long one.
const WARY: u32 = 1_000;

/// How a call ended where it began: its answer, or what it panicked with.
pub(super) type Ended<T> = Result<T, Box<dyn Any + Send>>;

/// What is known of the calls of one plugin: by function, how many more begin on the threads of guests.
#[derive(Default)]
pub(super) struct Starts(Mutex<HashMap<&'static str, u32>>);

impl Starts {
    /// Begins a call of a function here, unless such calls were long. What is pending is to be spawned on `threads`, to
    /// which belongs whatever it waits for.
    pub(super) fn begin<T>(
        &self,
        function: &'static str,
        threads: &Handle,
        call: Pin<&mut impl Future<Output = T>>,
    ) -> Poll<Ended<T>> {
        if !self.is_short(function) {
            return Poll::Pending;
        }
        let start = Instant::now();
        let _entered = threads.enter();
        // Whoever spawns it polls it again.
        let mut context = Context::from_waker(Waker::noop());
        let ended = match catch_unwind(AssertUnwindSafe(|| call.poll(&mut context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        };
        if start.elapsed() > SHORT {
            self.lock().insert(function, WARY);
        }
        ended
    }

    fn is_short(&self, function: &'static str) -> bool {
        let mut wary = self.lock();
        let Some(left) = wary.get_mut(function) else { return true };
        *left -= 1;
        if *left == 0 {
            wary.remove(function);
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    /// Where a call that takes a while began, if it did.
    fn begun(starts: &Starts, threads: &Handle, function: &'static str, takes: Duration) -> bool {
        let mut here = false;
        let call = async {
            here = true;
            std::thread::sleep(takes);
        };
        let _ = starts.begin(function, threads, pin!(call));
        here
    }

    #[test]
    fn after_a_long_call_of_a_function_its_calls_begin_elsewhere_for_a_while() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (starts, threads) = (Starts::default(), runtime.handle());
        assert!(begun(&starts, threads, "check", Duration::ZERO));
        assert!(begun(&starts, threads, "observe", 2 * SHORT));
        let elsewhere = (0..2 * WARY).take_while(|_| !begun(&starts, threads, "observe", Duration::ZERO)).count();
        assert_eq!(elsewhere, WARY as usize);
        assert!(begun(&starts, threads, "check", Duration::ZERO), "other functions are not held to it");
    }

    #[test]
    fn what_is_not_over_at_once_goes_on_where_it_is_spawned() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let here = std::thread::current().id();
        let mut call = Box::pin(async move {
            let began = std::thread::current().id();
            tokio::time::sleep(Duration::from_millis(1)).await;
            (began == here, std::thread::current().id() == here)
        });
        // There is no runtime around: it belongs to the one it is spawned on from the beginning.
        assert!(Starts::default().begin("check", runtime.handle(), call.as_mut()).is_pending());
        assert_eq!(runtime.block_on(runtime.spawn(call)).unwrap(), (true, false));
    }

    #[test]
    fn a_panic_is_the_end_of_its_call() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let call = async { panic!("of the host") };
        let ended = Starts::default().begin::<()>("check", runtime.handle(), pin!(call));
        assert!(matches!(ended, Poll::Ready(Err(_))));
    }
}
