//! How far a query may go, and how much of it is in memory.

use std::time::Instant;

use windlass::plugin::contract::ErrorKind;
use windlass::plugin::sql::{Jdbc, SqlLimits};

use super::{H2, HSQLDB, ODD, SQLITE, fails, grant, jdbc, limited, query, rows, told};

/// Of this process, which is the engine.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_goes_by_in_little_memory() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:"]) else { return };
    // A third of a gigabyte goes by; neither heap nor engine could hold it.
    grant.config.heap_bytes = 64 << 20;
    let jdbc = Jdbc::new(grant);
    let statement = "SELECT X AS id, REPEAT('x', 1000) AS text FROM SYSTEM_RANGE(1, 300000)";
    let (before, begun) = (resident_bytes(), Instant::now());
    let mut result = jdbc.query(query(H2, "jdbc:h2:mem:;LAZY_QUERY_EXECUTION=1", statement)).await.unwrap();
    let (mut bytes, mut rows, mut most) = (0, 0, 0);
    loop {
        let lines = result.next(64 << 10).await.unwrap();
        if lines.is_empty() {
            break;
        }
        assert!(lines.len() <= 64 << 10 && lines.ends_with(b"\n"));
        bytes += lines.len();
        rows += lines.iter().filter(|byte| **byte == b'\n').count();
        most = most.max(resident_bytes());
    }
    println!(
        "{rows} rows, {bytes} bytes in {} ms; the engine grew by {} KiB",
        begun.elapsed().as_millis(),
        most.saturating_sub(before) >> 10
    );
    assert!(rows == 300_000 && bytes > 300_000_000);
    assert!(most.saturating_sub(before) < 100 << 20, "{before} {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_bytes_and_one_row_have_limits() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:", "jdbc:hsqldb:mem:"]) else { return };
    grant.config.row_bytes = 10_000;
    let jdbc = Jdbc::new(grant);
    let ten = || query(H2, "jdbc:h2:mem:", "SELECT X AS x FROM SYSTEM_RANGE(1, 10)");
    let limits = SqlLimits { rows: Some(10), bytes: Some(81), ..SqlLimits::default() };
    assert_eq!(rows(&jdbc, limited(ten(), limits)).await.len(), 10);
    for (limits, says) in [
        (SqlLimits { rows: Some(9), ..limits }, "more than 9 rows"),
        (SqlLimits { bytes: Some(80), ..limits }, "more than 80 bytes"),
    ] {
        let error = fails(&jdbc, limited(ten(), limits)).await;
        assert!(error.kind == ErrorKind::Exhausted && error.message.contains(says), "{error}");
    }
    let error = fails(&jdbc, query(HSQLDB, "jdbc:hsqldb:mem:x", "VALUES REPEAT('x', 10001)")).await;
    assert!(error.kind == ErrorKind::Exhausted && error.message.contains("a row of more than 10000 bytes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_the_most_that_a_query_may_ask_for() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:"]) else { return };
    grant.config.rows = 5;
    let limits = SqlLimits { rows: Some(1_000), ..SqlLimits::default() };
    let ten = query(H2, "jdbc:h2:mem:", "SELECT X FROM SYSTEM_RANGE(1, 10)");
    let error = fails(&Jdbc::new(grant), limited(ten, limits)).await;
    assert!(error.message.contains("more than 5 rows"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_ends_by_its_driver_or_by_the_engine() {
    let Some(jdbc) = jdbc(&["jdbc:h2:mem:", ODD, "jdbc:sqlite:/"]) else { return };
    let limits = SqlLimits { time_ms: Some(1_000), ..SqlLimits::default() };
    // The driver notices.
    let endless = "SELECT COUNT(*) FROM SYSTEM_RANGE(1, 1000000000) a, SYSTEM_RANGE(1, 1000000000) b";
    let error = fails(&jdbc, limited(query(H2, "jdbc:h2:mem:", endless), limits)).await;
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Timeout, Some("57014")), "{error}");
    // The driver does not: it is asleep.
    let begun = Instant::now();
    let error = fails(&jdbc, limited(query(H2, ODD, "SELECT NAP(60000)"), limits)).await;
    assert!(error.kind == ErrorKind::Timeout && error.message.contains("within 1000 ms and was killed"), "{error}");
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    // SQLite has its own word for it.
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n";
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("jdbc:sqlite:{}", file.path().display());
    let error = fails(&jdbc, limited(query(SQLITE, &url, endless), limits)).await;
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heap_that_is_full_is_the_error_of_its_query() {
    let Some(mut grant) = grant(&["jdbc:h2:mem:"]) else { return };
    grant.config.heap_bytes = 32 << 20;
    let jdbc = Jdbc::new(grant);
    let statement = "SELECT ARRAY_AGG(REPEAT('x', 100000) || X) FROM SYSTEM_RANGE(1, 100000)";
    let error = fails(&jdbc, query(H2, "jdbc:h2:mem:", statement)).await;
    assert_eq!(error.kind, ErrorKind::Exhausted, "{error}");
    println!("{error}");
    assert_eq!(told(&jdbc, query(H2, "jdbc:h2:mem:", "SELECT 1 AS a")).await.unwrap(), "{\"A\":1}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_takes_too_much_memory_is_killed() {
    let Some(mut grant) = grant(&[ODD]) else { return };
    grant.config.memory_bytes = 20 << 20;
    let jdbc = Jdbc::new(grant);
    let error = fails(&jdbc, query(H2, ODD, "SELECT NAP(60000)")).await;
    assert!(error.kind == ErrorKind::Exhausted && error.message.contains("more than 20971520 bytes"), "{error}");
}
