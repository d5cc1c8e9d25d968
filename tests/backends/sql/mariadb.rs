//! MariaDB, also as what it is to the driver of MySQL: types, log-ins.

use super::{Stage, but, mariadb, on_mariadb};

/// A column, a value of it and what becomes of that.
const TYPES: [(&str, &str, &str); 31] = [
    ("TINYINT", "-128", "-128"),
    ("BOOL", "true", "1"),
    ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
    ("INT(8) ZEROFILL", "42", "42"),
    ("YEAR", "2024", "2024"),
    (
        "DECIMAL(65,30)",
        "12345678901234567890.123456789012345678901234567890",
        "12345678901234567890.123456789012345678901234567890",
    ),
    ("DECIMAL(10,2)", "1.10", "1.10"),
    ("DOUBLE", "0.1e0 + 0.2e0", "0.30000000000000004"),
    ("DOUBLE", "-1.5e-300", "-1.5e-300"),
    ("FLOAT", "1.5", "1.5"),
    ("BIT(1)", "b'1'", "true"),
    ("BIT(64)", "18446744073709551615", "18446744073709551615"),
    ("JSON", "'{\"a\": [1.50, null],\n \"b\": \"x\"}'", r#"{"a": [1.50, null],  "b": "x"}"#),
    ("BLOB", "x'00ff10'", "\"AP8Q\""),
    ("BINARY(3)", "x'00ff'", "\"AP8A\""),
    ("VARBINARY(9)", "x'00ff'", "\"AP8=\""),
    ("DATE", "'2024-02-29'", "\"2024-02-29\""),
    ("TIME(6)", "'-838:59:58.000001'", "\"-838:59:58.000001\""),
    ("DATETIME(6)", "'2024-02-29 03:04:05.678901'", "\"2024-02-29T03:04:05.678901\""),
    ("TIMESTAMP(3) NULL", "'2024-02-29 03:04:05.678'", "\"2024-02-29T03:04:05.678+00:00\""),
    ("VARCHAR(50)", "'quote \" backslash \\\\ line\\nü 日本 😀'", r#""quote \" backslash \\ line\nü 日本 😀""#),
    ("CHAR(4) CHARACTER SET latin1", "'ü'", "\"ü\""),
    ("TEXT", "REPEAT('x', 300)", ""),
    ("LONGTEXT", "''", "\"\""),
    ("ENUM('red','blue')", "'blue'", "\"blue\""),
    ("SET('a','b')", "'a,b'", "\"a,b\""),
    ("UUID", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
    ("INET6", "'::1'", "\"::1\""),
    ("INT", "NULL", "null"),
    ("TEXT", "NULL", "null"),
    ("JSON", "NULL", "null"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_what_it_is_in_json() {
    let Some(database) = mariadb() else { return };
    let columns: Vec<String> = TYPES.iter().enumerate().map(|(at, (kind, _, _))| format!("c{at} {kind}")).collect();
    let values: Vec<&str> = TYPES.iter().map(|(_, value, _)| *value).collect();
    database.run(&format!(
        "SET NAMES utf8mb4; SET time_zone = '+00:00'; USE shop; CREATE TABLE types ({}) CHARACTER SET utf8mb4; \
         INSERT INTO types VALUES ({})",
        columns.join(", "),
        values.join(", ")
    ));
    let stage = Stage::new(database);
    let rows = stage.rows(&on_mariadb(database.address().port(), "SELECT * FROM types")).await;
    let long = format!("\"{}\"", "x".repeat(300));
    let json = |json: &'static str| if json.is_empty() { long.clone() } else { json.to_owned() };
    let cells: Vec<String> =
        TYPES.iter().enumerate().map(|(at, (_, _, it))| format!("\"c{at}\":{}", json(it))).collect();
    for (at, cell) in cells.iter().enumerate() {
        assert!(rows[0].contains(cell), "{}: {cell} in {}", TYPES[at].0, rows[0]);
    }
    assert_eq!(rows, [format!("{{{}}}", cells.join(","))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_of_mysql_speaks_to_it_too() {
    let Some(database) = mariadb() else { return };
    let (stage, port) = (Stage::new(database), database.address().port());
    for (url, driver) in [
        (format!("jdbc:mysql://localhost:{port}/shop?sslMode=VERIFY_IDENTITY"), "com.mysql.cj.jdbc.Driver"),
        (format!("jdbc:mysql://localhost:{port}/shop?useSSL=true&requireSSL=true"), "mysql"),
        (format!("jdbc:mysql://localhost:{port}/shop?serverTimezone=UTC"), "mariadb"),
        (format!("jdbc:mariadb://localhost:{port}/shop"), "org.mariadb.jdbc.Driver"),
    ] {
        let query = "SELECT a, @@session.time_zone AS zone FROM things";
        let options = but(but(on_mariadb(port, query), "url", url.as_str()), "driver", driver);
        assert_eq!(stage.rows(&options).await, [r#"{"a":1,"zone":"+00:00"}"#], "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_result_and_a_long_row_come_as_they_are() {
    let Some(database) = mariadb() else { return };
    let (stage, port) = (Stage::new(database), database.address().port());
    assert!(stage.rows(&on_mariadb(port, "SELECT a FROM things WHERE a > 1")).await.is_empty());
    let rows = stage.rows(&on_mariadb(port, "SELECT REPEAT('é', 2000000) AS long_one, 1 AS one")).await;
    assert_eq!(rows, [format!("{{\"long_one\":\"{}\",\"one\":1}}", "é".repeat(2_000_000))]);
}
