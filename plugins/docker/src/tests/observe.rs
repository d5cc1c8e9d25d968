//! Observations: one list for all, and what several containers come to together.

use super::*;
use crate::run::{Stop, now_ms};

fn kills() -> testing::Script {
    testing::endpoint("docker").on("POST", "/containers/*/kill", |_| Reply::status(204))
}

#[test]
fn many_runs_are_one_list_and_a_look_at_each_that_has_ended() {
    lists(vec![listed(None, 1, "exited")]);
    inspects(None, ended(3, ""));
    let other = Run { attempt: testing::attempt(2), handle: None };
    let runs = [testing::run(Some(known(&[]))), other.clone(), testing::run(None), other];
    let found = Docker::observe(&runs, std::time::Duration::ZERO).unwrap();
    let exited = Observation::ended(Outcome::Exited(3));
    assert_eq!(found, [exited.clone(), Observation::Gone, exited, Observation::Gone]);
    let lists = testing::asked().iter().filter(|asked| asked.path == "/containers/json").count();
    assert_eq!(lists, 1);
    assert!(testing::asked()[0].query("filters").unwrap().contains("windlass.engine=engine-under-test"));
    assert_eq!(Docker::observe(&[], std::time::Duration::ZERO).unwrap(), []);
}

#[test]
fn a_run_is_as_far_as_its_containers() {
    let run = testing::run(Some(known(&["a", "b"])));
    for (a, b, expected) in [
        ("created", "created", Phase::Pending(Some("created".to_owned()))),
        // Whoever was to start the second was cut off.
        ("running", "created", Phase::Pending(Some("created".to_owned()))),
        ("exited", "created", Phase::Pending(Some("created".to_owned()))),
        ("running", "running", Phase::Running),
        ("exited", "running", Phase::Running),
        ("paused", "running", Phase::Running),
        ("exited", "exited", Phase::Ended(Outcome::Succeeded)),
    ] {
        testing::reset();
        lists(vec![listed(Some("a"), 2, a), listed(Some("b"), 2, b)]);
        inspects(Some("a"), ended(0, ""));
        inspects(Some("b"), ended(0, ""));
        assert_eq!(phase(&observe(&run)), &expected, "{a} {b}");
        assert_eq!(done(), [""; 0]);
    }
}

#[test]
fn when_one_fails_the_others_are_stopped_and_its_end_counts() {
    kills();
    lists(vec![listed(Some("a"), 2, "running"), listed(Some("b"), 2, "exited")]);
    inspects(
        Some("a"),
        json!({ "State": { "Status": "running", "Running": true }, "Config": { "StopSignal": "SIGINT" } }),
    );
    inspects(Some("b"), ended(3, "2026-11-22T08:24:10Z"));
    let Observation::Known(first) = observe(&testing::run(Some(known(&["a", "b"])))) else { panic!() };
    assert_eq!(done(), ["POST /containers/BASE-a/kill"]);
    assert_eq!(testing::asked().last().unwrap().query("signal"), Some("SIGINT"));
    let known = first.handle.unwrap();
    let stop = known.stop.unwrap();
    assert!(!stop.asked && stop.kill_at_ms > now_ms(), "the grace of the job");
    // Until the grace is over nothing is done.
    let Observation::Known(second) = observe(&testing::run(Some(known.clone()))) else { panic!() };
    assert_eq!((second.phase, done().len()), (Phase::Running, 1));
    // Then it is killed.
    let late = Known { stop: Some(Stop { kill_at_ms: now_ms() - 1, ..stop }), ..known };
    observe(&testing::run(Some(late.clone())));
    assert_eq!(testing::asked().last().unwrap().query("signal"), Some("SIGKILL"));
    lists(vec![listed(Some("a"), 2, "exited"), listed(Some("b"), 2, "exited")]);
    inspects(Some("a"), ended(137, "2026-11-22T08:24:11Z"));
    assert_eq!(outcome(&observe(&testing::run(Some(late)))), &Outcome::Exited(3));
}

#[test]
fn a_run_that_lost_a_container_is_lost() {
    lists(vec![listed(Some("a"), 2, "exited")]);
    inspects(Some("a"), ended(0, ""));
    assert_eq!(outcome(&observe(&testing::run(None))), &Outcome::Lost);
}

#[test]
fn a_container_on_its_way_out_is_gone() {
    lists(vec![listed(None, 1, "removing")]);
    assert_eq!(observe(&testing::run(Some(known(&[])))), Observation::Gone);
}

#[test]
fn what_cannot_be_looked_at_is_unknown() {
    lists(vec![listed(None, 1, "exited")]);
    testing::endpoint("docker").on("GET", "/containers/*/json", |_| Reply::status(500));
    assert!(matches!(observe(&testing::run(None)), Observation::Unknown(_)));
}

#[test]
fn a_command_that_the_init_cannot_execute_was_never_started() {
    lists(vec![listed(None, 1, "exited")]);
    inspects(None, ended(127, ""));
    for (line, is_refused) in
        [("[FATAL tini (7)] exec nope failed: No such file or directory\n", true), ("sh: nope: not found\n", false)]
    {
        let text = format!("2026-11-22T08:24:09.000000000Z {line}");
        let frame = [&[2, 0, 0, 0][..], &u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
        testing::endpoint("docker").on("GET", "/containers/*/logs", move |_| Reply::bytes(200, frame.clone()));
        let found = observe(&testing::run(None));
        match outcome(&found) {
            Outcome::NotStarted(error) => assert!(is_refused && error.message.contains("exec nope failed"), "{error}"),
            other => assert!(!is_refused && *other == Outcome::Exited(127), "{other:?}"),
        }
    }
}
