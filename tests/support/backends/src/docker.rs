//! A Docker Engine of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use crate::authority::{Authority, Identity};
use crate::client::{Answer, Client};
use crate::events::Events;
use crate::keeper::Keeper;
use crate::{image, ports};

/// The image that every engine here has: a static busybox with all its names.
pub const BUSYBOX: &str = "windlass-test/busybox:1";

/// How an engine is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Where it listens beside its socket.
    pub door: Door,
    /// Containers go on while it is away; otherwise it ends those that it finds when it comes back.
    pub is_live_restoring: bool,
    /// Containers have a bridge between them, in a network that leads nowhere; otherwise there are the networks `none`
    /// and `host` only.
    pub is_bridged: bool,
}

/// Where an engine listens beside its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// Nowhere.
    #[default]
    None,
    /// On loopback, in the clear.
    Tcp,
    /// On loopback, for those who show a certificate.
    Tls,
}

/// An engine, gone with all its containers when dropped or when this process is.
pub struct Docker {
    keeper: Keeper,
    client: Client,
    socket: PathBuf,
    address: Option<SocketAddr>,
    authority: Option<Authority>,
}

impl Docker {
    /// The engine that all tests of this process share; none when they are left out.
    ///
    /// # Panics
    ///
    /// When there can be none.
    pub fn shared() -> Option<&'static Docker> {
        static SHARED: OnceLock<Docker> = OnceLock::new();
        (!crate::are_left_out()).then(|| SHARED.get_or_init(|| Docker::begin(Setup::default())))
    }

    /// An engine for one test; none when they are left out.
    ///
    /// # Panics
    ///
    /// When there can be none.
    pub fn start(setup: Setup) -> Option<Docker> {
        (!crate::are_left_out()).then(|| Docker::begin(setup))
    }

    fn begin(setup: Setup) -> Docker {
        let address = (setup.door != Door::None).then(ports::free);
        let mut authority = None;
        let keeper = Keeper::new(setup.is_bridged, |directory| {
            if setup.door == Door::Tls {
                authority = Some(Authority::new(directory));
            }
            command(directory, setup, address, authority.as_ref())
        });
        let socket = keeper.directory().join("docker.sock");
        let docker = Docker { client: Client::unix(&socket), keeper, socket, address, authority };
        docker.run();
        docker.import(BUSYBOX, image::busybox());
        docker
    }

    /// Starts it again after a stop or a kill, with all that it had.
    pub fn run(&self) {
        self.keeper.start(|| self.client.ask("GET", "/_ping", "", b"").is_ok_and(|answer| answer.status == 200));
    }

    /// Asks it to end. Its containers end too, unless it is live-restoring.
    pub fn stop(&self) {
        self.keeper.stop();
    }

    /// Kills it, and none of its containers.
    pub fn kill(&self) {
        self.keeper.kill();
    }

    /// Asks it to end and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.run();
    }

    /// Its socket, as an address of an endpoint: `unix:` and a path.
    pub fn unix_address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where it listens beside its socket.
    ///
    /// # Panics
    ///
    /// When it does so nowhere.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("it listens at its socket only")
    }

    /// Who has signed its certificate and signs those of its users.
    ///
    /// # Panics
    ///
    /// When it listens without TLS.
    pub fn authority(&self) -> &Authority {
        self.authority.as_ref().expect("it listens without TLS")
    }

    /// A certificate that it accepts.
    pub fn visitor(&self, name: &str) -> Identity {
        self.authority().sign(name)
    }

    /// Asks at its socket whatever one likes.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Listens to what it does with containers from now on.
    pub fn events(&self) -> Events {
        Events::of(&self.socket)
    }

    /// All containers that bear a label, `name` or `name=value`, also those that do not run.
    pub fn containers(&self, label: &str) -> Vec<Value> {
        let filters = json!({ "label": [label] }).to_string();
        self.list(&format!("/containers/json?all=1&filters={}", escaped(&filters)))
    }

    /// All volumes that bear a label.
    pub fn volumes(&self, label: &str) -> Vec<Value> {
        let filters = json!({ "label": [label] }).to_string();
        let listed = self.client.get(&format!("/volumes?filters={}", escaped(&filters))).good().json();
        listed["Volumes"].as_array().cloned().unwrap_or_default()
    }

    /// The names of all images.
    pub fn images(&self) -> Vec<String> {
        let listed = self.list("/images/json");
        let names = listed.iter().flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default());
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// Everything that it knows about a container; none when there is none.
    pub fn inspect(&self, name: &str) -> Option<Value> {
        let answer = self.client.get(&format!("/containers/{name}/json"));
        (answer.status != 404).then(|| answer.good().json())
    }

    fn list(&self, target: &str) -> Vec<Value> {
        self.client.get(target).good().json().as_array().cloned().unwrap()
    }

    /// Makes an image of one layer out of an archive.
    pub fn import(&self, name: &str, archive: &[u8]) {
        let (repository, tag) = parts(name);
        let target = format!("/images/create?fromSrc=-&repo={}&tag={tag}", escaped(repository));
        let answer = self.client.ask("POST", &target, "application/x-tar", archive).unwrap();
        told(answer, name);
    }

    /// Gives an image one more name.
    pub fn tag(&self, name: &str, other: &str) {
        let (repository, tag) = parts(other);
        let target = format!("/images/{name}/tag?repo={}&tag={tag}", escaped(repository));
        let _ = self.client.post(&target, &Value::Null).good();
    }

    /// Brings an image to the registry that its name begins with; as nobody or with a user and a password.
    pub fn push(&self, name: &str, credentials: Option<(&str, &str)>) {
        let (repository, tag) = parts(name);
        let client = self.client.with_header("x-registry-auth", &registry_auth(credentials));
        told(client.post(&format!("/images/{repository}/push?tag={tag}"), &Value::Null), name);
    }

    /// Brings an image here from the registry that its name begins with; as nobody or with a user and a password.
    pub fn pull(&self, name: &str, credentials: Option<(&str, &str)>) {
        let (repository, tag) = parts(name);
        let client = self.client.with_header("x-registry-auth", &registry_auth(credentials));
        told(client.post(&format!("/images/create?fromImage={repository}&tag={tag}"), &Value::Null), name);
    }
}

