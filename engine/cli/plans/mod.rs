//! `windlass config`, `chain`, `schedule`, `pipeline` and `apply`.

mod command;
mod pipeline;
mod request;
mod show;
mod wire;

pub(super) use command::{ApplyArgs, ChainCommand, ConfigCommand, ScheduleCommand, apply, chain, config, schedule};
pub(super) use pipeline::{PipelineCommand, pipeline};
pub(super) use request::{PlanReply, PlanRequest, answer};
