//! Which machines may be named.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::address::{self, Host};
use super::super::network::Networks;
use super::super::rights::covers;

/// What an operator may list.
pub(super) const ALLOWED: &str = "names as db.example.com, *.example.com or **.example.com, localhost, addresses as 10.0.0.5, networks as 10.0.0.0/8";

/// The machines of a grant.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    names: Vec<Pattern>,
    has_localhost: bool,
    pub(super) networks: Networks,
    /// As the operator has written them.
    shown: String,
}

/// A name, label by label.
#[derive(Clone, Debug)]
struct Pattern {
    labels: Vec<String>,
    /// It began with `**.`.
    has_more: bool,
}

impl Default for Hosts {
    fn default() -> Hosts {
        let networks = Networks { listed: Vec::new() };
        Hosts { names: Vec::new(), has_localhost: false, networks, shown: String::new() }
    }
}

impl Hosts {
    /// Takes the list apart; the places of those that are none, and why.
    pub(super) fn parse(list: &[String]) -> Result<Hosts, Vec<(usize, &'static str)>> {
        let mut hosts = Hosts { shown: list.join(", "), ..Hosts::default() };
        let mut bad = Vec::new();
        for (at, text) in list.iter().enumerate() {
            if let Err(why) = hosts.add(text) {
                bad.push((at, why));
            }
        }
        if bad.is_empty() { Ok(hosts) } else { Err(bad) }
    }

    fn add(&mut self, text: &str) -> Result<(), &'static str> {
        if let Ok(net) = text.parse::<IpNet>() {
            self.networks.listed.push(net);
        } else if let Ok(ip) = text.parse::<IpAddr>() {
            self.networks.listed.push(ip.into());
        } else if text.eq_ignore_ascii_case("localhost") {
            self.has_localhost = true;
        } else {
            self.names.push(Pattern::parse(text)?);
        }
        Ok(())
    }

    /// The machine that a plugin names; if it may not, why.
    pub(super) fn named(&self, text: &str) -> Result<Host, String> {
        let host = address::host(text.strip_suffix('.').unwrap_or(text)).map_err(str::to_owned)?;
        let is_listed = match &host {
            Host::Ip(ip) => {
                let plain = ip.to_canonical();
                self.networks.listed.iter().any(|net| net.contains(ip) || net.contains(&plain))
            }
            Host::Localhost => self.has_localhost,
            Host::Name(name) => self.names.iter().any(|pattern| pattern.matches(name)),
        };
        if is_listed { Ok(host) } else { Err(format!("it is none of the machines that are granted: {}", self.shown)) }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, &'static str> {
        let (has_more, rest) = match text.strip_prefix("**.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let fits = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'*');
        let labels: Vec<String> = rest.split('.').map(str::to_ascii_lowercase).collect();
        if text.len() > 253 || labels.iter().any(|label| label.is_empty() || !label.bytes().all(fits)) {
            return Err("it is neither a name nor an address nor a network");
        }
        if labels.iter().any(|label| label.contains("**")) {
            return Err("`**` stands elsewhere than alone at the beginning");
        }
        Ok(Pattern { labels, has_more })
    }

    fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let labels: Vec<&str> = name.split('.').collect();
        let Some(over) = labels.len().checked_sub(self.labels.len()) else { return false };
        let fits = if self.has_more { over > 0 } else { over == 0 };
        let pairs = self.labels.iter().zip(labels.iter().skip(over));
        fits && pairs.into_iter().all(|(pattern, label)| covers(pattern.as_bytes(), label.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> Hosts {
        Hosts::parse(&list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn names_are_covered_label_by_label() {
        let cases: [(&str, &[&str], &[&str]); 4] = [
            (
                "db.example.com",
                &["db.example.com", "DB.Example.COM", "db.example.com."],
                &["example.com", "a.db.example.com"],
            ),
            (
                "*.example.com",
                &["a.example.com"],
                &["example.com", "a.b.example.com", "aexample.com", "a.example.com.evil"],
            ),
            ("**.example.com", &["a.example.com", "a.b.example.com"], &["example.com", "aexample.com", "10.0.0.1"]),
            ("db-*.eu", &["db-1.eu", "db-a-b.eu"], &["db.eu", "db-1.us"]),
        ];
        for (pattern, covered, others) in cases {
            let hosts = hosts(&[pattern]);
            for name in covered {
                assert!(hosts.named(name).is_ok(), "{pattern} covers {name}");
            }
            for name in others {
                assert!(hosts.named(name).is_err(), "{pattern} and {name}");
            }
        }
    }

    #[test]
    fn addresses_are_those_that_are_listed() {
        let hosts = hosts(&["10.0.0.0/8", "192.168.1.5", "fd12::/16"]);
        for ip in ["10.1.2.3", "192.168.1.5", "::ffff:10.1.2.3", "[fd12::1]", "fd12::1"] {
            assert!(matches!(hosts.named(ip), Ok(Host::Ip(_))), "{ip}");
        }
        for other in ["192.168.1.6", "1.1.1.1", "fd13::1", "localhost", "db", "", "a b", "10.1", "0x0a000001"] {
            let refused = hosts.named(other).expect_err(other);
            assert!(!refused.is_empty());
        }
        assert!(matches!(super::tests::hosts(&["LOCALHOST"]).named("localhost"), Ok(Host::Localhost)));
    }

    #[test]
    fn what_is_no_machine_is_refused_by_its_place() {
        let list = ["ok.example", "", "a..b", "a b", "http://x", "a.**", "**", "10.0.0.0/33"].map(str::to_owned);
        let places: Vec<usize> = Hosts::parse(&list).unwrap_err().into_iter().map(|(at, _)| at).collect();
        assert_eq!(places, [1, 2, 3, 4, 5, 6, 7]);
    }
}
