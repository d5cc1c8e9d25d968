//! Plugins: listed, looked at, added and removed; what they are granted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::windlass::Place;

/// A component that imports and exports what a plugin does; `mark` makes it another content.
fn component(place: &Place, name: &str, imports: &[&str], mark: &str) -> PathBuf {
    let imports: String = imports.iter().map(|import| format!("(import \"{import}\" (instance))")).collect();
    let text = format!(
        "(component {imports} (instance $own) (export \"windlass:plugin/executor@0.1.0\" (instance $own)) (@custom \"mark\" \"{mark}\"))"
    );
    let path = place.path(&format!("{name}.wasm"));
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    path
}

const MANIFEST: &str = r#"
name = "distant"
version = "1.2.0"
kind = "executor"
api = "windlass:plugin@0.1"
summary = "Runs commands"
[[endpoint]]
name = "jobs"
methods = ["GET", "POST"]
paths = ["/jobs/**"]
[[endpoint]]
name = "events"
methods = ["GET"]
paths = ["/events"]
[work]
access = "write"
[limits]
memory = "128 MiB"
"#;

const OFFERED: [&str; 3] = ["windlass:plugin/host@0.1.0", "wasi:http/outgoing-handler@0.2.12", "wasi:io/streams@0.2.6"];

fn distant(place: &Place, mark: &str) -> String {
    let path = component(place, "distant", &OFFERED, mark);
    place.file("distant.toml", MANIFEST);
    path.to_str().unwrap().to_owned()
}

fn configure(place: &Place, text: &str) {
    std::fs::create_dir_all(place.store()).unwrap();
    std::fs::write(place.store().join("windlass.toml"), text).unwrap();
}

/// The entry of a plugin in a list of things with names.
fn named<'v>(list: &'v Value, key: &str, name: &str) -> &'v Value {
    list.as_array().unwrap().iter().find(|it| it[key] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_plugin_is_added_listed_and_removed() {
    let place = Place::new();
    let file = distant(&place, "1");
    let done = place.run(&["plugin", "add", &file]).expect(0);
    assert!(done.stdout.contains("the plugin distant is added") && done.stdout.contains("idle until"), "{done:#?}");
    assert_eq!(place.json(&["plugin", "add", &file])["result"], "unchanged");
    let list = place.json(&["plugin", "list"]);
    let plugin = named(&list["plugins"], "name", "distant");
    assert_eq!(
        (&plugin["version"], &plugin["kind"], &plugin["state"]),
        (&"1.2.0".into(), &"executor".into(), &"idle".into())
    );
    let shown = place.run(&["plugin", "list"]).expect(0).stdout;
    let digest = plugin["sha256"].as_str().unwrap();
    assert!(shown.starts_with("NAME") && shown.contains(&digest[..12]), "{shown}");
    configure(&place, "[plugin.distant]\nwork = \"read\"\n");
    let list = place.json(&["plugin", "list"]);
    assert_eq!(named(&list["plugins"], "name", "distant")["state"], "granted");
    assert_eq!(place.json(&["plugin", "remove", "distant"])["removed"], "distant");
    let done = place.run(&["plugin", "remove", "distant"]).expect(4);
    assert!(done.stderr.contains("no plugin distant"), "{done:#?}");
    place.run(&["plugin", "inspect", "distant"]).expect(1);
}

#[test]
fn another_content_needs_to_be_confirmed() {
    let place = Place::new();
    let file = distant(&place, "1");
    place.run(&["plugin", "add", &file]).expect(0);
    let list = place.json(&["plugin", "list"]);
    let old = named(&list["plugins"], "name", "distant")["sha256"].as_str().unwrap().to_owned();
    distant(&place, "2");
    let new = place.json(&["plugin", "inspect", &file])["sha256"].as_str().unwrap().to_owned();
    let told = place.run(&["plugin", "add", &file]).expect(1).stderr;
    assert!(told.contains(&old) && told.contains(&new) && told.contains("--confirm"), "{told}");
    // Put there behind its back.
    std::fs::copy(&file, place.store().join("plugins/distant/plugin.wasm")).unwrap();
    let list = place.json(&["plugin", "list"]);
    let plugin = named(&list["plugins"], "name", "distant");
    assert_eq!(plugin["state"], "refused");
    assert!(plugin["refusal"].as_str().unwrap().contains(&new), "{plugin}");
    let told = place.run(&["plugin", "inspect", "distant"]).expect(1).stderr;
    assert!(told.contains("is refused") && told.contains(&old), "{told}");
    assert_eq!(place.json(&["plugin", "add", &file, "--confirm"])["result"], "replaced");
    assert_eq!(place.json(&["plugin", "inspect", "distant"])["sha256"], new.as_str());
}

#[test]
fn inspect_tells_what_is_asked_for_granted_and_left() {
    let place = Place::new();
    let file = distant(&place, "1");
    place.run(&["plugin", "add", &file, "--name", "builders"]).expect(0);
    configure(
        &place,
        r#"
[plugin.builders]
work = "host"
[plugin.builders.limits]
memory = "64 MiB"
[plugin.builders.endpoint.jobs]
address = "unix:/run/jobs.sock"
methods = ["GET"]
auth = { kind = "bearer", token = { value = "hush-hush" } }
"#,
    );
    let plugin = place.json(&["plugin", "inspect", "builders"]);
    assert_eq!((&plugin["name"], &plugin["state"]), (&"builders".into(), &"granted".into()));
    assert_eq!(plugin["exports"][0], "windlass:plugin/executor@0.1.0");
    assert_eq!(plugin["imports"].as_array().unwrap().len(), OFFERED.len());
    let effective = |right: &str| named(&plugin["rights"], "right", right)["effective"].as_str().unwrap().to_owned();
    assert_eq!((effective("work"), effective("limits.memory")), ("write".into(), "64 MiB".into()));
    assert_eq!(
        (effective("endpoint.jobs.methods"), effective("endpoint.events.methods")),
        ("GET".into(), String::new())
    );
    let keys = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|it| it["right"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&plugin["missing"]), ["endpoint.jobs.methods", "endpoint.events", "limits.memory"]);
    assert_eq!(keys(&plugin["unused"]), ["work"]);
    let shown = place.run(&["plugin", "inspect", "builders"]).expect(0).stdout;
    assert!(shown.contains("asked for and not granted: endpoint.jobs.methods") && !shown.contains("hush"), "{shown}");
}

