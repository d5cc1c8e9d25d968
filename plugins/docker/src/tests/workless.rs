//! Jobs without `/work`: nothing is made, moved or removed for it.

use windlass_plugin::{ErrorKind, Retry};

use super::*;
use crate::run::Stop;

/// An engine that makes, starts, stops and removes what it is asked to, and has no volume.
fn obedient() -> testing::Script {
    fresh();
    testing::endpoint("docker")
        .on("POST", "/containers/create", |_| Reply::json(201, &json!({ "Id": "1", "Warnings": [] })))
        .on("POST", "/containers/*/start", |_| Reply::status(204))
        .on("POST", "/containers/*/kill", |_| Reply::status(204))
        .on("POST", "/volumes/create", |_| Reply::json(201, &json!({ "Name": "x" })))
        .on("GET", "/volumes", |_| Reply::json(200, &json!({ "Volumes": null })))
        .on("GET", "/volumes/*", |_| Reply::status(404))
        .on("DELETE", "/containers/*", |_| Reply::status(204))
        .on("DELETE", "/volumes/*", |_| Reply::status(204))
}

/// A work tree as it is made, and more.
fn work(more: &[(&str, tar::EntryType)]) {
    let mut builder = tar::Builder::new(Vec::new());
    let fresh = ["input", "output", "tmp"].map(|name| (name, tar::EntryType::Directory));
    for (name, kind) in fresh.iter().chain(more) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(0);
        builder.append_data(&mut header, name, &b""[..]).unwrap();
    }
    testing::packed(builder.into_inner().unwrap());
}

fn fresh() {
    work(&[]);
}

fn workless(containers: &[&str]) -> Known {
    Known { work: false, ..known(containers) }
}

/// Everything that was asked, looks too.
fn asked() -> Vec<String> {
    testing::asked().iter().map(|it| format!("{} {}", it.method, it.path.replace(&base(), "BASE"))).collect()
}

/// A container in a list that says that it has no `/work`.
fn listed_workless(state: &str) -> Value {
    let mut container = listed(None, 1, state);
    let (name, value) = name::label_of_no_work();
    container["Labels"][name] = json!(value);
    container
}

#[test]
fn a_whole_life_asks_for_no_volume_and_moves_no_archive() {
    obedient();
    let known = Docker::submit(&task(&json!({ "image": IMAGE, "work": false }))).unwrap();
    assert_eq!(known, workless(&[]));
    let made = testing::asked().remove(0);
    let body: Value = made.json().unwrap();
    assert_eq!((&body["HostConfig"]["Mounts"], &body["WorkingDir"]), (&json!([]), &Value::Null));
    assert_eq!(body["Labels"]["windlass.work"], "false");
    let run = testing::run(Some(known));
    Docker::collect(&run).unwrap();
    Docker::remove(&run).unwrap();
    assert_eq!(asked(), ["POST /containers/create", "POST /containers/BASE/start", "DELETE /containers/BASE"]);
}

#[test]
fn several_containers_are_made_and_started_and_share_nothing() {
    obedient();
    let part = |name: &str| json!({ "name": name, "image": IMAGE, "workdir": "/var/work" });
    let options = json!({ "work": false, "containers": [part("a"), part("b")] });
    assert_eq!(Docker::submit(&task(&options)).unwrap(), workless(&["a", "b"]));
    let create = "POST /containers/create";
    assert_eq!(asked(), [create, create, "POST /containers/BASE-a/start", "POST /containers/BASE-b/start"]);
    for made in testing::asked().iter().filter(|it| it.path == "/containers/create") {
        let body: Value = made.json().unwrap();
        assert_eq!((&body["HostConfig"]["Mounts"], &body["WorkingDir"]), (&json!([]), &json!("/var/work")));
    }
}

#[test]
fn files_of_the_job_are_refused_and_not_dropped() {
    for (name, kind) in [("input/data.csv", tar::EntryType::Regular), ("input/empty", tar::EntryType::Directory)] {
        testing::reset();
        obedient();
        work(&[(name, kind)]);
        let error = Docker::submit(&task(&json!({ "image": IMAGE, "work": false }))).unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Invalid, Retry::Never), "{error}");
        for part in ["work: ", name, "allowed: true"] {
            assert!(error.message.contains(part), "{part} in {error}");
        }
        assert_eq!(asked(), [""; 0]);
    }
}

