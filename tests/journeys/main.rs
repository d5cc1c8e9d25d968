//! Journeys: whole lives of jobs through the public API.
#![cfg(test)]

mod configs;
mod data_nodes;
mod documents;
mod ends;
mod files;
mod functions;
mod graphs;
mod idle;
mod items;
mod keeping;
mod lives;
mod lost;
mod model;
mod odd;
mod outputs;
mod owned;
mod pipelines;
mod platform_faults;
mod platforms;
mod processes;
mod queues;
mod random;
mod schedules;
mod secrets;
mod stops;
mod submissions;
mod time;
mod transfers;
mod uploads;
