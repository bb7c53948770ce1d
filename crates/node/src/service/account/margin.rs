//! Whether a slot still pays for the gas of its proof: to be drawn while none does is to pay for it, or to lose a bond.

use alloy::primitives::U256;

/// Readings in a row that say otherwise before it is taken to be so: fees rise and fall, and leaving and coming back cost gas.
const READINGS: u32 = 6;

/// What readings of fees say of it.
#[derive(Debug)]
pub(crate) struct Margin {
    dear: bool,
    /// Readings in a row that say otherwise.
    against: u32,
}

impl Default for Margin {
    /// The first reading is believed: whoever starts while fees are high has nothing to come back for.
    fn default() -> Self {
        Self { dear: false, against: READINGS - 1 }
    }
}

impl Margin {
    /// What a proof costs now, and the most that a slot pays, in wei of the chain's currency; zero if there is none to be had.
    pub(crate) fn know(&mut self, cost: U256, pays: U256) {
        // To come back it must be a quarter less than what it pays.
        let bound = if self.dear { pays - pays / U256::from(4) } else { pays };
        let dear = !pays.is_zero() && cost > bound;
        self.against = if dear == self.dear { 0 } else { self.against + 1 };
        if self.against >= READINGS {
            *self = Self { dear, against: 0 };
        }
    }

    /// A proof costs more than any slot pays.
    pub(crate) fn dear(&self) -> bool {
        self.dear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(margin: &mut Margin, readings: u32, cost: u64) -> bool {
        (0..readings).for_each(|_| margin.know(U256::from(cost), U256::from(100)));
        margin.dear()
    }

    #[test]
    fn fees_that_no_slot_pays_for_are_a_reason_to_leave_until_they_have_fallen_for_a_while() {
        let mut margin = Margin::default();
        assert!(!after(&mut margin, 1, 100), "it pays for itself");
        assert!(!after(&mut margin, READINGS - 1, 101), "it may pass");
        assert!(!after(&mut margin, 1, 100) && !after(&mut margin, READINGS - 1, 101), "it did");
        assert!(after(&mut margin, 1, 101));
        assert!(after(&mut margin, 3 * READINGS, 76), "a little less is not enough");
        assert!(after(&mut margin, READINGS - 1, 75));
        assert!(!after(&mut margin, 1, 75));
        assert!(!after(&mut margin, 3 * READINGS, 100));
    }

    #[test]
    fn who_starts_while_fees_are_high_does_not_come_back_first() {
        assert!(after(&mut Margin::default(), 1, 101));
        let mut without = Margin::default();
        without.know(U256::MAX, U256::ZERO);
        assert!(!without.dear(), "there is nothing to be drawn for");
    }
}
