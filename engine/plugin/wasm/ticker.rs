//! The clock of guests: every 10 ms whoever computes gives way. It ticks only while guests run.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::Engine;

/// How long a guest computes before it gives way to others.
const TICK: Duration = Duration::from_millis(10);

/// A thread that ticks while there is a [`Running`].
pub(super) struct Ticker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    closed: bool,
}

/// A guest that runs; the ticker may rest when it is dropped.
pub(super) struct Running(Arc<Shared>);

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared::default());
        let (engine, of_thread) = (engine.clone(), shared.clone());
        std::thread::Builder::new().name("windlass-tick".into()).spawn(move || tick(&engine, &of_thread))?;
        Ok(Ticker(shared))
    }

    pub(super) fn running(&self) -> Running {
        self.0.change(|state| state.running += 1);
        self.0.wake.notify_one();
        Running(self.0.clone())
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    while !state.closed {
        if state.running == 0 {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(state);
        std::thread::sleep(TICK);
        engine.increment_epoch();
        state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.change(|state| state.running -= 1);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.change(|state| state.closed = true);
        self.0.wake.notify_one();
    }
}
