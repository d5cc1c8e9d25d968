//! Whether options can be run, and whether the operator allows them.

use std::collections::BTreeSet;

use windlass_plugin::prelude::*;

use crate::options::{Gpu, HostMount, MOST_CONTAINERS, Options, Part, Resources};
use crate::reference::{self, Reference};
use crate::settings::{Settings, is_plain_path};

/// What our own labels begin with.
const OUR_LABELS: &str = "windlass.";
const MOST_LABELS: usize = 64;
const MOST_MOUNTS: usize = 32;
/// The least that the Docker Engine takes.
const LEAST_MEMORY: i64 = 6 << 20;
const LEAST_CPU: f64 = 0.01;
const MOST_CPU: f64 = 4_096.0;
const MOST_NAME: usize = 31;
/// The directory of the work tree, as a part of a path.
const WORK: &str = "work";

/// All that is wrong with what a user wrote.
pub(crate) fn problems(options: &Options) -> Vec<Problem> {
    let mut told = Told(Vec::new());
    match Settings::read() {
        Ok(settings) => told.policy(options, &settings),
        Err(error) => told.add("", error.message, "settings that the plugin can read, see its README"),
    }
    told.containers(options);
    if !options.work {
        told.without_work(options);
    }
    told.common(options);
    told.0
}

struct Told(Vec<Problem>);

impl Told {
    fn add(&mut self, field: impl Into<String>, problem: impl Into<String>, allowed: impl Into<String>) {
        self.0.push(Problem { field: field.into(), problem: problem.into(), allowed: allowed.into() });
    }

    fn containers(&mut self, options: &Options) {
        if options.containers.is_empty() {
            if options.image.is_none() {
                return self.add("image", "it is missing", "an image, or a list of containers");
            }
            for part in options.parts() {
                self.part("", &part);
            }
            return;
        }
        for field in options.flat_fields() {
            self.add(field, "it is beside a list of containers", "in each of the containers");
        }
        let count = options.containers.len();
        if count > MOST_CONTAINERS {
            self.add("containers", format!("there are {count}"), format!("1 to {MOST_CONTAINERS}"));
        }
        let mut names = BTreeSet::new();
        for (index, part) in options.containers.iter().enumerate() {
            let field = format!("containers[{index}].");
            self.part(&field, part);
            match &part.name {
                None => self.add(format!("{field}name"), "it is missing", "a name of its own for each container"),
                Some(name) if !is_name(name) => {
                    let allowed = "a lower-case letter, then those, digits and -, up to 31";
                    self.add(format!("{field}name"), format!("{name:?} is no name"), allowed);
                }
                Some(name) if !names.insert(name) => {
                    self.add(format!("{field}name"), format!("{name:?} is there twice"), "each name once");
                }
                Some(_) => {}
            }
        }
    }

    fn part(&mut self, field: &str, part: &Part) {
        if let Err(problem) = Reference::parse(&part.image) {
            self.add(format!("{field}image"), problem, reference::ALLOWED);
        }
        if part.command.as_ref().is_some_and(|words| words.0.is_empty()) {
            self.add(
                format!("{field}command"),
                "it is empty",
                "a program and its arguments; left out for the image's own",
            );
        }
        if let Some(path) = &part.workdir
            && !is_plain_path(path)
        {
            self.add(format!("{field}workdir"), format!("{path:?} is no absolute path"), "a path as /work");
        }
        if let Some(user) = &part.user
            && (user.is_empty() || user.len() > 64 || !user.bytes().all(|it| it.is_ascii_graphic()))
        {
            self.add(format!("{field}user"), format!("{user:?} is no user"), "a name or an id, and :group");
        }
        self.resources(&format!("{field}resources"), &part.resources);
    }

    /// What a job that has no `/work` cannot have.
    fn without_work(&mut self, options: &Options) {
        for (index, part) in options.parts().iter().enumerate() {
            if let Some(path) = part.workdir.as_deref().filter(|path| is_in_work(path)) {
                let field = if options.containers.is_empty() { String::new() } else { format!("containers[{index}].") };
                let problem = format!("{path:?} is in /work, and `work` is false");
                self.add(format!("{field}workdir"), problem, "a directory of the image, or `work: true`");
            }
        }
    }

