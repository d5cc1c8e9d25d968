//! From names to addresses.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// What a look-up is going to find.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Looks names up. The addresses are checked afterwards, and a connection is made to one that was checked, so no
/// resolver can lead an endpoint to where it may not go.
pub trait Resolve: Send + Sync {
    /// All addresses of `host`, the best first.
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Lookup<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) })
    }
}
