//! The Docker Engine: what it is asked and what it tells.
//!
//! Paths bear no version of the API: the engine then speaks its newest one, and what is asked here has been in it since
//! 1.41. With a version newer engines refuse the old and older ones the new.

use std::io::{BufReader, Read};

use bollard_stubs::models::{
    ContainerConfig, ContainerCreateBody, ContainerCreateResponse, ContainerState, VolumeCreateRequest,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use windlass_plugin::http::{Endpoint, Response, escape};
use windlass_plugin::prelude::*;

use crate::name::Labels;
use crate::refusal::explained;

/// Bytes of a list: some tens of thousands of containers.
const MOST_LIST_BYTES: u64 = 256 << 20;
/// How often a removal that is under way already is looked at, and how long it waits between two looks.
const MOST_LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(50);

/// A container in a list. The models of all its fields would cost more than the list itself: a look at thousands of runs
/// needs four of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    pub(crate) names: Vec<String>,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) labels: Labels,
}

impl Listed {
    /// Its name, which is written with a slash before it.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map(|name| name.trim_start_matches('/')).unwrap_or_default()
    }
}

/// A volume in a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedVolume {
    pub(crate) name: String,
    pub(crate) labels: Option<Labels>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volumes {
    volumes: Option<Vec<ListedVolume>>,
}

/// One container, as far as it matters.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspected {
    pub(crate) state: ContainerState,
    pub(crate) config: ContainerConfig,
}

impl Inspected {
    pub(crate) fn labels(&self) -> Labels {
        self.config.labels.clone().unwrap_or_default().into_iter().collect()
    }
}

