//! Limits: of rows, of bytes, of time.

use std::time::{Duration, Instant};

use windlass::plugin::contract::{ErrorKind, Retry};

use super::{Stage, but, mariadb, on_mariadb, on_postgresql, postgresql};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_and_a_byte_too_many_end_it_without_a_file() {
    let (Some(postgresql), Some(mariadb)) = (postgresql(), mariadb()) else { return };
    for (database, options) in [
        (postgresql, on_postgresql(postgresql.address().port(), "SELECT n FROM generate_series(1, 1000) AS n")),
        (mariadb, on_mariadb(mariadb.address().port(), "SELECT seq AS n FROM seq_1_to_1000")),
    ] {
        let stage = Stage::new(database);
        let error = stage.refused(&but(options.clone(), "max_rows", 999)).await;
        assert_eq!((error.kind, error.retry), (ErrorKind::Exhausted, Retry::Never), "{error}");
        assert!(error.message.contains("999 rows of `max_rows`"), "{error}");
        let error = stage.refused(&but(options.clone(), "max_bytes", 8)).await;
        assert_eq!((error.kind, error.retry), (ErrorKind::Exhausted, Retry::Never), "{error}");
        assert!(error.message.contains("8 bytes of `max_bytes`, reached with row 2"), "{error}");
        assert_eq!(stage.rows(&but(options, "max_rows", 1_000)).await.len(), 1_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let (Some(postgresql), Some(mariadb)) = (postgresql(), mariadb()) else { return };
    for (database, options, state) in [
        (postgresql, on_postgresql(postgresql.address().port(), "SELECT pg_sleep(30)::text AS a"), "57014"),
        (
            mariadb,
            on_mariadb(mariadb.address().port(), "SELECT COUNT(*) AS a FROM seq_1_to_1000000 x, seq_1_to_1000000 y"),
            "70100",
        ),
    ] {
        let begun = Instant::now();
        let error = Stage::new(database).refused(&but(options, "timeout_ms", 300)).await;
        assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Timeout, Some(state)), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_too_long_is_told() {
    let (Some(postgresql), Some(mariadb)) = (postgresql(), mariadb()) else { return };
    for (database, options) in [
        (postgresql, on_postgresql(postgresql.address().port(), "SELECT repeat('x', 9000000) AS a")),
        (mariadb, on_mariadb(mariadb.address().port(), "SELECT REPEAT('x', 9000000) AS a")),
    ] {
        let error = Stage::new(database).refused(&options).await;
        assert_eq!((error.kind, error.retry), (ErrorKind::Exhausted, Retry::Never), "{error}");
        assert!(error.message.contains("9000"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_bounds_what_comes_and_how_long_nothing_does() {
    let Some(database) = postgresql() else { return };
    let port = database.address().port();
    let query = "SELECT repeat('x', 1000) AS a FROM generate_series(1, 1000)";
    let little = Stage::with(port, database.ca(), "response_bytes = 100000");
    let error = little.refused(&on_postgresql(port, query)).await;
    assert_eq!((error.kind, error.retry), (ErrorKind::Exhausted, Retry::Never), "{error}");
    assert!(error.message.contains("100000 bytes"), "{error}");
    let impatient = Stage::with(port, database.ca(), "between_bytes_ms = 300");
    let error = impatient.refused(&on_postgresql(port, "SELECT pg_sleep(30)::text AS a")).await;
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}
