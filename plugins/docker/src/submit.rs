//! Starts the containers of an attempt, or finds what an earlier submission has started.

use std::collections::HashMap;

use bollard_stubs::models::{
    ContainerCreateBody, ContainerStateStatusEnum as Status, DeviceRequest, HostConfig, HostConfigLogConfig, Mount,
    MountType, MountVolumeOptions,
};
use windlass_plugin::Variable;
use windlass_plugin::prelude::*;

use crate::daemon::{self, Created};
use crate::inputs::{self, Opened};
use crate::name;
use crate::options::{Gpu, Options, Part, Pull, Resources};
use crate::pull::{self, Credentials};
use crate::run::Known;
use crate::settings::Settings;

pub(crate) const WORK: &str = "/work";
/// A directory in memory, as every program expects one. It counts as memory of the container.
const TMP: (&str, &str) = ("/tmp", "rw,nosuid,nodev,exec,mode=1777");
const NANOS: f64 = 1e9;
/// How often a container is asked for whose name is taken by one that is not there, and how long it waits between two times.
const MOST_TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Everything about one submission.
struct Order<'a> {
    task: &'a Task<Options>,
    settings: Settings,
    base: String,
    credentials: Option<Credentials>,
    parts: Vec<Part>,
}

/// Makes and starts what is not there yet.
pub(crate) fn submit(task: &Task<Options>) -> Result<Known> {
    let order = Order::new(task)?;
    if !task.options.work {
        has_no_inputs()?;
    }
    let mut states = Vec::new();
    for part in &order.parts {
        states.push(order.make(part)?);
    }
    let is_fresh = |state: &Status| *state == Status::CREATED;
    // Where one was started all have what is in `/work`.
    if task.options.work
        && states.iter().all(is_fresh)
        && let Some(part) = order.parts.first()
    {
        daemon::put_archive(&order.container(part), WORK, Opened::new(work::pack()?))?;
    }
    for (part, _) in order.parts.iter().zip(&states).filter(|(_, state)| is_fresh(state)) {
        if let Err(error) = daemon::start(&order.container(part)) {
            return Err(order.clear(error));
        }
    }
    Ok(order.known())
}

/// What nobody would put into a container is not to be dropped without a word.
fn has_no_inputs() -> Result<()> {
    let Some(path) = inputs::first_of_job(work::pack()?)? else { return Ok(()) };
    let problem = format!("it is false, and the work tree of the job has {path:?}");
    Err(Error::invalid(format!(
        "work: {problem}; allowed: true, or a work tree without files and directories of the job"
    )))
}