#[test]
fn directories_in_work_are_refused_and_say_what_is_allowed() {
    let problems = |options: &Value| Docker::validate(&task(options).options);
    for workdir in ["/work", "/work/", "//work/output"] {
        let told = problems(&json!({ "image": IMAGE, "work": false, "workdir": workdir }));
        assert_eq!(told.iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), ["workdir"], "{workdir}");
        assert!(told[0].problem.contains(workdir) && told[0].allowed.contains("work: true"), "{told:?}");
        assert_eq!(problems(&json!({ "image": IMAGE, "workdir": workdir })), []);
    }
    let parts = json!([{ "name": "a", "image": IMAGE }, { "name": "b", "image": IMAGE, "workdir": "/work/tmp" }]);
    assert_eq!(problems(&json!({ "work": false, "containers": parts }))[0].field, "containers[1].workdir");
    for workdir in ["/workshop", "/srv/work"] {
        assert_eq!(problems(&json!({ "image": IMAGE, "work": false, "workdir": workdir })), []);
    }
}

#[test]
fn what_cannot_be_started_is_cleared_away_without_a_volume() {
    obedient().on("POST", "/containers/*/start", |_| Reply::json(400, &json!({ "message": "no command specified" })));
    Docker::submit(&task(&json!({ "image": IMAGE, "work": false }))).unwrap_err();
    assert_eq!(done().last().unwrap(), "DELETE /containers/BASE");
}

#[test]
fn a_run_that_is_only_made_is_started_when_it_is_submitted_again() {
    obedient().on("POST", "/containers/create", |_| Reply::json(409, &json!({ "message": "in use" })));
    let labels = listed_workless("created")["Labels"].clone();
    inspects(None, json!({ "State": { "Status": "created" }, "Config": { "Labels": labels } }));
    assert_eq!(Docker::submit(&task(&json!({ "image": IMAGE, "work": false }))).unwrap(), workless(&[]));
    assert_eq!(done(), ["POST /containers/create", "POST /containers/BASE/start"]);
}

#[test]
fn without_a_handle_the_labels_say_that_there_is_none() {
    obedient();
    lists(vec![listed_workless("running")]);
    inspects(None, json!({ "State": { "Status": "running", "Running": true }, "Config": {} }));
    Docker::collect(&testing::run(None)).unwrap();
    assert_eq!(asked(), ["GET /containers/json"]);
    let stopped = Docker::stop(&testing::run(None), std::time::Duration::from_secs(5)).unwrap().unwrap();
    assert_eq!(Known { stop: None, ..stopped.clone() }, workless(&[]));
    testing::reset();
    obedient();
    Docker::remove(&testing::run(Some(stopped))).unwrap();
    assert_eq!(asked(), ["DELETE /containers/BASE", "DELETE /volumes/BASE.stop"]);
    // What an engine finds that bears its mark.
    testing::reset();
    obedient();
    let mut looks = 0;
    let container = listed_workless("exited");
    testing::endpoint("docker").on("GET", "/containers/json", move |_| {
        looks += 1;
        Reply::json(200, &(looks < 3).then_some(&container).into_iter().collect::<Vec<_>>())
    });
    let owned = Docker::owned(None).unwrap().entries;
    assert_eq!(owned.iter().map(|run| run.attempt.number).collect::<Vec<_>>(), [1]);
    Docker::remove(&owned[0]).unwrap();
    assert_eq!(done(), ["DELETE /containers/BASE"]);
}

#[test]
fn a_stop_of_one_is_written_down_and_removed_with_it() {
    obedient();
    let stop = Some(Stop { asked: true, kill_at_ms: 0 });
    Docker::remove(&testing::run(Some(Known { stop, ..workless(&["a", "b"]) }))).unwrap();
    let expected = ["DELETE /containers/BASE-a", "DELETE /containers/BASE-b", "DELETE /volumes/BASE.stop"];
    assert_eq!(asked(), expected);
}

#[test]
fn a_handle_of_before_there_was_a_choice_has_work() {
    let old = json!({ "base": base(), "containers": [base()], "stop": null });
    assert_eq!(serde_json::from_value::<Known>(old).unwrap(), known(&[]));
}
