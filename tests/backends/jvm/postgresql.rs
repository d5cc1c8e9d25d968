//! The driver of PostgreSQL on a real server, over TLS.

use std::sync::OnceLock;
use std::time::Instant;

use serde_json::json;
use windlass::plugin::contract::ErrorKind;
use windlass::plugin::sql::{Jdbc, SqlLimits, SqlQuery};
use windlass_backends::Database;

use super::{POSTGRESQL, fails, grant, limited, rows, told};

const PASSWORD: &str = "pass wörd:1";

struct Server {
    url: String,
    jdbc: Jdbc,
}

impl Server {
    fn new() -> Option<Server> {
        static READY: OnceLock<()> = OnceLock::new();
        let database = Database::postgresql()?;
        READY.get_or_init(|| {
            database.run(&format!(
                "CREATE ROLE through_jdbc LOGIN PASSWORD '{PASSWORD}'; CREATE TABLE jdbc_secrets (a int); \
                 CREATE TABLE jdbc_things (a int); INSERT INTO jdbc_things VALUES (1); \
                 GRANT ALL ON jdbc_things TO through_jdbc"
            ));
        });
        let server = format!("jdbc:postgresql://localhost:{}/", database.address().port());
        let mut grant = grant(&[&server])?;
        // A file that drivers read: it is for the operator to allow.
        grant.parameters = vec!["sslrootcert".to_owned()];
        let url = format!("{server}postgres?sslmode=verify-full&sslrootcert={}", database.ca().display());
        Some(Server { url, jdbc: Jdbc::new(grant) })
    }

    fn query(&self, statement: &str) -> SqlQuery {
        let (username, password) = (Some("through_jdbc".to_owned()), Some(PASSWORD.to_owned()));
        SqlQuery { username, password, ..super::query(POSTGRESQL, &self.url, statement) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_postgresql_keeps_its_value() {
    let Some(server) = Server::new() else { return };
    let statement = "SELECT 123456789012345678901234567890.1234567890::numeric AS num, 'NaN'::numeric AS nan,
        (-9223372036854775808)::int8 AS big, 1.5::float4 AS flt, 'Infinity'::float8 AS inf, true AS yes,
        NULL::bool AS maybe, B'101' AS bits, '\\x00ff10'::bytea AS bin, '2024-02-29'::date AS d, '03:04'::time AS t,
        '2024-03-31 02:30:00.123456'::timestamp AS ts, '2024-03-31 02:30:00+05:30'::timestamptz AS tsz,
        'infinity'::timestamptz AS forever, '{\"a\": [1, 2.50, null]}'::json AS j, '{\"b\": 1.10}'::jsonb AS jb,
        ARRAY[1, NULL, 3] AS arr, ARRAY[ARRAY['a,b', 'c\"d'], ARRAY['e', NULL]] AS deep,
        ARRAY['{\"x\": 1}'::jsonb] AS docs, ARRAY['2024-03-31 02:30:00+05:30'::timestamptz] AS times,
        '00000000-0000-0000-0000-00000000000a'::uuid AS id, '1 day 2 hours'::interval AS span,
        '10.0.0.0/8'::cidr AS net, int4range(1, 5) AS range, 'ü \"q\"' AS text, 12.5::money AS cash";
    let text = told(&server.jdbc, server.query(statement)).await.unwrap();
    let wanted = "{\"num\":123456789012345678901234567890.1234567890,\"nan\":\"NaN\",\"big\":-9223372036854775808,\
        \"flt\":1.5,\"inf\":\"Infinity\",\"yes\":true,\"maybe\":null,\"bits\":\"101\",\"bin\":\"AP8Q\",\
        \"d\":\"2024-02-29\",\"t\":\"03:04:00\",\"ts\":\"2024-03-31T02:30:00.123456\",\
        \"tsz\":\"2024-03-30T21:00:00+00:00\",\"forever\":\"infinity\",\"j\":{\"a\": [1, 2.50, null]},\
        \"jb\":{\"b\": 1.10},\"arr\":[1,null,3],\"deep\":[[\"a,b\",\"c\\\"d\"],[\"e\",null]],\"docs\":[{\"x\": 1}],\
        \"times\":[\"2024-03-30T21:00:00+00:00\"],\"id\":\"00000000-0000-0000-0000-00000000000a\",\
        \"span\":\"1 day 02:00:00\",\"net\":\"10.0.0.0/8\",\"range\":\"[1,5)\",\"text\":\"ü \\\"q\\\"\",\"cash\":\"$12.50\"}\n";
    assert_eq!(text, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgresql_refuses_has_its_kind_and_shows_no_password() {
    let Some(server) = Server::new() else { return };
    for (statement, kind, code) in [
        ("SELECT FROM WHERE", ErrorKind::Invalid, "42601"),
        ("SELECT * FROM nowhere", ErrorKind::Invalid, "42P01"),
        ("SELECT * FROM jdbc_secrets", ErrorKind::Denied, "42501"),
        ("SELECT 1 / 0", ErrorKind::Invalid, "22012"),
        ("WITH x AS (INSERT INTO jdbc_things VALUES (2) RETURNING a) SELECT * FROM x", ErrorKind::Denied, "25006"),
    ] {
        let error = fails(&server.jdbc, server.query(statement)).await;
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{statement}: {error}");
    }
    let wrong = SqlQuery { password: Some("wrong-password".into()), ..server.query("SELECT 1") };
    let error = fails(&server.jdbc, wrong).await;
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Unauthenticated, Some("28P01")), "{error}");
    assert!(!format!("{error:?}").contains("wrong-password"));
    let count = server.query("SELECT count(*) AS n FROM jdbc_things");
    assert_eq!(rows(&server.jdbc, count).await, [json!({ "n": 1 })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_told_to_stop_a_statement_that_takes_too_long() {
    let Some(server) = Server::new() else { return };
    let limits = SqlLimits { time_ms: Some(1_000), ..SqlLimits::default() };
    let begun = Instant::now();
    let error = fails(&server.jdbc, limited(server.query("SELECT pg_sleep(60) AS jdbc_nap"), limits)).await;
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    let database = Database::postgresql().unwrap();
    let left = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%jdbc_nap' AND state = 'active' AND pid <> pg_backend_pid()";
    assert_eq!(database.run(left), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_of_postgresql_comes_piece_by_piece() {
    let Some(mut server) = Server::new() else { return };
    // The driver would hold all of it in its heap, had it not been told how many rows to get at once.
    let mut small = grant(&[server.url.split('?').next().unwrap()]).unwrap();
    small.parameters = vec!["sslrootcert".to_owned()];
    small.config.heap_bytes = 32 << 20;
    server.jdbc = Jdbc::new(small);
    let statement = "SELECT n, repeat('x', 500) AS text FROM generate_series(1, 300000) AS n";
    let begun = Instant::now();
    let mut result = server.jdbc.query(server.query(statement)).await.unwrap();
    let (mut bytes, mut count) = (0, 0);
    loop {
        let lines = result.next(256 << 10).await.unwrap();
        if lines.is_empty() {
            break;
        }
        bytes += lines.len();
        count += lines.iter().filter(|byte| **byte == b'\n').count();
    }
    println!("{count} rows, {bytes} bytes in {} ms", begun.elapsed().as_millis());
    assert!(count == 300_000 && bytes > 150_000_000);
}
