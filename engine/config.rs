//! Every limit of the engine, in one place.

#[cfg(any(feature = "cli", feature = "plugin"))]
pub(crate) mod quantity;

use std::collections::BTreeMap;

use crate::files::{FileLimits, LogLimits};
use crate::job::items::ITEMS_QUEUE;
use crate::job::{JobLimits, OutputLimits, PipelineLimits, ScheduleLimits};

/// How an engine is run. [`EngineConfig::default`] suits a machine that does other things too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Attempts that may be under way at once in a queue that [`EngineConfig::queues`] does not name.
    pub default_slots: usize,
    /// Attempts that may be under way at once, by queue. 0 stops a queue.
    pub queues: BTreeMap<String, usize>,
    /// Live jobs that one queue may hold; a submission over it is refused.
    pub queue_limit: u64,
    /// How much longer a job may have waited to stand level with one of the next higher priority, in
    /// milliseconds. Smaller values make priorities weaker; low ones are never starved.
    pub ageing_ms: u64,
    /// Bounds on what one job may ask for.
    pub job_limits: JobLimits,
    /// Whether schedules fire. Where they do not, what comes due is decided by the next engine whose schedules do.
    pub fires: bool,
    /// Bounds on what a schedule may ask for.
    pub schedule_limits: ScheduleLimits,
    /// Bounds on what a pipeline may ask for.
    pub pipeline_limits: PipelineLimits,
    /// Bounds on output types and output records.
    pub output_limits: OutputLimits,
    /// How much of the log of an attempt is kept.
    pub log_limits: LogLimits,
    /// Bounds on the files of projects and on what jobs leave in their work trees.
    pub files: FileLimits,
    /// Inputs and outputs over this many bytes lie in files beside the store.
    pub inline_payload_bytes: usize,
    /// Bytes of the output of a function.
    pub output_bytes: usize,
    /// Jobs on one page of a list.
    pub page_jobs: usize,
    /// Bytes of one page of a log.
    pub page_log_bytes: usize,
    /// Events that a slow subscriber may be behind before it misses some.
    pub event_backlog: usize,
    /// How long [`Engine::shutdown`](crate::Engine::shutdown) lets functions finish, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// Bytes of the store's page cache.
    pub cache_bytes: usize,
    /// Bytes of live jobs kept in memory from their submission on, so that their attempts need not read them back.
    pub recent_bytes: usize,
    /// Seals commits so that the open after a crash is fast; costs small groups a second sync when idle.
    pub quick_repair: bool,
    /// What becomes of the work trees of attempts.
    pub keep_work: KeepWork,
    /// How runs on platforms are followed.
    pub platforms: PlatformConfig,
    /// What WebAssembly programs may take.
    #[cfg(feature = "wasm")]
    pub wasm: WasmConfig,
    /// What plugins may take.
    #[cfg(feature = "plugin")]
    pub plugins: PluginBounds,
    /// Jobs with items that are under way at once. They take no slots of a queue; the jobs of their items do.
    pub jobs_with_items: usize,
    /// What fetches and deliveries may take.
    pub transfers: TransferLimits,
    /// When finished jobs are forgotten.
    pub retention: Retention,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        EngineConfig {
            default_slots: (2 * cores).max(4),
            queues: BTreeMap::new(),
            queue_limit: 10_000_000,
            ageing_ms: 10_000,
            job_limits: JobLimits::default(),
            fires: true,
            schedule_limits: ScheduleLimits::default(),
            pipeline_limits: PipelineLimits::default(),
            output_limits: OutputLimits::default(),
            log_limits: LogLimits { head_bytes: 8 << 20, tail_bytes: 8 << 20 },
            files: FileLimits::default(),
            inline_payload_bytes: 64 << 10,
            output_bytes: 16 << 20,
            page_jobs: 1_000,
            page_log_bytes: 1 << 20,
            event_backlog: 65_536,
            shutdown_grace_ms: 10_000,
            cache_bytes: 64 << 20,
            recent_bytes: 8 << 20,
            quick_repair: true,
            keep_work: KeepWork::default(),
            platforms: PlatformConfig::default(),
            #[cfg(feature = "wasm")]
            wasm: WasmConfig::default(),
            #[cfg(feature = "plugin")]
            plugins: PluginBounds::default(),
            jobs_with_items: 100,
            transfers: TransferLimits::default(),
            retention: Retention::default(),
        }
    }
}

impl EngineConfig {
    /// The slots of a queue.
    pub fn slots(&self, queue: &str) -> usize {
        if queue == ITEMS_QUEUE {
            return self.jobs_with_items;
        }
        self.queues.get(queue).copied().unwrap_or(self.default_slots)
    }
}

