//! Chains: jobs joined by `after` edges. The type carries any graph; the status is a pure fold.

use std::collections::HashMap;
use std::fmt;

use super::after::{After, End, On};
use super::status::{State, Status};

/// What is wrong with the `after` edges of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// Two jobs have the same name.
    Duplicate {
        /// Positions of the two in the submission.
        positions: (usize, usize),
        /// The name.
        name: String,
    },
    /// An edge names a job that is not in the submission.
    Dangling {
        /// Position of the job with the edge.
        position: usize,
        /// The name that is not there.
        missing: String,
    },
    /// Jobs wait for each other in a circle.
    Cycle {
        /// Position of a job on the circle.
        position: usize,
        /// The names on the circle, the first one again at the end.
        path: Vec<String>,
    },
    /// Two edges to the same job cannot both hold.
    Contradiction {
        /// Position of the job with the edges.
        position: usize,
        /// The job that they lead to.
        other: String,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphError::Duplicate { name, .. } => write!(f, "the name \"{name}\" is used twice"),
            GraphError::Dangling { missing, .. } => {
                write!(f, "there is no job \"{missing}\" in this submission")
            }
            GraphError::Cycle { path, .. } => {
                write!(f, "the jobs wait for each other: {}", path.join(" -> "))
            }
            GraphError::Contradiction { other, .. } => {
                write!(f, "it comes after \"{other}\" twice, and both conditions can never hold")
            }
        }
    }
}

/// An edge to the job at a position, and how that must end; see [`After::on`].
pub type Link = (usize, Option<On>);

/// One node as the checks see it: its name and the names it comes after.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// What it comes after.
    pub after: &'a [After],
}

/// Resolves names to positions: for each node the positions it comes after and how they must end, without repeats.
///
/// # Errors
/// Everything that is wrong, not just the first: duplicate names, edges to nowhere, circles.
pub fn resolve(nodes: &[Node<'_>]) -> Result<Vec<Vec<Link>>, Vec<GraphError>> {
    let mut errors = Vec::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (position, node) in nodes.iter().enumerate() {
        let Some(name) = node.name else { continue };
        if let Some(first) = by_name.insert(name, position) {
            errors.push(GraphError::Duplicate { positions: (first, position), name: name.to_owned() });
        }
    }
    let mut edges = Vec::with_capacity(nodes.len());
    for (position, node) in nodes.iter().enumerate() {
        let mut before = Vec::with_capacity(node.after.len());
        for After { job, on } in node.after {
            match by_name.get(job.as_str()) {
                Some(target) => before.push((*target, *on)),
                None => errors.push(GraphError::Dangling { position, missing: job.clone() }),
            }
        }
        before.sort_by_key(|(target, _)| *target);
        let contradiction = |target: usize| {
            let other = nodes.get(target).and_then(|node| node.name).unwrap_or_default().to_owned();
            GraphError::Contradiction { position, other }
        };
        before.dedup_by(|(target, later), (kept, on)| {
            let is_same = target == kept;
            match both(*on, *later).filter(|_| is_same) {
                Some(joined) => *on = joined,
                None if is_same => errors.push(contradiction(*target)),
                None => {}
            }
            is_same
        });
        edges.push(before);
    }
    errors.extend(find_cycle(nodes, &edges));
    if errors.is_empty() { Ok(edges) } else { Err(errors) }
}

/// What two edges to the same job ask of it together; `None` when they cannot both hold.
fn both(one: Option<On>, other: Option<On>) -> Option<Option<On>> {
    match (one, other) {
        (Some(one), Some(other)) => one.and(other).map(Some),
        // One that must succeed, else it ends the other at once.
        (None, on) | (on, None) => (on != Some(On::Failure)).then_some(None),
    }
}

/// Removes nodes that wait for nothing until none is left; what cannot be removed holds a circle.
fn find_cycle(nodes: &[Node<'_>], edges: &[Vec<Link>]) -> Option<GraphError> {
    let mut open: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut followers = vec![Vec::new(); edges.len()];
    for (position, before) in edges.iter().enumerate() {
        for (target, _) in before {
            followers.get_mut(*target)?.push(position);
        }
    }
    let mut free: Vec<usize> = (0..edges.len()).filter(|position| open.get(*position) == Some(&0)).collect();
    while let Some(position) = free.pop() {
        for follower in followers.get(position)? {
            let left = open.get_mut(*follower)?;
            *left -= 1;
            if *left == 0 {
                free.push(*follower);
            }
        }
    }
    let start = open.iter().position(|left| *left > 0)?;
    Some(walk_cycle(nodes, edges, &open, start))
}

fn walk_cycle(nodes: &[Node<'_>], edges: &[Vec<Link>], open: &[usize], start: usize) -> GraphError {
    let mut seen: Vec<usize> = Vec::new();
    let mut at = start;
    while !seen.contains(&at) {
        seen.push(at);
        let stuck = |next: &usize| open.get(*next).is_some_and(|left| *left > 0);
        let before = edges.get(at).into_iter().flatten().map(|(target, _)| *target);
        at = before.into_iter().find(stuck).unwrap_or(at);
    }
    let from = seen.iter().position(|position| *position == at).unwrap_or(0);
    let name = |position: &usize| {
        let name = nodes.get(*position).and_then(|node| node.name);
        name.map_or_else(|| format!("#{position}"), str::to_owned)
    };
    // Edges point backwards; the path is told in the order in which the jobs would run.
    let mut path: Vec<String> = seen.iter().skip(from).map(name).collect();
    path.push(name(&at));
    path.reverse();
    GraphError::Cycle { position: at, path }
}

/// The condition of a whole chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainState {
    /// No job has begun or ended.
    Pending,
    /// Some job has begun or ended and not all are over.
    Running,
    /// All that were not skipped have succeeded.
    Succeeded,
    /// All are over and one has failed.
    Failed,
    /// All are over, none has failed, and one passed a deadline.
    TimedOut,
    /// All are over, none has failed or timed out, and one was cancelled.
    Cancelled,
}

impl ChainState {
    /// The word used in the API and on screen.
    pub fn word(self) -> &'static str {
        match self {
            ChainState::Pending => "pending",
            ChainState::Running => "running",
            ChainState::Succeeded => "succeeded",
            ChainState::Failed => "failed",
            ChainState::TimedOut => "timed_out",
            ChainState::Cancelled => "cancelled",
        }
    }
}

/// A chain's condition and how many of its jobs are in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSummary {
    /// The condition.
    pub state: ChainState,
    /// Jobs by state, in the order of [`State::ALL`].
    pub counts: [u32; 8],
    /// Those of the cancelled ones that were skipped.
    pub skipped: u32,
}

