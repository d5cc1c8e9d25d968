//! An image without a registry: the static busybox of this machine with all its names.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tar::{Builder, EntryType, Header};

/// Who there is beside root, for runs as somebody else.
const USERS: &str =
    "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";
const GROUPS: &str = "root:x:0:\nworker:x:1000:\nnogroup:x:65534:\n";

/// The root file system as an archive, made once.
pub(crate) fn busybox() -> &'static [u8] {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let path = crate::keeper::path();
        let program: PathBuf =
            std::env::split_paths(&path).map(|place| place.join("busybox")).find(|it| it.is_file()).unwrap();
        let listed = Command::new(&program).arg("--list").output().unwrap();
        let names = String::from_utf8(listed.stdout).unwrap();
        archive(&std::fs::read(&program).unwrap(), names.lines().filter(|name| *name != "busybox"))
    })
}

fn archive<'a>(program: &[u8], names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, mode) in [("bin/", 0o755), ("etc/", 0o755), ("root/", 0o700), ("tmp/", 0o1777)] {
        entry(&mut archive, EntryType::Directory, mode, name, b"");
    }
    entry(&mut archive, EntryType::Regular, 0o755, "bin/busybox", program);
    entry(&mut archive, EntryType::Regular, 0o644, "etc/passwd", USERS.as_bytes());
    entry(&mut archive, EntryType::Regular, 0o644, "etc/group", GROUPS.as_bytes());
    for name in names {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        archive.append_link(&mut header, format!("bin/{name}"), "busybox").unwrap();
    }
    archive.into_inner().unwrap()
}

fn entry(archive: &mut Builder<Vec<u8>>, kind: EntryType, mode: u32, name: &str, content: &[u8]) {
    let mut header = header(kind, mode, content.len());
    archive.append_data(&mut header, name, content).unwrap();
}

/// Without a time: the same content is the same layer.
fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header
}
