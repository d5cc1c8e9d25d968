//! `windlass config`, `chain`, `schedule`, `pipeline` and `apply`.

mod command;
mod files;
mod graph;
mod pipeline;
mod pipeline_wire;
mod request;
mod run_wire;
mod runs;
mod show;
mod wire;

pub(super) use command::{ApplyAllArgs, ChainCommand, ConfigCommand, ScheduleCommand, apply, chain, config, schedule};
pub(super) use pipeline::{PipelineCommand, pipeline};
pub(super) use request::{PlanReply, PlanRequest, answer};
