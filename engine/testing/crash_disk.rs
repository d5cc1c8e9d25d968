//! A disk in memory that remembers what was synced, loses power, and fails when told to.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// A change of the disk. Cheap to clone: a recording and the unsynced changes share the bytes.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Arc<[u8]> },
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
    recording: Option<Recording>,
    fault: Option<Fault>,
    failed: bool,
}

/// The steps of the disk since the recording began: enough to make every image that a power cut can leave.
#[derive(Debug, Default)]
struct Recording {
    base: Vec<u8>,
    /// Changes that were not synced when the recording began stand first, and are no steps.
    before: Vec<Change>,
    /// `None` is a sync.
    steps: Vec<Option<Change>>,
    /// Where the last image was made; whoever goes through the steps in order pays for each once.
    cursor: Cursor,
}

/// The base with all steps before `at`; the step before `at` is a sync, or there is none.
#[derive(Debug, Default)]
struct Cursor {
    image: Vec<u8>,
    at: usize,
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

    /// Writes, length changes and syncs so far; a sync that fails is none.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Remembers every step from now on.
    pub fn record(&self) {
        let mut state = self.state();
        let (base, before) = (state.safe.clone(), state.unsynced.clone());
        let cursor = Cursor { image: base.clone(), at: 0 };
        state.recording = Some(Recording { base, before, steps: Vec::new(), cursor });
    }

    /// How many steps have been recorded.
    pub fn recorded(&self) -> usize {
        self.state().recording.as_ref().map_or(0, |recording| recording.steps.len())
    }

    /// What a power cut just before the recorded step `step` leaves; `None` when there was no such step.
    /// Going through the steps in order is fast.
    pub fn power_cut_before(&self, step: usize, loss: Loss) -> Option<Image> {
        let mut state = self.state();
        let recording = state.recording.as_mut().filter(|recording| step < recording.steps.len())?;
        let (safe, unsynced) = recording.before(step);
        Some(cut(safe, &unsynced, loss))
    }

