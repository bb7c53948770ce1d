//! What is known of one endpoint, and which endpoint to ask: decisions alone, no requests.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// Failures in a row after which an endpoint is left.
const FAILURES: u32 = 3;

/// Looks in a row at which an endpoint lags, or contradicts, before it is left.
const LOOKS: u32 = 3;

/// Blocks an endpoint may be behind the best.
const LAG: u64 = 3;

/// The first back-off. It doubles each time.
const FIRST: Duration = Duration::from_secs(1);

/// The longest back-off.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// Why an endpoint was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    Failing,
    Lagging,
    Empty,
    Contradicting,
}

impl Because {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Lagging => "lagging",
            Self::Empty => "empty",
            Self::Contradicting => "contradicting",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) because: Because,
    /// When it is due to be asked again.
    pub(crate) until: Instant,
}

/// One endpoint, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Its chain id was asked for and is ours.
    pub(crate) checked: bool,
    pub(crate) requests: u64,
    pub(crate) failures: u32,
    pub(crate) total_failures: u64,
    pub(crate) failing_since: Option<Instant>,
    pub(crate) last_error: Option<String>,
    /// Its newest block's height.
    pub(crate) head: Option<u64>,
    /// The same at the last look.
    looked: Option<u64>,
    /// Blocks that another endpoint gained above it since this one's head last moved.
    pub(crate) stale: u64,
    /// Looks at which it gained some: a single jump may be to another chain.
    still: u32,
    pub(crate) lagged: u32,
    pub(crate) contradicted: u32,
    pub(crate) left: Option<Left>,
    /// It asked not to be asked before.
    pub(crate) rests_until: Option<Instant>,
    /// Requests that have no answer yet, by their number, and until when each may take.
    pub(crate) waiting: BTreeMap<u64, Instant>,
    /// The exponent of the next back-off.
    level: u32,
    rejoined: Option<Instant>,
}

impl State {
    /// A request got no usable answer. True if the endpoint is left for it.
    pub(crate) fn failed(&mut self, now: Instant, why: String) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.total_failures += 1;
        self.failing_since.get_or_insert(now);
        self.last_error = Some(why);
        self.failures >= FAILURES && self.leave(now, Because::Failing)
    }

    /// A request took longer than it may. Who waits for three of them has waited for long: it is left at once.
    pub(crate) fn hung(&mut self, now: Instant, why: String) -> bool {
        self.failed(now, why);
        self.leave(now, Because::Failing)
    }

    /// Whether a request has waited for longer than it may.
    pub(crate) fn hangs(&self, now: Instant) -> bool {
        self.waiting.values().any(|until| *until <= now)
    }

    /// A request was answered. True if the endpoint had been left for failing.
    pub(crate) fn answered(&mut self, now: Instant) -> bool {
        self.failures = 0;
        self.failing_since = None;
        self.rejoin(now, Because::Failing)
    }

    /// Leave the endpoint until its back-off is over, each time for twice as long. False if it is left already.
    pub(crate) fn leave(&mut self, now: Instant, because: Because) -> bool {
        if self.left.is_some_and(|left| now < left.until && left.because == because) {
            return false;
        }
        if self.rejoined.take().is_some_and(|since| now.duration_since(since) > LONGEST) {
            self.level = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.level.min(16)).min(LONGEST);
        self.level = (self.level + 1).min(16);
        let is_new = self.left.is_none_or(|left| left.because != because);
        self.left = Some(Left { because, until: now + wait });
        is_new
    }

    /// What it was left for is over.
    pub(crate) fn rejoin(&mut self, now: Instant, because: Because) -> bool {
        let over = self.left.is_some_and(|left| left.because == because);
        if over {
            self.left = None;
            self.rejoined = Some(now);
        }
        over
    }

    /// Its head and the best head were seen in one look. True if it is left for it.
    pub(crate) fn measured(&mut self, now: Instant, best: u64) -> bool {
        let Some(head) = self.head else { return false };
        if best.saturating_sub(head) <= LAG {
            self.lagged = 0;
            self.rejoin(now, Because::Lagging);
            return false;
        }
        self.lagged = (self.lagged + 1).min(LOOKS);
        self.lagged >= LOOKS && self.leave(now, Because::Lagging)
    }

    /// Others say something else of a block that is deep. True if it is left for it.
    pub(crate) fn contradicts(&mut self, now: Instant) -> bool {
        self.contradicted = (self.contradicted + 1).min(LOOKS);
        self.contradicted >= LOOKS && self.leave(now, Because::Contradicting)
    }

    /// It says what the others say.
    pub(crate) fn agrees(&mut self, now: Instant) {
        self.contradicted = 0;
        self.rejoin(now, Because::Contradicting);
    }

    /// It asked to be left alone for so long. True if it did not rest already.
    pub(crate) fn rests(&mut self, now: Instant, wait: Duration) -> bool {
        let is_new = self.rest(now).is_none();
        self.rests_until = self.rests_until.max(Some(now + wait.min(LONGEST)));
        is_new
    }

    /// For how much longer it is not to be asked.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        self.rests_until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Whether it is not left, or for a reason that ends by itself.
    pub(crate) fn is_in(&self, now: Instant) -> bool {
        self.left.is_none_or(|left| left.because == Because::Empty && left.until <= now)
            && self.rest(now).is_none()
    }

    /// Whether it may be looked at: a left one only when its back-off is over, and one that rests not at all.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.left.is_none_or(|left| left.until <= now) && self.rest(now).is_none()
    }

    /// Whether a look should follow soon: something was noticed that only counts if it persists.
    pub(crate) fn is_suspected(&self) -> bool {
        self.left.is_none() && (self.lagged > 0 || self.contradicted > 0)
    }

    /// Whether it gives no answers.
    pub(crate) fn is_away(&self) -> bool {
        self.left.is_some_and(|left| left.because == Because::Failing)
    }

    /// Whether it contradicts the others, or seems to.
    pub(crate) fn is_flagged(&self) -> bool {
        self.contradicted > 0 || self.left.is_some_and(|left| left.because == Because::Contradicting)
    }

    /// Whether a vote of this endpoint counts: a node that stands still while another goes on has nothing to say.
    pub(crate) fn may_vote(&self) -> bool {
        self.stale <= LAG || self.still < LOOKS
    }
}

