//! Whether a statement only reads. Drivers and databases are told to refuse writes too, but not all of them do: to some
//! "read-only" is a hint.

/// How a statement that reads begins.
const READS: [&str; 6] = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE"];
/// Bytes of a statement.
const MOST_BYTES: usize = 1 << 20;
/// Where databases differ in what is text and what is not.
const AMBIGUOUS: [&str; 6] = ["\\", "$", "[", "--", "/*", "#"];

/// Checks that it is one statement that reads.
pub(super) fn check(statement: &str) -> Result<(), String> {
    if statement.len() > MOST_BYTES {
        return Err(format!("it has {} bytes; allowed are {MOST_BYTES}", statement.len()));
    }
    if statement.contains('\0') {
        return Err("it has a NUL in it".to_owned());
    }
    let rest = without_comments(statement).trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let first = rest.get(..end).unwrap_or_default();
    if !READS.iter().any(|word| word.eq_ignore_ascii_case(first)) {
        return Err(format!("a statement that reads begins with one of {}", READS.join(", ")));
    }
    check_single(statement.trim_end_matches(|c: char| c.is_whitespace() || c == ';'))
}

/// What follows the comments that it begins with. One that databases read in different ways is left in its place, where no
/// statement begins.
fn without_comments(statement: &str) -> &str {
    let mut rest = statement.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').filter(|(text, _)| !text.trim_end_matches('\r').contains('\r'))
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let runs = comment.starts_with(['!', 'M', '+']);
            comment.split_once("*/").filter(|(text, _)| !runs && !text.contains("/*"))
        } else {
            None
        };
        let Some((_, after)) = after else { return rest };
        rest = after.trim_start();
    }
}

fn check_single(statement: &str) -> Result<(), String> {
    if !statement.contains(';') {
        return Ok(());
    }
    if AMBIGUOUS.iter().any(|sign| statement.contains(sign)) {
        let signs = AMBIGUOUS.join(" ");
        return Err(format!("a ';' before its end is not taken in a statement that has one of {signs} in it"));
    }
    let mut quote = None;
    for c in statement.chars() {
        match quote {
            None if c == ';' => return Err("it is more than one statement".to_owned()),
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_taken() {
        for statement in [
            "SELECT 1",
            "  select ';' AS a, \"b;\" FROM `c;`;  ",
            "-- first\n/* second */ (SELECT 1) UNION (SELECT 2);",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "values (1, 2)",
            "TABLE t",
            "SELECT 'it''s; fine'",
            "SELECT $1 # no semicolon, no doubt",
        ] {
            assert_eq!(check(statement), Ok(()), "{statement}");
        }
    }

    #[test]
    fn what_writes_and_what_may_is_refused() {
        for statement in [
            "",
            "INSERT INTO t VALUES (1)",
            "selects",
            "DROP TABLE t -- SELECT",
            "/* SELECT */ DELETE FROM t",
            "/*! SELECT 1 */",
            "/*! INSERT INTO t */ SELECT 1",
            "/* /* */ SELECT */ DELETE FROM t",
            "-- \rDELETE FROM t --\nSELECT 1",
            "SELECT 1; DROP TABLE t",
            "SELECT '\\''; DROP TABLE t; -- '",
            "SELECT $$'$$; DROP TABLE t; SELECT '",
            "SELECT 1 AS [']; DROP TABLE t; SELECT 1 AS [']",
            "CALL f()",
            "EXPLAIN ANALYZE DELETE FROM t",
            "SELECT 1\0",
        ] {
            assert!(check(statement).is_err(), "{statement}");
        }
    }
}