/// What became of a request to make a container.
pub(crate) enum Created {
    Made,
    /// The name is taken.
    Taken,
    NoImage(Error),
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Killed {
    Sent,
    /// It does not run.
    TooLate,
}

pub(crate) fn docker() -> Endpoint {
    http::endpoint("docker")
}

fn path(name: &str, rest: &str) -> String {
    format!("/containers/{}{rest}", escape(name))
}

/// The answer if it says yes.
fn ok(answer: Response) -> Result<Response> {
    answer.ok().map_err(explained)
}

/// The answer, or nothing where there is no such thing.
fn found(answer: Response) -> Result<Option<Response>> {
    answer.found().map_err(explained)
}

/// Reads a list as it comes, without keeping its text.
fn read<T: DeserializeOwned>(answer: Response) -> Result<T> {
    let text = BufReader::with_capacity(64 << 10, answer.body().take(MOST_LIST_BYTES));
    serde_json::from_reader(text).map_err(|error| {
        if error.is_io() {
            return Error::from(std::io::Error::from(error));
        }
        Error::internal(format!("the list of the Docker Engine is not what was expected: {error}"))
            .retry(Retry::Backoff)
    })
}

/// The containers that a filter lets through, the ended ones included.
pub(crate) fn list(filter: &str) -> Result<Vec<Listed>> {
    read(ok(docker().get("/containers/json").query("all", true).query("filters", filter).send()?)?)
}

/// The volumes that a filter lets through.
pub(crate) fn volumes(filter: &str) -> Result<Vec<ListedVolume>> {
    let volumes: Volumes = read(ok(docker().get("/volumes").query("filters", filter).send()?)?)?;
    Ok(volumes.volumes.unwrap_or_default())
}

pub(crate) fn inspect(name: &str) -> Result<Option<Inspected>> {
    found(docker().get(path(name, "/json")).send()?)?.map(Response::json).transpose()
}

pub(crate) fn create(name: &str, body: &ContainerCreateBody) -> Result<Created> {
    let answer = docker().post("/containers/create").query("name", name).json(body)?.send()?;
    match answer.status {
        404 => {
            let Err(error) = answer.ok() else { return Err(Error::internal("404 is a success")) };
            let is_image = error.message.contains("No such image") || error.message.contains("image not known");
            if is_image { Ok(Created::NoImage(error)) } else { Err(explained(error)) }
        }
        409 => Ok(Created::Taken),
        _ => {
            let made: ContainerCreateResponse = ok(answer)?.json()?;
            for warning in &made.warnings {
                host::log(host::Level::Warn, &format!("{name}: {warning}"));
            }
            Ok(Created::Made)
        }
    }
}

/// Starts a container; one that runs already is fine.
pub(crate) fn start(name: &str) -> Result<()> {
    let answer = docker().post(path(name, "/start")).send()?;
    match answer.status {
        304 => Ok(()),
        404 => {
            let Err(error) = answer.ok() else { return Ok(()) };
            // The text of a missing command has this status on some engines.
            if error.message.contains("No such container") {
                let message = "the container was removed before it was started";
                return Err(Error::new(ErrorKind::Cancelled, message).code("404"));
            }
            Err(explained(error))
        }
        _ => ok(answer).map(|_| ()),
    }
}

pub(crate) fn kill(name: &str, signal: &str) -> Result<Killed> {
    let answer = docker().post(path(name, "/kill")).query("signal", signal).send()?;
    match answer.status {
        404 | 409 => Ok(Killed::TooLate),
        // Engines of before 1.41 said so with this status.
        500 => match answer.ok() {
            Err(error) if error.message.contains("is not running") => Ok(Killed::TooLate),
            other => other.map_err(explained).map(|_| Killed::Sent),
        },
        _ => ok(answer).map(|_| Killed::Sent),
    }
}

/// Removes a container, also one that runs; returns when it is gone.
pub(crate) fn remove(name: &str) -> Result<()> {
    gone(|| docker().delete(path(name, "")).query("force", true).query("v", true).send())
}

/// Removes a container unless it runs; whether it is gone.
pub(crate) fn remove_unless_running(name: &str) -> Result<bool> {
    for look in 1.. {
        let answer = docker().delete(path(name, "")).query("v", true).send()?;
        if answer.status != 409 {
            return found(answer).map(|_| true);
        }
        let Err(error) = answer.ok() else { return Ok(true) };
        if !error.message.contains("already in progress") {
            return Ok(false);
        }
        if look == MOST_LOOKS {
            return Err(error.retry(Retry::Backoff));
        }
        std::thread::sleep(LOOK);
    }
    Ok(true)
}

/// Removes a volume; returns when it is gone.
pub(crate) fn remove_volume(name: &str) -> Result<()> {
    gone(|| docker().delete(format!("/volumes/{}", escape(name))).query("force", true).send())
}

/// Asks until it is not there. A conflict is another removal under way, or a container that is not quite gone.
fn gone(ask: impl Fn() -> Result<Response>) -> Result<()> {
    for look in 1.. {
        let answer = ask()?;
        if answer.status != 409 {
            return found(answer).map(|_| ());
        }
        if look == MOST_LOOKS {
            return ok(answer).map(|_| ()).map_err(|error| error.retry(Retry::Backoff));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Makes a volume, or finds it.
pub(crate) fn create_volume(body: &VolumeCreateRequest) -> Result<()> {
    ok(docker().post("/volumes/create").json(body)?.send()?).map(|_| ())
}

pub(crate) fn has_volume(name: &str) -> Result<bool> {
    Ok(found(docker().get(format!("/volumes/{}", escape(name))).send()?)?.is_some())
}

/// Puts an archive into a directory of a container.
pub(crate) fn put_archive(name: &str, directory: &str, archive: impl Read + 'static) -> Result<()> {
    let request = docker().put(path(name, "/archive")).query("path", directory);
    ok(request.header("content-type", "application/x-tar").stream(archive).send()?).map(|_| ())
}

/// The content of a directory of a container as an archive; nothing where it is not there.
pub(crate) fn get_archive(name: &str, directory: &str) -> Result<Option<Response>> {
    let answer = docker().get(path(name, "/archive")).query("path", format!("{directory}/.")).send()?;
    if answer.status == 404 {
        let Err(error) = answer.ok() else { return Ok(None) };
        return if error.message.contains("No such container") { Err(error) } else { Ok(None) };
    }
    ok(answer).map(Some)
}
