//! What becomes of types: nothing is lost on the way.

use serde_json::json;

use super::{H2, HSQLDB, SQLITE, jdbc, query, rows, told};

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_h2_keeps_its_value() {
    let Some(jdbc) = jdbc(&["jdbc:h2:mem:"]) else { return };
    let statement = "SELECT CAST(12345678901234567890.12345678901234567890 AS NUMERIC(60, 20)) AS num,
        CAST(-9223372036854775808 AS BIGINT) AS big, CAST(1.5 AS REAL) AS flt, CAST('NaN' AS DOUBLE PRECISION) AS nan,
        TRUE AS yes, CAST(NULL AS BOOLEAN) AS maybe, CAST(NULL AS INT) AS nothing, X'00ff10' AS bin,
        CAST(X'0102' AS BLOB) AS blb, CAST('long' AS CLOB) AS clb,
        DATE '2024-02-29' AS d, TIME '03:04:00' AS t, TIMESTAMP '2024-03-31 02:30:00.123456789' AS ts,
        TIMESTAMP WITH TIME ZONE '2024-03-31 02:30:00+05:30' AS tsz, TIME WITH TIME ZONE '01:02:03-08:00' AS tz,
        JSON '{\"a\": [1, 2.50, null]}' AS j, ARRAY[1, NULL, 3] AS arr, ARRAY[ARRAY['a,b', 'c\"d'], ARRAY['e']] AS deep,
        ARRAY[DATE '2024-01-02'] AS days, UUID '00000000-0000-0000-0000-00000000000a' AS id, 'quote \" ü\n' AS \"Odd Label\",
        INTERVAL '3' DAY AS span";
    let text = told(&jdbc, query(H2, "jdbc:h2:mem:", statement)).await.unwrap();
    let wanted = "{\"NUM\":12345678901234567890.12345678901234567890,\"BIG\":-9223372036854775808,\"FLT\":1.5,\"NAN\":\"NaN\",\
        \"YES\":true,\"MAYBE\":null,\"NOTHING\":null,\"BIN\":\"AP8Q\",\"BLB\":\"AQI=\",\"CLB\":\"long\",\
        \"D\":\"2024-02-29\",\"T\":\"03:04:00\",\"TS\":\"2024-03-31T02:30:00.123456789\",\"TSZ\":\"2024-03-31T02:30:00+05:30\",\
        \"TZ\":\"01:02:03-08:00\",\"J\":{\"a\":[1,2.50,null]},\"ARR\":[1,null,3],\"DEEP\":[[\"a,b\",\"c\\\"d\"],[\"e\"]],\
        \"DAYS\":[\"2024-01-02\"],\"ID\":\"00000000-0000-0000-0000-00000000000a\",\"Odd Label\":\"quote \\\" ü\\n\",\
        \"SPAN\":\"INTERVAL '3' DAY\"}\n";
    assert_eq!(text, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_hsqldb_keeps_its_value() {
    let Some(jdbc) = jdbc(&["jdbc:hsqldb:mem:"]) else { return };
    let statement = "SELECT CAST(1.10 AS DECIMAL(40, 30)) AS num, CAST(1E300 AS DOUBLE) AS dbl, TRUE AS yes,
        CAST(NULL AS VARCHAR(9)) AS nothing, X'00ff' AS bin, DATE '2024-02-29' AS d,
        TIMESTAMP '2024-03-31 02:30:00' AS ts, TIMESTAMP '2024-03-31 02:30:00+2:00' AS tsz,
        ARRAY[1, 2] AS arr FROM (VALUES(0))";
    let rows = rows(&jdbc, query(HSQLDB, "jdbc:hsqldb:mem:types", statement)).await;
    let wanted = json!({
        "NUM": 1.1, "DBL": 1e300, "YES": true, "NOTHING": null, "BIN": "AP8=", "D": "2024-02-29",
        "TS": "2024-03-31T02:30:00", "TSZ": "2024-03-31T02:30:00+02:00", "ARR": [1, 2],
    });
    assert_eq!(rows, [wanted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_of_sqlite_is_what_it_is_in_its_row() {
    let Some(jdbc) = jdbc(&["jdbc:sqlite:/"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.db");
    std::fs::write(&file, "").unwrap();
    let statement =
        "SELECT 9223372036854775807 AS v UNION ALL SELECT 1.5 UNION ALL SELECT 'text' UNION ALL SELECT x'00ff'
        UNION ALL SELECT NULL";
    let rows = rows(&jdbc, query(SQLITE, &format!("jdbc:sqlite:{}", file.display()), statement)).await;
    let wanted = [json!(i64::MAX), json!(1.5), json!("text"), json!("AP8="), json!(null)];
    assert_eq!(rows, wanted.map(|value| json!({ "v": value })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_result_has_columns_and_equal_labels_are_refused() {
    let Some(jdbc) = jdbc(&["jdbc:h2:mem:"]) else { return };
    let empty = query(H2, "jdbc:h2:mem:", "SELECT CAST(1 AS INT) AS a, 'b' AS b FROM SYSTEM_RANGE(1, 0)");
    let mut rows = jdbc.query(empty).await.unwrap();
    let columns: Vec<_> = rows.columns().iter().map(|it| (it.name.as_str(), it.database_type.as_str())).collect();
    assert_eq!(columns, [("A", "INTEGER"), ("B", "CHARACTER VARYING")]);
    assert_eq!(rows.next(1).await.unwrap(), b"");
    assert_eq!(rows.next(1).await.unwrap(), b"");
    let error = super::fails(&jdbc, query(H2, "jdbc:h2:mem:", "SELECT 1 AS a, 2 AS a")).await;
    assert!(error.message.contains("two columns are called \"A\"") && error.message.contains("AS"), "{error}");
}
