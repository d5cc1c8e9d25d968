//! A look at a schedule: which nominal times are due, and what becomes of each.

use super::state::{Decision, Fire, Look, ScheduleState, SkipReason, Skipped};
use super::{CatchUp, Overlap, Policy};
use crate::job::calendar::Calendar;
use crate::job::id::Seq;
use crate::job::limits::ScheduleLimits;
use crate::job::time::Timestamp;

/// Decides every nominal time that is due and not decided, or as many as one look may.
///
/// The same arguments give the same answer, so a look that was not stored may be repeated. Nothing depends on when it
/// is called: a clock that was set back finds nothing that is due, one that was set forward finds what it left out.
pub fn due(
    calendar: &Calendar,
    policy: &Policy,
    state: &ScheduleState,
    now: Timestamp,
    limits: &ScheduleLimits,
) -> Look {
    let times = Times { calendar, policy, seq: state.seq, now };
    let mut looker = Looker::new(&times, state);
    looker.start_waiting(limits);
    let mut next = calendar.next_after(state.decided);
    let mut again = None;
    let mut looked_at = 0_usize;
    while let Some(nominal) = next {
        let following = calendar.next_after(nominal);
        let due = times.due(nominal, following);
        if due > now {
            again = Some(due);
            break;
        }
        if looked_at >= limits.look_times || looker.fires >= limits.look_fires {
            again = Some(now);
            break;
        }
        looker.decide(nominal, due);
        looked_at += 1;
        next = following;
    }
    looker.finish(again)
}

/// The nominal times of a schedule as they are seen now.
struct Times<'a> {
    calendar: &'a Calendar,
    policy: &'a Policy,
    seq: Seq,
    now: Timestamp,
}

impl Times<'_> {
    /// A nominal time with its jitter. It stays before the following one, so that what is due comes in order.
    fn due(&self, nominal: Timestamp, following: Option<Timestamp>) -> Timestamp {
        let room = following.map_or(u64::MAX, |following| following.millis_since(nominal).saturating_sub(1));
        let most = self.policy.jitter_ms.min(room);
        nominal.plus_millis(mixed(self.seq, nominal) % most.saturating_add(1))
    }

    fn is_missed(&self, due: Timestamp) -> bool {
        self.now.millis_since(due) > self.policy.on_time_ms
    }

    /// The first of the missed ones after `decided` that are made up for.
    fn made_up_from(&self, decided: Timestamp) -> Timestamp {
        match self.policy.catch_up {
            CatchUp::None => Timestamp::MAX,
            CatchUp::One => self.last_missed(decided, 1),
            CatchUp::Most { count } => self.last_missed(decided, count),
            // Told by each one's age.
            CatchUp::Window { .. } => Timestamp::from_millis(0),
        }
    }

    /// The first of the last `count` that were missed. Found by halving, so that it takes no longer after a year
    /// than after a day.
    fn last_missed(&self, decided: Timestamp, count: u32) -> Timestamp {
        let (mut with, mut without) = (decided.as_millis(), self.now.as_millis());
        if !self.are_missed_after(decided, count) {
            return decided;
        }
        while without - with > 1 {
            let middle = with + (without - with) / 2;
            if self.are_missed_after(Timestamp::from_millis(middle), count) { with = middle } else { without = middle }
        }
        Timestamp::from_millis(without)
    }

    /// Whether at least `count` were missed after this time.
    fn are_missed_after(&self, after: Timestamp, count: u32) -> bool {
        let mut next = self.calendar.next_after(after);
        for _ in 0..count {
            let Some(nominal) = next else { return false };
            next = self.calendar.next_after(nominal);
            if !self.is_missed(self.due(nominal, next)) {
                return false;
            }
        }
        true
    }
}

/// One look on its way.
struct Looker<'a> {
    times: &'a Times<'a>,
    state: &'a ScheduleState,
    decisions: Vec<Decision>,
    decided: Timestamp,
    waiting: std::collections::VecDeque<Timestamp>,
    fires: usize,
    /// Found out when the first missed one comes.
    made_up_from: Option<Timestamp>,
    /// What fires unless a later one is due too.
    held: Option<Fire>,
}

