//! The conformance suite: through a socket, and from afar with certificates.

use std::path::{Path, PathBuf};

use windlass::config::PluginBounds;
use windlass::plugin::conformance::{ExecutorCases, Report, Subject, Suite, Verdict, run};
use windlass::plugin::{Candidate, EMBEDDED, parse_config};
use windlass_backends::{BUSYBOX, Docker, Door, Setup};

use super::grants;

/// Where compiled code is kept from one run of the suite to the next.
fn store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance")
}

/// The suite with the cases of the plugin itself, on an image that is there.
async fn suite(docker: &Docker, grants: &str) -> Report {
    let cases =
        include_str!("../../../plugins/docker/conformance.toml").replace("\"busybox\"", &format!("\"{BUSYBOX}\""));
    let cases = ExecutorCases::parse(cases.as_bytes()).unwrap();
    assert!(docker.images().contains(&BUSYBOX.to_owned()) && cases.quick.contains(BUSYBOX));
    let embedded = EMBEDDED.iter().find(|it| it.name == "docker").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.wasm");
    std::fs::write(&path, embedded.component).unwrap();
    let candidate = Candidate::read(&path, PluginBounds::default().component_bytes).unwrap();
    let grants = parse_config(grants.as_bytes()).unwrap();
    let subject = Subject::executor(&candidate, grants.plugins.get("docker"), &store()).unwrap();
    run(&subject, &cases, |_| {}).await
}

fn passes(report: &Report) {
    let line = |check: &windlass::plugin::conformance::Check| {
        format!("{} {} {}ms {}\n", check.verdict, check.name, check.ms, check.why)
    };
    let lines: String = report.checks.iter().map(line).collect();
    assert!(report.passed(), "{lines}");
    assert!(report.checks.iter().all(|check| check.verdict != Verdict::Skipped), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_executor_passes() {
    let Some(docker) = Docker::shared() else { return };
    passes(&suite(docker, &grants(docker, "")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_passes_on_an_engine_that_is_reached_with_a_certificate() {
    let Some(docker) = Docker::start(Setup { door: Door::Tls, ..Setup::default() }) else { return };
    let visitor = docker.visitor("windlass");
    let grants = format!(
        "[plugin.docker]\nwork = \"write\"\n[plugin.docker.endpoint.docker]\naddress = \"https://{}\"\n\
         ca = {:?}\nclient_cert = {:?}\nclient_key = {:?}\n",
        docker.address(),
        docker.authority().file(),
        visitor.cert,
        visitor.key,
    );
    passes(&suite(&docker, &grants).await);
}
