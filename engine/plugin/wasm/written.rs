//! What a plugin writes into a work tree by itself is counted.
//!
//! A plugin finds the work tree as a directory of its own file system. Of that interface the functions that make something
//! larger are replaced by those here, which count first and then do the same.

use std::io;

use bytes::Bytes;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, Host as _, HostDescriptor as _, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynOutputStream, FsResult, OutputStream, Pollable, StreamError, StreamResult};

use super::guest::Guest;
use crate::plugin::room::Room;

/// The interface as the linker has it.
const FILESYSTEM: &str = "wasi:filesystem/types@0.2.12";

/// A stream into a file whose bytes are counted.
struct Counted {
    stream: DynOutputStream,
    room: Room,
}

/// As when the disk is full: programs know that error.
fn no_space() -> StreamError {
    StreamError::LastOperationFailed(io::Error::from(io::ErrorKind::StorageFull).into())
}

impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !self.room.take(bytes.len() as u64) {
            return Err(no_space());
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        // Who writes nothing more is told nothing; the first byte too many is refused.
        let left = usize::try_from(self.room.left()).unwrap_or(usize::MAX).max(1);
        Ok(self.stream.check_write()?.min(left))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

/// The room of the call that is under way; none where it may write nothing.
fn room(guest: &Guest) -> Option<Room> {
    guest.call.work.as_ref().filter(|work| work.write).map(|work| work.room.clone())
}

/// What a function of the interface returns; a mistake that is not the plugin's ends the call.
fn answer<T>(guest: &mut Guest, done: FsResult<T>) -> Result<(Result<T, ErrorCode>,)> {
    Ok((match done {
        Ok(done) => Ok(done),
        Err(error) => Err(guest.filesystem().convert_error_code(error)?),
    },))
}

/// Does it when there is room for another entry.
fn make_room(guest: &Guest) -> FsResult<()> {
    match room(guest) {
        Some(room) if !room.take_entry() => Err(ErrorCode::InsufficientSpace.into()),
        _ => Ok(()),
    }
}

fn counted(guest: &mut Guest, stream: FsResult<Resource<DynOutputStream>>) -> FsResult<Resource<DynOutputStream>> {
    let Some(room) = room(guest) else { return stream };
    let table = guest.filesystem().table;
    let stream = table.delete(stream?)?;
    let counted: DynOutputStream = Box::new(Counted { stream, room });
    Ok(table.push(counted)?)
}

/// Has the linker of plugins count what they write.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(FILESYSTEM)?;
    count_bytes(&mut types)?;
    count_entries(&mut types)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn count_bytes(types: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<'_, Guest>, (fd, offset): (Resource<Descriptor>, u64)| {
            let guest = store.data_mut();
            let stream = guest.filesystem().write_via_stream(fd, offset);
            let stream = counted(guest, stream);
            answer(guest, stream)
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: StoreContextMut<'_, Guest>, (fd,): (Resource<Descriptor>,)| {
            let guest = store.data_mut();
            let stream = guest.filesystem().append_via_stream(fd);
            let stream = counted(guest, stream);
            answer(guest, stream)
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.write",
        |mut store: StoreContextMut<'_, Guest>, (fd, bytes, offset): (Resource<Descriptor>, Vec<u8>, u64)| {
            Box::new(async move {
                let guest = store.data_mut();
                let written = match room(guest) {
                    Some(room) if !room.take(bytes.len() as u64) => Err(ErrorCode::InsufficientSpace.into()),
                    _ => guest.filesystem().write(fd, bytes, offset).await,
                };
                answer(guest, written)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.set-size",
        |mut store: StoreContextMut<'_, Guest>, (fd, size): (Resource<Descriptor>, u64)| {
            Box::new(async move {
                let guest = store.data_mut();
                let resized = match room(guest) {
                    // As if all of it were new: what is cut off is not given back either.
                    Some(room) if !room.take(size) => Err(ErrorCode::InsufficientSpace.into()),
                    _ => guest.filesystem().set_size(fd, size).await,
                };
                answer(guest, resized)
            })
        },
    )
}

fn count_entries(types: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    types.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, Guest>,
         (fd, path_flags, path, open, flags): (
            Resource<Descriptor>,
            PathFlags,
            String,
            OpenFlags,
            DescriptorFlags,
        )| {
            Box::new(async move {
                let guest = store.data_mut();
                let room = if open.contains(OpenFlags::CREATE) { make_room(guest) } else { Ok(()) };
                let opened = match room {
                    Ok(()) => guest.filesystem().open_at(fd, path_flags, path, open, flags).await,
                    Err(error) => Err(error),
                };
                answer(guest, opened)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.create-directory-at",
        |mut store: StoreContextMut<'_, Guest>, (fd, path): (Resource<Descriptor>, String)| {
            Box::new(async move {
                let guest = store.data_mut();
                let made = match make_room(guest) {
                    Ok(()) => guest.filesystem().create_directory_at(fd, path).await,
                    Err(error) => Err(error),
                };
                answer(guest, made)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.symlink-at",
        |mut store: StoreContextMut<'_, Guest>, (fd, from, to): (Resource<Descriptor>, String, String)| {
            Box::new(async move {
                let guest = store.data_mut();
                let made = match make_room(guest) {
                    Ok(()) => guest.filesystem().symlink_at(fd, from, to).await,
                    Err(error) => Err(error),
                };
                answer(guest, made)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.link-at",
        |mut store: StoreContextMut<'_, Guest>,
         (fd, flags, from, dir, to): (Resource<Descriptor>, PathFlags, String, Resource<Descriptor>, String)| {
            Box::new(async move {
                let guest = store.data_mut();
                let made = match make_room(guest) {
                    Ok(()) => guest.filesystem().link_at(fd, flags, from, dir, to).await,
                    Err(error) => Err(error),
                };
                answer(guest, made)
            })
        },
    )
}
