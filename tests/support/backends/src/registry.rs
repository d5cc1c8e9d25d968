//! An image registry of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::client::Client;
use crate::docker::{BUSYBOX, Docker};
use crate::tokens::{ISSUER, SERVICE, TokenServer};
use crate::{keeper, keeper::Keeper, ports};

/// The one user of a registry that knows its visitors.
const USER: &str = "windlass";
const PASSWORD: &str = "pass word:1";

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitors {
    /// Everybody.
    Anybody,
    /// One user with a password.
    Known,
    /// Who has a token of a server that knows that user.
    WithToken,
}

/// A registry, gone with all its images when dropped or when this process is.
pub struct Registry {
    keeper: Keeper,
    address: SocketAddr,
    visitors: Visitors,
    tokens: Option<TokenServer>,
}

impl Registry {
    /// The registry that all tests of this process share, which wants to know its visitors and has [`BUSYBOX`]; none
    /// when they are left out.
    ///
    /// # Panics
    ///
    /// When there can be none.
    pub fn shared() -> Option<&'static Registry> {
        static SHARED: OnceLock<Registry> = OnceLock::new();
        let docker = Docker::shared()?;
        Some(SHARED.get_or_init(|| {
            let registry = Registry::begin(Visitors::Known);
            registry.fill(docker, &[BUSYBOX]);
            registry
        }))
    }

    /// A registry for one test, with nothing in it; none when they are left out.
    ///
    /// # Panics
    ///
    /// When there can be none.
    pub fn start(visitors: Visitors) -> Option<Registry> {
        (!crate::are_left_out()).then(|| Registry::begin(visitors))
    }

    fn begin(visitors: Visitors) -> Registry {
        let address = ports::free();
        let tokens = (visitors == Visitors::WithToken).then(|| TokenServer::new(USER, PASSWORD));
        let keeper = Keeper::new(false, |directory| {
            let mut config = json!({
                "version": 0.1,
                "storage": { "filesystem": { "rootdirectory": directory.join("data") }, "delete": { "enabled": true } },
                "http": { "addr": address.to_string() },
            });
            if visitors == Visitors::Known {
                let file = directory.join("htpasswd");
                std::fs::write(&file, known_user()).unwrap();
                config["auth"] = json!({ "htpasswd": { "realm": "windlass", "path": file } });
            }
            if let Some(tokens) = &tokens {
                config["auth"] = json!({ "token": {
                    "realm": tokens.realm(), "service": SERVICE, "issuer": ISSUER,
                    "rootcertbundle": tokens.certificates(),
                } });
            }
            // What is JSON is YAML too.
            let file = directory.join("config.yml");
            std::fs::write(&file, config.to_string()).unwrap();
            vec!["docker-registry".into(), "serve".into(), file.into()]
        });
        let registry = Registry { keeper, address, visitors, tokens };
        registry.run();
        registry
    }

    /// Starts it again after a stop, with all that it had.
    pub fn run(&self) {
        self.keeper.start(|| self.client().ask("GET", "/v2/", "", b"").is_ok_and(|answer| answer.status == 200));
    }

    /// Ends it; it can be started again.
    pub fn stop(&self) {
        self.keeper.stop();
    }

    /// Where its images are on disk, for tests that damage them.
    pub fn directory(&self) -> &Path {
        self.keeper.directory()
    }

    /// Where it listens, in the clear.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An image by the name that it has here: the address, a slash, and `name`.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The user and the password that are let in; none where everybody is.
    pub fn credentials(&self) -> Option<(&'static str, &'static str)> {
        (self.visitors != Visitors::Anybody).then_some((USER, PASSWORD))
    }

    /// Who gives out its tokens; none where it wants none.
    pub fn tokens(&self) -> Option<&TokenServer> {
        self.tokens.as_ref()
    }

    /// Asks as somebody who is let in; with a token only for the catalog.
    pub fn client(&self) -> Client {
        let client = self.stranger();
        if let Some(tokens) = &self.tokens {
            return client.with_header("authorization", &format!("Bearer {}", tokens.token("registry:catalog:*")));
        }
        match self.credentials() {
            Some((user, password)) => {
                let credentials = STANDARD.encode(format!("{user}:{password}"));
                client.with_header("authorization", &format!("Basic {credentials}"))
            }
            None => client,
        }
    }

    /// Asks as nobody.
    pub fn stranger(&self) -> Client {
        Client::tcp(self.address)
    }

    /// Puts the image of this engine in, under each of these names with their tags. The engine forgets those names.
    pub fn fill(&self, docker: &Docker, names: &[&str]) {
        for name in names {
            let image = self.image(name);
            docker.tag(BUSYBOX, &image);
            docker.push(&image, self.credentials());
            let _ = docker.client().delete(&format!("/images/{image}")).good();
        }
    }
}

/// The line of the one user; the password is not for the eyes of who lists processes.
fn known_user() -> Vec<u8> {
    let mut program = Command::new("htpasswd");
    program.args(["-n", "-i", "-B", USER]).env("PATH", keeper::path());
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    program.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let done = program.wait_with_output().unwrap();
    assert!(done.status.success(), "htpasswd has failed");
    done.stdout
}
