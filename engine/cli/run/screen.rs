//! What a run shows: lines, progress on a terminal, or JSON.
//!
//! What jobs write to standard output goes to standard output, everything else but the summary to standard error.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::summary::{SummaryWire, summary_table};
use crate::cli::lines::Line;
use crate::cli::output::note;
use crate::cli::table::printable;
use crate::cli::wire::{EventWire, LogLineWire};
use crate::engine::JobView;
use crate::job::{JobEvent, JobFact, JobId, Reason, State};

/// Names are lined up as long as they are not longer.
const MAX_TITLE_CHARS: usize = 24;
/// Running jobs with a line of their own on a terminal.
const MAX_BARS: usize = 8;

/// How a run is shown.
pub(super) struct Screen {
    mode: Mode,
    bars: Option<Bars>,
    title_chars: usize,
    /// The reader of standard output has gone; the jobs go on all the same.
    out_is_gone: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    Quiet,
    Json,
}

/// Progress on a terminal.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    running: HashMap<JobId, ProgressBar>,
}

#[derive(Serialize)]
struct NamedEvent<'a> {
    name: &'a str,
    #[serde(flatten)]
    event: EventWire,
}

#[derive(Serialize)]
struct LogEvent<'a> {
    event: &'static str,
    id: String,
    name: &'a str,
    attempt: u32,
    #[serde(flatten)]
    line: LogLineWire,
}

impl Screen {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        let mode = match (json, quiet) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Quiet,
            (false, false) => Mode::Text,
        };
        let on_terminal = mode == Mode::Text && io::stderr().is_terminal();
        Screen { mode, bars: on_terminal.then(Bars::new), title_chars: 0, out_is_gone: false }
    }

    /// One more job will be shown.
    pub(super) fn add_job(&mut self, title: &str) {
        let chars = title.chars().count().min(MAX_TITLE_CHARS);
        self.title_chars = self.title_chars.max(chars);
        if let Some(bars) = &self.bars {
            bars.total.inc_length(1);
        }
    }

    /// A job runs.
    pub(super) fn started(&mut self, id: JobId, title: &str) {
        if let Some(bars) = &mut self.bars {
            bars.start(id, title);
        }
    }

    /// Something that the user should know.
    pub(super) fn note(&mut self, text: &str) {
        if self.mode != Mode::Quiet {
            self.write_stderr(&printable(text));
        }
    }

    /// A line that a job wrote.
    pub(super) fn log(&mut self, id: JobId, title: &str, attempt: u32, line: &Line) {
        if self.mode == Mode::Json {
            return self.json_line(&LogEvent {
                event: "log",
                id: id.to_string(),
                name: title,
                attempt,
                line: line.to_wire(),
            });
        }
        let mut bytes = Vec::with_capacity(line.bytes.len() + 32);
        if self.mode == Mode::Text {
            let width = self.title_chars;
            bytes.extend_from_slice(format!("{title:<width$} | ").as_bytes());
        }
        bytes.extend_from_slice(&line.bytes);
        bytes.push(b'\n');
        if line.stream == "stdout" {
            self.write_stdout(&bytes);
        } else {
            self.apart(|| {
                // If nobody reads standard error there is nobody to tell.
                let _ = io::stderr().lock().write_all(&bytes);
            });
        }
    }

    /// Something happened to a job.
    pub(super) fn event(&mut self, title: &str, event: &JobEvent) {
        self.move_bars(title, event);
        match self.mode {
            Mode::Json => {
                let event = EventWire::from(event);
                self.json_line(&NamedEvent { name: title, event });
            }
            Mode::Quiet => {}
            Mode::Text => {
                if let Some(text) = event_text(&event.fact) {
                    let width = self.title_chars;
                    self.write_stderr(&format!("{title:<width$} > {}", printable(&text)));
                }
            }
        }
    }

    fn move_bars(&mut self, title: &str, event: &JobEvent) {
        let Some(bars) = &mut self.bars else { return };
        match &event.fact {
            JobFact::Started { .. } => bars.start(event.id, title),
            JobFact::Progress { percent, message } => {
                if let Some(bar) = bars.running.get(&event.id) {
                    bar.set_message(format!("{percent} % {}", printable(message)));
                }
            }
            JobFact::AttemptFailed { .. } => bars.stop(event.id),
            JobFact::Finished { .. } => {
                bars.stop(event.id);
                bars.total.inc(1);
            }
            _ => {}
        }
    }

    /// Takes the progress away.
    pub(super) fn end(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.running.values().for_each(ProgressBar::finish_and_clear);
            bars.total.finish_and_clear();
        }
    }

    /// The last word.
    pub(super) fn summary(&mut self, jobs: &[JobView], exit_code: u8) {
        match self.mode {
            Mode::Json => self.json_line(&SummaryWire::new(jobs, exit_code)),
            Mode::Quiet => {}
            Mode::Text => self.write_stdout(format!("\n{}", summary_table(jobs)).as_bytes()),
        }
    }

    fn json_line<T: Serialize>(&mut self, value: &T) {
        // These structs hold nothing that JSON cannot.
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            self.write_stdout(&line);
        }
    }

    fn write_stdout(&mut self, bytes: &[u8]) {
        if self.out_is_gone {
            return;
        }
        let mut written = Ok(());
        self.apart(|| {
            let mut out = io::stdout().lock();
            written = out.write_all(bytes).and_then(|()| out.flush());
        });
        self.out_is_gone = written.is_err();
    }

    fn write_stderr(&self, line: &str) {
        self.apart(|| note(line));
    }

    /// Writes with the progress out of the way.
    fn apart(&self, write: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.all.suspend(write),
            None => write(),
        }
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("[{bar:24}] {pos}/{len} jobs, {elapsed}");
        if let Ok(style) = style {
            total.set_style(style.progress_chars("=> "));
        }
        Bars { all, total, running: HashMap::new() }
    }

    fn start(&mut self, id: JobId, title: &str) {
        if self.running.len() >= MAX_BARS || self.running.contains_key(&id) {
            return;
        }
        let bar = self.all.insert_before(&self.total, ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.running.insert(id, bar);
    }

    fn stop(&mut self, id: JobId) {
        if let Some(bar) = self.running.remove(&id) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

/// An event as a line of text; `None` for those that are not worth one.
fn event_text(fact: &JobFact) -> Option<String> {
    Some(match fact {
        JobFact::Started { attempt: 1 } => "started".to_owned(),
        JobFact::Started { attempt } => format!("started, attempt {attempt}"),
        JobFact::AttemptFailed { attempt, reason, retry_at } => {
            let next = match retry_at {
                Some(at) => format!("next one at {at}"),
                None => "next one as soon as possible".to_owned(),
            };
            format!("attempt {attempt} failed: {reason}; {next}")
        }
        JobFact::Stopping { reason } => format!("stopping: {reason}"),
        JobFact::ContactLost => "out of contact".to_owned(),
        JobFact::ContactFound => "in contact again".to_owned(),
        JobFact::OutputRefused { file, why } => format!("output {file} is refused: {why}"),
        JobFact::Finished { state: State::Succeeded, .. } => "succeeded".to_owned(),
        JobFact::Finished { reason: Some(reason @ Reason::Skipped { .. }), .. } => format!("skipped: {reason}"),
        JobFact::Finished { state, reason } => match reason {
            Some(reason) => format!("{state}: {reason}"),
            None => state.to_string(),
        },
        JobFact::Submitted | JobFact::Queued | JobFact::LateOutcome { .. } | JobFact::Progress { .. } => return None,
    })
}
