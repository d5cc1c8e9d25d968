//! An S3 store of its own, which checks every signature.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{keeper::Keeper, ports};

/// The version that the script `install` puts into a place of its own.
const VERSION: &str = "5.2.5";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/s3.py");

/// Somebody with a key.
#[derive(Clone)]
pub struct S3Keys {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token, of a key that is lent.
    pub token: Option<String>,
}

/// A store, gone with all its objects when dropped or when this process is. It has a bucket `many` with ten thousand
/// objects `all/00000` to `all/09999`.
pub struct S3 {
    keeper: Keeper,
    address: SocketAddr,
    keys: Value,
}

impl S3 {
    /// The store that all tests of this process share; none when they are left out.
    ///
    /// # Panics
    ///
    /// When there can be none.
    pub fn shared() -> Option<&'static S3> {
        static SHARED: OnceLock<S3> = OnceLock::new();
        (!crate::are_left_out()).then(|| SHARED.get_or_init(S3::begin))
    }

    fn begin() -> S3 {
        let (address, python) = (ports::free(), python());
        assert!(python.is_file(), "moto {VERSION} is not installed: run tests/support/backends/install");
        let keeper = Keeper::new(false, |directory| {
            vec![python.into(), SCRIPT.into(), directory.into(), address.port().to_string().into()]
        });
        let file = keeper.directory().join("keys.json");
        keeper.start(|| file.is_file() && TcpStream::connect(address).is_ok());
        let keys = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        S3 { keeper, address, keys }
    }

    /// Where it listens, in the clear.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may do everything.
    pub fn owner(&self) -> S3Keys {
        self.keys_of("", None)
    }

    /// Who is known and may do nothing.
    pub fn nobody(&self) -> S3Keys {
        self.keys_of("nobody_", None)
    }

    /// Who may do everything with a key that is lent.
    pub fn guest(&self) -> S3Keys {
        self.keys_of("lent_", Some("lent_token"))
    }

    fn keys_of(&self, prefix: &str, token: Option<&str>) -> S3Keys {
        let text = |name: &str| self.keys[name].as_str().unwrap().to_owned();
        S3Keys { id: text(&format!("{prefix}id")), secret: text(&format!("{prefix}secret")), token: token.map(text) }
    }

    /// What a script of Python prints, to which `s3` is a client of AWS's own making.
    pub fn script(&self, script: &str) -> String {
        let whole = format!(
            "import json, boto3, hashlib\nk = json.load(open({:?}))\n\
             s3 = boto3.client('s3', endpoint_url='http://{}', region_name='us-east-1', aws_access_key_id=k['id'], \
             aws_secret_access_key=k['secret'])\n{script}",
            self.keeper.directory().join("keys.json"),
            self.address,
        );
        let mut program = Command::new(python()).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        program.stdin.take().unwrap().write_all(whole.as_bytes()).unwrap();
        let done = program.wait_with_output().unwrap();
        assert!(done.status.success(), "the script has failed:\n{script}");
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }
}

/// Where the script `install` has put it.
fn python() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join(format!("windlass-backends/moto-{VERSION}/bin/python"))
}
