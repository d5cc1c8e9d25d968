//! The logs of a run, while it runs and to their last byte.

use std::io::{ErrorKind as IoKind, Read};
use std::time::Instant;

use bollard_stubs::models::ContainerStateStatusEnum as Status;
use windlass_plugin::http::{Body, Request, Response};
use windlass_plugin::prelude::*;

use crate::daemon::{self, docker};
use crate::end::End;
use crate::frames::Frames;
use crate::name;
use crate::position::Positions;
use crate::run::Known;

/// New bytes that one call pushes; the next one goes on.
const MOST_BYTES: usize = 256 << 20;
/// How long one call goes on with what is there already, beyond what it was told to wait: less than a call may take.
const MOST_TIME: Duration = Duration::from_secs(20);
/// How long the Docker Engine may take to begin an answer, and be silent where it is not waited for news.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes after which a call is not over when it has waited long enough: what is there is worth more than a pause. The Docker
/// Engine looks through a log from its beginning each time.
const BUSY_BYTES: usize = 1 << 20;
/// Bytes of a log that is so long that it is not looked through from its beginning: of its last lines first some are
/// asked for, then more, then all. To follow it would be to look through all of it.
const LONG_BYTES: u64 = 4 << 20;
const TAILS: [Option<u64>; 3] = [Some(10_000), Some(200_000), None];
/// What the init of the Docker Engine says of a command that it cannot execute.
const REFUSED: &str = "[FATAL tini";
/// Between two looks where there is nothing to wait on: doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(200);
/// The shortest time that an answer is waited for.
const LEAST_WAIT: Duration = Duration::from_millis(100);
const PIECE: usize = 64 << 10;

/// Why a reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// There is no more for now.
    Dry,
    /// Its time is up, or enough was pushed.
    Late,
    /// The engine wants no more.
    Unwanted,
    /// It begins after what was pushed last.
    Uncovered,
}

/// How far a container is, as its log sees it.
enum State {
    Waiting,
    Running,
    Over(End),
    Gone,
}

