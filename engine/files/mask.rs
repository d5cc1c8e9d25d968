//! Masks secrets in a stream of bytes.
//!
//! All forms of all secrets are looked for at once (an Aho-Corasick automaton with sparse nodes: memory follows the
//! length of the secrets, not the alphabet). Every byte covered by an occurrence is hidden; occurrences that overlap become
//! one `***`. What is held back between two calls is exactly what may still turn out to be the start of a secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Shorter secrets are not masked: hiding every `1` of a log destroys the log, and shows by the gaps what the secret was.
const MIN_SECRET_BYTES: usize = 4;
const MASK: &[u8] = b"***";
const ROOT: u32 = 0;
/// No such node.
const NONE: u32 = u32::MAX;

/// A stream filter that replaces secrets with `***`. Covers each secret as it is, in base64 (standard and URL-safe, with
/// and without padding) and percent-encoded; a secret of less than four bytes is ignored, see the module's source.
///
/// A secret that itself holds the mask (such as `ab***`) can be made by masking another one next to it; no other can.
#[derive(Default)]
pub struct Masker {
    /// Empty when there is nothing to mask.
    nodes: Vec<Node>,
    /// The children of the root by byte, which most bytes of a log are looked up in.
    root: Vec<u32>,
    state: u32,
    /// Bytes not given out yet, as they may be the start of a secret.
    held: Vec<Held>,
}

struct Node {
    byte: u8,
    first_child: u32,
    next_sibling: u32,
    /// The node of the longest proper suffix that is a prefix of some pattern.
    fail: u32,
    depth: u32,
    /// The length of the longest pattern that ends here; zero for none.
    match_len: u32,
}

#[derive(Clone, Copy)]
struct Held {
    byte: u8,
    cover: Cover,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    Plain,
    /// The first byte of a masked range: stands for the mask.
    First,
    /// Any other byte of a masked range: stands for nothing.
    Rest,
}

impl Masker {
    /// A filter for these secrets.
    pub fn new(secrets: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut masker = Self::default();
        for secret in secrets {
            let secret = secret.as_ref();
            if secret.len() >= MIN_SECRET_BYTES {
                forms(secret).iter().for_each(|form| masker.add(form));
            }
        }
        masker.link();
        masker
    }

