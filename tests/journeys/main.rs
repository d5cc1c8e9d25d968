//! Journeys: whole lives of jobs through the public API.
#![cfg(test)]

mod configs;
mod documents;
mod ends;
mod functions;
mod idle;
mod keeping;
mod lives;
mod lost;
mod model;
mod odd;
mod owned;
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
