//! XML as stores answer with it, read within bounds. There are no entities but the five that XML has and characters by
//! their number; a document type is refused.

use quick_xml::Reader;
use quick_xml::events::Event;
use windlass_plugin::{Error, ErrorKind, Result, Retry};

/// Elements within one another.
const MOST_DEPTH: usize = 16;
/// Elements of one document: a page of a list has about ten for each of its thousand objects.
const MOST_ELEMENTS: usize = 50_000;

/// An element with what is in it. Namespaces and attributes are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name without a prefix.
    pub name: String,
    /// The text that is directly in it.
    pub text: String,
    /// The elements that are directly in it.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    /// What is no XML within the bounds; a store that is well again answers better, so it is worth another try.
    pub fn parse(bytes: &[u8]) -> Result<Element> {
        let text = std::str::from_utf8(bytes).map_err(|_| broken("it is not UTF-8"))?;
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = Vec::new();
        let mut count = 0;
        loop {
            let done = match reader.read_event().map_err(|error| broken(&error.to_string()))? {
                Event::Start(start) => {
                    count += 1;
                    if open.len() >= MOST_DEPTH || count > MOST_ELEMENTS {
                        return Err(broken("it has more elements than any answer needs"));
                    }
                    let name = start.local_name().into_inner().to_owned();
                    open.push(Element { name, ..Element::default() });
                    None
                }
                Event::Empty(start) => {
                    count += 1;
                    if count > MOST_ELEMENTS {
                        return Err(broken("it has more elements than any answer needs"));
                    }
                    let name = start.local_name().into_inner().to_owned();
                    Some(Element { name, ..Element::default() })
                }
                Event::End(_) => open.pop(),
                Event::Eof => return Err(broken("it ends too early")),
                event => {
                    add_text(&mut open, &event)?;
                    None
                }
            };
            match (done, open.last_mut()) {
                (Some(element), Some(parent)) => parent.children.push(element),
                (Some(element), None) => return Ok(element),
                (None, _) => {}
            }
        }
    }

    /// The first element of this name that is directly in it.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first element of this name, unless it is empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }
}

fn add_text(open: &mut [Element], event: &Event<'_>) -> Result<()> {
    let Some(element) = open.last_mut() else {
        // Only a declaration, comments and blanks stand outside of the element.
        return if matches!(event, Event::DocType(_)) { Err(broken("it has a document type")) } else { Ok(()) };
    };
    match event {
        Event::Text(text) => element.text.push_str(&text.xml10_content()),
        Event::CData(text) => element.text.push_str(&text.xml10_content()),
        Event::GeneralRef(reference) => {
            let number = reference.resolve_char_ref().map_err(|error| broken(&error.to_string()))?;
            let name: &str = reference;
            element.text.push(match (number, name) {
                (Some(letter), _) => letter,
                (None, "lt") => '<',
                (None, "gt") => '>',
                (None, "amp") => '&',
                (None, "apos") => '\'',
                (None, "quot") => '"',
                (None, _) => return Err(broken("it has an entity of its own")),
            });
        }
        Event::DocType(_) => return Err(broken("it has a document type")),
        _ => {}
    }
    Ok(())
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the answer of the store cannot be read: {what}")).retry(Retry::Backoff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_entities() {
        let text = "<?xml version=\"1.0\"?>\n<!-- x --><s:A xmlns:s=\"u\" b='c'>\n<K>a&amp;b &#233;&#x41;<![CDATA[<]]></K><E/><K>2</K></s:A>";
        let root = Element::parse(text.as_bytes()).unwrap();
        assert_eq!((root.name.as_str(), root.children.len()), ("A", 3));
        assert_eq!(root.value("K"), Some("a&b éA<"));
        assert_eq!((root.value("E"), root.value("none")), (None, None));
        assert!(root.child("E").is_some());
    }

    #[test]
    fn what_is_none_or_goes_beyond_the_bounds_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        let many = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS + 1));
        let laughs = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        let cases = ["", "x", "<a>", "<a></b>", "<a>&b;</a>", "<a>&#xD800;</a>", laughs, &deep, &many];
        for text in cases {
            let error = Element::parse(text.as_bytes()).unwrap_err();
            assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff), "{error}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
    }
}
