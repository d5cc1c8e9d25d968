//! The plugin against a Docker Engine whose answers are scripted.

mod lists;
mod logs;
mod observe;
mod options;
mod stop;
mod submit;
mod workless;

use serde_json::{Value, json};
use windlass_plugin::testing::{self, Reply};
use windlass_plugin::{Executor, Observation, Outcome, Phase, Run, Task};

use crate::run::Known;
use crate::{Docker, Options, name};

const IMAGE: &str = "busybox:1";

fn task(options: &Value) -> Task<Options> {
    testing::task(options).unwrap()
}

/// The name of what belongs to the attempt that tests are about.
fn base() -> String {
    name::base("containergroup-", &testing::attempt(1))
}

/// Its handle, with these containers.
fn known(containers: &[&str]) -> Known {
    let base = base();
    let containers = match containers {
        [] => vec![base.clone()],
        several => several.iter().map(|it| format!("{base}-{it}")).collect(),
    };
    Known { base, containers, work: true, stop: None }
}

/// A container in a list.
fn listed(container: Option<&str>, count: usize, state: &str) -> Value {
    let grace = std::time::Duration::from_secs(5);
    let labels = name::labels_of_container(&testing::attempt(1), container, count, grace);
    json!({ "Id": "1", "Names": [format!("/{}", name::container(&base(), container))], "State": state, "Labels": labels })
}

/// What is told of a container that has ended.
fn ended(code: i64, at: &str) -> Value {
    json!({
        "Id": "1",
        "State": { "Status": "exited", "Running": false, "ExitCode": code, "OOMKilled": false, "Error": "",
            "StartedAt": "2026-11-22T08:24:09Z", "FinishedAt": at },
        "Config": { "Labels": {} },
    })
}

/// Has the list of containers be this.
fn lists(containers: Vec<Value>) {
    testing::endpoint("docker").on("GET", "/containers/json", move |_| Reply::json(200, &containers));
}

/// Has a container be this.
fn inspects(container: Option<&str>, told: Value) {
    let path = format!("/containers/{}/json", name::container(&base(), container));
    testing::endpoint("docker").on("GET", &path, move |_| Reply::json(200, &told));
}

/// What the Docker Engine was asked to do, looks left out.
fn done() -> Vec<String> {
    let asked = testing::asked().into_iter().filter(|asked| asked.method != "GET");
    asked.map(|asked| format!("{} {}", asked.method, asked.path.replace(&base(), "BASE"))).collect()
}

fn observe(run: &Run<Known>) -> Observation<Known> {
    Docker::observe(std::slice::from_ref(run), std::time::Duration::ZERO).unwrap().remove(0)
}

fn phase(observation: &Observation<Known>) -> &Phase {
    let Observation::Known(status) = observation else { panic!("{observation:?}") };
    &status.phase
}

fn outcome(observation: &Observation<Known>) -> &Outcome {
    let Phase::Ended(outcome) = phase(observation) else { panic!("{observation:?}") };
    outcome
}
