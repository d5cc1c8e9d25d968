//! The limits that a submitted job must keep.

use super::file_path::MOST_PATH_BYTES;

/// Bounds on what one job may ask for. All are inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLimits {
    /// Characters of a name, project, queue or config.
    pub name_chars: usize,
    /// Options of one job.
    pub options: usize,
    /// Bytes of one option name.
    pub option_name_bytes: usize,
    /// Bytes of one option value. Linux refuses a single environment string over 128 KiB.
    pub option_value_bytes: usize,
    /// Bytes of all names and values of one job.
    pub options_bytes: usize,
    /// Arguments of a command, the program included.
    pub arguments: usize,
    /// Bytes of a command with all its arguments.
    pub command_bytes: usize,
    /// Bytes of the input of a function, of the parameters of an executor, or of all input files together.
    pub input_bytes: usize,
    /// Input files of one job.
    pub input_files: usize,
    /// Bytes of the path of one of them.
    pub input_path_bytes: usize,
    /// Paths of its project that one job reads, and as many that it writes.
    pub project_files: usize,
    /// Bytes of all paths that it reads, and as many of those that it writes. The work is told of each list in one variable.
    pub project_files_bytes: usize,
    /// Fetches of one job, and as many deliveries.
    pub transfers: usize,
    /// Bytes of the options of one of them.
    pub transfer_bytes: usize,
    /// Attempts of a job.
    pub max_attempts: u32,
    /// Jobs that one job may come after.
    pub predecessors: usize,
    /// Jobs of one submission.
    pub submission: usize,
    /// Milliseconds of any delay or deadline.
    pub max_delay_ms: u64,
    /// Items of one job.
    pub items: u32,
}

impl Default for JobLimits {
    fn default() -> Self {
        JobLimits {
            name_chars: 128,
            options: 256,
            option_name_bytes: 256,
            option_value_bytes: 64 * 1024,
            options_bytes: 256 * 1024,
            arguments: 1_024,
            command_bytes: 128 * 1024,
            input_bytes: 16 * 1024 * 1024,
            input_files: 1_000,
            input_path_bytes: MOST_PATH_BYTES,
            project_files: 1_000,
            project_files_bytes: 64 * 1024,
            transfers: 100,
            transfer_bytes: 64 * 1024,
            max_attempts: 10_000,
            predecessors: 1_000,
            submission: 10_000,
            max_delay_ms: 10 * 366 * 86_400_000,
            items: 1_000_000,
        }
    }
}

/// Bounds on what one schedule may ask for. All are inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleLimits {
    /// Bytes of a cron text.
    pub cron_bytes: usize,
    /// One-off times of one calendar.
    pub times: usize,
    /// Milliseconds between two fires that follow each other, at least.
    pub least_interval_ms: u64,
    /// Fires of one schedule that wait for an earlier one to end.
    pub waiting: u32,
    /// Missed fires that are made up for at once where they are counted.
    pub catch_up: u32,
    /// Milliseconds that a missed fire may be old and still be made up for.
    pub window_ms: u64,
    /// Milliseconds by which a fire may be put off so that not all come at once, or be late and still on time.
    pub put_off_ms: u64,
    /// Characters of the note of a pause.
    pub note_chars: usize,
    /// Fires of one backfill.
    pub backfill: usize,
    /// Nominal times that are decided in one look at a schedule.
    pub look_times: usize,
    /// Fires of one look at a schedule.
    pub look_fires: usize,
}

impl Default for ScheduleLimits {
    fn default() -> Self {
        ScheduleLimits {
            cron_bytes: 1_000,
            times: 1_000,
            least_interval_ms: 1_000,
            waiting: 1_000,
            catch_up: 1_000,
            window_ms: 10 * 366 * 86_400_000,
            put_off_ms: 86_400_000,
            note_chars: 1_000,
            backfill: 10_000,
            look_times: 10_000,
            look_fires: 100,
        }
    }
}

/// Bounds on what one pipeline may ask for. All are inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineLimits {
    /// Bytes of its text.
    pub text_bytes: usize,
    /// Lists and maps inside each other.
    pub depth: usize,
    /// Texts, lists and maps in all.
    pub values: usize,
    /// Process nodes.
    pub process_nodes: usize,
    /// Data nodes.
    pub data_nodes: usize,
    /// Inputs of one process node, its outputs, the nodes it comes after, and all that it waits for.
    pub entries: usize,
    /// Characters of the name of a node, a parameter or a requirement.
    pub name_chars: usize,
    /// Bytes of a source.
    pub source_bytes: usize,
    /// Bytes of the name of a processor.
    pub processor_bytes: usize,
    /// Entries of one list of requirements.
    pub requirements: usize,
    /// Parameters.
    pub parameters: usize,
    /// Options of one process node.
    pub options: usize,
    /// Bytes of one option name.
    pub option_name_bytes: usize,
    /// Bytes of one option value, before and after values are put in.
    pub option_value_bytes: usize,
    /// Bytes of all names and values of the options of one process node, before and after values are put in.
    pub options_bytes: usize,
    /// Attempts of a process node.
    pub max_attempts: u32,
}

impl Default for PipelineLimits {
    fn default() -> Self {
        let job = JobLimits::default();
        PipelineLimits {
            text_bytes: 8 << 20,
            depth: 16,
            values: 500_000,
            process_nodes: job.submission,
            data_nodes: 20_000,
            entries: job.predecessors,
            name_chars: job.name_chars,
            source_bytes: MOST_PATH_BYTES,
            processor_bytes: 256,
            requirements: 1_000,
            parameters: 256,
            options: job.options,
            option_name_bytes: job.option_name_bytes,
            option_value_bytes: job.option_value_bytes,
            options_bytes: job.options_bytes,
            max_attempts: job.max_attempts,
        }
    }
}

/// Bounds on output types, and on the output records of one job. All are inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Bytes of a schema.
    pub schema_bytes: usize,
    /// Lists and maps inside each other in a schema.
    pub schema_depth: usize,
    /// Schemas inside one schema, itself included.
    pub subschemas: usize,
    /// Schemas one after the other for one value, as references and combinations lead on.
    pub chain: usize,
    /// Bytes of one pattern of a schema once it is compiled, and of what its matching remembers.
    pub pattern_bytes: usize,
    /// Schemas that are kept compiled.
    pub compiled: usize,
    /// Bytes of the value of a record.
    pub record_bytes: usize,
    /// Lists and maps inside each other in a record; JSON that is deeper than 127 is never read.
    pub record_depth: usize,
    /// Steps of the check of one record: a schema held against a value, or a pattern against a byte.
    pub steps: u64,
    /// Violations that a refusal tells.
    pub violations: usize,
    /// Records of one job.
    pub records: u32,
    /// Bytes of all records that one attempt leaves, and of those on one page.
    pub together_bytes: usize,
}

impl Default for OutputLimits {
    fn default() -> Self {
        OutputLimits {
            schema_bytes: 64 * 1024,
            schema_depth: 64,
            subschemas: 2_000,
            chain: 64,
            pattern_bytes: 256 * 1024,
            compiled: 64,
            record_bytes: 1024 * 1024,
            record_depth: 64,
            steps: 4_000_000,
            violations: 20,
            records: 1_000,
            together_bytes: 16 * 1024 * 1024,
        }
    }
}
