//! What it does to the work tree, and what is around it.

use std::fs::{self, File};
use std::path::Path;

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use windlass_plugin::bindings::imports::windlass::plugin::types::Error;
use windlass_plugin::bindings::imports::windlass::plugin::work;

use crate::told::{error, said};

pub(crate) fn act(word: &str) -> Result<(), Error> {
    match word {
        "files" => open_all(),
        "streams" => {
            let mut open = Vec::new();
            loop {
                match work::pack() {
                    Ok(stream) => open.push(stream),
                    Err(error) => return Err(said(format!("{} archives, then {}", open.len(), error.message))),
                }
            }
        }
        "escape" => escape(),
        "deep" => deep(),
        "sparse" => {
            let file = File::create("/work/output/sparse").map_err(|error| said(error.to_string()))?;
            file.set_len(1 << 50).map_err(|error| said(error.to_string()))
        }
        _ => fs::write("/work/output/written", "x").map_err(|error| said(error.to_string())),
    }
}

fn open_all() -> Result<(), Error> {
    let mut open = Vec::new();
    for number in 0..10_000 {
        match File::create(format!("/work/output/{number}")).or_else(|_| File::open("/work")) {
            Ok(file) => open.push(file),
            Err(error) => return Err(said(format!("{number} files, then {error}"))),
        }
    }
    Err(said("10000 files"))
}

fn root() -> Result<Descriptor, Error> {
    get_directories().into_iter().next().map(|it| it.0).ok_or_else(|| error("there is no directory"))
}

/// Tries all ways out, and says which of them were open.
fn escape() -> Result<(), Error> {
    let root = root()?;
    let mut open = Vec::new();
    let ways =
        ["..", "../..", "../../../../../../etc/passwd", "/etc/passwd", "output/../../escaped", "/", "/proc/self"];
    for way in ways {
        if root.open_at(PathFlags::SYMLINK_FOLLOW, way, OpenFlags::empty(), DescriptorFlags::READ).is_ok() {
            open.push(way.to_owned());
        }
        if root.create_directory_at(&format!("{way}/escaped")).is_ok() {
            open.push(format!("mkdir {way}"));
        }
    }
    for (number, target) in ["/etc", "../../../../../../../../etc", "../../.."].into_iter().enumerate() {
        let link = format!("output/link{number}");
        // It may make a link; it must not lead anywhere.
        let _ = root.symlink_at(target, &link);
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        for name in ["passwd", "escaped"] {
            let path = format!("{link}/{name}");
            if root.open_at(PathFlags::SYMLINK_FOLLOW, &path, OpenFlags::CREATE, flags).is_ok() {
                open.push(format!("{target} as {path}"));
            }
        }
        for path in [format!("/work/{link}/passwd"), format!("/work/{link}/escaped")] {
            if fs::read(&path).is_ok() || fs::write(&path, "x").is_ok() || fs::remove_file(&path).is_ok() {
                open.push(path);
            }
        }
        if fs::rename("/work/output", Path::new("/work").join(&link).join("moved")).is_ok() {
            open.push(format!("rename to {target}"));
        }
    }
    Err(said(format!("open: {open:?}")))
}

/// Directories within directories, far deeper than any path can name.
fn deep() -> Result<(), Error> {
    let mut at = root()?;
    let told = |error| said(format!("{error}"));
    at = at.open_at(PathFlags::empty(), "output", OpenFlags::DIRECTORY, mutable()).map_err(told)?;
    for _ in 0..5_000 {
        at.create_directory_at("d").map_err(told)?;
        at = at.open_at(PathFlags::empty(), "d", OpenFlags::DIRECTORY, mutable()).map_err(told)?;
    }
    Ok(())
}

fn mutable() -> DescriptorFlags {
    DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY
}
