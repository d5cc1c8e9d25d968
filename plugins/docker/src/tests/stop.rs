//! Stops and removals.

use std::time::Duration;

use super::*;
use crate::run::{Stop, now_ms};

fn obedient() -> testing::Script {
    testing::endpoint("docker")
        .on("POST", "/containers/*/kill", |_| Reply::status(204))
        .on("POST", "/volumes/create", |_| Reply::json(201, &json!({ "Name": "x" })))
        .on("GET", "/volumes/*", |_| Reply::status(404))
        .on("DELETE", "/containers/*", |_| Reply::status(204))
        .on("DELETE", "/volumes/*", |_| Reply::status(204))
}

fn running() {
    lists(vec![listed(None, 1, "running")]);
    inspects(None, json!({ "State": { "Status": "running", "Running": true }, "Config": {} }));
}

fn signals() -> Vec<String> {
    let kills = testing::asked().into_iter().filter(|asked| asked.path.ends_with("/kill"));
    kills.map(|asked| asked.query("signal").unwrap().to_owned()).collect()
}

#[test]
fn a_stop_is_written_down_then_sent_and_waits_for_nothing() {
    obedient();
    running();
    let stopped = Docker::stop(&testing::run(Some(known(&[]))), Duration::from_secs(60)).unwrap().unwrap();
    assert_eq!(done(), ["POST /volumes/create", "POST /containers/BASE/kill"]);
    assert_eq!(signals(), ["SIGTERM"]);
    let stop = stopped.stop.unwrap();
    assert!(stop.asked && stop.kill_at_ms > now_ms() + 50_000);
    assert_eq!(phase(&observe(&testing::run(Some(stopped.clone())))), &Phase::Running);
    lists(vec![listed(None, 1, "exited")]);
    inspects(None, ended(0, ""));
    assert_eq!(outcome(&observe(&testing::run(Some(stopped)))), &Outcome::Stopped);
}

#[test]
fn without_grace_it_is_killed_at_once_and_a_shorter_grace_counts() {
    obedient();
    running();
    let none = Docker::stop(&testing::run(None), Duration::ZERO).unwrap().unwrap();
    assert_eq!((none.base.as_str(), none.containers.len()), (base().as_str(), 1), "found by its labels");
    let long = Stop { asked: true, kill_at_ms: now_ms() + 60_000 };
    let stopping = Known { stop: Some(long), ..known(&[]) };
    let shorter = Docker::stop(&testing::run(Some(stopping)), Duration::ZERO).unwrap().unwrap();
    assert!(shorter.stop.unwrap().kill_at_ms <= now_ms());
    assert_eq!(signals(), ["SIGKILL", "SIGKILL"]);
}

#[test]
fn a_stop_that_was_cut_off_is_known_after_the_end() {
    obedient();
    lists(vec![listed(None, 1, "exited")]);
    inspects(None, ended(143, ""));
    let run = testing::run(Some(known(&[])));
    assert_eq!(Docker::stop(&run, Duration::ZERO).unwrap(), None, "it has ended by itself");
    testing::endpoint("docker").on("GET", "/volumes/*", |_| Reply::json(200, &json!({ "Name": "x" })));
    let stopped = Docker::stop(&run, Duration::ZERO).unwrap().unwrap();
    assert!(stopped.stop.unwrap().asked);
    assert_eq!(done(), [""; 0]);
}

#[test]
fn a_run_that_ends_just_before_its_stop_has_ended_by_itself() {
    obedient().on("POST", "/containers/*/kill", |_| Reply::status(409));
    running();
    assert_eq!(Docker::stop(&testing::run(Some(known(&[]))), Duration::ZERO).unwrap(), None);
    assert_eq!(done().last().unwrap(), "DELETE /volumes/BASE.stop");
}

#[test]
fn what_was_not_started_never_will_be() {
    obedient();
    lists(vec![listed(None, 1, "created")]);
    assert_eq!(Docker::stop(&testing::run(None), Duration::from_secs(1)).unwrap().and_then(|known| known.stop), None);
    assert_eq!(done(), ["DELETE /containers/BASE"]);
    testing::reset();
    obedient();
    lists(Vec::new());
    assert_eq!(Docker::stop(&testing::run(None), Duration::ZERO).unwrap(), None);
    assert_eq!(done(), [""; 0]);
}