    /// Takes the next bytes of the stream and returns what can be shown of it by now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.nodes.is_empty() {
            return bytes.to_vec();
        }
        let mut shown = Vec::with_capacity(bytes.len() + self.held.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.held.is_empty() {
                let plain = rest.iter().take_while(|byte| self.root_child(**byte) == NONE).count();
                let (before, after) = rest.split_at(plain);
                shown.extend_from_slice(before);
                rest = after;
            }
            if let Some((&byte, after)) = rest.split_first() {
                self.advance(byte, &mut shown);
                rest = after;
            }
        }
        shown
    }

    /// Whether bytes are held back that may be the start of a secret.
    pub fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    /// Ends the stream: returns what was held back, which is no whole secret.
    pub fn flush(&mut self) -> Vec<u8> {
        let mut shown = Vec::new();
        self.show_all_but(0, &mut shown);
        self.state = ROOT;
        shown
    }

    fn advance(&mut self, byte: u8, shown: &mut Vec<u8>) {
        self.held.push(Held { byte, cover: Cover::Plain });
        self.state = self.next_state(self.state, byte);
        let Some(node) = self.nodes.get(self.state as usize) else {
            return;
        };
        let (depth, match_len) = (node.depth as usize, node.match_len as usize);
        if match_len > 0 {
            self.cover_last(match_len);
        }
        if depth < self.held.len() {
            self.show_all_but(depth, shown);
        }
    }

    fn cover_last(&mut self, len: usize) {
        let start = self.held.len().saturating_sub(len);
        let mut covers = self.held.iter_mut().skip(start).map(|held| &mut held.cover);
        if let Some(first) = covers.next()
            && *first == Cover::Plain
        {
            *first = Cover::First;
        }
        covers.for_each(|cover| *cover = Cover::Rest);
    }

    fn show_all_but(&mut self, kept: usize, shown: &mut Vec<u8>) {
        let ready = self.held.len().saturating_sub(kept);
        for held in self.held.drain(..ready) {
            match held.cover {
                Cover::Plain => shown.push(held.byte),
                Cover::First => shown.extend_from_slice(MASK),
                Cover::Rest => {}
            }
        }
    }

    fn add(&mut self, pattern: &[u8]) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::new(0, 0));
            self.root = vec![NONE; 256];
        }
        let mut at = ROOT;
        for &byte in pattern {
            at = match self.child(at, byte) {
                NONE => self.add_child(at, byte),
                child => child,
            };
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.match_len = node.depth;
        }
    }

    fn add_child(&mut self, parent: u32, byte: u8) -> u32 {
        let index = self.nodes.len() as u32;
        let mut child = Node::new(byte, 0);
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            child.depth = node.depth + 1;
            child.next_sibling = node.first_child;
            node.first_child = index;
        }
        self.nodes.push(child);
        if parent == ROOT
            && let Some(slot) = self.root.get_mut(usize::from(byte))
        {
            *slot = index;
        }
        index
    }

    /// Sets the fail links, breadth first: the one of a node follows from those of shorter strings.
    fn link(&mut self) {
        let mut queue: Vec<u32> = if self.nodes.is_empty() { Vec::new() } else { vec![ROOT] };
        let mut next = 0;
        while let Some(&parent) = queue.get(next) {
            next += 1;
            let Some((mut child, parent_fail)) = self.node(parent).map(|node| (node.first_child, node.fail)) else {
                continue;
            };
            while let Some((byte, sibling)) = self.node(child).map(|node| (node.byte, node.next_sibling)) {
                let fail = if parent == ROOT { ROOT } else { self.next_state(parent_fail, byte) };
                let inherited = self.node(fail).map_or(0, |node| node.match_len);
                if let Some(node) = self.nodes.get_mut(child as usize) {
                    node.fail = fail;
                    node.match_len = node.match_len.max(inherited);
                }
                queue.push(child);
                child = sibling;
            }
        }
    }

    fn next_state(&self, mut state: u32, byte: u8) -> u32 {
        loop {
            match self.child(state, byte) {
                NONE if state == ROOT => return ROOT,
                NONE => state = self.node(state).map_or(ROOT, |node| node.fail),
                child => return child,
            }
        }
    }

    fn child(&self, parent: u32, byte: u8) -> u32 {
        if parent == ROOT {
            return self.root_child(byte);
        }
        let mut child = self.node(parent).map_or(NONE, |node| node.first_child);
        while let Some(node) = self.node(child) {
            if node.byte == byte {
                return child;
            }
            child = node.next_sibling;
        }
        NONE
    }

    fn root_child(&self, byte: u8) -> u32 {
        self.root.get(usize::from(byte)).copied().unwrap_or(NONE)
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }
}

impl Node {
    fn new(byte: u8, depth: u32) -> Self {
        Self { byte, first_child: NONE, next_sibling: NONE, fail: ROOT, depth, match_len: 0 }
    }
}

/// Says nothing about the secrets.
impl std::fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Masker").finish_non_exhaustive()
    }
}

/// The ways a secret may be written.
fn forms(secret: &[u8]) -> [Vec<u8>; 7] {
    [
        secret.to_vec(),
        STANDARD.encode(secret).into_bytes(),
        STANDARD_NO_PAD.encode(secret).into_bytes(),
        URL_SAFE.encode(secret).into_bytes(),
        URL_SAFE_NO_PAD.encode(secret).into_bytes(),
        percent_encode(secret, b"0123456789ABCDEF"),
        percent_encode(secret, b"0123456789abcdef"),
    ]
}

