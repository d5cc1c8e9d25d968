//! What a database refuses is said as what it is, with its SQLSTATE; what the operator has not granted is not tried.

use std::net::TcpListener;

use serde_json::json;
use windlass::plugin::contract::{ErrorKind, Retry};
use windlass_backends::Database;

use super::{Stage, but, mariadb, on_mariadb, on_postgresql, postgresql, request};

pub(super) const UNAUTHENTICATED: ErrorKind = ErrorKind::Unauthenticated;

/// A query, and the kind, the SQLSTATE and some words of its refusal.
type Case = (&'static str, ErrorKind, &'static str, &'static str);

async fn are_refused(database: &Database, make: fn(u16, &str) -> serde_json::Value, cases: &[Case]) {
    let (stage, port) = (Stage::new(database), database.address().port());
    for (query, kind, state, says) in cases {
        let error = stage.refused(&make(port, query)).await;
        assert_eq!((error.kind, error.code.as_deref().unwrap_or_default()), (*kind, *state), "{query}: {error}");
        assert!(error.message.contains(says) && error.message.contains("localhost"), "{query}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_quoted_with_its_state() {
    let Some(database) = postgresql() else { return };
    let cases = [
        ("SELECT * FROM nowhere", ErrorKind::Invalid, "42P01", "relation \"nowhere\" does not exist"),
        ("SELEKT 1", ErrorKind::Invalid, "42601", "syntax error"),
        ("SELECT 1/0 AS x", ErrorKind::Invalid, "22012", "division by zero"),
        ("SELECT * FROM secrets", ErrorKind::Denied, "42501", "permission denied"),
        ("INSERT INTO things VALUES (2) RETURNING a", ErrorKind::Denied, "25006", "read-only transaction"),
        ("WITH gone AS (DELETE FROM things RETURNING a) SELECT * FROM gone", ErrorKind::Denied, "25006", "read-only"),
        ("SELECT set_config('transaction_read_only', 'off', false) AS x", ErrorKind::Invalid, "25001", "read-write"),
        ("SELECT 1 AS a; DROP TABLE things", ErrorKind::Invalid, "42601", "multiple commands"),
        ("DELETE FROM things", ErrorKind::Invalid, "", "none that returns rows"),
        ("COMMIT", ErrorKind::Invalid, "", "none that returns rows"),
        ("COPY things TO STDOUT", ErrorKind::Invalid, "", "none that returns rows"),
        ("SELECT $1 AS a", ErrorKind::Invalid, "", "has parameters"),
        ("SELECT 1 AS a, 2 AS a", ErrorKind::Invalid, "", "two columns of the result are called \"a\""),
        ("SELECT 1 AS a, pg_terminate_backend(pg_backend_pid()) AS b", ErrorKind::Unavailable, "57P01", "terminating"),
    ];
    are_refused(database, on_postgresql, &cases).await;
    assert_eq!(database.run("SELECT count(*), min(a) FROM things"), "1|1");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_quoted_with_its_state() {
    let Some(database) = mariadb() else { return };
    database.run("DELIMITER //\nCREATE PROCEDURE shop.sneak() BEGIN COMMIT; INSERT INTO shop.things VALUES (3); END//");
    let cases = [
        ("SELECT * FROM nowhere", ErrorKind::Invalid, "42S02", "doesn't exist"),
        ("SELEKT 1", ErrorKind::Invalid, "42000", "error in your SQL syntax"),
        ("SELECT * FROM secrets.secrets", ErrorKind::Denied, "42000", "denied"),
        ("INSERT INTO things VALUES (2) RETURNING a", ErrorKind::Denied, "25006", "READ ONLY"),
        ("DELETE FROM things", ErrorKind::Denied, "25006", "READ ONLY"),
        ("CREATE TABLE more (a int)", ErrorKind::Denied, "25006", "READ ONLY"),
        ("CALL sneak()", ErrorKind::Denied, "25006", "READ ONLY"),
        ("SELECT 1 AS a; DROP TABLE things", ErrorKind::Invalid, "42000", "syntax"),
        ("COMMIT", ErrorKind::Invalid, "", "none that returns rows"),
        ("SELECT 1 AS a, 2 AS a", ErrorKind::Invalid, "", "two columns of the result are called \"a\""),
    ];
    are_refused(database, on_mariadb, &cases).await;
    assert_eq!(database.run("SELECT count(*), min(a) FROM shop.things"), "1\t1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_wrong_database_are_told_apart() {
    let (Some(postgresql), Some(mariadb)) = (postgresql(), mariadb()) else { return };
    for (database, make, wrong, none) in [
        (postgresql, on_postgresql as fn(u16, &str) -> serde_json::Value, "28P01", "3D000"),
        (mariadb, on_mariadb, "28000", "42000"),
    ] {
        let (stage, port) = (Stage::new(database), database.address().port());
        let error = stage.refused(&but(make(port, "SELECT 1"), "password", "wrong one")).await;
        assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Unauthenticated, Some(wrong)), "{error}");
        assert!(!error.message.contains("wrong one"), "{error}");
        let options = make(port, "SELECT 1");
        let url = options["url"].as_str().unwrap().replace("/postgres?", "/nowhere?").replace("/shop?", "/nowhere?");
        let error = stage.refused(&but(options, "url", url)).await;
        assert_eq!(error.code.as_deref(), Some(none), "{error}");
        assert!(matches!(error.kind, ErrorKind::NotFound | ErrorKind::Denied), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_not_connected_to() {
    let Some(database) = postgresql() else { return };
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let other = elsewhere.local_addr().unwrap().port();
    let stage = Stage::new(database);
    let url = |host: &str, port: u16| json!(format!("jdbc:postgresql://{host}:{port}/postgres"));
    for (host, port) in [("localhost", other), ("127.0.0.2", database.address().port()), ("[::1]", other)] {
        let error = stage.refused(&but(on_postgresql(1, "SELECT 1"), "url", url(host, port))).await;
        assert_eq!((error.kind, error.retry), (ErrorKind::Denied, Retry::Never), "{host}: {error}");
        assert!(error.message.contains("granted"), "{error}");
    }
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    // A port that is granted, where nobody listens.
    drop(elsewhere);
    let error = Stage::with(other, database.ca(), "").refused(&on_postgresql(other, "SELECT 1")).await;
    assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_before_anything_is_asked() {
    let Some(database) = postgresql() else { return };
    let stage = Stage::new(database);
    let options = json!({
        "url": "jdbc:postgresql://localhost/x?password=hush-hush", "username": "me", "query": "", "driver": "h2",
    });
    let problems = stage.plugin.validate(request(&options).options).await.unwrap();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|it| it.starts_with("driver: ") && it.contains("com.mysql.cj.jdbc.Driver")), "{told:?}");
    assert!(told.iter().any(|it| it.starts_with("query: ")), "{told:?}");
    // One that only the engine may have: what is to be seen of the URL is told all the same.
    let driven = but(options.clone(), "driver", "org.h2.Driver");
    let problems = stage.plugin.validate(request(&driven).options).await.unwrap();
    let told: String = problems.iter().map(|it| format!("{it}\n")).collect();
    assert!(told.contains("url: it holds a password") && !told.contains("hush"), "{told}");
    let options = but(but(options, "driver", "postgresql"), "password", 4815);
    let problems = stage.plugin.validate(request(&options).options).await.unwrap();
    let told: String = problems.iter().map(|it| format!("{it}\n")).collect();
    assert!(told.contains("password") && !told.contains("4815") && !told.contains("hush"), "{told}");
}
