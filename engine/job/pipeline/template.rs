//! Texts with `${…}` in them.

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// As it stands.
    Text(&'t str),
    /// `${parameters.NAME}`
    Parameter(&'t str),
    /// `${nodes.NAME.output}`
    Output(&'t str),
}

/// What is wrong with a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault<'t> {
    /// `${` without its `}`.
    Unclosed,
    /// Something else in between.
    Unknown(&'t str),
}

/// What may be between `${` and `}`.
pub(super) const REFERENCES: &str = "${parameters.NAME}, ${nodes.NAME.output}, or $${ for the two characters ${";

impl Fault<'_> {
    /// Names the reference where it looks like one, never other parts of a value.
    pub(super) fn problem(self) -> String {
        match self {
            Fault::Unclosed => "a ${ is not closed".to_owned(),
            Fault::Unknown("") => "${} names nothing".to_owned(),
            Fault::Unknown(text) => {
                let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
                if text.len() <= 80 && text.chars().all(ok) {
                    format!("${{{text}}} is not known")
                } else {
                    "what is between ${ and } is not known".to_owned()
                }
            }
        }
    }
}

/// Takes a text apart. `$${` is the text `${`; any other `$` is itself.
pub(super) fn pieces(text: &str) -> Vec<Result<Piece<'_>, Fault<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(literal) = before.strip_suffix('$') {
            pieces.extend([Ok(Piece::Text(literal)), Ok(Piece::Text("${"))]);
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        pieces.push(Ok(Piece::Text(before)));
        let Some((inner, after)) = from.get(2..).and_then(|inside| inside.split_once('}')) else {
            pieces.push(Err(Fault::Unclosed));
            return pieces;
        };
        pieces.push(reference(inner));
        rest = after;
    }
    pieces.push(Ok(Piece::Text(rest)));
    pieces.retain(|piece| *piece != Ok(Piece::Text("")));
    pieces
}

fn reference(inner: &str) -> Result<Piece<'_>, Fault<'_>> {
    if let Some(name) = inner.strip_prefix("parameters.").filter(|name| !name.is_empty()) {
        return Ok(Piece::Parameter(name));
    }
    let node = inner.strip_prefix("nodes.").and_then(|rest| rest.strip_suffix(".output"));
    match node.filter(|name| !name.is_empty()) {
        Some(name) => Ok(Piece::Output(name)),
        None => Err(Fault::Unknown(inner)),
    }
}

#[test]
fn texts_are_taken_apart() {
    use Piece::{Output, Parameter, Text};
    let good = |text: &'static str| pieces(text).into_iter().collect::<Result<Vec<_>, _>>();
    let cases = [
        ("", vec![]),
        ("plain", vec![Text("plain")]),
        ("$5 and $", vec![Text("$5 and $")]),
        ("${parameters.a}", vec![Parameter("a")]),
        ("x${nodes.a.b.output}y", vec![Text("x"), Output("a.b"), Text("y")]),
        ("$${parameters.a}", vec![Text("${"), Text("parameters.a}")]),
        ("$$${parameters.a}", vec![Text("$"), Text("${"), Text("parameters.a}")]),
        ("$$ $ {}", vec![Text("$$ $ {}")]),
        ("${parameters.a}${parameters.b}", vec![Parameter("a"), Parameter("b")]),
    ];
    for (text, expected) in cases {
        assert_eq!(good(text), Ok(expected), "{text}");
    }
    for text in ["${", "${parameters.a", "a${nodes.b.output"] {
        assert_eq!(good(text), Err(Fault::Unclosed), "{text}");
    }
    for inner in ["", "x", "parameters.", "nodes..output", "nodes.a", "nodes.a.state", " parameters.a", "env.HOME"] {
        assert_eq!(reference(inner), Err(Fault::Unknown(inner)));
    }
}
