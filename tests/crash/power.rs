//! The power fails before every write, sync and change of length of every story, and again while the engine
//! recovers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use windlass::Clock;
use windlass::secret::Entropy;
use windlass::testing::{CrashDisk, Image, Loss};

use crate::stage::{Setting, Stage, scratch};
use crate::stories::{Story, all};
use crate::world::World;

/// Images in all, unless `WINDLASS_CRASH_IMAGES` says more.
const IMAGES: usize = 8_000;

/// One image of this many loses power again while the engine recovers from the first cut.
const SECOND_CUT: u64 = 6;

/// No open may take longer, on however slow a machine.
const OPEN: Duration = Duration::from_secs(20);

/// A story that was told to its end on a disk that kept its steps.
struct Recorded {
    story: Story,
    disk: Arc<CrashDisk>,
    world: World,
    dir: TempDir,
    clock: Clock,
}

pub(crate) fn on_a_thread<T>(life: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(life)
}

fn tell(story: &Story) -> Recorded {
    let (dir, disk) = (scratch(), Arc::new(CrashDisk::new()));
    disk.record();
    let world = World::new(disk.clone());
    let setting = Setting::new(dir.path(), &disk, story.config());
    let clock = setting.clock.clone();
    on_a_thread(async {
        let mut stage = Stage::open(setting, world.clone()).await.unwrap();
        (story.tell)(&mut stage, story.seed).await.unwrap();
        stage.settle().await;
    });
    Recorded { story: story.clone(), disk, world, dir, clock }
}

/// Makes the directory of the store as it was: the keys, and whatever lies beside the store.
pub(crate) fn copy_directory(world: &World, from: &Path, to: &Path) {
    if let Some(keys) = world.keys() {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(to.join("key")).unwrap();
        std::io::Write::write_all(&mut file, keys.as_bytes()).unwrap();
    }
    copy_tree(&from.join("payloads"), &to.join("payloads"));
}

fn copy_tree(from: &Path, to: &Path) {
    let Ok(entries) = std::fs::read_dir(from) else { return };
    std::fs::create_dir_all(to).unwrap();
    for entry in entries.map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn loss(dice: &Entropy) -> Loss {
    match dice.next_u64() % 8 {
        0 => Loss::Everything,
        1 => Loss::Nothing,
        _ => Loss::Random { seed: dice.next_u64() },
    }
}

/// One image: where it was cut and how, so that it can be cut again.
struct Cut<'a> {
    recorded: &'a Recorded,
    step: usize,
    seed: u64,
}

/// What the images have shown.
#[derive(Default)]
struct Figures {
    images: usize,
    second_cuts: usize,
    longest_open: Duration,
    /// Runs that the platform still knows although their jobs are over.
    left_behind: usize,
}

impl Cut<'_> {
    async fn survive(&self, figures: &Mutex<Figures>) {
        let Recorded { story, disk, world, dir, clock } = self.recorded;
        let dice = Entropy::seeded(self.seed);
        let image = disk.power_cut_before(self.step, loss(&dice)).unwrap();
        let step = self.step as u64;
        let now = clock.now();
        let (second, copied) = (scratch(), scratch());
        let disk = Arc::new(CrashDisk::from_image(image));
        let world = world.before(step, disk.clone()).await;
        copy_directory(&world, dir.path(), second.path());
        let clock = || Clock::manual(now);
        let again = dice.next_u64().is_multiple_of(SECOND_CUT);
        if !again {
            let setting = Setting {
                dir: second.path().into(),
                disk,
                clock: clock(),
                seed: self.seed,
                config: story.config_after(),
            };
            return live_on(setting, world, story, &dice, figures).await;
        }
        disk.record();
        let config = story.config_after();
        let setting =
            Setting { dir: second.path().into(), disk: disk.clone(), clock: clock(), seed: self.seed, config };
        let image = recover_and_fail(setting, &world, &dice, &disk).await;
        let (step, image) = image;
        let third = Arc::new(CrashDisk::from_image(image));
        let world = world.before(step, third.clone()).await;
        copy_directory(&world, second.path(), copied.path());
        let setting = Setting {
            dir: copied.path().into(),
            disk: third,
            clock: clock(),
            seed: !self.seed,
            config: story.config_after(),
        };
        figures.lock().unwrap().second_cuts += 1;
        live_on(setting, world, story, &dice, figures).await;
    }
}

