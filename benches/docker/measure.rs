//! Times and memory.

use std::time::Duration;

/// How long one container took.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    /// Until its end was known; of a job: until that was on disk.
    pub(crate) done: Duration,
    /// Until it and its volume were removed.
    pub(crate) removed: Duration,
}

/// How long several took.
#[derive(Default)]
pub(crate) struct Times {
    done: Vec<f64>,
    removed: Vec<f64>,
    /// From the first to the last.
    seconds: f64,
}

impl Times {
    /// One that began when the one before was removed.
    pub(crate) fn add(&mut self, pair: Pair) {
        self.push(pair);
        self.seconds += pair.removed.as_secs_f64();
    }

    /// Those of which several were under way at once.
    pub(crate) fn at_once(pairs: impl IntoIterator<Item = Pair>, all: Duration) -> Times {
        let mut times = Times { seconds: all.as_secs_f64(), ..Times::default() };
        pairs.into_iter().for_each(|pair| times.push(pair));
        times
    }

    fn push(&mut self, pair: Pair) {
        self.done.push(millis(pair.done));
        self.removed.push(millis(pair.removed));
    }

    pub(crate) fn extend(&mut self, other: &Times) {
        self.done.extend(&other.done);
        self.removed.extend(&other.removed);
        self.seconds += other.seconds;
    }

    pub(crate) fn count(&self) -> usize {
        self.done.len()
    }

    pub(crate) fn removed_p50(&self) -> f64 {
        p50(&self.removed)
    }

    fn rate(&self) -> f64 {
        self.count() as f64 / self.seconds
    }

    /// All sides in a line: those without files with their ratio, then those with files with theirs and with that of jobs with
    /// files to the API without.
    pub(crate) fn compared(sides: &[&Times; 4]) -> String {
        let row = |figure: fn(&Times) -> f64| {
            let [plain, bare, files, ours] = sides.map(figure);
            let ratios = [bare / plain, ours / files, ours / plain].map(|ratio| format!("{ratio:.3}"));
            let [without, with, both] = ratios;
            format!("{plain:.1}, {bare:.1} ({without}), {files:.1}, {ours:.1} ({with}, {both})")
        };
        format!(
            "p50 ms to the end {}, to the removal {}, a second {}",
            row(|side| p50(&side.done)),
            row(|side| p50(&side.removed)),
            row(Times::rate)
        )
    }
}

fn p50(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Processes that want a core, over the last one, five and fifteen minutes.
pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Time that all threads of this process have spent computing.
pub(crate) fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the process, which comes second, may hold spaces. Ticks of the kernel are 10 ms.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    Duration::from_millis(fields.map(|it| it.parse::<u64>().unwrap()).sum::<u64>() * 10)
}

pub(crate) fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}
