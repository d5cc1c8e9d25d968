//! PostgreSQL: types, log-ins, settings of the URL.

use super::{Stage, but, on_postgresql, postgresql};

/// An expression and what becomes of it.
const TYPES: [(&str, &str); 46] = [
    ("true", "true"),
    ("false", "false"),
    ("(-32768)::smallint", "-32768"),
    ("9223372036854775807::bigint", "9223372036854775807"),
    ("0.1::real", "0.1"),
    ("3.4028235e38::real", "3.4028235e+38"),
    ("0.1::float8 + 0.2::float8", "0.30000000000000004"),
    ("5e-324::float8", "5e-324"),
    ("'NaN'::float8", "\"NaN\""),
    ("'-Infinity'::float8", "\"-Infinity\""),
    ("12345678901234567890.123456789012345678901234567890", "12345678901234567890.123456789012345678901234567890"),
    ("1.10::numeric", "1.10"),
    ("'NaN'::numeric", "\"NaN\""),
    ("'{\"a\": [1.50, null],\n \"b\": \"x\\ny\"}'::json", r#"{"a": [1.50, null],  "b": "x\ny"}"#),
    ("'{\"a\": 12345678901234567890.10}'::jsonb", r#"{"a": 12345678901234567890.10}"#),
    (r"'\x00ff10'::bytea", "\"AP8Q\""),
    ("'2024-02-29'::date", "\"2024-02-29\""),
    ("'03:04:05.678901'::time", "\"03:04:05.678901\""),
    ("'03:04:05+02'::timetz", "\"03:04:05+02:00\""),
    ("'2024-02-29 03:04:05.678901'::timestamp", "\"2024-02-29T03:04:05.678901\""),
    ("'2024-02-29 03:04:05.5+05:30'::timestamptz", "\"2024-02-28T21:34:05.5+00:00\""),
    ("'infinity'::timestamptz", "\"infinity\""),
    ("'0044-03-15 BC'::date", "\"0044-03-15 BC\""),
    ("'1 year 2 days 03:04:05'::interval", "\"P1Y2DT3H4M5S\""),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
    ("'quote \" backslash \\ line\nü 日本 😀'::text", r#""quote \" backslash \\ line\nü 日本 😀""#),
    ("'x'::\"char\"", "\"x\""),
    ("'ab'::char(4)", "\"ab  \""),
    ("'192.168.1.0/24'::cidr", "\"192.168.1.0/24\""),
    ("'[1,5)'::int4range", "\"[1,5)\""),
    ("B'101'", "\"101\""),
    ("ROW(1, 'a')", "\"(1,a)\""),
    ("NULL::int", "null"),
    ("ARRAY[1, NULL, 3]", "[1,null,3]"),
    ("ARRAY[[1, 2], [3, 4]]::bigint[]", "[[1,2],[3,4]]"),
    ("'{}'::text[]", "[]"),
    ("ARRAY['a', 'NULL', '', 'x,y', 'q\"\\', NULL, '{}']", r#"["a","NULL","","x,y","q\"\\",null,"{}"]"#),
    ("ARRAY[1.50, 'NaN']::numeric[]", "[1.50,\"NaN\"]"),
    ("ARRAY[true, false]", "[true,false]"),
    (r"ARRAY['\x00'::bytea]", "[\"AA==\"]"),
    ("ARRAY['{\"a\": 1}'::jsonb]", "[{\"a\": 1}]"),
    ("ARRAY['2024-02-29 03:04:05+00'::timestamptz]", "[\"2024-02-29T03:04:05+00:00\"]"),
    ("'[0:1]={5,6}'::int[]", "[5,6]"),
    ("ARRAY['(1,2),(3,4)'::box, NULL]", "[\"(3,4),(1,2)\",null]"),
    ("ARRAY['red', 'blue']::colour[]", "[\"red\",\"blue\"]"),
    ("ARRAY[1, 2]::counts[]", "[1,2]"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_what_it_is_in_json() {
    let Some(database) = postgresql() else { return };
    database.run("CREATE TYPE colour AS ENUM ('red', 'blue'); CREATE DOMAIN counts AS int CHECK (VALUE > 0)");
    let stage = Stage::new(database);
    let cells: Vec<String> = TYPES.iter().enumerate().map(|(at, (sql, _))| format!("{sql} AS c{at}")).collect();
    let port = database.address().port();
    let rows = stage.rows(&on_postgresql(port, &format!("SELECT {}", cells.join(", ")))).await;
    let cells: Vec<String> = TYPES.iter().enumerate().map(|(at, (_, json))| format!("\"c{at}\":{json}")).collect();
    for (at, cell) in cells.iter().enumerate() {
        assert!(rows[0].contains(cell), "{}: {cell} in {}", TYPES[at].0, rows[0]);
    }
    assert_eq!(rows, [format!("{{{}}}", cells.join(","))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_result_and_one_of_nulls_come_as_they_are() {
    let Some(database) = postgresql() else { return };
    let (stage, port) = (Stage::new(database), database.address().port());
    assert!(stage.rows(&on_postgresql(port, "SELECT 1 AS a WHERE false")).await.is_empty());
    let rows = stage.rows(&on_postgresql(port, "SELECT NULL AS a, NULL::text[] AS b FROM generate_series(1, 2)")).await;
    assert_eq!(rows, [r#"{"a":null,"b":null}"#; 2]);
    // What was there before is replaced, and a file may have another name.
    let rows = stage.rows(&on_postgresql(port, "TABLE things")).await;
    assert_eq!(rows, [r#"{"a":1}"#]);
    stage.rows(&but(on_postgresql(port, "TABLE things"), "file", "things.jsonl")).await;
    assert!(stage.file("things.jsonl").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_log_in_lets_in() {
    let Some(database) = postgresql() else { return };
    let (stage, port) = (Stage::new(database), database.address().port());
    for (user, way) in [("windlass", "SCRAM"), ("old", "MD5"), ("simple", "the password itself")] {
        let options = but(on_postgresql(port, "SELECT current_user AS me"), "username", user);
        assert_eq!(stage.rows(&options).await, [format!("{{\"me\":\"{user}\"}}")], "{way}");
        let error = Stage::new(database).refused(&but(options, "password", "wrong")).await;
        assert_eq!(
            (error.code.as_deref(), error.kind),
            (Some("28P01"), super::refusals::UNAUTHENTICATED),
            "{way}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_url_sets_is_set() {
    let Some(database) = postgresql() else { return };
    database.run("CREATE SCHEMA \"Odd\"; CREATE TABLE \"Odd\".marked (a int); GRANT USAGE ON SCHEMA \"Odd\" TO windlass; GRANT SELECT ON \"Odd\".marked TO windlass");
    let (stage, port) = (Stage::new(database), database.address().port());
    let url = format!(
        "jdbc:postgresql://localhost:{port}/postgres?sslmode=verify-full&currentSchema=Odd,public&ApplicationName=nightly"
    );
    let query = "SELECT count(*) AS count, current_setting('application_name') AS name, \
                 current_setting('transaction_read_only') AS read FROM marked";
    let options = but(but(on_postgresql(port, query), "url", url), "driver", "org.postgresql.Driver");
    assert_eq!(stage.rows(&options).await, [r#"{"count":0,"name":"nightly","read":"on"}"#]);
}
