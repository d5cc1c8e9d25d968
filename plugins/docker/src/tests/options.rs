//! What users write, and what is wrong with it.

use windlass_plugin::Problem;

use super::*;

fn problems(options: Value) -> Vec<Problem> {
    match testing::task::<Options>(&options) {
        Ok(task) => Docker::validate(&task.options),
        Err(problems) => problems,
    }
}

fn fields(options: Value) -> Vec<String> {
    problems(options).into_iter().map(|problem| problem.field).collect()
}

#[test]
fn good_options_are_good() {
    for options in [
        json!({ "image": IMAGE }),
        json!({ "image": IMAGE, "command": "sh -c 'exit 0'", "entrypoint": [], "workdir": "/work", "user": "1000:1000" }),
        json!({ "image": IMAGE, "resources": { "gpu": "all", "memory": 8388608 }, "pull": "always", "stop_signal": "9" }),
        json!({ "containers": [{ "name": "a", "image": IMAGE }, { "name": "b-2", "image": IMAGE, "command": ["x"] }] }),
    ] {
        assert_eq!(problems(options.clone()), [], "{options}");
    }
}

#[test]
fn every_mistake_names_its_field() {
    let wrong = json!({
        "image": "Upper", "command": [], "workdir": "work", "user": "",
        "resources": { "cpu": 0, "memory": "1MiB", "pids": 0, "gpu": 0 },
        "labels": { "windlass.job": "x" }, "stop_signal": "TERM", "network": "host", "capabilities": ["SYS_ADMIN"],
        "mounts": [{ "source": "/etc", "target": "/work/etc" }], "registry": { "username": "", "password": "P" },
    });
    let told = fields(wrong);
    let expected = [
        "network",
        "capabilities[0]",
        "mounts[0].source",
        "mounts[0].target",
        "image",
        "command",
        "workdir",
        "user",
        "resources.cpu",
        "resources.memory",
        "resources.pids",
        "resources.gpu",
        "labels.windlass.job",
        "stop_signal",
        "registry.username",
    ];
    assert_eq!(told, expected);
    for (wrong, field) in [
        (json!({}), "image"),
        (json!({ "image": IMAGE, "privileged": true }), "privileged"),
        (json!({ "image": IMAGE, "resources": { "gpu": "some" } }), "resources.gpu"),
        (json!({ "image": IMAGE, "command": "echo 'a" }), "command"),
        (json!({ "image": IMAGE, "pull": "often" }), "pull"),
        (json!({ "containers": [{ "name": "1", "image": IMAGE }] }), "containers[0].name"),
        (json!({ "containers": [{ "image": IMAGE }] }), "containers[0].name"),
        (
            json!({ "containers": [{ "name": "a", "image": IMAGE }, { "name": "a", "image": IMAGE }] }),
            "containers[1].name",
        ),
        (json!({ "containers": [{ "name": "a", "image": IMAGE, "command": [] }] }), "containers[0].command"),
        (json!({ "image": IMAGE, "containers": [{ "name": "a", "image": IMAGE }] }), "image"),
    ] {
        assert_eq!(fields(wrong.clone()), [field], "{wrong}");
    }
    let many: Vec<Value> = (0..7).map(|it| json!({ "name": format!("c{it}"), "image": IMAGE })).collect();
    assert_eq!(fields(json!({ "containers": many })), ["containers"]);
}

#[test]
fn the_operator_allows_what_reaches_out() {
    testing::settings(json!({
        "networks": ["none", "bridge"], "capabilities": ["NET_BIND_SERVICE"], "mounts": [{ "path": "/data" }],
    }));
    let mount = |read_only: bool| json!([{ "source": "/data/x", "target": "/data", "read_only": read_only }]);
    let options = |mounts: Value| json!({ "image": IMAGE, "network": "bridge", "capabilities": ["NET_BIND_SERVICE"], "mounts": mounts });
    assert_eq!(problems(options(mount(true))), []);
    assert_eq!(fields(options(mount(false))), ["mounts[0].source"]);
    testing::settings(json!({ "netwroks": [] }));
    assert!(problems(options(json!([])))[0].problem.contains("netwroks"));
}

#[test]
fn the_schema_has_every_field_that_is_read() {
    let schema = crate::schema::options();
    let options = json!({ "no such field": 1, "image": IMAGE });
    let told = problems(options).remove(0);
    for field in schema["properties"].as_object().unwrap().keys() {
        assert!(told.allowed.contains(&format!("`{field}`")), "{field} in {}", told.allowed);
    }
    let count = told.allowed.matches('`').count() / 2;
    assert_eq!(schema["properties"].as_object().unwrap().len(), count, "{}", told.allowed);
}