    fn resources(&mut self, field: &str, resources: &Resources) {
        if let Some(cpu) = resources.cpu
            && !(LEAST_CPU..=MOST_CPU).contains(&cpu)
        {
            self.add(format!("{field}.cpu"), format!("it is {cpu}"), "cores, 0.01 to 4096");
        }
        if let Some(memory) = resources.memory
            && memory.0 < LEAST_MEMORY
        {
            self.add(format!("{field}.memory"), format!("it is {} bytes", memory.0), "6MiB or more");
        }
        if let Some(pids) = resources.pids
            && !(1..=4_194_304).contains(&pids)
        {
            self.add(format!("{field}.pids"), format!("it is {pids}"), "1 to 4194304");
        }
        if resources.gpu == Some(Gpu::Count(0)) {
            self.add(format!("{field}.gpu"), "it is 0", "1 or more, or all; left out for none");
        }
    }

    fn common(&mut self, options: &Options) {
        if options.labels.len() > MOST_LABELS {
            self.add("labels", format!("there are {}", options.labels.len()), format!("at most {MOST_LABELS}"));
        }
        for label in options.labels.keys().filter(|label| label.is_empty() || label.starts_with(OUR_LABELS)) {
            let allowed = "names that do not begin with windlass.";
            self.add(format!("labels.{label}"), "this name is not for jobs", allowed);
        }
        if let Some(signal) = &options.stop_signal
            && !is_signal(signal)
        {
            let allowed = "a name as SIGTERM or a number from 1 to 64";
            self.add("stop_signal", format!("{signal:?} is no signal"), allowed);
        }
        if options.mounts.len() > MOST_MOUNTS {
            self.add("mounts", format!("there are {}", options.mounts.len()), format!("at most {MOST_MOUNTS}"));
        }
        if let Some(registry) = &options.registry {
            for (field, name) in [("username", &registry.username), ("password", &registry.password)] {
                if name.is_empty() {
                    self.add(format!("registry.{field}"), "it is empty", "the name of a run option");
                }
            }
        }
    }

    /// What the operator has to allow.
    fn policy(&mut self, options: &Options, settings: &Settings) {
        if !settings.networks.contains(&options.network) {
            let allowed = settings.networks.join(", ");
            let problem = format!("the operator does not allow {:?}", options.network);
            self.add("network", problem, format!("one of: {allowed}; see `networks` in the settings of the plugin"));
        }
        for (index, capability) in options.capabilities.iter().enumerate() {
            if !settings.capabilities.contains(capability) {
                let allowed = format!("of these: [{}]", settings.capabilities.join(", "));
                let problem = format!("the operator does not allow {capability:?}");
                self.add(format!("capabilities[{index}]"), problem, allowed);
            }
        }
        for (index, mount) in options.mounts.iter().enumerate() {
            self.mount(&format!("mounts[{index}]"), mount, settings);
        }
    }

    fn mount(&mut self, field: &str, mount: &HostMount, settings: &Settings) {
        let HostMount { source, target, read_only } = mount;
        if !is_plain_path(source) {
            let allowed = "an absolute path without . and ..";
            self.add(format!("{field}.source"), format!("{source:?} is none"), allowed);
        } else if !settings.allows_mount(source, !read_only) {
            let word = if *read_only { "read" } else { "write" };
            let allowed = "what `mounts` in the settings of the plugin names";
            let problem = format!("the operator does not allow jobs to {word} {source:?}");
            self.add(format!("{field}.source"), problem, allowed);
        }
        if !is_plain_path(target) || target.trim_end_matches('/').is_empty() || is_in_work(target) {
            let allowed = "an absolute path without . and .., not / and not in /work";
            self.add(format!("{field}.target"), format!("{target:?} is none"), allowed);
        }
    }
}

/// Whether a path leads into `/work`, however many slashes it has.
fn is_in_work(path: &str) -> bool {
    path.split('/').find(|part| !part.is_empty()) == Some(WORK)
}

/// What can stand at the end of the name of a container. It does not begin with a digit, as the number of an attempt does.
fn is_name(name: &str) -> bool {
    name.len() <= MOST_NAME
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
}

fn is_signal(signal: &str) -> bool {
    match signal.parse::<u8>() {
        Ok(number) => (1..=64).contains(&number),
        Err(_) => signal.strip_prefix("SIG").is_some_and(|name| {
            !name.is_empty()
                && name.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || b"+-".contains(&it))
        }),
    }
}
