//! Journeys: whole lives of jobs through the public API.

mod lives;
