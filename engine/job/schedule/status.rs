//! How a schedule stands: what is stored of it beside what was asked for.

use serde::{Deserialize, Serialize};

use super::state::{Decision, Look, ScheduleState, SkipReason, Skipped};
use crate::error::bounded;
use crate::job::id::Seq;
use crate::job::time::Timestamp;

/// Skips that are remembered.
const SKIPS_KEPT: usize = 20;
/// Bytes of a message that are kept.
const MESSAGE_BYTES: usize = 1_024;

/// How a schedule stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// Goes up with every change.
    pub rev: u32,
    /// Where it belongs.
    pub project: String,
    /// What it is called.
    pub name: String,
    /// What is decided of its nominal times.
    pub state: ScheduleState,
    /// Its fires that were not over when it was last looked at.
    pub under_way: Vec<UnderWay>,
    /// When to look at it again; `None`: when nothing but time passes, never.
    pub again: Option<Timestamp>,
    /// How often it has fired.
    pub fired: u64,
    /// How many nominal times were skipped.
    pub skipped: u64,
    /// The latest of them, the last one last.
    pub skips: Vec<Skipped>,
    /// Why a fire was refused, the last time that one was.
    pub trouble: Option<Trouble>,
}

/// The jobs of a fire: consecutive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// The first.
    pub first: Seq,
    /// How many.
    pub count: u32,
}

/// A fire that made no job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The nominal time of the fire.
    pub nominal: Timestamp,
    /// Why there is no job of it.
    pub message: String,
}

impl ScheduleStatus {
    /// A schedule that is made now.
    pub fn new(seq: Seq, project: &str, name: &str, now: Timestamp) -> Self {
        ScheduleStatus {
            rev: 0,
            project: project.to_owned(),
            name: name.to_owned(),
            state: ScheduleState::new(seq, now),
            under_way: Vec::new(),
            again: Some(now),
            fired: 0,
            skipped: 0,
            skips: Vec::new(),
            trouble: None,
        }
    }

    /// The same when these fires are known to be over.
    #[must_use]
    pub fn with_under_way(mut self, under_way: Vec<UnderWay>) -> Self {
        self.state.running = u32::try_from(under_way.len()).unwrap_or(u32::MAX);
        self.under_way = under_way;
        self
    }

    /// The same when what a look found is stored. `begun` are the jobs of the fires, and `refused` those fires of which
    /// there are none.
    #[must_use]
    pub fn after(self, look: &Look, begun: &[UnderWay], refused: &[Trouble]) -> Self {
        let ScheduleStatus { mut under_way, mut skips, mut skipped, .. } = self;
        under_way.extend(begun);
        let found = look.decisions.iter().filter_map(|decision| match decision {
            Decision::Skip(skip) => Some(*skip),
            Decision::Fire(_) | Decision::Wait(_) => None,
        });
        let refusals = refused.iter().map(|it| Skipped {
            first: it.nominal,
            last: it.nominal,
            count: 1,
            reason: SkipReason::Refused,
        });
        for skip in found.chain(refusals) {
            skipped += skip.count;
            skips.push(skip);
        }
        skips.drain(..skips.len().saturating_sub(SKIPS_KEPT));
        let refusal = refused
            .last()
            .map(|it| Trouble { nominal: it.nominal, message: bounded(it.message.clone(), MESSAGE_BYTES) });
        let status = ScheduleStatus {
            rev: self.rev.wrapping_add(1),
            project: self.project,
            name: self.name,
            state: ScheduleState { decided: look.decided, waiting: look.waiting.clone(), ..self.state },
            under_way: Vec::new(),
            again: look.again,
            fired: self.fired + begun.len() as u64,
            skipped,
            skips,
            trouble: refusal.or(self.trouble),
        };
        status.with_under_way(under_way)
    }
}