/// Bounds on what one attempt fetches and delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferLimits {
    /// Bytes of one row that becomes an item.
    pub row_bytes: usize,
    /// Items that are fetched at once.
    pub parallel: usize,
    /// How often a call is made that fails in a way that may pass; after that the attempt has failed.
    pub tries: u32,
    /// Milliseconds before the second try; doubled with each.
    pub first_pause_ms: u64,
    /// Milliseconds between two tries at most.
    pub last_pause_ms: u64,
    /// Items of all fetches of an attempt, and files of all its deliveries.
    pub items: usize,
    /// Bytes of all fetches of an attempt, and of all its deliveries.
    pub bytes: u64,
}

impl Default for TransferLimits {
    /// Rows of 1 MiB; four items at once, five tries from half a second to thirty apart, 100,000 items, 64 GiB.
    fn default() -> Self {
        TransferLimits {
            row_bytes: 1 << 20,
            parallel: 4,
            tries: 5,
            first_pause_ms: 500,
            last_pause_ms: 30_000,
            items: 100_000,
            bytes: 64 << 30,
        }
    }
}

/// What becomes of the work tree of an attempt when it is over. Whatever is kept goes with the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepWork {
    /// Kept after a failure, removed after a success.
    #[default]
    Failed,
    /// Always kept.
    All,
    /// Always removed.
    Nothing,
}

/// How runs on platforms are followed, see [`Platform`](crate::executors::Platform).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformConfig {
    /// Runs of one platform whose logs are read at the same moment; all others wait their turn. As many again are for
    /// runs that are over.
    pub log_followers: usize,
    /// How long a platform is asked to wait for more of a log, in milliseconds.
    pub log_wait_ms: u64,
    /// The longest that a log which says nothing is left alone while its run goes on, in milliseconds. One that speaks is
    /// looked at more often.
    pub log_pause_ms: u64,
    /// How long the log of a run that is over may say nothing before its end is given up, in milliseconds. What still comes
    /// is waited for sixty times as long at most.
    pub last_lines_ms: u64,
    /// How often runs that no job owns are looked for, in milliseconds. Also done at open.
    pub sweep_interval_ms: u64,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        PlatformConfig {
            log_followers: 16,
            log_wait_ms: 2_000,
            log_pause_ms: 10_000,
            last_lines_ms: 30_000,
            sweep_interval_ms: 3_600_000,
        }
    }
}

/// What WebAssembly programs and plugins may take, one by one and together.
#[cfg(feature = "wasm")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasmConfig {
    /// Programs that run at once, at least 1; others wait for a place, whatever their queues allow.
    pub instances: u32,
    /// Bytes of memory of a program that asks for no other limit.
    pub memory_bytes: u64,
    /// Bytes of memory of all programs that run at once together. A program that finds none left fails as one that has
    /// reached its own limit.
    pub all_memory_bytes: u64,
    /// Files, directories and streams that one program may have open at once. All programs that run at once together
    /// should stay well below the open files that the system lets this process have.
    pub handles: usize,
    /// Calls of plugins that are under way at once, at least 2; others wait for a place. Some are left free by calls that
    /// may take long, see [`PluginLimits::parallel_calls`].
    pub calls: u32,
    /// Bytes of memory of all calls of plugins that are under way at once together.
    pub all_call_memory_bytes: u64,
    /// Bytes that one call of a plugin may put into the work tree of an attempt, unpacked or written by itself.
    pub unpack_bytes: u64,
    /// Bytes of the file of a program.
    pub module_bytes: u64,
    /// Compiled programs that stay in memory; the one that was not used for longest goes first.
    pub programs: usize,
    /// Bytes of compiled programs beside the store, in the directory `compiled`; the oldest go first.
    pub cache_bytes: u64,
}

#[cfg(feature = "wasm")]
impl Default for WasmConfig {
    fn default() -> Self {
        WasmConfig {
            instances: 128,
            memory_bytes: 256 << 20,
            all_memory_bytes: 2 << 30,
            handles: 64,
            calls: 64,
            all_call_memory_bytes: 1 << 30,
            unpack_bytes: 64 << 30,
            module_bytes: 64 << 20,
            programs: 64,
            cache_bytes: 1 << 30,
        }
    }
}

/// What plugins may take, whatever they ask for and are granted.
#[cfg(feature = "plugin")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginBounds {
    /// What a plugin gets where its operator says nothing else.
    pub usual: PluginLimits,
    /// What no grant goes over.
    pub most: PluginLimits,
    /// Bytes of a component.
    pub component_bytes: u64,
    /// Plugins in the directory of the store.
    pub plugins: usize,
}

#[cfg(feature = "plugin")]
impl Default for PluginBounds {
    fn default() -> Self {
        PluginBounds {
            usual: PluginLimits {
                memory_bytes: 64 << 20,
                call_ms: 30_000,
                transfer_ms: 3_600_000,
                parallel_calls: 16,
                response_bytes: 16 << 30,
                messages: 1_000,
            },
            most: PluginLimits {
                memory_bytes: 1 << 30,
                call_ms: 600_000,
                transfer_ms: 86_400_000,
                parallel_calls: 1_024,
                response_bytes: 1 << 40,
                messages: 100_000,
            },
            component_bytes: 64 << 20,
            plugins: 256,
        }
    }
}

