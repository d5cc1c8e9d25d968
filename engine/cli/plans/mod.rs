//! `windlass config`, `chain`, `schedule` and `apply`.

mod command;
mod request;
mod show;
mod wire;

pub(super) use command::{ApplyArgs, ChainCommand, ConfigCommand, ScheduleCommand, apply, chain, config, schedule};
pub(super) use request::{PlanReply, PlanRequest, answer};
