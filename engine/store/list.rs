//! Lists: a page of jobs in the order of submission, forwards or backwards.
//!
//! A filter is served from the smallest set that holds all its jobs: a chain is a run of numbers, projects,
//! configs and bad ends have indexes, running jobs are in memory, live jobs have a table of their own. What a
//! page looks at is bounded; a page that ends early says where to go on.

use redb::ReadableTable;

use super::read::Snapshot;
use super::tables::{BY_ITEM, BY_NAME, BY_STATE, DONE, KIND_CONFIG, KIND_PIPELINE, KIND_PROJECT, LIVE, NAME, SPEC};
use super::{Store, Stored, lock, records, storage};
use crate::error::Error;
use crate::job::spec::DEFAULT_NAME;
use crate::job::{Cursor, Filter, JobSpec, Order, Seq, State, Timestamp};

/// Jobs that one page looks at, at most.
const LOOKED_AT: usize = 20_000;

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) jobs: Vec<Stored>,
    /// Where the next page goes on; `None` after the last.
    pub(crate) next: Option<Cursor>,
}

type Candidates<'a> = Box<dyn Iterator<Item = Result<Seq, Error>> + 'a>;

/// The sequence numbers a list may hold, both ends inclusive.
#[derive(Clone, Copy)]
struct Bounds {
    from: Seq,
    to: Seq,
}

impl Store {
    /// The jobs that match, from the cursor on, `limit` at most.
    pub(crate) fn list(&self, filter: &Filter, cursor: Option<Cursor>, limit: usize) -> Result<Page, Error> {
        let read = self.writer.begin_read()?;
        let snapshot = Snapshot::of(&read)?;
        let nothing = Page { jobs: Vec::new(), next: None };
        let Some(bounds) = bounds(&snapshot, filter, cursor)? else { return Ok(nothing) };
        let Some(candidates) = self.candidates(&read, filter, bounds)? else { return Ok(nothing) };
        let mut page = nothing;
        for (looked_at, seq) in candidates.enumerate() {
            let seq = seq?;
            if let Some(stored) = snapshot.job(seq)? {
                if filter.chain.is_some() && stored.job.chain != filter.chain {
                    break;
                }
                if matches(filter, &stored) {
                    page.jobs.push(stored);
                }
            }
            if page.jobs.len() >= limit || looked_at + 1 >= LOOKED_AT {
                page.next = Some(Cursor { after: seq, order: filter.order });
                break;
            }
        }
        Ok(page)
    }

    fn candidates<'a>(
        &self,
        read: &'a redb::ReadTransaction,
        filter: &Filter,
        bounds: Bounds,
    ) -> Result<Option<Candidates<'a>>, Error> {
        let states = &filter.states;
        let all = |wanted: &[State]| !states.is_empty() && states.iter().all(|state| wanted.contains(state));
        let Bounds { from, to } = bounds;
        let found: Candidates<'a> = if filter.chain.is_some() {
            keys(read.open_table(SPEC).map_err(storage)?.range(from..=to).map_err(storage)?, filter.order)
        } else if let Some(of) = filter.items_of {
            let rows = read.open_table(BY_ITEM).map_err(storage)?.range((of.seq(), from)..=(of.seq(), to));
            let rows = rows.map_err(storage)?.map(|row| row.map(|(key, _)| key.value().1).map_err(storage));
            ordered(rows, filter.order)
        } else if all(&[State::Running, State::Cancelling]) {
            let active = lock(&self.index).active();
            let active = active.into_iter().filter(move |seq| (from..=to).contains(seq)).map(Ok);
            ordered(active, filter.order)
        } else if let Some((kind, name)) = by_name(filter) {
            let number = read.open_table(NAME).map_err(storage)?.get((kind, name)).map_err(storage)?;
            let Some(number) = number.map(|number| number.value()) else { return Ok(None) };
            let rows = read.open_table(BY_NAME).map_err(storage)?.range((number, from)..=(number, to));
            let rows = rows.map_err(storage)?.map(|row| row.map(|(key, _)| key.value().1).map_err(storage));
            ordered(rows, filter.order)
        } else if let [state @ (State::Failed | State::Cancelled | State::TimedOut)] = states.as_slice() {
            let state = u8::from(*state);
            let rows = read.open_table(BY_STATE).map_err(storage)?.range((state, from)..=(state, to));
            let rows = rows.map_err(storage)?.map(|row| row.map(|(key, _)| key.value().1).map_err(storage));
            ordered(rows, filter.order)
        } else if all(&[State::Waiting, State::Queued, State::Running, State::Cancelling]) {
            keys(read.open_table(LIVE).map_err(storage)?.range(from..=to).map_err(storage)?, filter.order)
        } else if all(&[State::Succeeded, State::Failed, State::Cancelled, State::TimedOut]) {
            keys(read.open_table(DONE).map_err(storage)?.range(from..=to).map_err(storage)?, filter.order)
        } else {
            keys(read.open_table(SPEC).map_err(storage)?.range(from..=to).map_err(storage)?, filter.order)
        };
        Ok(Some(found))
    }
}