fn command(
    directory: &Path,
    setup: Setup,
    address: Option<SocketAddr>,
    authority: Option<&Authority>,
) -> Vec<OsString> {
    let path = |name: &str| directory.join(name).into_os_string();
    let mut command: Vec<OsString> = vec!["dockerd".into()];
    let places = [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")];
    command.extend(places.into_iter().flat_map(|(option, name)| [option.into(), path(name)]));
    command.extend(["--host".into(), format!("unix://{}", directory.join("docker.sock").display()).into()]);
    // By this name the limits of its containers are found when it is gone. Without the slash they would be below those
    // of this process.
    let name = directory.file_name().unwrap().to_string_lossy();
    command.extend(["--cgroup-parent".into(), format!("/{name}").into()]);
    // A manager of the system's services would see nothing of what runs here.
    command.extend(["--exec-opt", "native.cgroupdriver=cgroupfs", "--ip-forward=false"].map(OsString::from));
    if !setup.is_bridged {
        command.extend(["--bridge=none", "--iptables=false"].map(OsString::from));
    }
    if setup.is_live_restoring {
        command.push("--live-restore".into());
    }
    if let Some(address) = address {
        command.extend(["--host".into(), format!("tcp://{address}").into()]);
        let tls = if authority.is_some() { "--tlsverify" } else { "--tls=false" };
        command.push(tls.into());
    }
    if let Some(authority) = authority {
        let own = authority.sign("127.0.0.1");
        let files = [("--tlscacert", authority.file()), ("--tlscert", own.cert), ("--tlskey", own.key)];
        command.extend(files.into_iter().flat_map(|(option, file)| [option.into(), file.into()]));
    }
    command
}

/// The value of the header that an engine hands on to a registry.
fn registry_auth(credentials: Option<(&str, &str)>) -> String {
    let text = match credentials {
        Some((user, password)) => json!({ "username": user, "password": password }),
        None => json!({}),
    };
    URL_SAFE.encode(text.to_string())
}

/// The repository and the tag of an image.
fn parts(name: &str) -> (&str, &str) {
    name.rsplit_once(':').expect("an image is named with its tag")
}

/// Pushes and imports are answered before they are done: what went wrong is in the body.
fn told(answer: Answer, name: &str) {
    let text = answer.good().text();
    assert!(!text.contains("\"error\""), "{name}: {text}");
}

/// Text within a query.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}
