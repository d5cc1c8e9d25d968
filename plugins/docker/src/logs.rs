//! The logs of a run, while it runs and to their last byte.

use std::io::{ErrorKind as IoKind, Read};
use std::time::Instant;

use bollard_stubs::models::ContainerStateStatusEnum as Status;
use windlass_plugin::prelude::*;

use crate::daemon::{self, docker};
use crate::end::End;
use crate::frames::Frames;
use crate::name;
use crate::position::Positions;
use crate::run::Known;

/// New bytes that one call pushes; the next one goes on.
const MOST_BYTES: usize = 32 << 20;
/// How long one call goes on with what is there already, beyond what it was told to wait.
const MOST_TIME: Duration = Duration::from_secs(10);
/// How long the Docker Engine may take to begin an answer, and be silent where it is not waited for news.
const PATIENCE: Duration = Duration::from_secs(15);
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
            State::Running => self.sources.len() == 1 && self.until > Instant::now(),
            State::Over(_) => false,
        };
        match self.read(index, &name, follow)? {
            Ended::Dry => {}
            Ended::Late | Ended::Unwanted => return Ok(None),
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

    fn read(&mut self, index: usize, name: &str, follow: bool) -> Result<Ended> {
        let Some(position) = self.positions.0.get_mut(index) else { return Ok(Ended::Dry) };
        let since = position.begin();
        let left = self.until.saturating_duration_since(Instant::now());
        let silence = if follow { left } else { PATIENCE };
        let request = docker().get(format!("/containers/{}/logs", http::escape(name)));
        let request = request.query("stdout", 1).query("stderr", 1).query("timestamps", 1).query("since", since);
        let request = request.query("follow", u8::from(follow));
        let answer =
            match request.answer_timeout(silence.max(LEAST_WAIT)).silence_timeout(silence.max(LEAST_WAIT)).send() {
                Err(error) if follow && error.kind == ErrorKind::Timeout => return Ok(Ended::Late),
                answer => answer?.found()?,
            };
        let Some(answer) = answer else { return Ok(Ended::Dry) };
        let mut body = answer.body();
        let (mut frames, mut buffer) = (Frames::default(), vec![0; PIECE]);
        loop {
            let size = match body.read(&mut buffer) {
                Ok(size) => size,
                Err(error) if error.kind() == IoKind::Interrupted => continue,
                Err(error) => {
                    let error = Error::from(error);
                    return if follow && error.kind == ErrorKind::Timeout { Ok(Ended::Late) } else { Err(error) };
                }
            };
            if size == 0 && frames.is_cut() {
                return Err(Error::unavailable("the log broke off"));
            }
            if size == 0 {
                return Ok(Ended::Dry);
            }
            frames.push(buffer.get(..size).unwrap_or_default());
            if !self.push(index, &mut frames)? {
                return Ok(Ended::Unwanted);
            }
            let now = Instant::now();
            if self.pushed >= MOST_BYTES || now >= self.end || (follow && now >= self.until) {
                return Ok(Ended::Late);
            }
        }
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

fn state(name: &str) -> Result<State> {
    let Some(inspected) = daemon::inspect(name)? else { return Ok(State::Gone) };
    let state = inspected.state;
    Ok(match state.status {
        Some(Status::CREATED) => State::Waiting,
        Some(Status::EXITED | Status::DEAD | Status::REMOVING) => State::Over(End::of(&state)),
        _ => State::Running,
    })
}
