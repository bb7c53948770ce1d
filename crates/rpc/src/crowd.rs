//! How often receipts are asked for when blooms name our contracts and no log of theirs comes: decisions alone, no requests.
//!
//! On a crowded chain blooms name everybody, and anyone can make them name us. Asking for the receipts of each such block
//! would be a call a block, and a large one. So each doubt that receipts show to be a coincidence makes the next ones cost
//! less, and one that they bear out makes all count again.

use alloy::primitives::B256;

/// Coincidences in a row after which half as many doubts are looked into as before: fewer where another endpoint has already
/// said that there are no logs.
const GRACE: u32 = 4;
const GRACE_SECONDED: u32 = 2;

/// Never fewer than one of so many doubts is looked into, as a power of two.
const RAREST: u32 = 6;

/// Looks at a block whose receipts nobody has, before what its logs say is believed.
const LOOKS: u32 = 12;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crowd {
    coincidences: u32,
    passed: u32,
    /// The block whose receipts nobody has, and how often they were asked for.
    missing: Option<(B256, u32)>,
    /// Receipts were given up before: they are not waited for again until some come.
    gave_up: bool,
}

impl Crowd {
    /// There is a doubt: whether to look into it. `seconded`: another endpoint, too, says that there are no logs.
    pub(crate) fn looks(&mut self, seconded: bool) -> bool {
        let grace = if seconded { GRACE_SECONDED } else { GRACE };
        let every = 1 << (self.coincidences / grace).min(RAREST);
        self.passed += 1;
        let due = self.passed >= every;
        if due {
            self.passed = 0;
        }
        due
    }

    /// Receipts showed that the bloom named us by coincidence.
    pub(crate) fn coincidence(&mut self) {
        self.coincidences = self.coincidences.saturating_add(1);
        (self.missing, self.gave_up) = (None, false);
    }

    /// Logs had been withheld.
    pub(crate) fn caught(&mut self) {
        *self = Self::default();
    }

    /// Nobody has the receipts of this block. Whether to go on without them: a hint is no veto.
    pub(crate) fn gives_up(&mut self, block: B256) -> bool {
        let looks = match self.missing {
            Some((before, looks)) if before == block => looks + 1,
            _ => 1,
        };
        self.missing = Some((block, looks));
        self.gave_up |= looks >= LOOKS;
        self.gave_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of so many doubts that are all coincidences, how many are looked into.
    fn looked(crowd: &mut Crowd, doubts: u32, seconded: bool) -> u32 {
        let looks = |_: &u32| {
            let looks = crowd.looks(seconded);
            if looks {
                crowd.coincidence();
            }
            looks
        };
        (0..doubts).filter(looks).count() as u32
    }

    #[test]
    fn coincidences_make_doubts_rare_and_a_catch_makes_them_count_again() {
        let mut crowd = Crowd::default();
        assert_eq!(looked(&mut crowd, 4, false), 4, "at first every one counts");
        assert_eq!(looked(&mut crowd, 8, false), 4);
        let many = looked(&mut crowd, 100_000, false);
        assert!((1_500..1_700).contains(&many), "one in 64 in the end: {many}");
        crowd.caught();
        assert_eq!(looked(&mut crowd, 4, false), 4);
    }

    #[test]
    fn a_second_endpoint_that_agrees_makes_them_rarer() {
        assert!(looked(&mut Crowd::default(), 60, true) < looked(&mut Crowd::default(), 60, false));
    }

    #[test]
    fn receipts_that_nobody_has_are_waited_for_only_so_long_and_only_once() {
        let mut crowd = Crowd::default();
        let (one, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        assert_eq!((1..100).find(|_| crowd.gives_up(one)), Some(LOOKS));
        assert!(crowd.gives_up(other), "nor is the next block waited for");
        crowd.coincidence();
        assert_eq!((1..100).find(|_| crowd.gives_up(other)), Some(LOOKS), "they came again");
    }
}