#[test]
fn inspect_tells_where_connections_may_lead() {
    let place = Place::new();
    let rights = |place: &Place| place.json(&["plugin", "inspect", "jdbc"])["rights"].clone();
    let hosts = named(&rights(&place), "right", "connection.database.hosts").clone();
    assert_eq!((&hosts["granted"], &hosts["effective"]), (&"".into(), &"".into()));
    let shown = place.run(&["plugin", "inspect", "jdbc"]).expect(0).stdout;
    assert!(shown.contains("asked for and not granted: connection.database, work"), "{shown}");
    let grant = "[plugin.jdbc.connection.database]\nhosts = [\"db.example.com\", \"10.0.0.0/8\"]\nports = [5432, 3306]\n\
                 [plugin.jdbc.connection.other]\nhosts = [\"x\"]\nports = [1]";
    configure(&place, grant);
    let hosts = named(&rights(&place), "right", "connection.database.hosts").clone();
    assert_eq!(
        (&hosts["granted"], &hosts["effective"]),
        (&"db.example.com, 10.0.0.0/8".into(), &"db.example.com, 10.0.0.0/8".into())
    );
    assert_eq!(named(&rights(&place), "right", "connection.database.ports")["effective"], "5432, 3306");
    let shown = place.run(&["plugin", "inspect", "jdbc"]).expect(0).stdout;
    assert!(shown.contains("granted and not asked for: connection.other"), "{shown}");
}

#[test]
fn what_cannot_run_here_is_told_whole() {
    let place = Place::new();
    let imports = ["wasi:http/incoming-handler@0.2.0", "acme:thing/x@1.0.0"];
    let file = component(&place, "odd", &imports, "");
    let file = file.to_str().unwrap();
    let told = place.run(&["plugin", "inspect", file]).expect(1).stderr;
    assert!(told.contains("manifest: there is none"), "{told}");
    place.file("odd.toml", &MANIFEST.replace("distant", "odd"));
    let done = place.run(&["plugin", "inspect", file]).expect(1);
    for says in ["do not listen", "nobody offers it", "unfit"] {
        assert!(done.stdout.contains(says), "{says} in {done:#?}");
    }
    let told = place.run(&["plugin", "add", file]).expect(2).stderr;
    assert!(told.contains("do not listen") && told.contains("nobody offers it"), "{told}");
    place.file("odd.toml", "name = \"Odd\"\nkind = \"thing\"\n");
    let told = place.run(&["plugin", "add", file]).expect(2).stderr;
    for says in
        ["manifest name: \"Odd\"", "manifest version: it is missing", "manifest kind: \"thing\"", "manifest api"]
    {
        assert!(told.contains(says), "{says} in {told}");
    }
    place.file("text.wasm", "hello");
    place.run(&["plugin", "add", "text.wasm"]).expect(2);
    place.run(&["plugin", "add", "missing.wasm"]).expect(2);
}

