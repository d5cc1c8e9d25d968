//! Whoever answers a command: the engine this process has opened, or the process that holds the store.

use super::control::Remote;
use super::failure::{FAILED, Failure, STORE};
use super::files::{FileReply, FileRequest};
use super::output_wire::{OutputReply, OutputRequest};
use super::plans::{PlanReply, PlanRequest};
use super::request::{ListRequest, LogPiece, LogsRequest, Reply, Request, answer};
use super::store_dir::{Place, open_to_manage};
use super::wire::{JobDetailWire, JobListWire, JobWire, KeyRotationWire};
use crate::engine::Engine;

/// Where requests go.
pub(super) enum Target {
    /// This process holds the store.
    Own(Engine),
    /// Another one does.
    Remote {
        remote: Remote,
        /// Where to go on when it has ended.
        place: Place,
    },
}

impl Target {
    async fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        let reply = match self {
            Target::Own(engine) => answer(engine, None, request).await?,
            Target::Remote { remote, place } => match remote.ask(&request).await? {
                Some(reply) => reply,
                // The holder has ended, so this process may take its place. Only a question is asked twice: whether a
                // change was made is not known.
                None if request.is_question() => {
                    let place = place.clone();
                    *self = open_to_manage(&place).await?;
                    return Box::pin(self.ask(request)).await;
                }
                None => return Err(Failure::new(STORE, "the process that held the store has ended; ask again")),
            },
        };
        match reply {
            Reply::Failed { code, message } => Err(Failure { code, message }),
            reply => Ok(reply),
        }
    }

    pub(super) async fn list(&mut self, request: ListRequest) -> Result<JobListWire, Failure> {
        match self.ask(Request::List(request)).await? {
            Reply::List(list) => Ok(list),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn get(&mut self, id: &str) -> Result<JobDetailWire, Failure> {
        match self.ask(Request::Get { id: id.to_owned() }).await? {
            Reply::Detail(detail) => Ok(*detail),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn logs(&mut self, request: LogsRequest) -> Result<LogPiece, Failure> {
        match self.ask(Request::Logs(request)).await? {
            Reply::Logs(piece) => Ok(piece),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn cancel(&mut self, id: &str, by: &str) -> Result<JobWire, Failure> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.job(Request::Cancel { id, by }).await
    }

    pub(super) async fn release(&mut self, id: &str) -> Result<JobWire, Failure> {
        self.job(Request::Release { id: id.to_owned() }).await
    }

    pub(super) async fn give_up(&mut self, id: &str, by: &str) -> Result<JobWire, Failure> {
        let (id, by) = (id.to_owned(), by.to_owned());
        self.job(Request::GiveUp { id, by }).await
    }

    async fn job(&mut self, request: Request) -> Result<JobWire, Failure> {
        match self.ask(request).await? {
            Reply::Job(job) => Ok(*job),
            _ => Err(unexpected()),
        }
    }

    /// The id of the new job.
    pub(super) async fn retry(&mut self, id: &str) -> Result<String, Failure> {
        match self.ask(Request::Retry { id: id.to_owned() }).await? {
            Reply::Retried { id } => Ok(id),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn rotate_key(&mut self) -> Result<KeyRotationWire, Failure> {
        match self.ask(Request::RotateKey).await? {
            Reply::KeyRotated(rotation) => Ok(rotation),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn plan(&mut self, request: PlanRequest) -> Result<PlanReply, Failure> {
        match self.ask(Request::Plan(request)).await? {
            Reply::Plan(reply) => Ok(reply),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn file(&mut self, request: FileRequest) -> Result<FileReply, Failure> {
        match self.ask(Request::File(request)).await? {
            Reply::File(reply) => Ok(reply),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn output(&mut self, request: OutputRequest) -> Result<OutputReply, Failure> {
        match self.ask(Request::Output(request)).await? {
            Reply::Output(reply) => Ok(reply),
            _ => Err(unexpected()),
        }
    }

    /// Lets go of the store.
    pub(super) async fn close(self) {
        if let Target::Own(engine) = self {
            engine.shutdown().await;
        }
    }
}

fn unexpected() -> Failure {
    Failure::new(FAILED, "the process that holds the store gave an answer to something else")
}