/// Recovers, lives a little, and loses power at some step of that.
async fn recover_and_fail(setting: Setting, world: &World, dice: &Entropy, disk: &CrashDisk) -> (u64, Image) {
    {
        let stage = Stage::open(setting, world.clone()).await.unwrap();
        if dice.next_u64().is_multiple_of(2) {
            stage.settle().await;
            stage.end_runs();
            stage.engine.advance(2_000).await;
        }
    }
    // What the closing of the file did after the life counts too: the engine may die in it.
    let step = dice.next_u64() % (disk.recorded() as u64).max(1);
    let image = disk.power_cut_before(step as usize, loss(dice));
    (step, image.unwrap_or_else(|| disk.power_cut(loss(dice))))
}

/// The life after: what was acknowledged is there, and everything comes to its end.
async fn live_on(setting: Setting, world: World, story: &Story, dice: &Entropy, figures: &Mutex<Figures>) {
    let since = Instant::now();
    let stage = Stage::open(setting, world).await.unwrap();
    let open = since.elapsed();
    assert!(open < OPEN, "the open took {open:?}");
    let rules = story.rules();
    stage.check(rules).await;
    stage.repeat_keyed(rules).await;
    stage.drain().await;
    let jobs = stage.check(rules).await;
    if !rules.forgets && dice.next_u64().is_multiple_of(8) {
        stage.run_again(&jobs, dice.next_u64()).await;
    }
    let mut figures = figures.lock().unwrap();
    figures.images += 1;
    figures.longest_open = figures.longest_open.max(open);
    figures.left_behind += stage.world.platform().known();
}

/// Works through `items` on two threads.
pub(crate) fn on_two_threads<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

#[test]
fn no_power_cut_breaks_a_promise() {
    let stories = all();
    let recorded: Mutex<Vec<Recorded>> = Mutex::default();
    on_two_threads(&stories, |story| {
        let told = tell(story);
        recorded.lock().unwrap().push(told);
    });
    let mut recorded = recorded.into_inner().unwrap();
    recorded.sort_by_key(|told| std::cmp::Reverse(told.disk.recorded()));
    let steps: usize = recorded.iter().map(|told| told.disk.recorded()).sum();
    let wanted = std::env::var("WINDLASS_CRASH_IMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(IMAGES);
    let (figures, times) = (Mutex::new(Figures::default()), Mutex::new(BTreeMap::new()));
    on_two_threads(&recorded, |told| {
        let since = Instant::now();
        let of_story = told.disk.recorded();
        let cuts = (wanted * of_story).div_ceil(steps).max(of_story);
        for number in 0..cuts {
            let (step, seed) = (number * of_story / cuts, (told.story.seed << 48) ^ number as u64);
            let cut = Cut { recorded: told, step, seed };
            let survive = std::panic::AssertUnwindSafe(|| on_a_thread(cut.survive(&figures)));
            let survived = std::panic::catch_unwind(survive);
            let Story { name, seed: of_story, .. } = told.story;
            assert!(survived.is_ok(), "story {name:?} {of_story}, cut before step {step} with seed {seed:#x}");
        }
        let name = format!("{} {}", told.story.name, told.story.seed);
        times.lock().unwrap().insert(name, (cuts, since.elapsed()));
    });
    let Figures { images, second_cuts, longest_open, left_behind } = figures.into_inner().unwrap();
    for (name, (cuts, took)) in times.into_inner().unwrap() {
        println!("{name}: {cuts} cuts, {took:?}");
    }
    println!(
        "{images} images, {second_cuts} with a second cut, longest open {longest_open:?}, {left_behind} left behind"
    );
    assert!(images >= wanted);
    assert!(second_cuts * 10 >= images, "{second_cuts} second cuts of {images} images");
}