impl<'a> Looker<'a> {
    fn new(times: &'a Times<'a>, state: &'a ScheduleState) -> Self {
        Looker {
            times,
            state,
            decisions: Vec::new(),
            decided: state.decided,
            waiting: state.waiting.iter().copied().collect(),
            fires: 0,
            made_up_from: None,
            held: None,
        }
    }

    fn is_busy(&self) -> bool {
        self.state.running > 0 || self.fires > 0
    }

    /// Those that wait begin: one when nothing is under way, all when the policy no longer makes them wait.
    fn start_waiting(&mut self, limits: &ScheduleLimits) {
        let may_overlap = self.times.policy.overlap == Overlap::Allow;
        while self.state.pause.is_none()
            && self.fires < limits.look_fires
            && (may_overlap || !self.is_busy())
            && let Some(nominal) = self.waiting.pop_front()
        {
            let due = self.times.due(nominal, self.times.calendar.next_after(nominal));
            self.fire(Fire { nominal, due, made_up: false, cancels_others: false });
        }
    }

    /// Decides one nominal time, later than all before.
    fn decide(&mut self, nominal: Timestamp, due: Timestamp) {
        self.decided = nominal;
        let made_up = self.times.is_missed(due);
        if self.state.pause.is_some() {
            return self.skip(nominal, SkipReason::Paused);
        }
        if made_up && !self.is_made_up_for(nominal, due) {
            return self.skip(nominal, SkipReason::Missed);
        }
        let fire = Fire { nominal, due, made_up, cancels_others: false };
        match self.times.policy.overlap {
            Overlap::Allow => self.fire(fire),
            Overlap::Skip if self.is_busy() || !self.waiting.is_empty() => self.skip(nominal, SkipReason::Overlap),
            Overlap::Skip => self.fire(fire),
            Overlap::BufferOne => self.fire_or_wait(fire, 1),
            Overlap::BufferAll { most } => self.fire_or_wait(fire, most),
            Overlap::CancelOther => {
                if let Some(earlier) = self.held.replace(fire) {
                    self.skip(earlier.nominal, SkipReason::Superseded);
                }
            }
        }
    }

    fn is_made_up_for(&mut self, nominal: Timestamp, due: Timestamp) -> bool {
        if let CatchUp::Window { ms } = self.times.policy.catch_up {
            return self.times.now.millis_since(due) <= ms;
        }
        let (times, decided) = (self.times, self.state.decided);
        let from = *self.made_up_from.get_or_insert_with(|| times.made_up_from(decided));
        nominal >= from
    }

    fn fire_or_wait(&mut self, fire: Fire, most: u32) {
        if !self.is_busy() && self.waiting.is_empty() {
            self.fire(fire);
        } else if self.waiting.len() < most as usize {
            self.waiting.push_back(fire.nominal);
            self.decisions.push(Decision::Wait(fire.nominal));
        } else {
            self.skip(fire.nominal, SkipReason::BufferFull);
        }
    }

    fn fire(&mut self, fire: Fire) {
        self.fires += 1;
        self.decisions.push(Decision::Fire(fire));
    }

    /// Joined with the one before where the reason is the same.
    fn skip(&mut self, nominal: Timestamp, reason: SkipReason) {
        match self.decisions.last_mut() {
            Some(Decision::Skip(skipped)) if skipped.reason == reason => {
                skipped.last = nominal;
                skipped.count += 1;
            }
            _ => {
                self.decisions.push(Decision::Skip(Skipped { first: nominal, last: nominal, count: 1, reason }));
            }
        }
    }

    fn finish(mut self, again: Option<Timestamp>) -> Look {
        if let Some(fire) = self.held.take() {
            let cancels_others = self.is_busy();
            self.fire(Fire { cancels_others, ..fire });
        }
        Look { decisions: self.decisions, decided: self.decided, waiting: self.waiting.into(), again }
    }
}

/// A number that looks random and is always the same for a schedule and a nominal time (splitmix64, twice).
fn mixed(seq: Seq, nominal: Timestamp) -> u64 {
    let mix = |number: u64| {
        let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    mix(mix(seq) ^ nominal.as_millis())
}
