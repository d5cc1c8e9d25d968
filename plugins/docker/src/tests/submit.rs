//! Submissions: what is made, what is found, and what is cleared away.

use windlass_plugin::{ErrorKind, Retry, Variable};

use super::*;

/// An empty work tree.
fn work() {
    testing::packed(tar::Builder::new(Vec::new()).into_inner().unwrap());
}

/// An engine that makes and starts what it is asked for.
fn willing() -> testing::Script {
    work();
    testing::endpoint("docker")
        .on("POST", "/containers/create", |_| Reply::json(201, &json!({ "Id": "1", "Warnings": [] })))
        .on("PUT", "/containers/*/archive", |_| Reply::status(200))
        .on("POST", "/containers/*/start", |_| Reply::status(204))
        .on("DELETE", "/containers/*", |_| Reply::status(204))
        .on("DELETE", "/volumes/*", |_| Reply::status(204))
}

fn refuses(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "message": message }))
}

#[test]
fn a_container_is_made_given_its_work_and_started() {
    willing();
    let mut task = task(&json!({
        "image": IMAGE, "command": "echo 'a b'", "user": "1000", "labels": { "team": "x" }, "stop_signal": "SIGINT",
        "resources": { "cpu": 0.5, "memory": "64MiB", "pids": 7, "gpu": 2 },
    }));
    task.environment = vec![Variable { name: "A".to_owned(), value: "1".to_owned(), secret: false }];
    assert_eq!(Docker::submit(&task).unwrap(), known(&[]));
    assert_eq!(done(), ["POST /containers/create", "PUT /containers/BASE/archive", "POST /containers/BASE/start"]);
    let asked = testing::asked();
    assert_eq!(asked[0].query("name"), Some(base().as_str()));
    assert_eq!(asked[1].query("path"), Some("/work"));
    let body: Value = asked[0].json().unwrap();
    assert_eq!((&body["Cmd"], &body["Env"]), (&json!(["echo", "a b"]), &json!(["A=1"])));
    assert_eq!((&body["User"], &body["StopSignal"]), (&json!("1000"), &json!("SIGINT")));
    let labels = &body["Labels"];
    assert_eq!((&labels["team"], &labels["windlass.attempt"]), (&json!("x"), &json!("1")));
    assert_eq!(labels["windlass.engine"], "engine-under-test");
    let host = &body["HostConfig"];
    assert_eq!((&host["NanoCpus"], &host["PidsLimit"]), (&json!(500_000_000), &json!(7)));
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(64 << 20), &json!(64 << 20)));
    assert_eq!((&host["DeviceRequests"][0]["Count"], &host["Privileged"]), (&json!(2), &Value::Null));
    assert_eq!(
        (&host["NetworkMode"], &host["Init"], &host["ReadonlyRootfs"]),
        (&json!("none"), &json!(true), &json!(true))
    );
    assert_eq!((&host["CapDrop"], &host["SecurityOpt"]), (&json!(["ALL"]), &json!(["no-new-privileges"])));
    let mounts = host["Mounts"].as_array().unwrap();
    assert_eq!((mounts.len(), &mounts[0]["Type"], &mounts[0]["Target"]), (1, &json!("volume"), &json!("/work")));
    assert_eq!(mounts[0]["Source"], format!("{}.work", base()));
}

#[test]
fn later_attempts_and_several_containers_have_names_of_their_own() {
    willing();
    let options = json!({ "containers": [{ "name": "web", "image": IMAGE }, { "name": "db", "image": IMAGE }] });
    let mut second = task(&options);
    second.attempt = testing::attempt(2);
    let base = name::base("containergroup-", &testing::attempt(2));
    assert!(base.ends_with("-2"));
    assert_eq!(Docker::submit(&second).unwrap().containers, [format!("{base}-web"), format!("{base}-db")]);
    let made: Vec<String> = done();
    assert_eq!(made.iter().filter(|it| it.starts_with("POST")).count(), 4, "{made:?}");
    assert_eq!(made.iter().filter(|it| it.starts_with("PUT")).count(), 1, "they share it: {made:?}");
}

#[test]
fn what_was_made_before_is_taken_over() {
    for (status, does) in [
        ("created", vec!["POST /containers/create", "PUT /containers/BASE/archive", "POST /containers/BASE/start"]),
        ("running", vec!["POST /containers/create"]),
        ("exited", vec!["POST /containers/create"]),
    ] {
        testing::reset();
        willing().on("POST", "/containers/create", |_| refuses(409, "Conflict. The name is in use"));
        let labels = name::labels_of_container(&testing::attempt(1), None, 1, std::time::Duration::ZERO);
        inspects(None, json!({ "State": { "Status": status }, "Config": { "Labels": labels } }));
        assert_eq!(Docker::submit(&task(&json!({ "image": IMAGE }))).unwrap(), known(&[]));
        assert_eq!(done(), does, "{status}");
    }
}

