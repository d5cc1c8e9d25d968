//! Results that are long, cut, or not wanted any more.

use std::time::{Duration, Instant};

use windlass::plugin::contract::{ErrorKind, Retry};

use super::{Stage, mariadb, on_mariadb, on_postgresql, postgresql, request};
use crate::proxy::{Proxy, Trouble};

/// A small part of what comes.
const LITTLE: &str = "[plugin.jdbc.limits]\nmemory = \"4MiB\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_come_in_little_memory() {
    let (Some(postgresql), Some(mariadb)) = (postgresql(), mariadb()) else { return };
    let of_postgresql = "SELECT n, repeat('x', 200) AS text, n * 1.5 AS number FROM generate_series(1, 100000) AS n";
    let of_mariadb = "SELECT seq AS n, REPEAT('x', 200) AS text, seq * 1.5 AS number FROM seq_1_to_100000";
    for (database, options) in [
        (postgresql, on_postgresql(postgresql.address().port(), of_postgresql)),
        (mariadb, on_mariadb(mariadb.address().port(), of_mariadb)),
    ] {
        let stage = Stage::with(database.address().port(), database.ca(), LITTLE);
        let begun = Instant::now();
        let rows = stage.rows(&options).await;
        println!("100,000 rows are brought in {} ms", begun.elapsed().as_millis());
        assert_eq!(rows.len(), 100_000);
        let text = "x".repeat(200);
        assert_eq!(rows[99_998], format!("{{\"n\":99999,\"text\":\"{text}\",\"number\":149998.5}}"));
        assert!(rows.iter().map(String::len).sum::<usize>() > 20 << 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_is_an_error_and_the_next_try_is_whole() {
    let (Some(postgresql), Some(mariadb)) = (postgresql(), mariadb()) else { return };
    for (database, make, query) in [
        (
            postgresql,
            on_postgresql as fn(u16, &str) -> serde_json::Value,
            "SELECT n FROM generate_series(1, 100000) AS n",
        ),
        (mariadb, on_mariadb, "SELECT seq AS n FROM seq_1_to_100000"),
    ] {
        let proxy = Proxy::start(database.address(), Trouble::CutAfter(200_000));
        let port = proxy.address.port();
        let stage = Stage::with(port, database.ca(), "");
        let error = stage.refused(&make(port, query)).await;
        assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff), "{error}");
        assert_eq!(proxy.connections(), 1);
        let again = Stage { work: stage.work, ..Stage::new(database) };
        assert_eq!(again.rows(&make(database.address().port(), query)).await.len(), 100_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_ends_its_query() {
    let Some(database) = postgresql() else { return };
    let (stage, port) = (Stage::new(database), database.address().port());
    let options = on_postgresql(port, "SELECT pg_sleep(120)::text AS given_up");
    let count =
        || database.run("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%given_up' AND state = 'active'");
    let request = request(&options);
    let item = stage.plugin.items(request.clone(), None).await.unwrap().entries.remove(0);
    let fetch = stage.plugin.fetch(request, item, stage.work.path().to_owned());
    assert!(tokio::time::timeout(Duration::from_secs(3), fetch).await.is_err());
    let begun = Instant::now();
    while count() != "0" {
        assert!(begun.elapsed() < Duration::from_secs(30), "the query goes on");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("the query was over {} ms after the call", begun.elapsed().as_millis());
}
