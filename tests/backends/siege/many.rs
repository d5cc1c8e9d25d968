//! Many containers at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass::files::Layout;
use windlass::job::Reason;
use windlass::{EngineConfig, KeepWork, State};
use windlass_backends::{Docker, Setup};

use super::stage::{Stage, at_socket, is_swept, script, within};

/// Containers that run at the same moment.
const MANY: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_containers_run_at_once_and_each_ends_as_its_own() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    let config = EngineConfig { default_slots: MANY, keep_work: KeepWork::All, ..EngineConfig::default() };
    let stage = Stage::with(&at_socket(&docker), config).await;
    let events = docker.events();
    // Each waits for a signal, and so all of them are there together.
    let specs = (0..MANY).map(|number| {
        let code = number % 4;
        let wait = format!("trap 'echo bye {number}; echo {number} > /work/output/n; exit {code}' USR1; echo up {number}; while :; do sleep 0.1; done");
        script(&wait, &json!({ "init": false }))
    });
    let ids = stage.engine.submit_many(specs.collect()).await.unwrap();
    let running = || docker.containers("windlass.engine").iter().filter(|it| it["State"] == "running").count();
    within(async || running() == MANY, || format!("{} run", running())).await;
    for (number, id) in ids.iter().enumerate() {
        stage.prints(*id, &format!("up {number}\n")).await;
        let target = format!("/containers/containergroup-{id}/kill?signal=USR1");
        let _ = docker.client().post(&target, &Value::Null).good();
    }
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for (number, id) in ids.iter().enumerate() {
        let (state, reason) = stage.end(*id).await;
        let expected = match number % 4 {
            0 => (State::Succeeded, None),
            code => (State::Failed, Some(Reason::ExitCode(code as i32))),
        };
        assert_eq!((state, reason), expected, "{number}");
        assert_eq!(stage.text(*id), format!("up {number}\nbye {number}\n"));
        let output = Layout::new(stage.dir.path()).work(*id, 1).join("output/n");
        // Outputs are those of a success.
        let brought = std::fs::read_to_string(output).ok();
        assert_eq!(brought, (number % 4 == 0).then(|| format!("{number}\n")));
        *ends.entry(format!("{state:?}")).or_default() += 1;
        let name = super::stage::container_of(*id);
        assert_eq!((events.count("create", &name), events.count("start", &name)), (1, 1), "{number}");
    }
    assert_eq!(ends["Succeeded"], MANY.div_ceil(4));
    is_swept(&docker).await;
    stage.engine.shutdown().await;
}