/// Neither a request that made the name taken nor one that frees it is done when the name is asked for.
#[test]
fn a_name_that_is_taken_by_what_is_not_there_is_asked_for_again() {
    let labels = name::labels_of_container(&testing::attempt(1), None, 1, std::time::Duration::ZERO);
    let told = |status: &str| json!({ "State": { "Status": status }, "Config": { "Labels": labels } });
    let (created, removing) = (told("created"), told("removing"));
    // It was being made, and appears.
    let (mut looks, appears) = (0, created);
    willing().on("POST", "/containers/create", |_| refuses(409, "Conflict. The name is in use")).on(
        "GET",
        "/containers/*/json",
        move |_| {
            looks += 1;
            if looks < 3 { Reply::status(404) } else { Reply::json(200, &appears) }
        },
    );
    assert_eq!(Docker::submit(&task(&json!({ "image": IMAGE }))).unwrap(), known(&[]));
    let create = "POST /containers/create";
    assert_eq!(done(), [create, create, create, "PUT /containers/BASE/archive", "POST /containers/BASE/start"]);
    // It was being removed, and goes.
    testing::reset();
    let mut asked = 0;
    willing()
        .on("POST", "/containers/create", move |_| {
            asked += 1;
            match asked {
                1 => refuses(409, "Conflict. The name is in use"),
                _ => Reply::json(201, &json!({ "Id": "1", "Warnings": [] })),
            }
        })
        .on("GET", "/containers/*/json", move |_| Reply::json(200, &removing));
    assert_eq!(Docker::submit(&task(&json!({ "image": IMAGE }))).unwrap(), known(&[]));
    assert_eq!(done(), [create, create, "PUT /containers/BASE/archive", "POST /containers/BASE/start"]);
}

#[test]
fn a_name_that_stays_taken_by_what_is_not_there_is_worth_another_try_later() {
    willing().on("POST", "/containers/create", |_| refuses(409, "Conflict. The name is in use")).on(
        "GET",
        "/containers/*/json",
        |_| Reply::status(404),
    );
    let error = Docker::submit(&task(&json!({ "image": IMAGE }))).unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff), "{error}");
    assert!(done().len() < 100 && done().iter().all(|it| it == "POST /containers/create"), "{:?}", done());
}

#[test]
fn a_container_of_somebody_else_is_left_alone() {
    willing().on("POST", "/containers/create", |_| refuses(409, "Conflict. The name is in use"));
    inspects(None, json!({ "State": { "Status": "created" }, "Config": { "Labels": { "windlass.engine": "other" } } }));
    let error = Docker::submit(&task(&json!({ "image": IMAGE }))).unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Conflict, Retry::Never), "{error}");
    assert_eq!(done(), ["POST /containers/create"]);
}

#[test]
fn a_missing_image_is_pulled_unless_that_is_not_wanted() {
    for (pull, pulls) in [("missing", 1), ("always", 1), ("never", 0)] {
        testing::reset();
        let image = std::rc::Rc::new(std::cell::Cell::new(false));
        let (seen, had) = (image.clone(), image);
        willing()
            .on("POST", "/images/create", move |_| {
                had.set(true);
                Reply::bytes(200, "{\"status\":\"done\"}")
            })
            .on("POST", "/containers/create", move |_| match seen.get() {
                true => Reply::json(201, &json!({ "Id": "1", "Warnings": [] })),
                false => refuses(404, "No such image: busybox:1"),
            });
        let submitted = Docker::submit(&task(&json!({ "image": IMAGE, "pull": pull })));
        assert_eq!(submitted.is_ok(), pulls > 0, "{pull}: {submitted:?}");
        assert_eq!(done().iter().filter(|it| it.contains("/images/")).count(), pulls, "{pull}");
        if let Err(error) = submitted {
            assert_eq!((error.kind, error.retry), (ErrorKind::NotFound, Retry::Never));
            assert!(error.message.contains("pull: never"), "{error}");
        }
    }
}

#[test]
fn what_cannot_be_started_is_cleared_away_and_says_why() {
    for (status, message, kind) in [
        (500, "could not select device driver \"\" with capabilities: [[gpu]]", ErrorKind::Unsupported),
        (400, "OCI runtime create failed: exec: \"nope\": executable file not found in $PATH", ErrorKind::Invalid),
    ] {
        testing::reset();
        willing().on("POST", "/containers/*/start", move |_| refuses(status, message));
        let error = Docker::submit(&task(&json!({ "image": IMAGE, "command": ["nope"] }))).unwrap_err();
        assert_eq!((error.kind, error.retry), (kind, Retry::Never), "{error}");
        let done = done();
        assert_eq!(done[3..], ["DELETE /containers/BASE", "DELETE /volumes/BASE.work"], "{done:?}");
    }
}

#[test]
fn credentials_go_to_the_registry_and_not_into_the_container() {
    willing().on("POST", "/images/create", |asked| {
        assert!(asked.header("x-registry-auth").is_some());
        Reply::bytes(200, "")
    });
    let registry = json!({ "username": "USER", "password": "PASS" });
    let mut task = task(&json!({ "image": "r.example.com/a", "pull": "always", "registry": registry }));
    let variable = |name: &str, secret| Variable { name: name.to_owned(), value: "hush".to_owned(), secret };
    task.environment = vec![variable("USER", false), variable("PASS", true), variable("OTHER", true)];
    Docker::submit(&task).unwrap();
    let body: Value = testing::asked().iter().find(|it| it.path == "/containers/create").unwrap().json().unwrap();
    assert_eq!(body["Env"], json!(["OTHER=hush"]));
}

#[test]
fn an_engine_that_is_out_of_reach_is_worth_another_try() {
    work();
    testing::endpoint("docker").otherwise(|_| Reply::failure(windlass_plugin::Error::unavailable("refused")));
    let error = Docker::submit(&task(&json!({ "image": IMAGE }))).unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff));
}
