//! Journeys: whole lives of jobs through the public API.
#![cfg(test)]

mod ends;
mod functions;
mod keeping;
mod lives;
mod model;
mod queues;
mod random;
mod submissions;
mod time;