/// The order in which to ask: as configured, those under suspicion after the others, those left last.
pub(crate) fn order(states: &[State], now: Instant) -> Vec<usize> {
    let mut order: Vec<usize> = (0..states.len()).collect();
    order.sort_by_key(|at| {
        let state = &states[*at];
        let rank = match state.left {
            _ if state.is_in(now) && !state.is_suspected() && !state.hangs(now) => 0,
            _ if state.is_in(now) => 1,
            Some(Left { because: Because::Contradicting, .. }) => 4,
            Some(left) if left.until <= now && state.rest(now).is_none() => 2,
            _ => 3,
        };
        let until = state.left.map(|left| left.until).max(state.rests_until);
        (rank, until.filter(|_| rank > 2), *at)
    });
    order
}

/// Those of [`order`] whose chain may be followed. One that contradicts the others is not, unless the others have been
/// gone for so long that it is all there is.
pub(crate) fn trusted(states: &[State], now: Instant) -> Vec<usize> {
    let order = order(states, now);
    let long_gone = |state: &State| {
        state.failing_since.is_some_and(|since| now.duration_since(since) >= LONGEST)
            && state.failures >= FAILURES
    };
    let sound = states.iter().filter(|state| !state.is_flagged());
    if sound.clone().count() == 0 || sound.clone().all(long_gone) {
        return order;
    }
    order.into_iter().filter(|at| !states[*at].is_flagged()).collect()
}

