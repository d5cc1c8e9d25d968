//! `windlass serve`: runs the jobs of the store and fires its schedules until it is told to end.

use tokio::signal::unix::{SignalKind, signal};

use super::control::ControlServer;
use super::failure::Failure;
use super::output::note;
use super::store_dir::{Place, open_to_run};

/// Runs the command. A first SIGINT or SIGTERM ends it orderly: functions and programs in the sandbox have their grace
/// time, processes and runs on platforms go on and are found again.
pub(super) async fn serve(place: &Place) -> Result<u8, Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let engine = open_to_run(place).await?;
    let control = ControlServer::start(place, engine.clone())?;
    note(&format!("windlass: runs the jobs and schedules of {}", place.dir().display()));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = failed(&engine) => {}
    }
    let failure = engine.failure();
    // The socket goes first: once the store is free it may be another process's.
    drop(control);
    engine.shutdown().await;
    match failure {
        Some(text) => Err(Failure::new(super::failure::STORE, text)),
        None => Ok(0),
    }
}

/// Returns when the store acknowledges nothing any more.
async fn failed(engine: &crate::engine::Engine) {
    let mut events = engine.subscribe();
    while events.next().await.is_some() {}
}
