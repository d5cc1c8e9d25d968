//! Engines: what they run, how they are reached, what is there after they were away.

use serde_json::{Value, json};
use windlass_backends::{Authority, BUSYBOX, Client, Docker, Door, Setup};

use super::{end, is_running, script, start};

#[test]
fn an_engine_runs_a_container_of_its_own_image() {
    let Some(docker) = Docker::shared() else { return };
    assert_eq!(docker.client().get("/_ping").text(), "OK");
    assert!(docker.images().contains(&BUSYBOX.to_owned()));
    let mut config = script("id -un; exit 7");
    config["User"] = json!("worker");
    config["Tty"] = json!(true);
    config["Labels"] = json!({ "lab": "first" });
    let events = docker.events();
    start(docker, "first", &config);
    assert_eq!(end(docker, "first"), 7);
    assert_eq!(docker.client().get("/containers/first/logs?stdout=1").good().text(), "worker\r\n");
    assert_eq!(docker.containers("lab=first").len(), 1);
    assert_eq!(docker.inspect("first").unwrap()["State"]["ExitCode"], 7);
    let _ = docker.client().delete("/containers/first").good();
    assert!(docker.containers("lab=first").is_empty() && docker.inspect("first").is_none());
    // What is told of it comes beside the answers.
    super::within(|| events.count("destroy", "first") == 1, || format!("{:?}", events.heard()));
    let heard = events.heard();
    let actions = heard.iter().filter(|event| event.container == "first").map(|event| event.action.as_str());
    assert_eq!(actions.collect::<Vec<_>>(), ["create", "start", "die", "destroy"]);
    assert!(heard.iter().any(|event| event.container == "first" && event.exit_code == Some(7)));
}

#[test]
fn an_engine_is_there_for_those_who_show_a_certificate() {
    let setup = Setup { door: Door::Tls, ..Setup::default() };
    let Some(docker) = Docker::start(setup) else { return };
    let ask = |authority: &Authority, identity| {
        let config = authority.client(identity);
        Client::tls(docker.address(), config).ask("GET", "/_ping", "", b"")
    };
    let visitor = docker.visitor("windlass");
    assert_eq!(ask(docker.authority(), Some(&visitor)).unwrap().text(), "OK");
    // Nobody, and somebody with the certificate of another authority who trusts the right one.
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::new(elsewhere.path()).sign("windlass");
    for identity in [None, Some(&foreign)] {
        let error = ask(docker.authority(), identity).unwrap_err();
        assert!(error.to_string().contains("received fatal alert: BadCertificate"), "{error}");
    }
    // Nothing is answered in the clear.
    let plain = Client::tcp(docker.address()).ask("GET", "/_ping", "", b"");
    assert!(plain.is_err() || plain.is_ok_and(|answer| answer.status == 400));
}

#[test]
fn an_engine_listens_in_the_clear_too() {
    let setup = Setup { door: Door::Tcp, ..Setup::default() };
    let Some(docker) = Docker::start(setup) else { return };
    let far = Client::tcp(docker.address());
    assert_eq!(far.get("/info").good().json()["ID"], docker.client().get("/info").json()["ID"]);
    // Also at the same place after it was away.
    docker.restart();
    assert_eq!(far.get("/_ping").text(), "OK");
}

#[test]
fn containers_go_on_while_a_live_restoring_engine_is_away() {
    let setup = Setup { is_live_restoring: true, ..Setup::default() };
    let Some(docker) = Docker::start(setup) else { return };
    start(&docker, "waits", &script("echo up; while ! test -e /tmp/flag; do sleep 0.1; done; echo down; exit 3"));
    docker.restart();
    assert!(is_running(&docker, "waits"));
    docker.kill();
    assert!(docker.client().ask("GET", "/_ping", "", b"").is_err());
    docker.run();
    assert!(is_running(&docker, "waits"));
    let exec = json!({ "Cmd": ["touch", "/tmp/flag"] });
    let exec = docker.client().post("/containers/waits/exec", &exec).good().json();
    let target = format!("/exec/{}/start", exec["Id"].as_str().unwrap());
    let _ = docker.client().post(&target, &json!({ "Detach": true })).good();
    assert_eq!(end(&docker, "waits"), 3);
}

#[test]
fn containers_end_with_an_engine_that_is_not_live_restoring() {
    let Some(docker) = Docker::start(Setup::default()) else { return };
    for kill in [false, true] {
        start(&docker, "waits", &script("sleep 1000"));
        if kill {
            docker.kill()
        } else {
            docker.stop()
        }
        docker.run();
        let state = docker.inspect("waits").unwrap()["State"].clone();
        assert_eq!((state["Running"].clone(), state["Status"].clone()), (json!(false), json!("exited")), "{state}");
        let _ = docker.client().delete("/containers/waits").good();
    }
}

#[test]
fn containers_of_a_bridged_engine_reach_each_other() {
    let setup = Setup { is_bridged: true, ..Setup::default() };
    let Some(docker) = Docker::start(setup) else { return };
    let mut server = script("echo hello > /tmp/index.html; httpd -f -h /tmp");
    server["HostConfig"]["NetworkMode"] = json!("bridge");
    start(&docker, "server", &server);
    let address = docker.inspect("server").unwrap()["NetworkSettings"]["IPAddress"].clone();
    let ask = format!("until wget -q -O - http://{}/; do sleep 0.1; done", address.as_str().unwrap());
    let mut client = script(&ask);
    client["Tty"] = json!(true);
    client["HostConfig"]["NetworkMode"] = json!("bridge");
    start(&docker, "client", &client);
    assert_eq!(end(&docker, "client"), 0);
    let printed = docker.client().get("/containers/client/logs?stdout=1").good().text();
    assert!(printed.ends_with("hello\r\n"), "{printed}");
}

#[test]
fn volumes_are_found_by_their_label() {
    let Some(docker) = Docker::shared() else { return };
    let volume = json!({ "Name": "lab-volume", "Labels": { "lab": "volume" } });
    let _ = docker.client().post("/volumes/create", &volume).good();
    let found: Vec<Value> = docker.volumes("lab=volume").iter().map(|it| it["Name"].clone()).collect();
    assert_eq!(found, ["lab-volume"]);
    let _ = docker.client().delete("/volumes/lab-volume").good();
    assert!(docker.volumes("lab=volume").is_empty());
}
