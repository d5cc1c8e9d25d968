//! The limits that a submitted job must keep.

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
    /// Bytes of the input of a function or of the parameters of an executor.
    pub input_bytes: usize,
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
            max_attempts: 10_000,
            predecessors: 1_000,
            submission: 10_000,
            max_delay_ms: 10 * 366 * 86_400_000,
            items: 1_000_000,
        }
    }
}
