//! A run: what is stored of it, what the platform has of it, and how far it is.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use windlass_plugin::prelude::*;

use crate::daemon::{self, Listed};
use crate::end::End;
use crate::options::yes;
use crate::{logs, name};

/// What is needed to find a run again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// What the names of all that belongs to it begin with.
    pub(crate) base: String,
    /// The names of its containers.
    pub(crate) containers: Vec<String>,
    /// Whether it has a `/work`; handles of before there was a choice do not say it.
    #[serde(default = "yes")]
    pub(crate) work: bool,
    pub(crate) stop: Option<Stop>,
}

impl Handle for Known {}

/// A stop that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// Whether the engine has asked for it; otherwise one of several containers has failed.
    pub(crate) asked: bool,
    /// When what still runs is killed, in milliseconds since 1970.
    pub(crate) kill_at_ms: u64,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How far a container is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// It was never started.
    Created,
    Running,
    Ended(End),
}

/// The containers of a run that are on the platform, by name.
pub(crate) struct Group {
    pub(crate) parts: Vec<(String, Part)>,
    /// How many there should be.
    count: usize,
    /// Milliseconds between a polite stop and a forced one.
    grace_ms: u64,
    /// Whether they have a `/work`.
    work: bool,
}

impl Group {
    /// Looks at each that has ended.
    pub(crate) fn of(listed: &[Listed]) -> Result<Group> {
        let mut parts = Vec::new();
        for container in listed {
            let part = match container.state.as_str() {
                "created" => Some(Part::Created),
                "exited" | "dead" | "stopped" => ended(container.name())?,
                // On its way out.
                "removing" => None,
                _ => Some(Part::Running),
            };
            parts.extend(part.map(|part| (container.name().to_owned(), part)));
        }
        let labels = listed.first().map(|container| &container.labels);
        let (count, grace_ms) = labels.map_or((1, 0), |labels| (name::count_of(labels), name::grace_of(labels)));
        let work = labels.is_none_or(name::has_work);
        Ok(Group { parts, count, grace_ms, work })
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|(_, part)| *part == Part::Running).map(|(name, _)| name.as_str())
    }

    fn ends(&self) -> impl Iterator<Item = &End> {
        self.parts.iter().filter_map(|(_, part)| if let Part::Ended(end) = part { Some(end) } else { None })
    }

    /// The end that the others are stopped for.
    fn failure(&self) -> Option<&End> {
        self.ends().filter(|end| !end.is_good()).min_by(|one, other| one.at.cmp(&other.at))
    }

    /// Whether some were not started yet and are to be.
    fn is_half_made(&self, known: Option<&Known>) -> bool {
        let is_stopped = known.and_then(|known| known.stop).is_some_and(|stop| stop.asked);
        let is_created = |(_, part): &(String, Part)| *part == Part::Created;
        !is_stopped && self.failure().is_none() && self.parts.iter().any(is_created)
    }

    /// How far the run is; has what must not go on stopped.
    pub(crate) fn observe(&self, attempt: &Attempt, known: Option<&Known>) -> Result<Observation<Known>> {
        if self.parts.is_empty() {
            return Ok(Observation::Gone);
        }
        if self.is_half_made(known) {
            return Ok(Observation::pending("created"));
        }
        let stop = known.and_then(|known| known.stop);
        if self.running().next().is_some() {
            return self.go_on(attempt, known, stop);
        }
        let end = match (stop, self.failure()) {
            (Some(stop), _) if stop.asked => Outcome::Stopped,
            (_, Some(failure)) => failure.outcome(),
            // Somebody has removed one.
            _ if self.ends().count() < self.count => Outcome::Lost,
            _ => Outcome::Succeeded,
        };
        // All that is left was never started, and never will be.
        if self.ends().next().is_none() {
            return Ok(Observation::Gone);
        }
        Ok(Observation::ended(end))
    }

    fn go_on(&self, attempt: &Attempt, known: Option<&Known>, stop: Option<Stop>) -> Result<Observation<Known>> {
        match stop {
            Some(stop) if now_ms() < stop.kill_at_ms => Ok(Observation::running()),
            Some(_) => {
                for name in self.running() {
                    daemon::kill(name, "SIGKILL")?;
                }
                Ok(Observation::running())
            }
            None if self.failure().is_none() => Ok(Observation::running()),
            None => {
                for name in self.running() {
                    polite(name)?;
                }
                let stop = Stop { asked: false, kill_at_ms: now_ms().saturating_add(self.grace_ms) };
                let known = known.cloned().unwrap_or_else(|| self.known(attempt));
                Ok(Observation::running().with_handle(Known { stop: Some(stop), ..known }))
            }
        }
    }

    /// The handle of a run whose handle is not at hand.
    pub(crate) fn known(&self, attempt: &Attempt) -> Known {
        let containers: Vec<String> = self.parts.iter().map(|(name, _)| name.clone()).collect();
        let suffix = name::base("", attempt);
        let first = containers.first().map(String::as_str).unwrap_or_default();
        // The prefix may be another one than that of today.
        let end = first.find(&suffix).map_or(first.len(), |at| at + suffix.len());
        let base = first.get(..end).unwrap_or(first).to_owned();
        Known { base, containers, work: self.work, stop: None }
    }
}

/// How a container ended; `None` where it is gone by now.
fn ended(name: &str) -> Result<Option<Part>> {
    let Some(inspected) = daemon::inspect(name)? else { return Ok(None) };
    if inspected.state.running == Some(true) {
        return Ok(Some(Part::Running));
    }
    let end = End::of(&inspected.state);
    // With an init the container starts well whatever the command is, and the init says what was wrong with that.
    let refusal = if end.is_of_command() { logs::refused_command(name)? } else { None };
    Ok(Some(Part::Ended(match refusal {
        Some(why) => end.not_started(why),
        None => end,
    })))
}

/// Asks a container to stop, by the signal that it or its image says.
pub(crate) fn polite(name: &str) -> Result<daemon::Killed> {
    let Some(inspected) = daemon::inspect(name)? else { return Ok(daemon::Killed::TooLate) };
    let signal = inspected.config.stop_signal.filter(|signal| !signal.is_empty());
    daemon::kill(name, signal.as_deref().unwrap_or("SIGTERM"))
}
