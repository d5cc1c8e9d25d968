//! What a registry answers to somebody without a token: where tokens are given out, and for what this one has to be
//! (RFC 9110, section 11.6.1).

use http::header::{HeaderMap, WWW_AUTHENTICATE};

/// Bytes of all challenges of one answer.
const MOST_BYTES: usize = 8 << 10;
/// Bytes of the address of a token server, and of a scope.
const MOST_FIELD: usize = 2 << 10;
/// Bytes of the name of a service.
const MOST_SERVICE: usize = 512;

/// Where a token is given out, and for what.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Challenge {
    /// An address, as the registry wrote it.
    pub(super) realm: String,
    pub(super) service: String,
    /// Several are divided by spaces; empty where a token of any scope will do.
    pub(super) scope: String,
}

/// One way to show who asks, with what is said of it.
struct Scheme<'a> {
    name: &'a str,
    params: Vec<(String, String)>,
}

impl Challenge {
    /// The challenge for a token among those of an answer. What is wrong is told without a word of the answer's own: it
    /// may repeat what it was sent.
    pub(super) fn find(headers: &HeaderMap) -> Result<Challenge, &'static str> {
        let mut bytes = 0_usize;
        let mut asks_for_password = false;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            bytes = bytes.saturating_add(value.len());
            if bytes > MOST_BYTES {
                return Err("the header WWW-Authenticate is longer than 8 KiB");
            }
            let schemes = value.to_str().ok().and_then(schemes);
            for scheme in schemes.ok_or("the header WWW-Authenticate cannot be read")? {
                if scheme.name.eq_ignore_ascii_case("bearer") {
                    return Challenge::of(scheme.params);
                }
                asks_for_password |= scheme.name.eq_ignore_ascii_case("basic");
            }
        }
        Err(match (bytes, asks_for_password) {
            (_, true) => {
                "it asks for a password itself and names no token server: auth of the kind \"basic\" does that"
            }
            (0, false) => "it does not say where tokens are given out",
            (_, false) => "it asks for something else than a token",
        })
    }

    fn of(params: Vec<(String, String)>) -> Result<Challenge, &'static str> {
        let [mut realm, mut service, mut scope] = [const { None }; 3];
        for (name, value) in params {
            let place = match name.as_str() {
                "realm" => &mut realm,
                "service" => &mut service,
                "scope" => &mut scope,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err("its challenge says one thing twice");
            }
        }
        let realm = realm.filter(|realm| !realm.is_empty()).ok_or("its challenge names no token server")?;
        let (service, scope) = (service.unwrap_or_default(), scope.unwrap_or_default());
        if realm.len() > MOST_FIELD || scope.len() > MOST_FIELD || service.len() > MOST_SERVICE {
            return Err("a field of its challenge is too long");
        }
        Ok(Challenge { realm, service, scope })
    }
}

/// All challenges of one header; `None` when it is not written as it should be.
fn schemes(text: &str) -> Option<Vec<Scheme<'_>>> {
    let mut found: Vec<Scheme<'_>> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(found);
        }
        let (word, after) = split(rest, is_token);
        if word.is_empty() {
            return None;
        }
        if let Some(after) = after.trim_start().strip_prefix('=') {
            let (value, after) = value(after.trim_start())?;
            found.last_mut()?.params.push((word.to_ascii_lowercase(), value));
            rest = after.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        } else {
            if !after.is_empty() && !after.starts_with([' ', '\t', ',']) {
                return None;
            }
            found.push(Scheme { name: word, params: Vec::new() });
            rest = after_token68(after);
        }
    }
}

/// Some schemes have one text in place of fields, as `Negotiate YII=`.
fn after_token68(text: &str) -> &str {
    let is_token68 = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let (word, after) = split(text.trim_start(), is_token68);
    let after = after.trim_start_matches('=').trim_start();
    let is_one = !word.is_empty() && (after.is_empty() || after.starts_with(','));
    if is_one { after } else { text }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn split(text: &str, is_inside: impl Fn(u8) -> bool) -> (&str, &str) {
    let length = text.bytes().take_while(|byte| is_inside(*byte)).count();
    text.split_at_checked(length).unwrap_or((text, ""))
}

/// A word, or a text in quotes; and what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = split(text, is_token);
        return (!word.is_empty()).then(|| (word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn find(values: &[&str]) -> Result<(String, String, String), &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        Challenge::find(&headers).map(|it| (it.realm, it.service, it.scope))
    }

    #[test]
    fn challenges_are_read_however_they_are_written() {
        let whole = ["https://a/t", "s", "repository:x:pull"];
        let cases: [(&[&str], [&str; 3]); 8] = [
            (&[r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull""#], whole),
            (&[r#"bearer  scope = "repository:x:pull" ,, service=s , REALM="https://a/t","#], whole),
            (&[r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull",error="invalid_token""#], whole),
            (&[r#"Basic realm="x, Bearer realm=y", Bearer realm="https://a/t""#], ["https://a/t", "", ""]),
            (&["Negotiate YII==", r#"Bearer realm="https://a/t""#], ["https://a/t", "", ""]),
            (&[r#"Negotiate YII==, Bearer realm="https://a/t""#], ["https://a/t", "", ""]),
            (&[r#"NTLM, Bearer realm="https://a/t?x=\"1\"\\""#], [r#"https://a/t?x="1"\"#, "", ""]),
            (&[r#"Bearer realm="https://a/t",scope="a:b:c d:e:f""#], ["https://a/t", "", "a:b:c d:e:f"]),
        ];
        for (values, expected) in cases {
            let [realm, service, scope] = expected.map(str::to_owned);
            assert_eq!(find(values), Ok((realm, service, scope)), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_challenge_for_a_token_is_told_apart() {
        let long = format!("Bearer realm=\"https://a/{}\"", "x".repeat(MOST_FIELD));
        let longer = format!("Bearer realm=\"https://a/{}\"", "x".repeat(MOST_BYTES));
        let cases: [(&[&str], &str); 14] = [
            (&[], "does not say where"),
            (&[""], "does not say where"),
            (&["Basic realm=\"x\""], "\"basic\""),
            (&["Digest realm=\"x\", nonce=\"y\""], "something else"),
            (&["Bearer"], "no token server"),
            (&["Bearer realm="], "no token server"),
            (&["Bearer realm=\"\""], "no token server"),
            (&["Bearer realm=\"a\", realm=\"b\""], "twice"),
            (&["Bearer realm=\"a"], "cannot be read"),
            (&["Bearer realm=\"a\" service=\"b\""], "cannot be read"),
            (&["realm=\"a\""], "cannot be read"),
            (&["\"Bearer\" realm=a"], "cannot be read"),
            (&[&long], "too long"),
            (&[&longer], "longer than 8 KiB"),
        ];
        for (values, expected) in cases {
            let problem = find(values).unwrap_err();
            assert!(problem.contains(expected), "{values:?}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(text in "(Bearer|Basic|realm|scope|[ ,=\"\\\\a/:]){0,40}") {
            if let Ok((realm, service, scope)) = find(&[&text]) {
                prop_assert!(!realm.is_empty() && realm.len() + service.len() + scope.len() <= text.len());
            }
        }
    }
}
