//! The pure core: what a job is, and every decision about it.
//!
//! *Architecture invariant:* nothing here performs IO, reads a clock, draws a random number or awaits.
//! Times, ids and randomness are arguments, so one seed replays a whole engine life.

pub mod after;
pub mod calendar;
pub mod chain;
pub mod config;
pub mod effect;
pub mod embedded;
pub mod event;
pub mod file_path;
pub mod id;
pub mod items;
pub mod limits;
pub mod node;
pub mod options;
pub mod outcome;
pub mod output;
pub mod pipeline;
pub mod query;
pub mod retry;
pub mod schedule;
pub mod spec;
pub(crate) mod spelling;
pub mod status;
pub mod time;
pub mod transfer;
pub mod transition;
pub mod validate;

#[cfg(test)]
mod attempt_laws;
#[cfg(test)]
mod chain_laws;
#[cfg(test)]
mod diagram;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod stories;

pub use after::{After, Before, End, On, Unmet};
pub use calendar::{Calendar, CalendarSpec, DateParts, Rule};
pub use chain::{ChainState, ChainSummary, GraphError};
pub use config::{JobConfig, LinkError};
pub use effect::{Effect, deadline_at, pending_effects};
pub use event::{Event, EventKind, JobEvent, JobFact};
pub use id::{ChainId, JobId, Seq};
pub use items::{Item, ItemCounts, ItemOf, Items};
pub use limits::{JobLimits, OutputLimits, PipelineLimits, ScheduleLimits};
pub use node::{Again, Kept, NodeRun, PipelineRun};
pub use options::{OptionValue, RunOptions};
pub use outcome::{Deadline, Outcome, OutcomeKind, Reason};
pub use output::{OutputId, OutputSchema, OutputType, Violation};
pub use pipeline::{Graph, NodeState, Pipeline, PipelineSpec, ProcessNode, Requirement};
pub use query::{Cursor, Filter, Order};
pub use retry::{Backoff, RetryOn, RetryPolicy};
pub use schedule::{CatchUp, Overlap, OwnSchedule, Owner, Policy, ScheduleSpec, ScheduleState, ScheduleStatus, Target};
pub use spec::{
    Deadlines, Fired, FunctionTask, InputFile, JobSpec, NamedTask, OnCrash, ProcessLimits, ProcessTask, Task,
};
pub use status::{Job, RunHandle, State, Status, Step, StopCause, Stopping, Wait, Waits};
pub use time::Timestamp;
pub use transfer::{Delivery, Fetch, ListedItem, Private, Told};
pub use transition::{Illegal, Verdict, apply};
