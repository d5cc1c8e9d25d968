//! `windlass logs`: what a job wrote.

use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::failure::Failure;
use super::lines::Lines;
use super::output::{note, print_json, print_json_line};
use super::request::{LogPiece, LogsRequest};
use super::store_dir::{Place, open_to_manage};
use super::target::Target;
use super::wire::LogLineWire;

/// How often a log that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Which log, and how much of it.
#[derive(clap::Args)]
pub(super) struct LogsArgs {
    /// The job
    #[arg(value_name = "ID")]
    id: String,
    /// Go on until the job is over
    #[arg(short, long)]
    follow: bool,
    /// The log of this attempt instead of the latest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Only one of the streams
    #[arg(long, value_parser = ["stdout", "stderr"])]
    stream: Option<String>,
}

/// A whole log as JSON.
#[derive(Serialize)]
struct LogWire {
    id: String,
    attempt: u32,
    lines: Vec<LogLineWire>,
    dropped_bytes: u64,
}

/// Runs the command.
pub(super) async fn logs(place: &Place, args: LogsArgs, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let result = show(&mut target, &args, json).await;
    target.close().await;
    result.map(|()| 0)
}

async fn show(target: &mut Target, args: &LogsArgs, json: bool) -> Result<(), Failure> {
    let job = target.get(&args.id).await?.job;
    let mut reading = Reading { id: job.id, attempt: args.attempt.unwrap_or(job.attempts), from: 0, dropped_bytes: 0 };
    if args.follow {
        return follow(target, args, &mut reading, json).await;
    }
    let mut lines = Lines::default();
    let mut wires = Vec::new();
    while let Some(piece) = reading.next(target).await? {
        if json {
            for chunk in wanted(piece, args) {
                wires.extend(lines.push(chunk).iter().map(super::lines::Line::to_wire));
            }
        } else {
            write_raw(piece, args)?;
        }
    }
    if json {
        wires.extend(lines.flush().iter().map(super::lines::Line::to_wire));
        return print_json(&LogWire {
            id: reading.id,
            attempt: reading.attempt,
            lines: wires,
            dropped_bytes: reading.dropped_bytes,
        });
    }
    reading.tell_dropped();
    Ok(())
}

/// Shows the log as it grows, that of the following attempts too unless one was named.
async fn follow(target: &mut Target, args: &LogsArgs, reading: &mut Reading, json: bool) -> Result<(), Failure> {
    let mut lines = Lines::default();
    loop {
        // First the state, then the log: so the log that is read after the end is whole.
        let job = target.get(&reading.id).await?.job;
        while let Some(piece) = reading.next(target).await? {
            if json {
                for line in wanted(piece, args).into_iter().flat_map(|chunk| lines.push(chunk)) {
                    print_json_line(&line.to_wire())?;
                }
            } else {
                write_raw(piece, args)?;
            }
        }
        let is_last = args.attempt.is_some_and(|attempt| attempt < job.attempts);
        if job.is_final || is_last {
            for line in lines.flush().iter().filter(|_| json) {
                print_json_line(&line.to_wire())?;
            }
            reading.tell_dropped();
            return Ok(());
        }
        if args.attempt.is_none() && reading.attempt < job.attempts {
            reading.attempt = job.attempts;
            reading.from = 0;
            continue;
        }
        if matches!(target, Target::Own(_)) && !matches!(job.state.as_str(), "running" | "cancelling") {
            note("no process runs the jobs of this store now, so nothing will follow");
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How far a log is read.
struct Reading {
    id: String,
    attempt: u32,
    from: u64,
    dropped_bytes: u64,
}

impl Reading {
    /// The next piece; `None` when there is nothing new.
    async fn next(&mut self, target: &mut Target) -> Result<Option<LogPiece>, Failure> {
        if self.attempt == 0 {
            return Ok(None);
        }
        let request = LogsRequest { id: self.id.clone(), attempt: Some(self.attempt), from: self.from };
        let piece = target.logs(request).await?;
        self.from = self.from.max(piece.next_offset);
        self.dropped_bytes += piece.dropped_bytes;
        Ok(Some(piece).filter(|piece| !piece.chunks.is_empty()))
    }

    fn tell_dropped(&self) {
        if self.dropped_bytes > 0 {
            let bytes = self.dropped_bytes;
            note(&format!("{bytes} bytes in the middle of the log were not kept"));
        }
    }
}

fn wanted(piece: LogPiece, args: &LogsArgs) -> Vec<super::request::LogChunkPiece> {
    let mut chunks = piece.chunks;
    if let Some(stream) = &args.stream {
        chunks.retain(|chunk| chunk.stream == *stream);
    }
    chunks
}

/// Writes what the job wrote, byte for byte, to the stream it wrote it to.
fn write_raw(piece: LogPiece, args: &LogsArgs) -> Result<(), Failure> {
    for chunk in wanted(piece, args) {
        if chunk.stream == "stdout" {
            io::stdout().lock().write_all(&chunk.bytes)?;
        } else {
            io::stderr().lock().write_all(&chunk.bytes)?;
        }
    }
    Ok(io::stdout().lock().flush()?)
}