/// Take in the heads that one look saw, and how far each endpoint stands still while another goes on above it.
pub(crate) fn moved(states: &mut [State], heads: &[(usize, u64)]) {
    let before: Vec<Option<u64>> = heads.iter().map(|(at, _)| states[*at].looked).collect();
    for (at, head) in heads {
        let gained = heads
            .iter()
            .zip(&before)
            .map(|((_, other), before)| before.map_or(0, |before| other.saturating_sub(before.max(*head))));
        let most = gained.max().unwrap_or_default();
        let state = &mut states[*at];
        if state.looked == Some(*head) {
            state.stale = state.stale.saturating_add(most);
            state.still = state.still.saturating_add(u32::from(most > 0));
        } else {
            (state.stale, state.still) = (0, 0);
        }
        state.looked = Some(*head);
        state.head = Some(*head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(count: usize) -> Vec<State> {
        vec![State::default(); count]
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn three_failures_in_a_row_leave_an_endpoint_and_one_answer_brings_it_back() {
        let now = Instant::now();
        let mut states = states(2);
        for _ in 0..2 {
            assert!(!states[0].failed(now, "refused".into()));
        }
        states[0].answered(now);
        for _ in 0..2 {
            assert!(!states[0].failed(now, "refused".into()));
        }
        assert_eq!(order(&states, now), [0, 1]);
        assert!(states[0].failed(now, "refused".into()));
        assert_eq!(order(&states, now), [1, 0]);
        assert_eq!(states[0].total_failures, 5);
        assert!(states[0].answered(now));
        assert_eq!(order(&states, now), [0, 1]);
    }

    #[test]
    fn one_that_asks_to_be_left_alone_is_not_due_until_then_whatever_else_it_is_left_for() {
        let now = Instant::now();
        let mut states = states(2);
        assert!(states[0].rests(now, secs(20)));
        assert!(!states[0].rests(now, secs(10)), "it rests already, and for longer");
        assert_eq!(states[0].rest(now), Some(secs(20)));
        assert_eq!(order(&states, now), [1, 0]);
        assert!(!states[0].is_due(now + secs(19)) && states[0].is_due(now + secs(20)));
        // A failure in between has a shorter back-off.
        (0..3).for_each(|_| _ = states[0].failed(now, "429".into()));
        assert!(!states[0].is_due(now + secs(19)));
        assert!(states[0].answered(now + secs(20)));
        assert_eq!(order(&states, now + secs(20)), [0, 1]);
        states[0].rests(now, secs(3_600));
        assert_eq!(states[0].rest(now), Some(secs(60)), "no longer than any is left");
    }

    #[test]
    fn one_that_hangs_is_asked_after_the_others_and_left_when_its_time_is_over() {
        let now = Instant::now();
        let mut states = states(2);
        states[0].waiting.insert(1, now + secs(4));
        assert_eq!(order(&states, now), [0, 1]);
        assert!(states[0].hangs(now + secs(4)));
        assert_eq!(order(&states, now + secs(4)), [1, 0]);
        states[0].waiting.clear();
        assert!(states[0].hung(now + secs(5), "no answer".into()));
        assert_eq!(states[0].left.map(|left| left.because), Some(Because::Failing));
        assert!(states[0].answered(now + secs(6)));
        assert_eq!(order(&states, now + secs(6)), [0, 1]);
    }

    #[test]
    fn back_off_doubles_to_a_minute_and_starts_anew_after_a_calm_minute() {
        let mut now = Instant::now();
        let mut state = State::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            state.leave(now, Because::Empty);
            let until = state.left.expect("just left").until;
            waits.push(until.duration_since(now).as_secs());
            assert!(!state.leave(now, Because::Empty), "left already");
            now = until;
            state.rejoin(now, Because::Empty);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        now += secs(61);
        state.leave(now, Because::Failing);
        assert_eq!(state.left.expect("just left").until, now + secs(1));
    }

    #[test]
    fn lagging_counts_only_when_it_persists() {
        let now = Instant::now();
        let mut state = State { head: Some(95), ..State::default() };
        assert!(!state.measured(now, 100));
        assert!(!state.measured(now, 100));
        state.head = Some(97);
        assert!(!state.measured(now, 100), "three behind is not lagging");
        state.head = Some(90);
        assert!(!state.measured(now, 100) && !state.measured(now, 100));
        assert!(state.is_suspected());
        assert!(state.measured(now, 100));
        assert_eq!(state.left.map(|left| left.because), Some(Because::Lagging));
        state.head = Some(100);
        state.measured(now, 100);
        assert_eq!(state.left, None);
    }

    #[test]
    fn all_are_asked_when_all_are_left_the_soonest_first() {
        let now = Instant::now();
        let mut states = states(3);
        states[0].leave(now, Because::Failing);
        states[0].left = None;
        states[0].leave(now, Because::Failing);
        states[1].leave(now, Because::Contradicting);
        states[2].leave(now, Because::Lagging);
        assert_eq!(order(&states, now), [2, 0, 1]);
        assert_eq!(trusted(&states, now), [2, 0]);
        assert_eq!(order(&states, now + secs(2)), [0, 2, 1]);
    }

    #[test]
    fn who_contradicts_is_not_followed_until_the_others_are_gone_for_long() {
        let now = Instant::now();
        let mut states = states(2);
        states[0].contradicts(now);
        assert_eq!(trusted(&states, now), [1]);
        for _ in 0..3 {
            states[1].failed(now, "refused".into());
        }
        assert_eq!(trusted(&states, now + secs(59)), [1]);
        assert_eq!(trusted(&states, now + secs(60)).len(), 2);
        states[0].agrees(now);
        assert_eq!(trusted(&states, now), [0, 1]);
    }

    #[test]
    fn one_that_stands_still_while_another_goes_on_has_no_vote() {
        let mut states = states(2);
        moved(&mut states, &[(0, 10), (1, 10)]);
        moved(&mut states, &[(0, 12), (1, 10)]);
        assert!(states[1].may_vote());
        moved(&mut states, &[(0, 14), (1, 10)]);
        assert!(states[1].may_vote(), "it has not stood still for long");
        moved(&mut states, &[(0, 15), (1, 10)]);
        assert!(!states[1].may_vote() && states[0].may_vote());
        moved(&mut states, &[(0, 14), (1, 14)]);
        assert!(states[1].may_vote());
        moved(&mut states, &[(0, 14), (1, 14)]);
        assert!(states[0].may_vote(), "nobody moved");
    }

    #[test]
    fn one_that_jumps_takes_no_vote_from_the_others() {
        let mut states = states(2);
        moved(&mut states, &[(0, 10), (1, 10)]);
        (0..9).for_each(|_| moved(&mut states, &[(0, 10), (1, 1_000)]));
        assert!(states[0].may_vote());
    }

    #[test]
    fn an_endpoint_left_for_empty_logs_is_back_by_itself() {
        let now = Instant::now();
        let mut states = states(2);
        states[0].leave(now, Because::Empty);
        assert_eq!(order(&states, now), [1, 0]);
        assert_eq!(order(&states, now + secs(1)), [0, 1]);
    }
}
