//! Database servers of their own, with TLS.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::authority::Authority;
use crate::{keeper, keeper::Keeper, ports};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/database");

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    PostgreSql,
    MariaDb,
}

/// A server on loopback, whose certificate is for `localhost`; gone with all that it has when this process is.
pub struct Database {
    kind: Kind,
    keeper: Keeper,
    address: SocketAddr,
    ca: PathBuf,
    // Its files are where the certificates are.
    _authority: tempfile::TempDir,
}

impl Database {
    /// The PostgreSQL server that all tests of this process share; none when they are left out.
    ///
    /// # Panics
    ///
    /// When there can be none.
    pub fn postgresql() -> Option<&'static Database> {
        static SHARED: OnceLock<Database> = OnceLock::new();
        (!crate::are_left_out()).then(|| SHARED.get_or_init(|| Database::begin(Kind::PostgreSql)))
    }

    /// The same of MariaDB.
    ///
    /// # Panics
    ///
    /// When there can be none.
    pub fn mariadb() -> Option<&'static Database> {
        static SHARED: OnceLock<Database> = OnceLock::new();
        (!crate::are_left_out()).then(|| SHARED.get_or_init(|| Database::begin(Kind::MariaDb)))
    }

    fn begin(kind: Kind) -> Database {
        let address = ports::free();
        let place = tempfile::tempdir().unwrap();
        let authority = Authority::new(place.path());
        let identity = authority.sign("localhost");
        let word = if kind == Kind::PostgreSql { "postgresql" } else { "mariadb" };
        let keeper = Keeper::new(false, |directory| {
            std::fs::copy(&identity.cert, directory.join("cert.pem")).unwrap();
            std::fs::copy(&identity.key, directory.join("key.pem")).unwrap();
            vec![SCRIPT.into(), word.into(), directory.into(), address.port().to_string().into()]
        });
        let database = Database { kind, keeper, address, ca: authority.file(), _authority: place };
        database.keeper.start(|| database.asked("SELECT 1").status.success());
        database
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that has signed its own.
    pub fn ca(&self) -> &std::path::Path {
        &self.ca
    }

    /// What its own client prints of some statements, as the owner of everything.
    ///
    /// # Panics
    ///
    /// When one of them fails.
    pub fn run(&self, statements: &str) -> String {
        let done = self.asked(statements);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{statements}\n{said}");
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    fn asked(&self, statements: &str) -> Output {
        let directory = self.keeper.directory();
        let mut client = match self.kind {
            Kind::PostgreSql => {
                let mut client = Command::new("psql");
                client.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"]);
                client.arg("-h").arg(directory.join("sockets")).args(["-p", &self.address.port().to_string()]);
                client
            }
            Kind::MariaDb => {
                let mut client = Command::new("mariadb");
                client.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"]);
                client.arg("--socket").arg(directory.join("data/socket"));
                client
            }
        };
        client.env("PATH", keeper::path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = client.spawn().unwrap();
        // One that cannot connect does not read.
        let _ = client.stdin.take().unwrap().write_all(statements.as_bytes());
        client.wait_with_output().unwrap()
    }
}
