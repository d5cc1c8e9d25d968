//! The laws of chains: how the end of one job travels along the edges, held against random graphs.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;

use super::after::{Before, End};
use super::chain::{ChainState, summarize};
use super::event::Event;
use super::outcome::{Outcome, Reason};
use super::spec::JobSpec;
use super::status::{Job, State};
use super::stories::{Beat, START, beats, ended, id_of};
use super::time::Timestamp;
use super::transition::{Verdict, apply};

/// How the one job ends that decides over the others.
#[derive(Clone, Copy, Debug)]
enum Fate {
    CancelledBefore,
    CancelledWhileRunning,
    Fails,
    PassesItsDeadline,
}

/// Jobs and, for each, the positions it comes after: always earlier ones, so there is no circle.
#[derive(Clone, Debug)]
struct Graph {
    jobs: Vec<Job>,
    edges: Vec<Vec<usize>>,
}

fn graphs() -> impl Strategy<Value = (Graph, usize, Fate)> {
    let fate = prop_oneof![
        Just(Fate::CancelledBefore),
        Just(Fate::CancelledWhileRunning),
        Just(Fate::Fails),
        Just(Fate::PassesItsDeadline),
    ];
    let masks = proptest::collection::vec(any::<(u16, u16)>(), 1..14);
    (masks, any::<proptest::sample::Index>(), fate).prop_map(|(masks, victim, fate)| {
        let edges = masks.iter().enumerate().map(|(position, (some, few))| {
            let mask = some & few;
            (0..position).filter(|before| mask & (1 << before) != 0).collect()
        });
        let edges: Vec<Vec<usize>> = edges.collect();
        let mut spec = JobSpec::process("true", [] as [&str; 0]);
        spec.deadlines.total_ms = Some(1_000);
        let spec = Arc::new(spec);
        let accept = |(position, before): (usize, &Vec<usize>)| {
            let after = before.iter().map(|before| Before { seq: seq(*before), on: None }).collect();
            Job::accept(id_of(seq(position)), None, spec.clone(), after, START)
        };
        let jobs = edges.iter().enumerate().map(accept).collect();
        let victim = victim.index(edges.len());
        (Graph { jobs, edges }, victim, fate)
    })
}

fn seq(position: usize) -> u64 {
    position as u64 + 10
}

impl Graph {
    fn followers(&self, of: usize) -> impl Iterator<Item = usize> {
        let follows = move |(at, before): (usize, &Vec<usize>)| before.contains(&of).then_some(at);
        self.edges.iter().enumerate().filter_map(follows)
    }

    fn happen(&mut self, position: usize, event: &Event, after_ms: u64) {
        let job = &mut self.jobs[position];
        let verdict = apply(job, event, START.plus_millis(after_ms));
        let Ok(Verdict::Changed(next)) = verdict else { panic!("{event:?} on {:?}: {verdict:?}", job.status) };
        *job = next;
    }

    /// Tells the end of a job to those that wait for it, and theirs to theirs; each is told twice, as after
    /// a crash.
    fn tell(&mut self, ended: usize) {
        let mut queue = VecDeque::from([ended]);
        while let Some(position) = queue.pop_front() {
            let id = self.jobs[position].id;
            let event = Event::Predecessor { id, end: End::of(&self.jobs[position].status).unwrap() };
            let followers: Vec<usize> = self.followers(position).collect();
            for follower in followers {
                let was_final = self.jobs[follower].state().is_final();
                if let Verdict::Changed(next) = apply(&self.jobs[follower], &event, START).unwrap() {
                    self.jobs[follower] = next;
                }
                let again = apply(&self.jobs[follower], &event, START);
                assert_eq!(again, Ok(Verdict::Unchanged), "told twice");
                if !was_final && self.jobs[follower].state().is_final() {
                    queue.push_back(follower);
                }
            }
        }
    }

    fn succeed(&mut self, position: usize) {
        self.happen(position, &Event::Claim, 0);
        self.happen(position, &ended(1, Outcome::Succeeded, 0), 0);
        self.tell(position);
    }

    /// Lets everything succeed that `position` comes after.
    fn make_ready(&mut self, position: usize) {
        for before in self.edges[position].clone() {
            self.make_ready(before);
            if self.jobs[before].state() == State::Queued {
                self.succeed(before);
            }
        }
    }