/// The index that holds the fewest jobs of a list.
fn by_name(filter: &Filter) -> Option<(u8, &str)> {
    let project = filter.project.as_deref().filter(|name| *name != DEFAULT_NAME);
    let names =
        [(KIND_PIPELINE, filter.run_of.as_deref()), (KIND_CONFIG, filter.config.as_deref()), (KIND_PROJECT, project)];
    names.into_iter().find_map(|(kind, name)| Some((kind, name?)))
}

fn keys<'a>(rows: redb::Range<'a, u64, &'static [u8]>, order: Order) -> Candidates<'a> {
    ordered(rows.map(|row| row.map(|(seq, _)| seq.value()).map_err(storage)), order)
}

fn ordered<'a>(seqs: impl DoubleEndedIterator<Item = Result<Seq, Error>> + 'a, order: Order) -> Candidates<'a> {
    match order {
        Order::OldestFirst => Box::new(seqs),
        Order::NewestFirst => Box::new(seqs.rev()),
    }
}

/// Narrows the numbers by cursor, chain and creation time; `None` when nothing is left.
fn bounds(snapshot: &Snapshot, filter: &Filter, cursor: Option<Cursor>) -> Result<Option<Bounds>, Error> {
    let mut bounds = Bounds { from: 0, to: Seq::MAX };
    if let Some(chain) = filter.chain {
        bounds.from = chain.seq();
        // Jobs of a chain have consecutive numbers; walking backwards starts at its last.
        if filter.order == Order::NewestFirst {
            bounds.to = last_of_chain(snapshot, chain)?;
        }
    }
    if let Some(from) = filter.created_from {
        bounds.from = bounds.from.max(first_created_at(snapshot, from)?);
    }
    if let Some(before) = filter.created_before {
        match first_created_at(snapshot, before)?.checked_sub(1) {
            Some(last) => bounds.to = bounds.to.min(last),
            None => return Ok(None),
        }
    }
    match cursor.map(|cursor| (cursor.after, filter.order)) {
        Some((after, Order::OldestFirst)) => bounds.from = bounds.from.max(after.saturating_add(1)),
        Some((0, Order::NewestFirst)) => return Ok(None),
        Some((after, Order::NewestFirst)) => bounds.to = bounds.to.min(after - 1),
        None => {}
    }
    Ok((bounds.from <= bounds.to).then_some(bounds))
}

fn last_of_chain(snapshot: &Snapshot, chain: crate::job::ChainId) -> Result<Seq, Error> {
    let mut last = chain.seq();
    for row in snapshot.spec.range(chain.seq()..).map_err(storage)? {
        let (seq, spec) = row.map_err(storage)?;
        if records::decode_chain(seq.value(), spec.value())? != Some(chain) {
            break;
        }
        last = seq.value();
    }
    Ok(last)
}

/// The first job created at `at` or later, found by halving: creation times never go back.
fn first_created_at(snapshot: &Snapshot, at: Timestamp) -> Result<Seq, Error> {
    let ends = (snapshot.spec.first().map_err(storage)?, snapshot.spec.last().map_err(storage)?);
    let (Some((first, _)), Some((last, _))) = ends else { return Ok(0) };
    let (mut low, mut high) = (first.value(), last.value() + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        // Numbers may be missing: look at the next one that is there.
        let next = snapshot.spec.range(middle..high).map_err(storage)?.next().transpose().map_err(storage)?;
        match next {
            Some((seq, spec)) if records::decode_id(seq.value(), spec.value())?.created_at() < at => {
                low = seq.value() + 1;
            }
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The pipeline whose run a job begins.
fn begins_run(spec: &JobSpec) -> Option<&str> {
    let node = spec.node.as_ref().filter(|node| node.run.is_some())?;
    Some(&node.pipeline)
}

fn matches(filter: &Filter, stored: &Stored) -> bool {
    let (job, spec) = (&stored.job, &*stored.job.spec);
    let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    (filter.states.is_empty() || filter.states.contains(&job.status.state))
        && same(&filter.project, &spec.project)
        && same(&filter.queue, &spec.queue)
        && filter.config.as_deref().is_none_or(|wanted| spec.config.as_deref() == Some(wanted))
        && filter.run_of.as_deref().is_none_or(|wanted| begins_run(spec) == Some(wanted))
        && (filter.with_items || filter.items_of.is_some() || filter.chain.is_some() || spec.item.is_none())
        && filter.items_of.is_none_or(|of| spec.item.as_ref().is_some_and(|item| item.job == of))
        && filter.created_from.is_none_or(|from| job.created_at >= from)
        && filter.created_before.is_none_or(|before| job.created_at < before)
}
