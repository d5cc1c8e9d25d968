//! What can be asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde::Serialize;
use tokio::sync::{Mutex, Notify};

use crate::Result;
use crate::archive;
use crate::faults::{Cut, Faults};
use crate::runs::{Made, Run, Runs};
use crate::spec::{Answer, Question, Spec, State};
use crate::supervisor;

/// How often a wait looks at the runs.
const TICK: Duration = Duration::from_millis(10);

/// How often overdue runs are looked for when none is known.
const IDLE: Duration = Duration::from_secs(1);

/// A request.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> u64 {
        self.parameter(name).and_then(|it| it.parse().ok()).unwrap_or_default()
    }

    fn wait_until(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.number("wait").min(3_600_000))
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    /// Of a log: whether this is all of it.
    pub(crate) log_ended: Option<bool>,
}

impl Reply {
    pub(crate) fn message(status: StatusCode, message: &str) -> Reply {
        Reply { status, body: format!("{message}\n").into_bytes(), log_ended: None }
    }

    fn json(status: StatusCode, value: &impl Serialize) -> Result<Reply> {
        Ok(Reply { status, body: serde_json::to_vec(value)?, log_ended: None })
    }

    fn not_found() -> Reply {
        Reply::message(StatusCode::NOT_FOUND, "there is no such run")
    }
}

/// The answers to everything.
pub(crate) struct Routes {
    runs: Runs,
    faults: Arc<Faults>,
    /// Whoever changes a run holds this.
    changes: Mutex<()>,
    /// Some run was asked to stop.
    stopping: Notify,
}

impl Routes {
    pub(crate) fn new(runs: Runs, faults: Arc<Faults>) -> Routes {
        Routes { runs, faults, changes: Mutex::new(()), stopping: Notify::new() }
    }

