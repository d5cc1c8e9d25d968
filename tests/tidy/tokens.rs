//! Cuts Rust text into words and marks, leaving out comments and the insides of literals.

use std::ops::Range;

/// A word, a mark (`::` is one, every other mark is one character), or `"` for any literal text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The tokens of one file.
pub(crate) struct Tokens(Vec<Token>);

impl Tokens {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The text at `at`, empty past either end.
    pub(crate) fn text(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |token| token.text.as_str())
    }

    /// The text `back` tokens before `at`, empty before the start.
    pub(crate) fn before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |at| self.text(at))
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        self.0.get(at).map_or(0, |token| token.line)
    }

    pub(crate) fn is_word(&self, at: usize) -> bool {
        let first = self.text(at).chars().next();
        first.is_some_and(|it| it == '_' || it.is_alphabetic())
    }

    /// Whether the tokens from `at` on are `expected`.
    pub(crate) fn starts_with(&self, at: usize, expected: &[&str]) -> bool {
        expected.iter().enumerate().all(|(offset, text)| self.text(at + offset) == *text)
    }

    /// Where the bracket opened at `open` is closed; the end of the file if never.
    pub(crate) fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for at in open..self.len() {
            match self.text(at) {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        self.len()
    }

    /// From `at`, the first `{` or `;` that is not inside parentheses or brackets.
    pub(crate) fn body_or_end(&self, mut at: usize) -> usize {
        while at < self.len() {
            match self.text(at) {
                "(" | "[" => at = self.closing(at),
                // A const argument, not a body.
                "{" if self.before(at, 1) == "<" => at = self.closing(at),
                "{" | ";" => return at,
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// The bodies of inline modules with their names, outer ones first.
    pub(crate) fn inline_modules(&self) -> Vec<(String, Range<usize>)> {
        let opens =
            (0..self.len()).filter(|at| self.text(*at) == "mod" && self.is_word(at + 1) && self.text(at + 2) == "{");
        opens.map(|at| (self.text(at + 1).to_owned(), at + 2..self.closing(at + 2))).collect()
    }

    /// The items that are built for tests only.
    pub(crate) fn test_regions(&self) -> Vec<Range<usize>> {
        let marks = ["#", "[", "cfg", "(", "test", ")", "]"];
        let starts = (0..self.len()).filter(|at| self.starts_with(*at, &marks));
        starts
            .map(|start| {
                let body = self.body_or_end(start + marks.len());
                start..self.closing(body).max(body)
            })
            .collect()
    }
}

pub(crate) fn tokenize(text: &str) -> Tokens {
    let mut cutter = Cutter { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while let Some(next) = cutter.peek(0) {
        cutter.cut(next);
    }
    Tokens(cutter.tokens)
}

struct Cutter {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Cutter {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut skipped = String::new();
        while let Some(next) = self.peek(0).filter(|next| wanted(*next)) {
            skipped.push(next);
            self.skip(1);
        }
        skipped
    }

    fn push(&mut self, text: &str, line: usize) {
        let text = text.to_owned();
        self.tokens.push(Token { text, line });
    }

    fn cut(&mut self, next: char) {
        let line = self.line;
        match (next, self.peek(1)) {
            ('/', Some('/')) => {
                self.skip_while(|it| it != '\n');
            }
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.quoted('"'),
            ('\'', _) => self.quote_or_lifetime(),
            (':', Some(':')) => {
                self.skip(2);
                self.push("::", line);
            }
            _ if next.is_whitespace() => self.skip(1),
            _ if next == '_' || next.is_alphanumeric() => self.word(),
            _ => {
                self.skip(1);
                self.push(&next.to_string(), line);
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0usize;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                _ => {
                    self.skip(1);
                    continue;
                }
            }
            self.skip(2);
            if depth == 0 {
                return;
            }
        }
    }

    /// A literal between `mark`s in which a backslash keeps the next character from closing it.
    fn quoted(&mut self, mark: char) {
        let line = self.line;
        self.skip(1);
        while let Some(next) = self.peek(0) {
            self.skip(if next == '\\' { 2 } else { 1 });
            if next == mark {
                break;
            }
        }
        self.push("\"", line);
    }

    fn quote_or_lifetime(&mut self) {
        if self.peek(1) == Some('\\') || self.peek(2) == Some('\'') {
            return self.quoted('\'');
        }
        let line = self.line;
        self.skip(1);
        self.skip_while(|it| it == '_' || it.is_alphanumeric());
        self.push("'", line);
    }

    fn word(&mut self) {
        let line = self.line;
        let word = self.skip_while(|it| it == '_' || it.is_alphanumeric());
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        let bytes = matches!(word.as_str(), "b" | "c");
        match self.peek(0) {
            Some('"') if raw => self.raw_text(0),
            Some('"') if bytes => self.quoted('"'),
            Some('\'') if bytes => self.quoted('\''),
            Some('#') if raw => {
                let hashes = (0..).take_while(|at| self.peek(*at) == Some('#')).count();
                if self.peek(hashes) == Some('"') {
                    return self.raw_text(hashes);
                }
                // A raw identifier: its name is what counts.
                self.skip(1);
                let word = self.skip_while(|it| it == '_' || it.is_alphanumeric());
                self.push(&word, line);
            }
            _ => self.push(&word, line),
        }
    }

    fn raw_text(&mut self, hashes: usize) {
        let line = self.line;
        self.skip(hashes + 1);
        let closes = |cutter: &Self| cutter.peek(0) == Some('"') && (1..=hashes).all(|at| cutter.peek(at) == Some('#'));
        while self.peek(0).is_some() && !closes(self) {
            self.skip(1);
        }
        self.skip(hashes + 1);
        self.push("\"", line);
    }
}

fn words(text: &str) -> String {
    let tokens = tokenize(text);
    let texts: Vec<&str> = (0..tokens.len()).map(|at| tokens.text(at)).collect();
    texts.join(" ")
}

#[test]
fn comments_and_literals_hide_their_insides() {
    assert_eq!(words("a // redb::x {\nb"), "a b");
    assert_eq!(words("a /* { /* } */ redb */ b"), "a b");
    assert_eq!(words(r#"a("}\"{ redb", b"{", c"{")"#), r#"a ( " , " , " )"#);
    assert_eq!(words(r###"r#"}"quoted" { "# r"\" br##"{"#"## x"###), r#"" " " x"#);
    assert_eq!(words(r"'{' '\'' '\u{7d}' b'{' b'\'' x"), r#"" " " " " x"#);
    assert_eq!(words("fn f<'a>(x: &'a str, y: &'static T)"), "fn f < ' > ( x : & ' str , y : & ' T )");
    assert_eq!(words("r#type::r#fn r b"), "type :: fn r b");
    assert_eq!(words("/// doc `{`\n//! { \nx"), "x");
    assert_eq!(words("\"never closed {"), "\"");
}

#[test]
fn lines_are_counted_through_everything() {
    let tokens = tokenize("\"a\nb\\\n\" /* \n */ // x\nr\"\n\" last");
    assert_eq!(tokens.text(2), "last");
    assert_eq!(tokens.line(2), 6);
}

#[test]
fn test_items_and_inline_modules_are_found() {
    let tokens = tokenize("mod a { mod b { x } } #[cfg(test)] mod t { y } #[cfg(test)] use z; end");
    let place = |word| (0..tokens.len()).find(|at| tokens.text(*at) == word).unwrap();
    let inside = |word| -> Vec<String> {
        let modules = tokens.inline_modules().into_iter();
        let around = modules.filter(|(_, body)| body.contains(&place(word)));
        around.map(|(name, _)| name).collect()
    };
    assert_eq!(inside("x"), ["a", "b"]);
    assert_eq!(inside("y"), ["t"]);
    let tested = |word| tokens.test_regions().iter().any(|it| it.contains(&place(word)));
    assert!(tested("y") && tested("z"));
    assert!(!tested("x") && !tested("end"));
}