fn percent_encode(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let digit = |value: u8| digits.get(usize::from(value)).copied().unwrap_or(b'0');
    let mut encoded = Vec::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte);
        } else {
            encoded.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(secrets: &[&str], text: &str) -> String {
        let mut masker = Masker::new(secrets);
        let mut shown = masker.push(text.as_bytes());
        shown.extend(masker.flush());
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn every_form_of_a_secret_is_hidden() {
        let secret = "p/ss wörd?>";
        for form in [
            secret.to_owned(),
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            "p%2Fss%20w%C3%B6rd%3F%3E".to_owned(),
            "p%2fss%20w%c3%b6rd%3f%3e".to_owned(),
        ] {
            assert_eq!(mask(&[secret], &format!("<{form}>")), "<***>", "{form}");
        }
    }

    #[test]
    fn overlapping_secrets_leave_no_rest_and_the_longest_wins() {
        assert_eq!(mask(&["abcd", "cdef"], "-abcdef-"), "-***-");
        assert_eq!(mask(&["abcd", "abcdefg"], "abcdefg abcdef"), "*** ***ef");
        assert_eq!(mask(&["bcde", "abcdefg"], "abcdefg abcdef"), "*** a***f");
        assert_eq!(mask(&["aaaa"], "aaaaaa"), "***");
        assert_eq!(mask(&["abcd"], "abcdabcd"), "******");
    }

    #[test]
    fn short_secrets_are_left_alone() {
        assert_eq!(mask(&["1", "abc", ""], "1 abc"), "1 abc");
    }

    #[test]
    fn only_what_may_be_a_secret_is_held_back() {
        let mut masker = Masker::new(["hunter2"]);
        assert_eq!(masker.push(b"password: hun"), b"password: ");
        assert_eq!(masker.push(b"k, or hunter"), b"hunk, or ");
        assert_eq!(masker.push(b"2!"), b"***!");
        assert_eq!(masker.push(b"hunter"), b"");
        assert_eq!(masker.flush(), b"hunter");
    }

    /// What the masker should say, by looking for every form at every place.
    fn mask_slowly(secrets: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
        let mut covered = vec![false; text.len()];
        let mut joined = vec![false; text.len()];
        for form in secrets.iter().filter(|s| s.len() >= MIN_SECRET_BYTES).flat_map(|s| forms(s)) {
            for start in 0..text.len() {
                if text[start..].starts_with(&form) {
                    covered[start..start + form.len()].fill(true);
                    joined[start + 1..start + form.len()].fill(true);
                }
            }
        }
        let mut shown = Vec::new();
        for (at, &byte) in text.iter().enumerate() {
            match (covered[at], joined[at]) {
                (false, _) => shown.push(byte),
                (true, false) => shown.extend_from_slice(MASK),
                (true, true) => {}
            }
        }
        shown
    }

    fn contains(text: &[u8], part: &[u8]) -> bool {
        text.windows(part.len()).any(|window| window == part)
    }

    proptest! {
        #[test]
        fn no_secret_gets_through_however_the_text_is_cut(
            secrets in proptest::collection::vec("[ab/]{1,7}", 0..4),
            pieces in proptest::collection::vec(prop_oneof![
                "[ab/=%]{0,9}".prop_map(|text| (None, text)),
                (any::<prop::sample::Index>(), 0usize..7).prop_map(|(which, form)| (Some((which, form)), String::new())),
            ], 0..12),
            cuts in proptest::collection::vec(1usize..7, 0..60),
        ) {
            let secrets: Vec<Vec<u8>> = secrets.into_iter().map(String::into_bytes).collect();
            let mut text = Vec::new();
            for (chosen, plain) in &pieces {
                text.extend_from_slice(plain.as_bytes());
                if let Some((which, form)) = chosen && !secrets.is_empty() {
                    let secret: &Vec<u8> = which.get(&secrets);
                    text.extend_from_slice(&forms(secret)[*form]);
                }
            }
            let mut whole = Masker::new(&secrets);
            let mut at_once = whole.push(&text);
            at_once.extend(whole.flush());

            let mut masker = Masker::new(&secrets);
            let (mut shown, mut rest) = (Vec::new(), text.as_slice());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                shown.extend(masker.push(piece));
                rest = after;
            }
            shown.extend(masker.push(rest));
            shown.extend(masker.flush());

            prop_assert_eq!(&shown, &at_once);
            prop_assert_eq!(&shown, &mask_slowly(&secrets, &text));
            for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET_BYTES) {
                for form in forms(secret) {
                    prop_assert!(!contains(&shown, &form));
                }
            }
        }
    }
}