    pub(crate) async fn reply(&self, asked: Asked) -> Reply {
        let reply = self.route(&asked).await;
        reply.unwrap_or_else(|error| Reply::message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
    }

    /// Kills the runs whose grace is over, also those that a server before this asked to stop.
    pub(crate) async fn kill_the_overdue(&self) -> Result<()> {
        loop {
            let next = {
                let _changing = self.changes.lock().await;
                self.runs.kill_the_overdue()?
            };
            let due = next.map_or(IDLE, |next| next.min(IDLE));
            tokio::select! {
                () = tokio::time::sleep(due) => {}
                () = self.stopping.notified() => {}
            }
        }
    }

    async fn route(&self, asked: &Asked) -> Result<Reply> {
        let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["health"]) => Ok(Reply::message(StatusCode::OK, "well")),
            ("PUT", ["faults"]) => self.set_faults(asked),
            ("GET", ["runs"]) => self.list(asked),
            ("POST", ["runs", "observe"]) => self.observe(asked).await,
            (method, ["runs", name, rest @ ..]) => match self.runs.named(name) {
                None => Ok(Reply::message(StatusCode::BAD_REQUEST, "a name has letters, digits and '-'")),
                Some(run) => self.route_run(asked, method, &run, rest).await,
            },
            _ => Ok(Reply::message(StatusCode::NOT_FOUND, "there is no such place")),
        }
    }

    async fn route_run(&self, asked: &Asked, method: &str, run: &Run, rest: &[&str]) -> Result<Reply> {
        if (method, rest) == ("PUT", &[]) {
            let _changing = self.changes.lock().await;
            return create(asked, run);
        }
        if !run.is_there() {
            return Ok(Reply::not_found());
        }
        match (method, rest) {
            ("GET", []) => state_of(run),
            ("GET", ["log"]) => log(asked, run).await,
            ("GET", ["output"]) => {
                let body = archive::pack(&run.work().join("output"))?;
                Ok(Reply { status: StatusCode::OK, body, log_ended: None })
            }
            ("POST", ["work"]) => {
                let _changing = self.changes.lock().await;
                take_work(asked, run)
            }
            ("POST", ["start"]) => {
                let _changing = self.changes.lock().await;
                start(run)
            }
            ("POST", ["stop"]) => {
                let _changing = self.changes.lock().await;
                let reply = stop(asked, run);
                self.stopping.notify_one();
                reply
            }
            ("DELETE", []) => {
                let _changing = self.changes.lock().await;
                run.remove()?;
                Ok(Reply::message(StatusCode::OK, "removed"))
            }
            _ => Ok(Reply::message(StatusCode::METHOD_NOT_ALLOWED, "that cannot be done with a run")),
        }
    }

    fn set_faults(&self, asked: &Asked) -> Result<Reply> {
        let cuts: Vec<String> = serde_json::from_slice(&asked.body)?;
        let cuts: Vec<Cut> = cuts.iter().map(|cut| cut.parse()).collect::<std::result::Result<_, String>>()?;
        self.faults.replace(cuts);
        Ok(Reply::message(StatusCode::OK, "so be it"))
    }

    fn list(&self, asked: &Asked) -> Result<Reply> {
        let engine = asked.parameter("engine").unwrap_or_default();
        Reply::json(StatusCode::OK, &self.runs.of(engine, asked.parameter("after").unwrap_or_default())?)
    }

    /// Answers when any of the runs is other than the asker knows, or the wait is over.
    async fn observe(&self, asked: &Asked) -> Result<Reply> {
        let question: Question = serde_json::from_slice(&asked.body)?;
        let until = asked.wait_until();
        loop {
            let mut states = Vec::new();
            for known in &question.runs {
                let run = self.runs.named(&known.name);
                states.push(run.map(|run| run.state()).transpose()?.flatten());
            }
            let is_news = question.runs.iter().zip(&states).any(|(known, state)| known.state != *state);
            if is_news || Instant::now() >= until {
                return Reply::json(StatusCode::OK, &Answer { states });
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

fn create(asked: &Asked, run: &Run) -> Result<Reply> {
    let spec: Spec = match serde_json::from_slice(&asked.body) {
        Ok(spec) => spec,
        Err(error) => return Ok(Reply::message(StatusCode::BAD_REQUEST, &error.to_string())),
    };
    if spec.command.is_empty() {
        return Ok(Reply::message(StatusCode::BAD_REQUEST, "the command is empty"));
    }
    let status = match run.make(&spec)? {
        Made::New => StatusCode::CREATED,
        Made::Found => StatusCode::OK,
        Made::Other => return Ok(Reply::message(StatusCode::CONFLICT, "a run of that name is something else")),
    };
    Reply::json(status, &run.state()?)
}

fn state_of(run: &Run) -> Result<Reply> {
    Reply::json(StatusCode::OK, &run.state()?)
}

fn take_work(asked: &Asked, run: &Run) -> Result<Reply> {
    if run.state()? != Some(State::Created) {
        return Ok(Reply::message(StatusCode::CONFLICT, "it was started already"));
    }
    match archive::unpack(&asked.body, &run.work()) {
        Ok(()) => Ok(Reply::message(StatusCode::OK, "taken")),
        Err(error) => Ok(Reply::message(StatusCode::BAD_REQUEST, &error.to_string())),
    }
}

fn start(run: &Run) -> Result<Reply> {
    if run.state()? == Some(State::Created) {
        supervisor::start(run)?;
    }
    state_of(run)
}

fn stop(asked: &Asked, run: &Run) -> Result<Reply> {
    run.stop(Duration::from_millis(asked.number("grace")))?;
    state_of(run)
}

/// Answers when there is something to tell, the run is over, or the wait is.
async fn log(asked: &Asked, run: &Run) -> Result<Reply> {
    let until = asked.wait_until();
    let from = asked.number("from");
    loop {
        // First whether it is over: what it printed before that is there.
        let is_over = matches!(run.state()?, Some(State::Ended(_)) | None);
        let body = crate::log::read(&run.log_path(), from)?;
        let size = std::fs::metadata(run.log_path()).map_or(0, |it| it.len());
        // Of a run that was lost the last frame may never be whole.
        let log_ended = is_over && (body.is_empty() || from.saturating_add(u64::try_from(body.len())?) == size);
        if !body.is_empty() || log_ended || Instant::now() >= until {
            return Ok(Reply { status: StatusCode::OK, body, log_ended: Some(log_ended) });
        }
        tokio::time::sleep(TICK).await;
    }
}
