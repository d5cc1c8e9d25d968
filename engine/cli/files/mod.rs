//! `windlass files`: the files of projects, put and got by whoever holds the store.

mod command;
mod local;
mod request;
mod transfer;

pub(super) use command::{FilesArgs, files};
pub(super) use request::{FileReply, FileRequest};
pub(super) use transfer::Transfer;