    /// What a power cut now leaves.
    pub fn power_cut(&self, loss: Loss) -> Image {
        let state = self.state();
        cut(state.safe.clone(), &state.unsynced, loss)
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

impl Recording {
    /// What was synced before the step, and the changes after that.
    fn before(&mut self, step: usize) -> (Vec<u8>, Vec<Change>) {
        let synced = self.steps.iter().take(step).rposition(Option::is_none).map_or(0, |sync| sync + 1);
        if synced < self.cursor.at {
            self.cursor = Cursor { image: self.base.clone(), at: 0 };
        }
        if self.cursor.at == 0 && synced > 0 {
            self.before.iter().for_each(|change| apply(&mut self.cursor.image, change));
        }
        let passed = self.steps.iter().take(synced).skip(self.cursor.at);
        passed.flatten().for_each(|change| apply(&mut self.cursor.image, change));
        self.cursor.at = synced;
        let before = self.before.iter().filter(|_| synced == 0);
        let since = self.steps.iter().take(step).skip(synced).flatten();
        (self.cursor.image.clone(), before.chain(since).cloned().collect())
    }
}

fn cut(mut image: Vec<u8>, unsynced: &[Change], loss: Loss) -> Image {
    match loss {
        Loss::Everything => {}
        Loss::Nothing => unsynced.iter().for_each(|change| apply(&mut image, change)),
        Loss::Random { seed } => scatter(&mut image, unsynced, &Entropy::seeded(seed)),
    }
    Image(image)
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
    fn change(&mut self, change: Change) {
        apply(&mut self.current, &change);
        self.step(Some(change.clone()));
        self.unsynced.push(change);
    }

    fn step(&mut self, step: Option<Change>) {
        self.steps += 1;
        if let Some(recording) = &mut self.recording {
            recording.steps.push(step);
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
        state.change(Change::SetLen(len as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Sync)?;
        state.step(None);
        let State { safe, unsynced, .. } = &mut *state;
        unsynced.drain(..).for_each(|change| apply(safe, &change));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let checked = state.check(Operation::Write);
        // A write that fails may have been done in part.
        let done = if checked.is_ok() { data } else { data.split_at(data.len() / 2).0 };
        state.change(Change::Write { offset: offset as usize, data: done.into() });
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> CrashDisk {
        let disk = CrashDisk::new();
        disk.set_len(65_536).unwrap();
        disk.sync().unwrap();
        disk.record();
        for page in 0..8_u8 {
            disk.write(u64::from(page) * 8_192, &[page + 1; 8_192]).unwrap();
            if page == 3 {
                disk.sync().unwrap();
            }
        }
        disk
    }

    /// The first byte of every sector.
    fn sectors(image: &Image, sector: usize) -> Vec<u8> {
        image.0.chunks(sector).map(|sector| sector[0]).collect()
    }

    #[test]
    fn a_cut_loses_what_was_not_synced_and_nothing_else() {
        let disk = recorded();
        assert_eq!(disk.recorded(), 9);
        let pages = |step, loss| sectors(&disk.power_cut_before(step, loss).unwrap(), 8_192);
        assert_eq!(pages(3, Loss::Everything), [0; 8]);
        assert_eq!(pages(3, Loss::Nothing), [1, 2, 3, 0, 0, 0, 0, 0]);
        assert_eq!(pages(4, Loss::Everything), [0; 8], "the sync itself was not done");
        assert_eq!(pages(8, Loss::Everything), [1, 2, 3, 4, 0, 0, 0, 0]);
        assert_eq!(pages(8, Loss::Nothing), [1, 2, 3, 4, 5, 6, 7, 0]);
        assert_eq!(pages(2, Loss::Nothing), [1, 2, 0, 0, 0, 0, 0, 0], "backwards too");
        assert!(disk.power_cut_before(9, Loss::Nothing).is_none());
        assert_eq!(sectors(&disk.power_cut(Loss::Everything), 8_192), [1, 2, 3, 4, 0, 0, 0, 0]);
    }

    #[test]
    fn what_was_not_synced_before_the_recording_is_lost_with_the_rest() {
        let disk = CrashDisk::new();
        disk.write(0, &[7; 4]).unwrap();
        disk.record();
        disk.write(4, &[8; 4]).unwrap();
        disk.sync().unwrap();
        disk.write(0, &[9; 4]).unwrap();
        assert_eq!(disk.power_cut_before(1, Loss::Everything).unwrap().0, Vec::<u8>::new());
        assert_eq!(disk.power_cut_before(1, Loss::Nothing).unwrap().0, [7, 7, 7, 7, 8, 8, 8, 8]);
        assert_eq!(disk.power_cut_before(2, Loss::Everything).unwrap().0, [7, 7, 7, 7, 8, 8, 8, 8]);
        assert_eq!(disk.power_cut_before(0, Loss::Nothing).unwrap().0, [7; 4]);
    }

    #[test]
    fn a_random_cut_loses_tears_and_reorders() {
        let disk = recorded();
        let images: Vec<Image> =
            (0..200).map(|seed| disk.power_cut_before(8, Loss::Random { seed }).unwrap()).collect();
        let synced = |image: &Image| image.0[..32_768] == disk.power_cut(Loss::Everything).0[..32_768];
        assert!(images.iter().all(synced), "what was synced stays");
        let later_without_earlier =
            |image: &&Image| image.0[4 * 8_192..5 * 8_192] == [0; 8_192] && image.0[5 * 8_192] == 6;
        assert!(images.iter().any(|image| later_without_earlier(&image)));
        let torn_at = |sector: usize| {
            let halves = move |page: &[u8]| {
                let sectors: Vec<&[u8]> = page.chunks(sector).collect();
                let whole = sectors.iter().all(|part| part.iter().all(|byte| byte == &part[0]));
                whole && sectors.iter().any(|part| part[0] != sectors[0][0])
            };
            images.iter().any(|image| image.0.chunks(8_192).any(halves))
        };
        assert!(torn_at(512) && torn_at(4_096));
        let again = disk.power_cut_before(8, Loss::Random { seed: 5 }).unwrap();
        assert_eq!(again, images[5], "a seed is one way");
        assert!(images.iter().any(|image| *image != images[5]));
    }

    #[test]
    fn writes_to_one_place_are_reordered() {
        let disk = CrashDisk::new();
        disk.record();
        disk.write(0, &[1; 512]).unwrap();
        disk.write(0, &[2; 512]).unwrap();
        disk.sync().unwrap();
        let kept = |seed| disk.power_cut_before(2, Loss::Random { seed }).unwrap().0.first().copied();
        let mut found: Vec<_> = (0..100).map(kept).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [None, Some(1), Some(2)]);
        // Kept both and yet the first one is seen: only a reordering does that.
        let both = (0..4_000).filter(|seed| Entropy::seeded(*seed).next_u64() % 101 == 100);
        assert!(both.map(kept).any(|first| first == Some(1)));
    }

    #[test]
    fn faults_strike_when_told_once_or_for_good() {
        let disk = CrashDisk::new();
        disk.fail(Fault { operation: Operation::Write, after: 1, lasting: false });
        assert!(disk.write(0, &[1]).is_ok());
        assert!(!disk.has_failed());
        assert!(disk.write(1, &[1]).is_err());
        assert!(disk.has_failed());
        assert!(disk.write(1, &[1]).is_ok());
        disk.fail(Fault { operation: Operation::Sync, after: 0, lasting: true });
        assert!(disk.sync().is_err() && disk.sync().is_err());
        assert_eq!(disk.power_cut(Loss::Everything).0, Vec::<u8>::new(), "a sync that failed has made nothing safe");
        disk.fail(Fault { operation: Operation::Grow, after: 0, lasting: true });
        assert_eq!(disk.set_len(100).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(disk.set_len(1).is_ok() && disk.write(0, &[2]).is_ok());
        disk.fail(Fault { operation: Operation::Read, after: 0, lasting: false });
        assert!(disk.read(0, &mut [0]).is_err());
        assert!(disk.read(0, &mut [0]).is_ok());
    }
}
