//! The checks that every kind of plugin is put to.

pub(super) mod descriptor;
pub(super) mod limits;
pub(super) mod options;
pub(super) mod reach;
