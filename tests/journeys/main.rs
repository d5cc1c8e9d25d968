//! Journeys: whole lives of jobs through the public API.
#![cfg(test)]

mod lives;
mod model;
mod random;
