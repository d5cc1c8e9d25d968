//! The items of a job: named units of input, each run on its own, and how many of them are in which condition.

use serde::{Deserialize, Serialize};

use super::id::JobId;
use super::spec::{Deadlines, InputFile, JobSpec};
use super::transfer::{Delivery, Fetch};

/// The queue that jobs with items are in while they wait for their turn; the jobs of the items are in the one that was asked for.
/// No user can name it.
pub const ITEMS_QUEUE: &str = ":items";

/// What stands for the name of the item in the paths that its job writes and in the options of its deliveries.
pub const ITEM_NAME: &str = "${item}";

/// The items of a job. Each is run through the task of the job as a job of its own, with its own state, times, result and log;
/// one that fails stops no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items {
    /// Those that are given with the job. When the job is stored they are jobs, and here are none.
    #[serde(skip)]
    pub given: Vec<Item>,
    /// How many were given.
    pub count: u32,
    /// Where more are found when the job begins: what these fetchers list, each item of theirs being one.
    #[serde(skip)]
    pub listed: Vec<Fetch>,
    /// Where rows are found when the job begins: what these fetchers bring is lines of JSON objects, each of them an item that is
    /// called by its number, from 1, and finds each field in a file of that name in `input`.
    #[serde(skip)]
    pub rows: Vec<Fetch>,
    /// How many are under way at once; `None`: as many as their queue has slots for.
    pub parallel: Option<u32>,
    /// How many may fail before the job has failed; `None`: all of them.
    pub tolerated: Option<u32>,
}

impl Default for Items {
    /// None; all may run at once, and none may fail.
    fn default() -> Self {
        Items { given: Vec::new(), count: 0, listed: Vec::new(), rows: Vec::new(), parallel: None, tolerated: Some(0) }
    }
}

impl Items {
    /// Items that are given with the job.
    pub fn given(items: impl IntoIterator<Item = Item>) -> Self {
        Items { given: items.into_iter().collect(), ..Items::default() }
    }

    /// Items that a fetcher lists when the job begins.
    pub fn listed(fetch: Fetch) -> Self {
        Items { listed: vec![fetch], ..Items::default() }
    }

    /// Items that are the rows which a fetcher brings when the job begins.
    pub fn rows(fetch: Fetch) -> Self {
        Items { rows: vec![fetch], ..Items::default() }
    }

    /// Lets the job succeed whatever becomes of its items.
    #[must_use]
    pub fn whatever_fails(mut self) -> Self {
        self.tolerated = None;
        self
    }
}

/// One item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Its name: any text without NUL and other control characters, unique among the items of the job.
    pub name: String,
    /// Files that its job finds in `input`.
    pub inputs: Vec<InputFile>,
    /// What is fetched for it.
    pub fetches: Vec<Fetch>,
}

impl Item {
    /// An item without inputs.
    pub fn new(name: impl Into<String>) -> Self {
        Item { name: name.into(), ..Item::default() }
    }

    /// Adds a file that its job finds in `input`.
    #[must_use]
    pub fn input(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.inputs.push(InputFile { path: path.into(), content: content.into() });
        self
    }

    /// Adds something that is fetched for it.
    #[must_use]
    pub fn fetch(mut self, fetch: Fetch) -> Self {
        self.fetches.push(fetch);
        self
    }
}

/// The item that a job runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemOf {
    /// The job whose item it is.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// Its inputs were uploaded.
    #[serde(default)]
    pub uploaded: bool,
}

/// The job that runs one item of a job with items. It waits until it is released.
///
/// What belongs to the job as a whole is not its: name, config, edges, times and limits of all attempts.
pub fn item_spec(parent: &JobSpec, of: JobId, item: Item) -> JobSpec {
    let Item { name, inputs, fetches } = item;
    let in_json = serde_json::Value::from(name.as_str()).to_string();
    let in_json = in_json.trim_matches('"');
    let delivery = |delivery: &Delivery| {
        let mut delivery = delivery.clone();
        delivery.told.options = delivery.told.options.replace(ITEM_NAME, in_json);
        delivery
    };
    JobSpec {
        options: parent.options.clone(),
        retry: parent.retry.clone(),
        deadlines: Deadlines { total_ms: None, ..parent.deadlines },
        on_crash: parent.on_crash,
        stop_grace_ms: parent.stop_grace_ms,
        priority: parent.priority,
        project: parent.project.clone(),
        queue: parent.queue.clone(),
        hold: true,
        inputs,
        reads: parent.reads.clone(),
        writes: parent.writes.iter().map(|path| path.replace(ITEM_NAME, &name)).collect(),
        fetches: parent.fetches.iter().cloned().chain(fetches).collect(),
        deliveries: parent.deliveries.iter().map(delivery).collect(),
        item: Some(ItemOf { job: of, name, uploaded: false }),
        ..JobSpec::new(parent.task.clone())
    }
}

/// How many items of a job are in which condition. The parts always add up to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCounts {
    /// All items known so far.
    pub total: u32,
    /// Not begun.
    pub pending: u32,
    /// Begun and not ended.
    pub running: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended badly.
    pub failed: u32,
    /// Left unfinished when the job ended.
    pub dropped: u32,
}

impl ItemCounts {
    /// `count` more items, all pending. `None` when the counter would overflow.
    #[expect(clippy::should_implement_trait, reason = "can fail, which `+` must not")]
    pub fn add(self, count: u32) -> Option<ItemCounts> {
        Some(ItemCounts { total: self.total.checked_add(count)?, pending: self.pending + count, ..self })
    }

    /// One pending item begins. `None` when none is pending.
    pub fn begin(self) -> Option<ItemCounts> {
        Some(ItemCounts { pending: self.pending.checked_sub(1)?, running: self.running + 1, ..self })
    }

    /// One running item ends. `None` when none is running.
    pub fn end(self, succeeded: bool) -> Option<ItemCounts> {
        let running = self.running.checked_sub(1)?;
        let (well, badly) = (u32::from(succeeded), u32::from(!succeeded));
        Some(ItemCounts { running, succeeded: self.succeeded + well, failed: self.failed + badly, ..self })
    }

    /// A new attempt starts over with what has not ended well or badly.
    pub fn restart(self) -> ItemCounts {
        ItemCounts { pending: self.pending + self.running, running: 0, ..self }
    }

    /// The job is over: what has not ended never will.
    pub fn close(self) -> ItemCounts {
        ItemCounts { pending: 0, running: 0, dropped: self.dropped + self.pending + self.running, ..self }
    }

    /// Those that are over.
    pub fn ended(self) -> u32 {
        self.succeeded + self.failed + self.dropped
    }

    /// Whether the parts add up, the law of this type.
    pub fn adds_up(self) -> bool {
        let parts = [self.pending, self.running, self.succeeded, self.failed, self.dropped];
        parts.iter().map(|part| u64::from(*part)).sum::<u64>() == u64::from(self.total)
    }
}
