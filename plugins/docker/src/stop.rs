//! Stops runs and removes them.
//!
//! A stop is written down on the platform before the first signal, as an empty volume: a stop that was cut off and is made
//! again then knows that the run did not end by itself.

use bollard_stubs::models::VolumeCreateRequest;
use windlass_plugin::prelude::*;

use crate::daemon::{self, Killed};
use crate::name;
use crate::run::{Group, Known, Part, Stop, now_ms, polite};

/// How often all that is found of a run is removed.
const MOST_ROUNDS: u32 = 16;

/// Asks a run to stop. What goes on after the grace is killed by `observe`.
pub(crate) fn stop(run: &Run<Known>, grace: Duration) -> Result<Option<Known>> {
    let group = Group::of(&daemon::list(&name::filter_of(&run.attempt))?)?;
    let mut running: Vec<&str> = group.running().collect();
    // What was not started is not to start any more. What has started since the look has its grace like the others.
    for (name, _) in group.parts.iter().filter(|(_, part)| *part == Part::Created) {
        if !daemon::remove_unless_running(name)? {
            running.push(name);
        }
    }
    let known = run.handle.clone().unwrap_or_else(|| group.known(&run.attempt));
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let kill_at_ms = now_ms().saturating_add(grace_ms);
    match known.stop {
        Some(_) if running.is_empty() => Ok(None),
        Some(stop) => {
            let kill_at_ms = stop.kill_at_ms.min(kill_at_ms);
            signal(&running, kill_at_ms <= now_ms())?;
            Ok(Some(Known { stop: Some(Stop { kill_at_ms, ..stop }), ..known }))
        }
        None if group.parts.is_empty() => Ok(None),
        None => {
            let mark = name::stop(&known.base);
            let is_stopped = if running.is_empty() {
                daemon::has_volume(&mark)?
            } else {
                mark_stopped(&run.attempt, &mark)?;
                let is_sent = signal(&running, grace.is_zero())?;
                if !is_sent {
                    // It ended by itself just now.
                    daemon::remove_volume(&mark)?;
                }
                is_sent
            };
            let stop = Stop { asked: true, kill_at_ms };
            Ok(is_stopped.then_some(Known { stop: Some(stop), ..known }))
        }
    }
}

fn mark_stopped(attempt: &Attempt, mark: &str) -> Result<()> {
    let body = VolumeCreateRequest {
        name: Some(mark.to_owned()),
        labels: Some(name::labels(attempt)),
        ..VolumeCreateRequest::default()
    };
    daemon::create_volume(&body)
}

/// Whether any of them was there to take it.
fn signal(running: &[&str], by_force: bool) -> Result<bool> {
    let mut is_sent = false;
    for name in running {
        let killed = if by_force { daemon::kill(name, "SIGKILL")? } else { polite(name)? };
        is_sent |= killed == Killed::Sent;
    }
    Ok(is_sent)
}

/// Removes all that is left of a run.
pub(crate) fn remove(run: &Run<Known>) -> Result<()> {
    let Some(known) = &run.handle else { return remove_found(&run.attempt) };
    for name in &known.containers {
        daemon::remove(name)?;
    }
    if known.work {
        daemon::remove_volume(&name::work(&known.base))?;
    }
    if known.stop.is_some_and(|stop| stop.asked) {
        daemon::remove_volume(&name::stop(&known.base))?;
    }
    Ok(())
}

/// The same for a run of which only the attempt is known. What an earlier life of the engine has asked for just before may
/// be made while this goes on, so it goes on until nothing is found.
fn remove_found(attempt: &Attempt) -> Result<()> {
    let filter = name::filter_of(attempt);
    for _ in 0..MOST_ROUNDS {
        let containers = daemon::list(&filter)?;
        for container in &containers {
            daemon::remove(container.name())?;
        }
        if !containers.is_empty() {
            continue;
        }
        let volumes = daemon::volumes(&filter)?;
        if volumes.is_empty() {
            return Ok(());
        }
        for volume in volumes {
            daemon::remove_volume(&volume.name)?;
        }
    }
    Err(Error::unavailable("there is always more of the run than was just removed"))
}