/// Pushes what is new. True when all containers are over and all they ever printed was pushed.
pub(crate) fn logs(run: &Run<Known>, cursor: Option<&str>, wait: Duration, to: &mut LogSink<'_>) -> Result<bool> {
    let sources = sources(run)?;
    let positions = Positions::read(cursor, sources.len())?;
    let until = Instant::now() + wait;
    let mut reading = Reading { positions, to, sources, until, end: until + MOST_TIME, pushed: 0 };
    let mut pause = FIRST_PAUSE;
    loop {
        let mut is_all = true;
        for index in 0..reading.sources.len() {
            match reading.container(index)? {
                Some(true) => {}
                Some(false) => is_all = false,
                None => return Ok(false),
            }
        }
        if is_all {
            return Ok(true);
        }
        let left = reading.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(left.min(pause));
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// A container whose log is read.
struct Source {
    name: String,
    /// What it is called among the others of its job.
    short: String,
}

/// The containers of a run, in the order of their names.
fn sources(run: &Run<Known>) -> Result<Vec<Source>> {
    let mut sources: Vec<Source> = match &run.handle {
        Some(known) => known.containers.iter().map(|name| Source::new(name, name.strip_prefix(&known.base))).collect(),
        None => {
            let listed = daemon::list(&name::filter_of(&run.attempt))?;
            listed.iter().map(|it| Source::new(it.name(), name::container_of(&it.labels))).collect()
        }
    };
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(sources)
}

impl Source {
    fn new(name: &str, short: Option<&str>) -> Source {
        Source { name: name.to_owned(), short: short.unwrap_or(name).trim_start_matches('-').to_owned() }
    }
}

struct Reading<'a, 'b> {
    positions: Positions,
    to: &'a mut LogSink<'b>,
    sources: Vec<Source>,
    /// Until then it is waited for news.
    until: Instant,
    /// The call is over then.
    end: Instant,
    pushed: usize,
}

impl Reading<'_, '_> {
    /// Reads the log of one container; whether that was all of it. `None` when this call is over.
    fn container(&mut self, index: usize) -> Result<Option<bool>> {
        let Some(name) = self.sources.get(index).map(|source| source.name.clone()) else { return Ok(Some(true)) };
        // A log is read to its end when it is read after the container has ended.
        let state = state(&name)?;
        let follow = match state {
            State::Gone => return Ok(Some(true)),
            State::Waiting => return Ok(Some(false)),
            // Two cannot be followed at once.
            State::Running => self.sources.len() == 1 && !self.is_long(index) && self.until > Instant::now(),
            State::Over(_) => false,
        };
        let tails = if self.is_long(index) { &TAILS[..] } else { &[None] };
        for tail in tails {
            match self.read(index, &name, follow, *tail)? {
                Ended::Dry => break,
                Ended::Uncovered => {}
                Ended::Late | Ended::Unwanted => return Ok(None),
            }
        }
        let State::Over(end) = state else { return Ok(Some(false)) };
        self.note(index, &end)
    }

    /// Says what there is to say about the end of a container.
    fn note(&mut self, index: usize, end: &End) -> Result<Option<bool>> {
        let mut note = end.note().map(|note| format!("{note}\n")).unwrap_or_default();
        if let Some(source) = self.sources.get(index).filter(|_| self.sources.len() > 1 && !end.is_good()) {
            note.push_str(&format!("the container {} {}\n", source.short, end.words()));
        }
        let Some(position) = self.positions.0.get_mut(index) else { return Ok(Some(true)) };
        if note.is_empty() || std::mem::replace(&mut position.is_noted, true) {
            return Ok(Some(true));
        }
        let is_wanted = self.to.write(Channel::System, note.as_bytes(), &self.positions);
        Ok(is_wanted.then_some(true))
    }

    fn is_long(&self, index: usize) -> bool {
        self.positions.0.get(index).is_some_and(|position| position.bytes >= LONG_BYTES)
    }

    /// Asks for the log of a container from where it goes on; nothing where it is not there.
    fn ask(&mut self, index: usize, name: &str, follow: bool, tail: Option<u64>) -> Result<Option<Body>> {
        let Some(position) = self.positions.0.get_mut(index) else { return Ok(None) };
        let left = self.until.saturating_duration_since(Instant::now());
        let silence = if follow { left.max(LEAST_WAIT) } else { PATIENCE };
        let request = log_of(name).query("stdout", 1).query("stderr", 1).query("timestamps", 1);
        let request = request.query("since", position.begin()).query("follow", u8::from(follow));
        let request = tail.iter().fold(request, |request, lines| request.query("tail", lines));
        let answer = request.answer_timeout(silence).silence_timeout(silence).send()?.found()?;
        Ok(answer.map(Response::body))
    }

    fn read(&mut self, index: usize, name: &str, follow: bool, tail: Option<u64>) -> Result<Ended> {
        let late = |error: Error| if follow && error.kind == ErrorKind::Timeout { Ok(Ended::Late) } else { Err(error) };
        let mut body = match self.ask(index, name, follow, tail) {
            Ok(Some(body)) => body,
            Ok(None) => return Ok(Ended::Dry),
            Err(error) => return late(error),
        };
        let (mut frames, mut buffer) = (Frames::default(), vec![0; PIECE]);
        let mut is_covered = tail.is_none();
        loop {
            let size = match body.read(&mut buffer) {
                Ok(size) => size,
                Err(error) if error.kind() == IoKind::Interrupted => continue,
                Err(error) => return late(error.into()),
            };
            if size == 0 && frames.is_cut() {
                return Err(Error::unavailable("the log broke off"));
            }
            if size == 0 {
                return Ok(if is_covered { Ended::Dry } else { Ended::Uncovered });
            }
            frames.push(buffer.get(..size).unwrap_or_default());
            if !is_covered && let Some(first) = frames.peek()? {
                let position = self.positions.0.get(index);
                is_covered = position.is_some_and(|position| position.is_covered_from(first.channel, first.time));
                if !is_covered {
                    return Ok(Ended::Uncovered);
                }
            }
            if !self.push(index, &mut frames)? {
                return Ok(Ended::Unwanted);
            }
            if self.is_over(follow) {
                return Ok(Ended::Late);
            }
        }
    }

    /// Whether this call has done enough.
    fn is_over(&self, follow: bool) -> bool {
        let now = Instant::now();
        let has_waited = follow && now >= self.until && self.pushed < BUSY_BYTES;
        has_waited || now >= self.end || self.pushed >= MOST_BYTES
    }

    /// Pushes the frames that are there, those of one stream together; whether more are wanted.
    fn push(&mut self, index: usize, frames: &mut Frames) -> Result<bool> {
        let (mut piece, mut channel) = (Vec::new(), Channel::Stdout);
        while let Some(frame) = frames.next()? {
            // What was gathered ends before this frame is taken: the cursor is the one after it.
            if frame.channel != channel || piece.len() >= PIECE {
                if !self.flush(&mut piece, channel) {
                    return Ok(false);
                }
                channel = frame.channel;
            }
            let source = self.sources.get(index).filter(|_| self.sources.len() > 1);
            let Some(position) = self.positions.0.get_mut(index) else { return Ok(true) };
            let mark = position.mark(channel);
            if !mark.takes(frame.time) {
                continue;
            }
            if let Some(source) = source.filter(|_| !mark.is_open) {
                piece.extend_from_slice(format!("{} | ", source.short).as_bytes());
            }
            mark.is_open = !frame.bytes.ends_with(b"\n");
            position.bytes = position.bytes.saturating_add(frame.bytes.len() as u64);
            piece.extend_from_slice(frame.bytes);
        }
        Ok(self.flush(&mut piece, channel))
    }

    fn flush(&mut self, piece: &mut Vec<u8>, channel: Channel) -> bool {
        if piece.is_empty() {
            return true;
        }
        self.pushed += piece.len();
        let is_wanted = self.to.write(channel, piece, &self.positions);
        piece.clear();
        is_wanted
    }
}

fn log_of(name: &str) -> Request {
    docker().get(format!("/containers/{}/logs", http::escape(name)))
}

/// What the init of a container says of a command that it could not execute.
pub(crate) fn refused_command(name: &str) -> Result<Option<String>> {
    let request = log_of(name).query("stderr", 1).query("timestamps", 1).query("tail", 1);
    let Some(answer) = request.send()?.found()? else { return Ok(None) };
    let mut frames = Frames::default();
    for piece in answer.body().chunks() {
        frames.push(&piece?);
        if let Some(frame) = frames.next()? {
            let line = String::from_utf8_lossy(frame.bytes).trim().to_owned();
            return Ok(line.starts_with(REFUSED).then_some(line));
        }
    }
    Ok(None)
}

fn state(name: &str) -> Result<State> {
    let Some(inspected) = daemon::inspect(name)? else { return Ok(State::Gone) };
    let state = inspected.state;
    Ok(match state.status {
        Some(Status::CREATED) => State::Waiting,
        Some(Status::EXITED | Status::DEAD | Status::REMOVING) => State::Over(End::of(&state)),
        _ => State::Running,
    })
}