impl Order<'_> {
    fn new(task: &Task<Options>) -> Result<Order<'_>> {
        let settings = Settings::read()?;
        let base = name::base(&settings.name_prefix, &task.attempt);
        let credentials =
            task.options.registry.as_ref().map(|names| Credentials::of(names, &task.environment)).transpose()?;
        Ok(Order { task, settings, base, credentials, parts: task.options.parts() })
    }

    fn container(&self, part: &Part) -> String {
        name::container(&self.base, part.name.as_deref())
    }

    fn known(&self) -> Known {
        let containers = self.parts.iter().map(|part| self.container(part)).collect();
        Known { base: self.base.clone(), containers, work: self.task.options.work, stop: None }
    }

    /// Makes a container, or finds it; how far it is.
    fn make(&self, part: &Part) -> Result<Status> {
        let (name, body) = (self.container(part), self.body(part));
        if self.task.options.pull == Pull::Always {
            pull::pull(&part.image, self.credentials.as_ref())?;
        }
        for _ in 0..MOST_TRIES {
            match self.create(part, &name, &body)? {
                Created::Made => return Ok(Status::CREATED),
                Created::Taken => {
                    if let Some(state) = self.take(&name)? {
                        return Ok(state);
                    }
                }
                Created::NoImage(error) => return Err(self.no_image(part, error)),
            }
            // Whoever has the name is being made or removed: a request of an earlier life of the engine is still under way.
            std::thread::sleep(PAUSE);
        }
        Err(Error::unavailable(format!("the container {name:?} is still being made or removed")).code("409"))
    }

    /// Asks for a container, and for its image where that is missing and may be pulled.
    fn create(&self, part: &Part, name: &str, body: &ContainerCreateBody) -> Result<Created> {
        match daemon::create(name, body)? {
            Created::NoImage(_) if self.task.options.pull == Pull::Missing => {
                pull::pull(&part.image, self.credentials.as_ref())?;
                daemon::create(name, body)
            }
            created => Ok(created),
        }
    }

    fn no_image(&self, part: &Part, error: Error) -> Error {
        let message = format!("the Docker Engine has no image {:?}", part.image);
        let message = match self.task.options.pull {
            Pull::Never => format!("{message}, and `pull: never` keeps it from getting it"),
            _ => message,
        };
        Error::not_found(message).code(error.code.unwrap_or_default())
    }

    /// The state of the container that has the name, if it belongs to this attempt; nothing where it is not there yet or on
    /// its way out.
    fn take(&self, name: &str) -> Result<Option<Status>> {
        let Some(found) = daemon::inspect(name)? else { return Ok(None) };
        if name::attempt_of(&found.labels()).as_ref() != Some(&self.task.attempt) {
            let message = format!("there is a container {name:?} that is not of this engine: remove or rename it");
            return Err(Error::new(ErrorKind::Conflict, message).code("409"));
        }
        let state = found.state.status.unwrap_or(Status::EMPTY);
        Ok((state != Status::REMOVING).then_some(state))
    }

    /// Removes what was made for a run that cannot be started.
    fn clear(&self, error: Error) -> Error {
        // Whatever goes wrong with that: the engine removes the run once more.
        for part in &self.parts {
            let _ = daemon::remove(&self.container(part));
        }
        if self.task.options.work {
            let _ = daemon::remove_volume(&name::work(&self.base));
        }
        error
    }

    fn body(&self, part: &Part) -> ContainerCreateBody {
        let options = &self.task.options;
        let own =
            name::labels_of_container(&self.task.attempt, part.name.as_deref(), self.parts.len(), self.task.grace);
        let mut labels: HashMap<_, _> = options.labels.clone().into_iter().collect();
        labels.extend(own);
        labels.extend((!options.work).then(name::label_of_no_work));
        ContainerCreateBody {
            image: Some(part.image.clone()),
            cmd: part.command.clone().map(|words| words.0),
            entrypoint: part.entrypoint.clone().map(|words| words.0),
            working_dir: part.workdir.clone(),
            user: part.user.clone(),
            env: Some(self.environment()),
            labels: Some(labels),
            stop_signal: options.stop_signal.clone(),
            host_config: Some(self.host_config(part)),
            ..ContainerCreateBody::default()
        }
    }

    /// What the containers see: not what is for the registry.
    fn environment(&self) -> Vec<String> {
        let registry = self.task.options.registry.as_ref();
        let is_for_registry =
            |it: &Variable| registry.is_some_and(|names| [&names.username, &names.password].contains(&&it.name));
        let variables = self.task.environment.iter().filter(|it| !is_for_registry(it));
        variables.map(|it| format!("{}={}", it.name, it.value)).collect()
    }

    fn host_config(&self, part: &Part) -> HostConfig {
        let (options, defaults) = (&self.task.options, &self.settings.defaults);
        let Resources { cpu, memory, pids, gpu } = part.resources;
        let memory = memory.or(defaults.memory).map(|bytes| bytes.0);
        let mut mounts: Vec<Mount> = options.work.then(|| self.work()).into_iter().collect();
        mounts.extend(options.mounts.iter().map(|mount| Mount {
            typ: Some(MountType::BIND),
            source: Some(mount.source.clone()),
            target: Some(mount.target.clone()),
            read_only: Some(mount.read_only),
            ..Mount::default()
        }));
        let log = [("max-size", self.settings.log_bytes.0.to_string()), ("max-file", "2".to_owned())];
        HostConfig {
            init: Some(options.init),
            network_mode: Some(options.network.clone()),
            readonly_rootfs: Some(options.read_only_root),
            tmpfs: Some([TMP].into_iter().map(|(path, how)| (path.to_owned(), how.to_owned())).collect()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(options.capabilities.clone()),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            mounts: Some(mounts),
            nano_cpus: cpu.or(defaults.cpu).map(nanos),
            memory,
            // Both together: without swap.
            memory_swap: memory,
            pids_limit: Some(pids.unwrap_or(defaults.pids)),
            device_requests: gpu.map(|gpu| vec![devices(gpu)]),
            log_config: Some(HostConfigLogConfig {
                // The one that gives every byte back as it was printed.
                typ: Some("json-file".to_owned()),
                config: Some(log.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            }),
            ..HostConfig::default()
        }
    }

    /// The volume of the attempt; made with the first container.
    fn work(&self) -> Mount {
        Mount {
            typ: Some(MountType::VOLUME),
            source: Some(name::work(&self.base)),
            target: Some(WORK.to_owned()),
            volume_options: Some(MountVolumeOptions {
                no_copy: Some(true),
                labels: Some(name::labels(&self.task.attempt)),
                ..MountVolumeOptions::default()
            }),
            ..Mount::default()
        }
    }
}

/// Checked to be a small number.
#[expect(clippy::cast_possible_truncation, reason = "4096 cores fit")]
fn nanos(cpu: f64) -> i64 {
    (cpu * NANOS).round() as i64
}

fn devices(gpu: Gpu) -> DeviceRequest {
    let count = match gpu {
        Gpu::Count(count) => i64::from(count),
        Gpu::Word(_) => -1,
    };
    DeviceRequest { count: Some(count), capabilities: Some(vec![vec!["gpu".to_owned()]]), ..DeviceRequest::default() }
}
