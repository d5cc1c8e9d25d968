//! What is not allowed, and what is not there.

use windlass::plugin::contract::ErrorKind;
use windlass::plugin::sql::{Jdbc, SqlQuery};

use super::{ALL, H2, HSQLDB, ODD, POSTGRESQL, SQLITE, fails, grant, jdbc, query, rows};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_driver_lists_what_there_is() {
    let Some(jdbc) = jdbc(&["jdbc:h2:mem:"]) else { return };
    assert_eq!(jdbc.drivers().await.unwrap(), ALL);
    let error = fails(&jdbc, query("com.example.Driver", "jdbc:h2:mem:", "SELECT 1")).await;
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains(&ALL.join(", ")), "{error}");
    // A class of Java itself, or of a jar that offers others, is no driver either.
    for class in ["java.lang.Object", "org.h2.tools.Server", ""] {
        assert_eq!(fails(&jdbc, query(class, "jdbc:h2:mem:", "SELECT 1")).await.kind, ErrorKind::NotFound, "{class}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_listed_is_not_asked() {
    let Some(jdbc) = jdbc(&["jdbc:h2:mem:", "jdbc:postgresql://127.0.0.1/"]) else { return };
    for (driver, url, says) in [
        (H2, "jdbc:h2:/tmp/x", "none of those"),
        (H2, "jdbc:h2:mem:x;INIT=CREATE ALIAS X FOR 'java.lang.System.exit'", "\"INIT\" may not be set"),
        (H2, ODD, "\"INIT\" may not be set"),
        (POSTGRESQL, "jdbc:postgresql://127.0.0.1@example.com/x", "none of those"),
        (POSTGRESQL, "jdbc:postgresql://127.0.0.1/x?PGHOST=example.com", "\"PGHOST\" may not be set"),
        (SQLITE, "jdbc:sqlite::memory:", "none of those"),
    ] {
        let error = fails(&jdbc, query(driver, url, "SELECT 1")).await;
        assert!(error.kind == ErrorKind::Denied && error.message.contains(says), "{url}: {error}");
    }
    let properties = vec![("INIT".to_owned(), "x".to_owned())];
    let error = fails(&jdbc, SqlQuery { properties, ..query(H2, "jdbc:h2:mem:", "SELECT 1") }).await;
    assert!(error.kind == ErrorKind::Denied && error.message.contains("\"INIT\" may not be set"), "{error}");
    let Some(none) = super::jdbc(&[]) else { return };
    let error = fails(&none, query(H2, "jdbc:h2:mem:", "SELECT 1")).await;
    assert!(error.kind == ErrorKind::Denied && error.message.contains("no database may be asked"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_drivers_and_databases_have_their_kinds() {
    let Some(jdbc) =
        jdbc(&["jdbc:h2:mem:", "jdbc:h2:/", "jdbc:hsqldb:mem:", "jdbc:postgresql://127.0.0.1:1/", "jdbc:sqlite:/"])
    else {
        return;
    };
    for (driver, url, statement, kind, code) in [
        (HSQLDB, "jdbc:h2:mem:", "SELECT 1", ErrorKind::Invalid, None),
        (H2, "jdbc:h2:mem:", "SELECT * FROM nowhere", ErrorKind::Invalid, Some("42S04")),
        (H2, "jdbc:h2:mem:", "SELECT FROM WHERE", ErrorKind::Invalid, Some("42001")),
        (H2, "jdbc:h2:mem:", "SELECT 1 / 0", ErrorKind::Invalid, Some("22012")),
        (H2, "jdbc:h2:/nowhere/x;IFEXISTS=TRUE", "SELECT 1", ErrorKind::NotFound, Some("90146")),
        (HSQLDB, "jdbc:hsqldb:mem:x", "SELECT * FROM nowhere", ErrorKind::Denied, Some("42501")),
        (POSTGRESQL, "jdbc:postgresql://127.0.0.1:1/x", "SELECT 1", ErrorKind::Unavailable, Some("08001")),
        (SQLITE, "jdbc:sqlite:/nowhere.db", "SELECT 1", ErrorKind::NotFound, None),
    ] {
        let error = fails(&jdbc, query(driver, url, statement)).await;
        println!("{url}: {:?}: {error}", error.kind);
        assert_eq!((error.kind, error.code.as_deref()), (kind, code), "{url} {statement}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_refused_by_its_form_its_connection_or_undone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    let made = format!("jdbc:h2:{path}/db;INIT=CREATE TABLE IF NOT EXISTS t(a INT)");
    let plain = format!("jdbc:h2:{path}/db");
    let Some(jdbc) = jdbc(&[made.as_str(), plain.as_str(), "jdbc:sqlite:/", "jdbc:hsqldb:mem:"]) else { return };
    let count = || query(H2, &plain, "SELECT COUNT(*) AS n FROM t");
    assert!(rows(&jdbc, query(H2, &made, "SELECT 1")).await.len() == 1);
    for statement in ["INSERT INTO t VALUES (1)", "DROP TABLE t", "SELECT 1; DROP TABLE t", "CALL 1", "SCRIPT"] {
        let error = fails(&jdbc, query(H2, &plain, statement)).await;
        assert!(error.kind == ErrorKind::Invalid && error.message.contains("the statement: "), "{statement}: {error}");
    }
    // A query that writes: to H2 "read-only" is a hint, so it goes through and is undone.
    let writes = query(H2, &plain, "SELECT * FROM FINAL TABLE (INSERT INTO t VALUES (7))");
    assert_eq!(rows(&jdbc, writes).await, [serde_json::json!({ "A": 7 })]);
    assert_eq!(rows(&jdbc, count()).await, [serde_json::json!({ "N": 0 })]);
    // What begins like a query and is none.
    let file = dir.path().join("x.db");
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE t(a)')";
    let made = std::process::Command::new("python3").args(["-c", script]).arg(&file).status().unwrap();
    assert!(made.success());
    let url = format!("jdbc:sqlite:{}", file.display());
    let error = fails(&jdbc, query(SQLITE, &url, "WITH x AS (SELECT 1) INSERT INTO t SELECT 1")).await;
    assert!(error.kind == ErrorKind::Denied && error.message.contains("SQLITE_READONLY"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_java_a_query_says_so_and_where_it_is_configured() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:"]) else { return };
    grant.java = Some("/nowhere/java".into());
    let jdbc = Jdbc::new(grant);
    let error = fails(&jdbc, query(H2, "jdbc:h2:mem:", "SELECT 1")).await;
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("no Java at /nowhere/java") && error.message.contains("`java`"), "{error}");
    assert_eq!(jdbc.drivers().await.unwrap_err(), error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_is_no_java_is_an_error_of_the_query() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("libjvm.so");
    std::fs::write(&library, "no library").unwrap();
    grant.java = Some(library);
    let error = fails(&Jdbc::new(grant), query(H2, "jdbc:h2:mem:", "SELECT 1")).await;
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("does not start"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_jars_of_the_folder_are_loaded() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(grant.drivers.join("hsqldb.jar"), dir.path().join("hsqldb.jar")).unwrap();
    let outside = grant.drivers.join("h2.jar");
    grant.drivers = dir.path().to_owned();
    let jdbc = Jdbc::new(grant);
    let error = fails(&jdbc, query(H2, "jdbc:h2:mem:", "SELECT 1")).await;
    assert!(error.message.ends_with(&format!("there is {HSQLDB}")), "{error}");
    // A jar that is put there later is found.
    std::fs::copy(&outside, dir.path().join("h2.jar")).unwrap();
    assert_eq!(rows(&jdbc, query(H2, "jdbc:h2:mem:", "SELECT 1")).await.len(), 1);
    std::os::unix::fs::symlink(&outside, dir.path().join("other.jar")).unwrap();
    let error = fails(&jdbc, query(H2, "jdbc:h2:mem:", "SELECT 1")).await;
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("leads out of the folder"), "{error}");
}
