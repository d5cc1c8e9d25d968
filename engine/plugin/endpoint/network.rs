//! Which machines an endpoint may reach, decided by address after the name was looked up.
//!
//! A name may lead anywhere, and tomorrow elsewhere: to this machine, to the metadata service of a cloud with its
//! credentials, to an inner network. So only public addresses count, unless the operator lists the network or wrote the
//! address itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::address::Host;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, third: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), prefix)
}

/// IPv4 networks that are not public, by the registry of IANA, the narrower first.
const CLOSED_V4: [(Ipv4Net, &str); 17] = [
    (v4(169, 254, 169, 254, 32), "the metadata service of a cloud"),
    (v4(100, 100, 100, 200, 32), "the metadata service of a cloud"),
    // A public number, but every machine of Azure reaches its host there.
    (v4(168, 63, 129, 16, 32), "the metadata service of a cloud"),
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "private"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "reserved"),
    (v4(192, 0, 2, 0, 24), "reserved"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "reserved"),
    (v4(198, 51, 100, 0, 24), "reserved"),
    (v4(203, 0, 113, 0, 24), "reserved"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
];

/// The same for IPv6.
const CLOSED_V6: [(Ipv6Net, &str); 11] = [
    (Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128), "the metadata service of a cloud"),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (v6(0xfc00, 0, 0, 7), "private"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xfec0, 0, 0, 10), "private"),
    (v6(0xff00, 0, 0, 8), "multicast"),
    // Teredo and 6to4 carry an IPv4 address to somewhere else.
    (v6(0x2001, 0, 0, 23), "reserved"),
    (v6(0x2002, 0, 0, 16), "reserved"),
    (v6(0x2001, 0xdb8, 0, 32), "reserved"),
    (v6(0x3fff, 0, 0, 20), "reserved"),
];

/// The prefix under which gateways translate to IPv4 (RFC 6052): what counts is where they lead.
const TRANSLATED: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
/// What is public at all of IPv6.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Which addresses an endpoint may connect to.
#[derive(Clone, Debug)]
pub(super) struct Networks {
    /// The operator's list.
    pub(super) listed: Vec<IpNet>,
}

impl Networks {
    /// Whether an address that `host` led to may be connected to; if not, why.
    pub(super) fn check(&self, host: &Host, ip: IpAddr) -> Result<(), &'static str> {
        let plain = ip.to_canonical();
        let is_open = match host {
            Host::Ip(_) => true,
            Host::Localhost => plain.is_loopback(),
            Host::Name(_) => false,
        };
        if is_open || self.listed.iter().any(|net| net.contains(&ip) || net.contains(&plain)) {
            return Ok(());
        }
        match closed(ip) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }
}

/// Why an address is not public.
fn closed(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => CLOSED_V4.iter().find(|(net, _)| net.contains(&ip)).map(|(_, why)| *why),
        IpAddr::V6(ip) if TRANSLATED.contains(&ip) => {
            let [.., a, b, c, d] = ip.octets();
            closed(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Some("an IPv4 address in the clothes of IPv6"),
        IpAddr::V6(ip) => {
            let listed = CLOSED_V6.iter().find(|(net, _)| net.contains(&ip)).map(|(_, why)| *why);
            listed.or_else(|| (!GLOBAL_V6.contains(&ip)).then_some("reserved"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listed: &[&str], ip: &str) -> Result<(), &'static str> {
        let listed = listed.iter().map(|net| net.parse().unwrap()).collect();
        Networks { listed }.check(&Host::Name("name".to_owned()), ip.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_open() {
        for ip in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::101:101"] {
            assert_eq!(check(&[], ip), Ok(()), "{ip}");
        }
        let closed = [
            ("127.0.0.1", "loopback"),
            ("127.9.9.9", "loopback"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("100.64.0.1", "private"),
            ("169.254.1.1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("168.63.129.16", "metadata"),
            ("100.100.100.200", "metadata"),
            ("fd00:ec2::254", "metadata"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "reserved"),
            ("192.0.2.1", "reserved"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("fd12::1", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "private"),
            ("ff02::1", "multicast"),
            ("::ffff:127.0.0.1", "IPv4"),
            ("::ffff:1.1.1.1", "IPv4"),
            ("::7f00:1", "reserved"),
            ("64:ff9b::7f00:1", "loopback"),
            ("64:ff9b::a9fe:a9fe", "metadata"),
            ("64:ff9b:1::1", "reserved"),
            ("2002:7f00:1::", "reserved"),
            ("2001:0:1::", "reserved"),
            ("2001:db8::1", "reserved"),
            ("100::1", "reserved"),
            ("5f00::1", "reserved"),
        ];
        for (ip, why) in closed {
            let found = check(&[], ip).expect_err(ip);
            assert!(found.contains(why), "{ip}: {found}");
        }
    }

    #[test]
    fn a_listed_network_is_open_and_its_neighbours_are_not() {
        let listed = ["10.1.0.0/16", "fd12::/16", "169.254.169.254/32"];
        for ip in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "169.254.169.254", "1.1.1.1"] {
            assert_eq!(check(&listed, ip), Ok(()), "{ip}");
        }
        for ip in ["10.2.0.1", "fd13::1", "169.254.169.253", "::ffff:10.2.0.1"] {
            assert!(check(&listed, ip).is_err(), "{ip}");
        }
    }

    #[test]
    fn what_the_operator_wrote_as_numbers_is_open() {
        let networks = Networks { listed: Vec::new() };
        let ip: IpAddr = "169.254.169.254".parse().unwrap();
        assert_eq!(networks.check(&Host::Ip(ip), ip), Ok(()));
        let loopback = "::1".parse().unwrap();
        assert_eq!(networks.check(&Host::Localhost, loopback), Ok(()));
        // Whoever writes localhost means this machine.
        assert!(networks.check(&Host::Localhost, "10.0.0.1".parse().unwrap()).is_err());
    }
}
