//! Keeps the state diagram in `engine/architecture.md` equal to the transition table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::event::EventKind;
use super::status::State;
use super::transition::TABLE;

const BEGIN: &str = "<!-- state-diagram:begin -->\n";
const END: &str = "<!-- state-diagram:end -->";

fn diagram() -> String {
    let mut edges: BTreeMap<(State, State), Vec<EventKind>> = BTreeMap::new();
    for (from, event, targets) in TABLE {
        for to in *targets {
            edges.entry((*from, *to)).or_default().push(*event);
        }
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n");
    for start in [State::Waiting, State::Queued] {
        writeln!(text, "    [*] --> {start:?}").unwrap();
    }
    for ((from, to), events) in edges {
        let names: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
        writeln!(text, "    {from:?} --> {to:?}: {}", names.join(", ")).unwrap();
    }
    for end in State::ALL.into_iter().filter(|state| state.is_final()) {
        writeln!(text, "    {end:?} --> [*]").unwrap();
    }
    text + "```\n"
}

/// With `WINDLASS_UPDATE_DOCS=1` the page is rewritten instead.
#[test]
fn the_diagram_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("engine/architecture.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (shown, tail) = rest.split_once(END).unwrap();
    if std::env::var("WINDLASS_UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, format!("{head}{BEGIN}{}{END}{tail}", diagram())).unwrap();
        return;
    }
    assert_eq!(shown, diagram(), "run this test with WINDLASS_UPDATE_DOCS=1");
}