    fn meet(&mut self, fate: Fate, position: usize) {
        let cancel = Event::Cancel { by: "me".into() };
        match fate {
            Fate::CancelledBefore => self.happen(position, &cancel, 0),
            Fate::PassesItsDeadline => self.happen(position, &Event::Tick, 1_000),
            Fate::Fails => {
                self.happen(position, &Event::Claim, 0);
                self.happen(position, &ended(1, Outcome::Exit { code: 1 }, 0), 0);
            }
            Fate::CancelledWhileRunning => {
                self.happen(position, &Event::Claim, 0);
                self.happen(position, &cancel, 0);
                self.happen(position, &ended(1, Outcome::Succeeded, 0), 0);
            }
        }
    }

    fn descendants(&self, of: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = vec![of];
        while let Some(position) = open.pop() {
            open.extend(self.followers(position).filter(|next| found.insert(*next)));
        }
        found
    }

    fn state(&self) -> ChainState {
        summarize(self.jobs.iter().map(|job| &job.status)).state
    }

    /// Something happens to one of the jobs; the others hear of its end.
    fn live(&mut self, position: usize, beat: &Beat, now: Timestamp) {
        let job = &self.jobs[position];
        if let Ok(Verdict::Changed(next)) = apply(job, &beat.event(job), now) {
            let ended = next.state().is_final();
            self.jobs[position] = next;
            if ended {
                self.tell(position);
            }
        }
    }
}

/// Pending, running, over.
fn rank(state: ChainState) -> u8 {
    match state {
        ChainState::Pending => 0,
        ChainState::Running => 1,
        _ => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_end_takes_all_descendants_and_nobody_else((mut graph, victim, fate) in graphs()) {
        if matches!(fate, Fate::Fails | Fate::CancelledWhileRunning) {
            graph.make_ready(victim);
        }
        let before = graph.clone();
        graph.meet(fate, victim);
        graph.tell(victim);

        let descendants = before.descendants(victim);
        let (word, whole) = match fate {
            Fate::CancelledBefore | Fate::CancelledWhileRunning => (State::Cancelled, ChainState::Cancelled),
            Fate::PassesItsDeadline if descendants.is_empty() => (State::Failed, ChainState::TimedOut),
            Fate::PassesItsDeadline | Fate::Fails => (State::Failed, ChainState::Failed),
        };
        for (position, job) in graph.jobs.iter().enumerate() {
            if descendants.contains(&position) {
                prop_assert_eq!(job.state(), word);
                let Some(Reason::PreviousJob(cause, state)) = job.status.reason.clone() else {
                    panic!("no cause: {:?}", job.status)
                };
                let cause = graph.edges[position].iter().find(|at| graph.jobs[**at].id == cause);
                let cause = *cause.expect("the cause comes before it");
                prop_assert!(cause == victim || descendants.contains(&cause));
                prop_assert_eq!(graph.jobs[cause].state(), state);
            } else if position != victim {
                prop_assert_eq!(job, &before.jobs[position]);
            }
        }

        // The others go on as if nothing had happened; then the whole has its word.
        for position in 0..graph.jobs.len() {
            if graph.jobs[position].state() == State::Queued {
                graph.succeed(position);
            }
        }
        prop_assert!(graph.jobs.iter().all(|job| job.state().is_final()));
        prop_assert_eq!(graph.state(), whole);
    }

    #[test]
    fn a_chain_never_goes_backwards((mut graph, _, _) in graphs(), beats in beats(), place in any::<usize>()) {
        for job in &mut graph.jobs {
            Arc::make_mut(&mut job.spec).retry.max_attempts = 3;
        }
        let mut now = START;
        for (turn, beat) in beats.iter().enumerate() {
            // Two beats a job, so that some are retried before others begin.
            let position = place.wrapping_add(turn / 2) % graph.jobs.len();
            now = beat.time(&graph.jobs[position], now);
            let before = graph.state();
            graph.live(position, beat, now);
            let after = graph.state();
            prop_assert!(rank(before) <= rank(after), "{:?} after {:?}", after, before);
            prop_assert!(rank(before) < 2 || before == after, "{:?} after {:?}", after, before);
        }
    }

    #[test]
    fn a_chain_in_order_succeeds((mut graph, _, _) in graphs()) {
        prop_assert_eq!(graph.state(), ChainState::Pending);
        for position in 0..graph.jobs.len() {
            prop_assert_eq!(graph.jobs[position].state(), State::Queued);
            graph.succeed(position);
            let last = position + 1 == graph.jobs.len();
            prop_assert_eq!(graph.state(), if last { ChainState::Succeeded } else { ChainState::Running });
        }
    }
}
