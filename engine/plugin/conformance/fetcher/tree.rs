//! What is in a work tree.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::secret::sha256;

/// Something in a work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A file with so much of this content.
    File(u64, [u8; 32]),
    /// A link, a pipe, a device.
    Other,
}

/// All but directories that is in a tree, by paths relative to it.
pub(super) fn nodes(root: &Path) -> io::Result<BTreeMap<String, Node>> {
    let mut nodes = BTreeMap::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir)? {
            let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type()))?;
            let kind = kind?;
            if kind.is_dir() {
                pending.push(path);
                continue;
            }
            let node = if kind.is_file() {
                let content = fs::read(&path)?;
                Node::File(content.len() as u64, sha256(&content))
            } else {
                Node::Other
            };
            let path = path.strip_prefix(root).unwrap_or(&path);
            nodes.insert(path.to_string_lossy().into_owned(), node);
        }
    }
    Ok(nodes)
}
