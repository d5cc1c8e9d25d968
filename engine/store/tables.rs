//! The tables of the store. Keys are dense: a sequence number, alone or behind a small prefix, so that new
//! rows land at the right edge.

use redb::TableDefinition;

/// Format version, key check, digest secret, sequence floor.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// What was asked for: seq -> spec record. Written once, rewritten only when options are sealed anew.
pub(super) const SPEC: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("spec");

/// Jobs that are not over: seq -> live record. Opening the store costs what is in here.
pub(super) const LIVE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("live");

/// Jobs that are over: seq -> done record.
pub(super) const DONE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("done");

/// What a function returned: seq -> output record. Only where there is an output.
pub(super) const OUTPUT: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("output");

/// Facts about a job that its records do not carry: (seq, position) -> event record.
pub(super) const EVENT: TableDefinition<'static, (u64, u32), &[u8]> = TableDefinition::new("event");

/// Idempotency keys: project, NUL, key -> (seq, digest of the spec). Only where a key was given.
pub(super) const IDEMPOTENCY: TableDefinition<'static, &[u8], (u64, [u8; 16])> = TableDefinition::new("idempotency");

/// Names of projects, configs and pipelines as small numbers: (kind, name) -> number.
pub(super) const NAME: TableDefinition<'static, (u8, &str), u32> = TableDefinition::new("name");

/// Jobs by project, config or pipeline: (number of the name, seq). By project only those outside the default one, by
/// pipeline only the first of each run.
pub(super) const BY_NAME: TableDefinition<'static, (u32, u64), ()> = TableDefinition::new("by_name");

/// The jobs of items: (seq of the job whose items they are, seq).
pub(super) const BY_ITEM: TableDefinition<'static, (u64, u64), ()> = TableDefinition::new("by_item");

/// Jobs that ended other than well: (state, seq). The others are found fast without it.
pub(super) const BY_STATE: TableDefinition<'static, (u8, u64), ()> = TableDefinition::new("by_state");

/// Documents: (kind, project/name) -> (latest revision, whether it is there). The rows of those that were deleted stay, so
/// that no revision is given out twice.
pub(super) const DOCUMENT: TableDefinition<'static, (u8, &str), (u32, bool)> = TableDefinition::new("document");

/// What documents say: (kind, project/name, revision) -> document record. Written once, rewritten only when options are
/// sealed anew.
pub(super) const REVISION: TableDefinition<'static, (u8, &str, u32), &[u8]> = TableDefinition::new("revision");

/// The state of schedules: number -> schedule record.
pub(super) const SCHEDULE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("schedule");

/// Fires: (number of the schedule, nominal time) -> its first job. As long as that is known.
pub(super) const FIRE: TableDefinition<'static, (u64, u64), u64> = TableDefinition::new("fire");

/// What jobs have left behind: (seq, number) -> record of it.
pub(super) const OUTPUT_RECORD: TableDefinition<'static, (u64, u32), &[u8]> = TableDefinition::new("output_record");

/// The same by type: (number of the name of the type, time in milliseconds, seq, number).
pub(super) const BY_OUTPUT_TYPE: TableDefinition<'static, (u32, u64, u64, u32), ()> =
    TableDefinition::new("by_output_type");

/// Kind of a name in [`NAME`].
pub(super) const KIND_PROJECT: u8 = 1;
/// Kind of a name in [`NAME`].
pub(super) const KIND_CONFIG: u8 = 2;
/// Kind of a name in [`NAME`]: of a pipeline, for the first jobs of its runs.
pub(super) const KIND_PIPELINE: u8 = 3;
/// Kind of a name in [`NAME`]: of a type of output records, behind its project and a slash.
pub(super) const KIND_OUTPUT_TYPE: u8 = 4;

/// Rows of [`META`].
pub(super) mod meta {
    /// The format version, 4 bytes little-endian.
    pub(in crate::store) const FORMAT: &str = "format";
    /// The secret of idempotency digests, sealed; opening it proves the key.
    pub(in crate::store) const DIGEST_SECRET: &str = "digest_secret";
    /// No sequence number below this one is given out again, 8 bytes little-endian.
    pub(in crate::store) const SEQ_FLOOR: &str = "seq_floor";
    /// The number of the next new schedule, 8 bytes little-endian.
    pub(in crate::store) const NEXT_SCHEDULE: &str = "next_schedule";
}
