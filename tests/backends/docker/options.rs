//! What the options of a job and the settings of the operator come to inside of a container.

use serde_json::{Value, json};
use windlass::Error;
use windlass_backends::{BUSYBOX, Docker, Setup};

use super::{Stage, script, spec};

fn with(mut options: Value, field: &str, value: Value) -> Value {
    options[field] = value;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_has_no_more_rights_than_it_needs() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let look = "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; ls /sys/class/net; \
                touch /x 2>/dev/null || echo read-only; touch /tmp/x && echo tmp; test -e /dev/sda || echo no disk; cat /proc/1/comm";
    let log = stage.prints(&script(look)).await;
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "lo",
        "read-only",
        "tmp",
        "no disk",
    ] {
        assert!(log.lines().any(|it| it == line), "{line} in {log}");
    }
    assert!(!log.contains("eth0") && log.lines().any(|it| it.contains("init")), "{log}");
    assert_eq!(
        stage.prints(&with(script("touch /x && echo written"), "read_only_root", json!(false))).await,
        "written\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_land_in_the_container() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::with(docker, "settings = { defaults = { cpu = 0.25, memory = \"48MiB\", pids = 33 } }").await;
    // Either generation of control groups.
    let look = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; \
                cat pids/pids.max pids.max 2>/dev/null; cat cpu/cpu.cfs_quota_us cpu.max 2>/dev/null; true";
    let default = stage.prints(&script(look)).await;
    for part in ["50331648", "33", "25000"] {
        assert!(default.contains(part), "{part} in {default}");
    }
    let own = json!({ "cpu": 0.5, "memory": "64MiB", "pids": 50 });
    let own = stage.prints(&with(script(look), "resources", own)).await;
    for part in ["67108864", "50", "50000"] {
        assert!(own.contains(part), "{part} in {own}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_directories_users_and_variables_are_as_they_are_written() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    let text = json!({ "image": BUSYBOX, "command": "printf '%s|' 'a b' \"c\" $HOME *" });
    assert_eq!(stage.prints(&text).await, "a b|c|$HOME|*|");
    let entry = json!({ "image": BUSYBOX, "entrypoint": ["printf", "%s-"], "command": ["x", "y"] });
    assert_eq!(stage.prints(&entry).await, "x-y-");
    let place =
        with(with(script("pwd; id -un; echo $GREETING"), "workdir", json!("/work/output")), "user", json!("worker"));
    let id = stage.submit(spec(&place).option("GREETING", "hello you")).await;
    stage.end(id).await;
    assert_eq!(stage.log(id), "/work/output\nworker\nhello you\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_does_not_allow_is_refused_before_the_job_is_taken() {
    let Some(docker) = Docker::shared() else { return };
    let stage = Stage::new(docker).await;
    for (field, value) in [
        ("network", json!("host")),
        ("capabilities", json!(["SYS_ADMIN"])),
        ("mounts", json!([{ "source": "/etc", "target": "/host" }])),
        ("privileged", json!(true)),
    ] {
        let refused = stage.engine.submit(spec(&with(script("true"), field, value))).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { .. }) && refused.to_string().contains(field), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_allows_is_there() {
    let Some(docker) = Docker::start(Setup { is_bridged: true, ..Setup::default() }) else { return };
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("in.txt"), "from the host\n").unwrap();
    let path = data.path().to_str().unwrap();
    let settings = format!(
        "settings = {{ networks = [\"none\", \"bridge\"], capabilities = [\"CHOWN\"], mounts = [{{ path = {path:?} }}] }}"
    );
    let stage = Stage::with(&docker, &settings).await;
    let mut options = script(
        "cat /data/in.txt; touch /data/x 2>/dev/null || echo read-only; ls /sys/class/net; chown 5 /tmp && echo chown",
    );
    options["network"] = json!("bridge");
    options["capabilities"] = json!(["CHOWN"]);
    options["mounts"] = json!([{ "source": path, "target": "/data" }]);
    let log = stage.prints(&options).await;
    for line in ["from the host", "read-only", "eth0", "chown"] {
        assert!(log.lines().any(|it| it == line), "{line} in {log}");
    }
}