/// What one plugin may take.
#[cfg(feature = "plugin")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginLimits {
    /// Bytes of memory of one call.
    pub memory_bytes: u64,
    /// How long a call may take beyond what it was told to wait, in milliseconds.
    pub call_ms: u64,
    /// How long a call may take that moves inputs or outputs, in milliseconds.
    pub transfer_ms: u64,
    /// Calls that are under way at once; others wait. Where there are three or more places, logs leave one of them to calls that
    /// move files, and both together leave one to all others.
    pub parallel_calls: u32,
    /// Bytes of the body of one response.
    pub response_bytes: u64,
    /// Messages for the operator in one call; others are left out.
    pub messages: u32,
}

/// What asking databases through JDBC drivers may take.
#[cfg(feature = "plugin")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlConfig {
    /// Processes with a JVM at once, at least 1; each serves one query. Others wait for a place as long as a process may
    /// take to start.
    pub processes: usize,
    /// How long a process may take until its JVM runs, in milliseconds.
    pub start_ms: u64,
    /// How long a query may take from the connection to its last row, in milliseconds.
    pub query_ms: u64,
    /// Bytes of the heap of a JVM.
    pub heap_bytes: u64,
    /// Bytes of memory that a process may keep resident: the heap and what the JVM needs beside it. One that has more is
    /// ended.
    pub memory_bytes: u64,
    /// Rows of a result.
    pub rows: u64,
    /// Bytes of a result, as lines of JSON.
    pub bytes: u64,
    /// Bytes of one row of it.
    pub row_bytes: u64,
    /// Jars in the folder of the drivers.
    pub jars: usize,
}

#[cfg(feature = "plugin")]
impl Default for SqlConfig {
    fn default() -> Self {
        SqlConfig {
            processes: 4,
            start_ms: 30_000,
            query_ms: 3_600_000,
            heap_bytes: 256 << 20,
            memory_bytes: 1 << 30,
            rows: 1_000_000_000,
            bytes: 64 << 30,
            row_bytes: 16 << 20,
            jars: 256,
        }
    }
}

/// What a plugin that is a shared library may take.
#[cfg(feature = "native")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeConfig {
    /// Processes that have the library loaded, at least 1: as many calls are made at once. Calls that may wait for something
    /// to happen leave one of them to the others, where there are two.
    pub processes: usize,
    /// How long a process may take until it has loaded the library, in milliseconds.
    pub start_ms: u64,
    /// How long a call may take, in milliseconds, beside the time that it was asked to wait for something and the time that
    /// the engine itself takes to do what the call asks of it.
    pub call_ms: u64,
    /// Bytes of one answer, and of one piece of a log.
    pub answer_bytes: usize,
    /// Bytes that one call may say to the operator.
    pub message_bytes: usize,
    /// Bytes that one call may print on its standard output and standard error.
    pub output_bytes: usize,
    /// Bytes of the log of a run that one call takes; the next one goes on.
    pub log_bytes: usize,
    /// Bytes of memory that a process may keep resident. One that has more ends, after its call when it gets that far.
    pub memory_bytes: u64,
    /// The longest pause before another process is started when they end by themselves, in milliseconds. It begins with none
    /// and then doubles from a tenth of a second.
    pub most_pause_ms: u64,
}

#[cfg(feature = "native")]
impl Default for NativeConfig {
    fn default() -> Self {
        NativeConfig {
            processes: 2,
            start_ms: 10_000,
            call_ms: 60_000,
            answer_bytes: 4 << 20,
            message_bytes: 256 << 10,
            output_bytes: 1 << 20,
            log_bytes: 64 << 20,
            memory_bytes: 512 << 20,
            most_pause_ms: 30_000,
        }
    }
}

impl KeepWork {
    /// Whether the work tree of an attempt stays.
    pub fn keeps(self, succeeded: bool) -> bool {
        match self {
            KeepWork::All => true,
            KeepWork::Failed => !succeeded,
            KeepWork::Nothing => false,
        }
    }
}

/// When finished jobs are forgotten, oldest submission first. What is `None` sets no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds since the end.
    pub max_age_ms: Option<u64>,
    /// Finished jobs.
    pub max_jobs: Option<u64>,
    /// Bytes of their records and files together.
    pub max_bytes: Option<u64>,
    /// How often this is looked at, in milliseconds.
    pub interval_ms: u64,
}

impl Default for Retention {
    /// No limit; looked at once an hour.
    fn default() -> Self {
        Retention { max_age_ms: None, max_jobs: None, max_bytes: None, interval_ms: 3_600_000 }
    }
}

impl Retention {
    /// Whether anything is ever forgotten.
    pub fn is_limited(&self) -> bool {
        self.max_age_ms.is_some() || self.max_jobs.is_some() || self.max_bytes.is_some()
    }
}