#[test]
fn mistakes_in_the_configuration_are_told_at_once_and_without_secrets() {
    let place = Place::new();
    let file = place.file(
        "own.toml",
        "[plugin.distant]\nwrok = \"read\"\nsha256 = 5\n[plugin.distant.endpoint.jobs]\naddress = \"unix:/x\"\nauth = \"hush-hush\"\n",
    );
    let config = file.to_str().unwrap();
    let told = place.run(&["plugin", "list", "--config-file", config]).expect(2).stderr;
    for says in [
        "own.toml: plugin.distant.wrok: unknown field, did you mean \"work\"?",
        "plugin.distant.sha256: is a number",
        "endpoint.jobs.auth",
    ] {
        assert!(told.contains(says), "{says} in {told}");
    }
    assert!(!told.contains("hush"), "{told}");
    place.run(&["plugin", "list", "--config-file", "missing.toml"]).expect(2);
    configure(&place, "");
    let path = place.store().join("windlass.toml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let told = place.run(&["plugin", "list"]).expect(1).stderr;
    assert!(told.contains("others may write it"), "{told}");
}

#[test]
fn a_job_of_an_executor_that_is_not_there_is_refused() {
    let place = Place::new();
    let file = place.file("jobs.yaml", "{executor: distant, with: {run: date}}");
    let told = place.run(&["run", file.to_str().unwrap()]).expect(2).stderr;
    assert!(told.contains("executor") && told.contains("distant"), "{told}");
}

#[test]
fn a_run_takes_the_configuration_and_refuses_plugins_that_are_not_what_it_says() {
    let place = Place::new();
    let file = place.file("jobs.yaml", "shell: exit 0");
    let file = file.to_str().unwrap();
    configure(&place, "[plugin.ghost]\n");
    let told = place.run(&["run", file]).expect(2).stderr;
    assert!(told.contains("plugin.ghost") && told.contains("no such plugin"), "{told}");
    let config = place.file("own.toml", "[plugin.distant]\nsource = \"/nowhere/distant.wasm\"\n");
    let told = place.run(&["run", file, "--config-file", config.to_str().unwrap()]).expect(2).stderr;
    assert!(told.contains("plugin.distant") && told.contains("/nowhere/distant.wasm"), "{told}");
    configure(&place, "");
    place.run(&["run", file]).expect(0);
    assert_eq!(place.json(&["jobs"])["jobs"][0]["state"], "succeeded");
}

#[test]
fn a_run_that_goes_on_takes_over_what_plugins_are_granted_and_tells_mistakes() {
    let place = Place::new();
    place.file("pretended.yaml", "{name: pretended, executor: mock, with: {}}");
    place.file("holder.toml", "[plugin.mock]\n");
    place.run(&["--config-file", "holder.toml", "run", "pretended.yaml"]).expect(0);
    let id = place.job_in_state("pretended", "succeeded")["id"].as_str().unwrap().to_owned();
    place.file("holder.toml", "");
    place.file("waits.yaml", "{name: waits, shell: 'cd \"$JOB_FILE_DIR\"; while [ ! -e go ]; do sleep 0.05; done'}");
    let run = place.start(&["--config-file", "holder.toml", "run", "waits.yaml"]);
    place.job_in_state("waits", "running");
    let told = place.run(&["retry", &id]).stderr;
    assert!(told.contains("not enabled"), "{told}");

    let file = distant(&place, "1");
    place.file("holder.toml", "[plugin.mock]\nwrok = 1\n");
    let done = place.run(&["plugin", "add", &file]).expect(2);
    assert!(done.stderr.contains("goes on as it was") && done.stderr.contains("wrok"), "{done:#?}");
    place.file("holder.toml", "[plugin.mock]\n[plugin.distant.endpoint.jobs]\naddress = \"ftp://nowhere\"\n");
    let done = place.run(&["plugin", "add", &file]).expect(0);
    assert!(done.stderr.contains("plugin.distant.endpoint.jobs.address"), "{done:#?}");
    let new = place.json(&["retry", &id])["retries"][0]["new_id"].as_str().unwrap().to_owned();
    crate::windlass::wait_for("the retry", || (place.json(&["jobs", &new])["state"] == "succeeded").then_some(()));
    place.file("go", "");
    run.end().expect(0);
}
