//! Ports of loopback for services that want to be told one.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the system gives to connections, so that it stays free until the service has it, and while the
/// service is away.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// An address where nobody listens.
pub(crate) fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..COUNT {
        // Other processes look too: each begins somewhere else.
        let place = (std::process::id() % u32::from(COUNT)) as u16;
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(place.wrapping_mul(7)) % COUNT;
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST + number));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port of {FIRST} to {} is free", FIRST + COUNT);
}
