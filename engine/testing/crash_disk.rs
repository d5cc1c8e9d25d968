//! A disk in memory that remembers what was synced, loses power, and fails when told to.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::secret::Entropy;
use crate::store::Disk;

/// What the disk holds after a power cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(pub Vec<u8>);

/// What a power cut does to writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    Everything,
    /// All have reached the disk: only the process was lost.
    Nothing,
    /// Each is there or not, in no order, and each may be torn at 512 bytes or at 4 KiB.
    Random {
        /// Which of the many ways.
        seed: u64,
    },
}

/// The kinds of operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Syncs.
    Sync,
    /// Growing the file: no space left.
    Grow,
}

/// A failure to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What fails.
    pub operation: Operation,
    /// How many operations of that kind go well first.
    pub after: u64,
    /// Whether all later ones fail too.
    pub lasting: bool,
}

/// An unsynced change.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug, Default)]
struct State {
    /// What has been synced.
    safe: Vec<u8>,
    /// What readers see.
    current: Vec<u8>,
    unsynced: Vec<Change>,
    /// Writes, length changes and syncs so far.
    steps: u64,
    /// Kept before each step that the story names, when recording.
    recording: Option<Vec<Snapshot>>,
    fault: Option<Fault>,
    failed: bool,
}

/// The disk as it was just before a step: enough to make every image that a power cut there can leave.
#[derive(Clone, Debug)]
struct Snapshot {
    safe: Vec<u8>,
    unsynced: Vec<Change>,
}

/// The disk.
#[derive(Debug, Default)]
pub struct CrashDisk(Mutex<State>);

impl CrashDisk {
    /// An empty disk.
    pub fn new() -> CrashDisk {
        CrashDisk::default()
    }

    /// A disk as a power cut has left another one.
    pub fn from_image(image: Image) -> CrashDisk {
        CrashDisk(Mutex::new(State { safe: image.0.clone(), current: image.0, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, length changes and syncs so far.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Remembers the disk before each step from now on.
    pub fn record(&self) {
        self.state().recording = Some(Vec::new());
    }

    /// How many steps have been recorded.
    pub fn recorded(&self) -> usize {
        self.state().recording.as_ref().map_or(0, Vec::len)
    }

    /// What a power cut just before the recorded step `step` leaves; `None` when there was no such step.
    pub fn power_cut_before(&self, step: usize, loss: Loss) -> Option<Image> {
        let snapshot = self.state().recording.as_ref()?.get(step)?.clone();
        Some(snapshot.cut(loss))
    }

    /// What a power cut now leaves.
    pub fn power_cut(&self, loss: Loss) -> Image {
        let state = self.state();
        Snapshot { safe: state.safe.clone(), unsynced: state.unsynced.clone() }.cut(loss)
    }

    /// Makes an operation fail.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = Some(fault);
        state.failed = false;
    }

    /// Whether the fault has struck.
    pub fn has_failed(&self) -> bool {
        self.state().failed
    }
}

impl Snapshot {
    fn cut(self, loss: Loss) -> Image {
        let mut image = self.safe;
        match loss {
            Loss::Everything => {}
            Loss::Nothing => self.unsynced.iter().for_each(|change| apply(&mut image, change)),
            Loss::Random { seed } => scatter(&mut image, &self.unsynced, &Entropy::seeded(seed)),
        }
        Image(image)
    }
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::SetLen(len) => image.resize(*len, 0),
        Change::Write { offset, data } => write_at(image, *offset, data),
    }
}

fn write_at(image: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    if let Some(target) = image.get_mut(offset..end) {
        target.copy_from_slice(data);
    }
}

/// A random subset of the changes, in random order, some of them torn.
fn scatter(image: &mut Vec<u8>, changes: &[Change], dice: &Entropy) {
    // A share of the changes that differs from cut to cut: sometimes nearly all, sometimes hardly any.
    let share = dice.next_u64() % 101;
    let mut kept: Vec<&Change> = changes.iter().filter(|_| dice.next_u64() % 100 < share).collect();
    if dice.next_u64().is_multiple_of(2) {
        for at in (1..kept.len()).rev() {
            kept.swap(at, (dice.next_u64() % (at as u64 + 1)) as usize);
        }
    }
    for change in kept {
        match change {
            Change::Write { offset, data } if dice.next_u64().is_multiple_of(4) => tear(image, *offset, data, dice),
            change => apply(image, change),
        }
    }
}

/// Only some sectors of a write have reached the disk.
fn tear(image: &mut Vec<u8>, offset: usize, data: &[u8], dice: &Entropy) {
    let sector = if dice.next_u64().is_multiple_of(2) { 512 } else { 4_096 };
    let mut at = 0;
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        // Sectors are cut where the disk cuts them, not where the write begins.
        let len = (sector - (offset + at) % sector).min(rest.len());
        if let (0, Some(part)) = (dice.next_u64() % 2, rest.get(..len)) {
            write_at(image, offset + at, part);
        }
        at += len;
    }
}

impl State {
    fn step(&mut self) {
        self.steps += 1;
        if let Some(recording) = &mut self.recording {
            recording.push(Snapshot { safe: self.safe.clone(), unsynced: self.unsynced.clone() });
        }
    }

    fn check(&mut self, operation: Operation) -> io::Result<()> {
        let Some(fault) = &mut self.fault else { return Ok(()) };
        if fault.operation != operation {
            return Ok(());
        }
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        if !fault.lasting {
            self.fault = None;
        }
        self.failed = true;
        Err(match operation {
            Operation::Grow => io::Error::from(io::ErrorKind::StorageFull),
            other => io::Error::other(format!("the disk was told to fail this {other:?}")),
        })
    }
}

impl Disk for CrashDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Read)?;
        let start = offset as usize;
        let found = state.current.get(start..start + out.len());
        out.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if len as usize > state.current.len() {
            state.check(Operation::Grow)?;
        }
        state.step();
        state.current.resize(len as usize, 0);
        state.unsynced.push(Change::SetLen(len as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step();
        state.check(Operation::Sync)?;
        state.unsynced.clear();
        state.safe = state.current.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Write)?;
        state.step();
        write_at(&mut state.current, offset as usize, data);
        state.unsynced.push(Change::Write { offset: offset as usize, data: data.to_vec() });
        Ok(())
    }
}
