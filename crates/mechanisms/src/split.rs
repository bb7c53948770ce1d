//! How a slashed bond is split: the twin of the market's arithmetic (`tests/vectors/slash_split.json`).

/// The three parts of a bond, in asset wei. They sum to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// For who proved the slot, on top of the floor.
    pub to_rescuer: u128,
    /// For the market's funds.
    pub to_requester: u128,
    /// For nobody.
    pub burned: u128,
}

/// Split `bond` (at most 96 bits). Shares round down; what rounding leaves over is burned.
///
/// The terms' rules keep `rescuer_bps + requester_bps` below 10,000; beyond it the requester's part is what is left.
pub fn split(bond: u128, rescuer_bps: u16, requester_bps: u16) -> Split {
    let to_rescuer = share(bond, rescuer_bps).min(bond);
    let to_requester = share(bond, requester_bps).min(bond - to_rescuer);
    Split { to_rescuer, to_requester, burned: bond - to_rescuer - to_requester }
}

/// What a slot that nobody proved burns of its price, rounded up.
pub fn forfeit(price: u128, forfeit_bps: u16) -> u128 {
    share_up(price, forfeit_bps)
}

/// A share rounded up. `amount` has at most 96 bits.
pub(crate) fn share_up(amount: u128, bps: u16) -> u128 {
    (amount * u128::from(bps)).div_ceil(10_000)
}

fn share(amount: u128, bps: u16) -> u128 {
    amount * u128::from(bps) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cases, number};

    #[test]
    fn shared_vectors() {
        for case in cases(include_str!("../../../tests/vectors/slash_split.json")) {
            let bond = number(&case["bond"]);
            let parts = split(bond, number(&case["rescuerBps"]) as u16, number(&case["requesterBps"]) as u16);
            assert_eq!(parts.to_rescuer, number(&case["toRescuer"]), "{case}");
            assert_eq!(parts.to_requester, number(&case["toRequester"]), "{case}");
            assert_eq!(parts.burned, number(&case["toBurn"]), "{case}");
            assert_eq!(parts.to_rescuer + parts.to_requester + parts.burned, bond);
            assert_eq!(
                forfeit(number(&case["price"]), number(&case["forfeitBps"]) as u16),
                number(&case["forfeit"]),
                "{case}"
            );
        }
    }
}
