//! A Docker Engine that is reached over TLS, as one on another machine is.

use serde_json::json;
use windlass::files::Layout;
use windlass::job::Reason;
use windlass::{EngineConfig, KeepWork, State};
use windlass_backends::{Authority, Docker, Door, Identity, Setup};

use super::stage::{Stage, grants, is_swept, left, script};

fn at_door(docker: &Docker, visitor: Option<&Identity>) -> String {
    let address = format!("address = \"https://{}\"\nca = {:?}", docker.address(), docker.authority().file());
    let shown = visitor.map(|it| format!("\nclient_cert = {:?}\nclient_key = {:?}", it.cert, it.key));
    grants(&(address + &shown.unwrap_or_default()))
}

fn remote() -> Option<Docker> {
    Docker::start(Setup { door: Door::Tls, ..Setup::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_on_a_remote_engine_prints_and_brings_its_files_home() {
    let Some(docker) = remote() else { return };
    let config = EngineConfig { keep_work: KeepWork::All, ..EngineConfig::default() };
    let stage = Stage::with(&at_door(&docker, Some(&docker.visitor("windlass"))), config).await;
    stage.engine.check_executor("docker").await.unwrap();
    let make = "echo out; echo err >&2; mkdir -p output/a; head -c 30000000 /dev/zero > output/a/zeros; exit 0";
    let id = stage.submit(script(make, &json!({ "workdir": "/work" }))).await;
    assert_eq!(stage.end(id).await, (State::Succeeded, None), "{}", stage.text(id));
    assert_eq!(stage.log(id, Some(windlass::files::LogStream::Stdout)), b"out\n");
    assert_eq!(stage.log(id, Some(windlass::files::LogStream::Stderr)), b"err\n");
    let zeros = Layout::new(stage.dir.path()).work(id, 1).join("output/a/zeros");
    assert_eq!(std::fs::metadata(zeros).unwrap().len(), 30_000_000);
    let id = stage.submit(script("echo up; sleep 1000", &json!({}))).await;
    stage.prints(id, "up\n").await;
    stage.engine.cancel(id, "the test").await.unwrap();
    assert_eq!(stage.end(id).await.0, State::Cancelled);
    is_swept(&docker).await;
    stage.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_engine_that_wants_to_see_a_certificate_says_so() {
    let Some(docker) = remote() else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::new(elsewhere.path()).sign("windlass");
    for (visitor, says) in [(None, "asks for a client certificate"), (Some(&foreign), "refuses the client certificate")]
    {
        let stage = Stage::new(&at_door(&docker, visitor)).await;
        let told = stage.engine.check_executor("docker").await.unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
        let id = stage.submit(script("true", &json!({}))).await;
        let (state, reason) = stage.end(id).await;
        assert!(
            state == State::Failed && reason.as_ref().is_some_and(|it| it.to_string().contains(says)),
            "{reason:?}"
        );
        assert!(!matches!(reason, Some(Reason::ExitCode(_))));
        stage.engine.shutdown().await;
    }
    assert_eq!(left(&docker), Vec::<serde_json::Value>::new());
}
