//! Arrays of PostgreSQL: `{1,NULL,"a \"b\""}`, nested in as many dimensions as they have.

use windlass_plugin::{Error, Result};

use super::kinds::Kind;
use super::render;
use crate::json;
use crate::wire::broken;

/// Dimensions of an array; PostgreSQL has 6.
const MOST_DEPTH: usize = 16;

/// Appends an array whose elements are of a kind.
pub(super) fn value(text: &[u8], between: u8, element: &Kind, line: &mut Vec<u8>) -> Result<()> {
    // Bounds that are not the usual ones come first: `[0:1]={a,b}`.
    let begins = text.iter().position(|byte| *byte == b'{').ok_or_else(bad)?;
    let mut reader = Reader { rest: text.get(begins..).unwrap_or_default(), between, element };
    reader.array(line)?;
    if reader.rest.is_empty() { Ok(()) } else { Err(bad()) }
}

fn bad() -> Error {
    broken("an array that is none")
}

struct Reader<'a> {
    rest: &'a [u8],
    between: u8,
    element: &'a Kind,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(bad)?;
        self.rest = rest;
        Ok(*first)
    }

    fn peek(&self) -> Result<u8> {
        self.rest.first().copied().ok_or_else(bad)
    }

    /// Reads one whole array. It counts its depth, and does not call itself.
    fn array(&mut self, line: &mut Vec<u8>) -> Result<()> {
        let mut depth = 0_usize;
        // Whether a value may stand here, and not an end or a comma.
        let mut wants_value = true;
        loop {
            match self.peek()? {
                b'{' if wants_value => {
                    self.next()?;
                    depth += 1;
                    if depth > MOST_DEPTH {
                        return Err(bad());
                    }
                    line.push(b'[');
                    if self.peek()? == b'}' {
                        wants_value = false;
                    }
                }
                b'}' if !wants_value => {
                    self.next()?;
                    line.push(b']');
                    depth = depth.checked_sub(1).ok_or_else(bad)?;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                byte if byte == self.between && !wants_value => {
                    self.next()?;
                    line.push(b',');
                    wants_value = true;
                }
                _ if wants_value && depth > 0 => {
                    self.element(line)?;
                    wants_value = false;
                }
                _ => return Err(bad()),
            }
        }
    }

    fn element(&mut self, line: &mut Vec<u8>) -> Result<()> {
        if self.peek()? == b'"' {
            self.next()?;
            let text = self.quoted()?;
            return render::value(self.element, Some(&text), line);
        }
        let mut text = Vec::new();
        while !matches!(self.peek()?, b'}' | b'{' | b'"') && self.peek()? != self.between {
            match self.next()? {
                b'\\' => text.push(self.next()?),
                byte => text.push(byte),
            }
        }
        if text.is_empty() {
            return Err(bad());
        }
        if text.eq_ignore_ascii_case(b"NULL") {
            json::null(line);
            return Ok(());
        }
        render::value(self.element, Some(&text), line)
    }

    fn quoted(&mut self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Ok(text),
                b'\\' => text.push(self.next()?),
                byte => text.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, kind: &Kind) -> Result<String> {
        let mut line = Vec::new();
        value(text.as_bytes(), b',', kind, &mut line)?;
        Ok(String::from_utf8(line).unwrap())
    }

    #[test]
    fn arrays_are_arrays() {
        for (text, kind, expected) in [
            ("{}", Kind::Number, "[]"),
            ("{1,NULL,3}", Kind::Number, "[1,null,3]"),
            ("{{1,2},{3,NULL}}", Kind::Number, "[[1,2],[3,null]]"),
            ("{NaN,1.50}", Kind::Number, "[\"NaN\",1.50]"),
            ("[0:1]={a,b}", Kind::Text, "[\"a\",\"b\"]"),
            (r#"{"NULL","a\"b\\c","","x,y","{}"}"#, Kind::Text, r#"["NULL","a\"b\\c","","x,y","{}"]"#),
            (r#"{"{\"a\": 1}",NULL}"#, Kind::Json, r#"[{"a": 1},null]"#),
            (r#"{"\\x00ff"}"#, Kind::Bytes, "[\"AP8=\"]"),
            ("{t,f}", Kind::Bool, "[true,false]"),
            (r#"{"2024-01-02 03:04:05+00"}"#, Kind::TimestampZoned, "[\"2024-01-02T03:04:05+00:00\"]"),
        ] {
            assert_eq!(rendered(text, &kind).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let deep = "{".repeat(100_000);
        for text in ["", "{", "1", "{1,}", "{,1}", "{1}}", "{1}x", "{\"a}", "{1 {2}}", "{{}1}", "{\\", deep.as_str()] {
            assert!(rendered(text, &Kind::Text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }
}