#[test]
fn everything_of_a_run_is_removed_and_nothing_is_fine() {
    obedient().on("DELETE", "/containers/*", |_| Reply::status(404)).on("DELETE", "/volumes/*", |_| Reply::status(404));
    Docker::remove(&testing::run(Some(known(&["a", "b"])))).unwrap();
    let expected = ["DELETE /containers/BASE-a", "DELETE /containers/BASE-b", "DELETE /volumes/BASE.work"];
    assert_eq!(done(), expected);
    let stop = Some(Stop { asked: true, kill_at_ms: 0 });
    Docker::remove(&testing::run(Some(Known { stop, ..known(&[]) }))).unwrap();
    assert_eq!(done().last().unwrap(), "DELETE /volumes/BASE.stop");
}

#[test]
fn a_container_that_starts_while_it_is_stopped_has_its_grace() {
    let running =
        "cannot remove container \"x\": container is running: stop the container before removing or force remove";
    for (message, is_running) in [(running, true), ("removal of container x is already in progress", false)] {
        testing::reset();
        let mut tries = 0;
        obedient().on("DELETE", "/containers/*", move |_| {
            tries += 1;
            if is_running || tries < 3 { Reply::json(409, &json!({ "message": message })) } else { Reply::status(404) }
        });
        inspects(None, json!({ "State": { "Status": "running", "Running": true }, "Config": {} }));
        lists(vec![listed(None, 1, "created")]);
        let stopped = Docker::stop(&testing::run(Some(known(&[]))), Duration::from_secs(60)).unwrap();
        let removal = testing::asked().into_iter().find(|asked| asked.method == "DELETE").unwrap();
        assert_eq!(removal.query("force"), None);
        if is_running {
            let stop = stopped.and_then(|known| known.stop).unwrap();
            assert!(stop.asked && stop.kill_at_ms > now_ms() + 50_000);
            let expected = ["DELETE /containers/BASE", "POST /volumes/create", "POST /containers/BASE/kill"];
            assert_eq!((done(), signals()), (expected.map(str::to_owned).to_vec(), vec!["SIGTERM".to_owned()]));
        } else {
            assert_eq!((stopped, done()), (None, vec!["DELETE /containers/BASE".to_owned(); 3]));
        }
    }
}

/// An engine that has these things until they are removed; the container comes late, if it does.
fn has(list_with_container: u32) {
    let container = listed(Some("a"), 1, "created");
    let is_volume = std::rc::Rc::new(std::cell::Cell::new(true));
    let (goes, mut lists) = (is_volume.clone(), 0);
    obedient()
        .on("GET", "/containers/json", move |_| {
            lists += 1;
            let found = (lists == list_with_container).then_some(&container);
            Reply::json(200, &found.into_iter().collect::<Vec<_>>())
        })
        .on("GET", "/volumes", move |_| {
            let found = is_volume.get().then(|| json!({ "Name": "old.work", "Labels": null }));
            Reply::json(200, &json!({ "Volumes": found.into_iter().collect::<Vec<_>>() }))
        })
        .on("DELETE", "/volumes/*", move |_| {
            goes.set(false);
            Reply::status(204)
        });
}

#[test]
fn without_a_handle_what_bears_its_labels_is_removed_whenever_it_comes() {
    let (container, volume) = ("DELETE /containers/BASE-a", "DELETE /volumes/old.work");
    for (list, removed) in [(1, [container, volume]), (2, [volume, container])] {
        testing::reset();
        has(list);
        Docker::remove(&testing::run(None)).unwrap();
        assert_eq!(done(), removed);
    }
}

#[test]
fn what_comes_without_end_is_not_removed_without_end() {
    obedient();
    lists(vec![listed(None, 1, "created")]);
    let error = Docker::remove(&testing::run(None)).unwrap_err();
    assert_eq!(error.kind, windlass_plugin::ErrorKind::Unavailable, "{error}");
    assert!(done().len() < 100);
}

#[test]
fn a_removal_under_way_is_waited_for() {
    let mut looks = 0;
    obedient().on("DELETE", "/containers/*", move |_| {
        looks += 1;
        Reply::status(if looks < 3 { 409 } else { 404 })
    });
    Docker::remove(&testing::run(Some(known(&[])))).unwrap();
    assert_eq!(done().iter().filter(|it| it.contains("/containers/")).count(), 3);
}