/// The fold that makes the condition of a chain from its jobs. A chain that waits for the retry of its only job is
/// running, not pending again; jobs that were skipped count as nothing.
pub fn summarize<'a>(jobs: impl IntoIterator<Item = &'a Status>) -> ChainSummary {
    let mut counts = [0_u32; 8];
    let (mut any_begun, mut skipped) = (false, 0);
    for status in jobs {
        any_begun |= status.attempt > 0;
        skipped += u32::from(End::of(status) == Some(End::Skipped));
        for (count, known) in counts.iter_mut().zip(State::ALL) {
            *count += u32::from(known == status.state);
        }
    }
    let [waiting, queued, running, cancelling, succeeded, failed, cancelled, timed_out] = counts;
    let over = succeeded + failed + cancelled + timed_out;
    let state = if waiting + queued + running + cancelling > 0 {
        if any_begun || over + running + cancelling > 0 { ChainState::Running } else { ChainState::Pending }
    } else if failed > 0 {
        ChainState::Failed
    } else if timed_out > 0 {
        ChainState::TimedOut
    } else if cancelled > skipped {
        ChainState::Cancelled
    } else {
        ChainState::Succeeded
    };
    ChainSummary { state, counts, skipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(jobs: &[(&str, &[&str])]) -> Result<Vec<Vec<usize>>, Vec<String>> {
        let after: Vec<Vec<After>> =
            jobs.iter().map(|(_, after)| after.iter().copied().map(After::from).collect()).collect();
        let nodes: Vec<Node<'_>> =
            jobs.iter().zip(&after).map(|((name, _), after)| Node { name: Some(name), after }).collect();
        let positions = |edges: Vec<Link>| edges.into_iter().map(|(target, _)| target).collect();
        let edges = resolve(&nodes).map(|edges| edges.into_iter().map(positions).collect());
        edges.map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_diamond_resolves() {
        let edges = check(&[("a", &[]), ("b", &["a"]), ("c", &["a", "a"]), ("d", &["c", "b"])]);
        assert_eq!(edges, Ok(vec![vec![], vec![0], vec![0], vec![1, 2]]));
    }

    #[test]
    fn a_circle_is_named_in_running_order() {
        let errors = check(&[("start", &[]), ("a", &["start", "c"]), ("b", &["a"]), ("c", &["b"])]).unwrap_err();
        assert_eq!(errors, ["the jobs wait for each other: a -> b -> c -> a"]);
        assert_eq!(check(&[("a", &["a"])]).unwrap_err(), ["the jobs wait for each other: a -> a"]);
    }

    #[test]
    fn two_edges_to_one_job_must_agree() {
        let resolved = |after: &[After]| {
            let nodes = [Node { name: Some("a"), after: &[] }, Node { name: Some("b"), after }];
            resolve(&nodes).map(|edges| edges[1].clone()).map_err(|errors| errors[0].to_string())
        };
        let (plain, on) = (After::from("a"), |on| After::on("a", on));
        assert_eq!(resolved(&[on(On::Always), on(On::Failure)]), Ok(vec![(0, Some(On::Failure))]));
        assert_eq!(resolved(&[plain.clone(), on(On::Success)]), Ok(vec![(0, None)]));
        let never = "it comes after \"a\" twice, and both conditions can never hold";
        assert_eq!(resolved(&[on(On::Success), on(On::Failure)]), Err(never.to_owned()));
        assert_eq!(resolved(&[plain, on(On::Failure)]), Err(never.to_owned()));
    }

    #[test]
    fn every_mistake_is_told() {
        let errors = check(&[("a", &["x", "y"]), ("a", &[])]).unwrap_err();
        assert_eq!(errors.len(), 3);
    }

    #[test]
    fn a_line_of_ten_thousand_is_fast_and_no_recursion() {
        let names: Vec<String> = (0..10_000).map(|n| format!("job{n}")).collect();
        let before = |n: usize| n.checked_sub(1).map(|p| After::from(format!("job{p}")));
        let after: Vec<Vec<After>> = (0..10_000).map(|n| before(n).into_iter().collect()).collect();
        let nodes: Vec<Node<'_>> =
            names.iter().zip(&after).map(|(name, after)| Node { name: Some(name), after }).collect();
        assert_eq!(resolve(&nodes).unwrap().len(), 10_000);
    }

    #[test]
    fn the_fold() {
        use State::*;
        let job = |state, attempt| Status { state, attempt, ..Status::default() };
        let state = |states: &[State]| {
            let jobs: Vec<Status> = states.iter().map(|state| job(*state, 0)).collect();
            summarize(&jobs).state
        };
        assert_eq!(state(&[Waiting, Queued]), ChainState::Pending);
        assert_eq!(state(&[Succeeded, Waiting]), ChainState::Running);
        assert_eq!(state(&[Cancelling, Waiting]), ChainState::Running);
        assert_eq!(state(&[Succeeded, Succeeded]), ChainState::Succeeded);
        assert_eq!(state(&[Succeeded, Cancelled, Failed]), ChainState::Failed);
        assert_eq!(state(&[Succeeded, Cancelled]), ChainState::Cancelled);
        assert_eq!(state(&[TimedOut, Cancelled]), ChainState::TimedOut);
        let retried = |state| summarize(&[job(state, 1), job(Waiting, 0)]).state;
        assert_eq!([Waiting, Queued].map(retried), [ChainState::Running; 2]);
        let id = crate::job::JobId::new(1, Default::default(), 0);
        let reason = Some(crate::job::Reason::Skipped { job: id, on: crate::job::On::Failure, end: End::Succeeded });
        let skipped = Status { reason, ..job(Cancelled, 0) };
        let summary = summarize(&[job(Succeeded, 1), skipped.clone()]);
        assert_eq!((summary.state, summary.skipped), (ChainState::Succeeded, 1));
        assert_eq!(summarize(&[job(Cancelled, 0), skipped]).state, ChainState::Cancelled);
    }
}
