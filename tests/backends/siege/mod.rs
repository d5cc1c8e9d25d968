//! Jobs on a Docker Engine when much is asked of both, and when one of them goes away.

mod away;
mod kill;
mod large;
mod many;
mod remote;
mod stage;
