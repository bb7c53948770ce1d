//! Whether a market is worth serving on a machine, and what is in the way. Pure: facts in, an order and its reasons out. Money is in
//! base units of the asset.

use std::cmp::Reverse;

use provery_mechanisms::quote::curve;
use provery_types::Terms;
use serde::Serialize;

/// Seconds between a proof and its delivery, as the node reckons them.
const DELIVERY: u64 = 2;

/// What stands between a prover and a market's slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Bound {
    /// A stable word.
    pub code: String,
    pub message: String,
    /// What to type next.
    pub next: Option<String>,
    /// The machine cannot serve the market, whatever is staked.
    #[serde(skip)]
    pub machine: bool,
}

impl Bound {
    pub(super) fn machine(code: &str, message: String, next: Option<String>) -> Self {
        Self { code: code.to_owned(), message, next, machine: true }
    }

    pub(super) fn other(code: &str, message: String, next: Option<String>) -> Self {
        Self { machine: false, ..Self::machine(code, message, next) }
    }
}

/// What was measured of a circuit here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    pub millis: u64,
    /// Bytes; nothing if the system does not tell.
    pub peak: Option<u64>,
}

impl Pace {
    /// Seconds, rounded up.
    pub(super) fn seconds(self) -> u64 {
        self.millis.div_ceil(1_000)
    }
}

/// What a slot brings and costs here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Money {
    /// What a slot of this prover's is given out at.
    pub price: u128,
    /// Of the machine, for one proof.
    pub machine: u128,
    /// Of the transaction that delivers it.
    pub gas: u128,
}

/// What comes of a market in an hour, as far as that can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// What a proof earns, less what it costs.
    pub slot: Option<i128>,
    /// Slots an hour that come to this prover and can be proven, times a thousand; nothing if the market has no past.
    pub slots_milli: Option<u64>,
    /// The product of the two.
    pub hour: Option<i128>,
}

impl Outlook {
    /// Of a market under `terms`, whose slots come `demand` times in a thousand hours, `chance` in ten thousand of them here.
    pub(super) fn of(
        terms: &Terms,
        pace: Option<Pace>,
        money: Money,
        demand: Option<u64>,
        chance: u64,
        workers: u64,
    ) -> Self {
        let Some(pace) = pace else { return Self::default() };
        let earned = curve(terms, money.price).earned(pace.seconds().saturating_add(DELIVERY));
        let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
        let slot = signed(earned).saturating_sub(signed(money.machine)).saturating_sub(signed(money.gas));
        let most =
            (3_600_000_000_u128 * u128::from(workers)).checked_div(pace.millis.into()).unwrap_or_default();
        let slots = demand.map(|demand| {
            let won = u128::from(demand) * u128::from(chance) / 10_000;
            u64::try_from(won.min(most)).unwrap_or(u64::MAX)
        });
        let hour = slots.map(|slots| slot.saturating_mul(slots.into()) / 1_000);
        Self { slot: Some(slot), slots_milli: slots, hour }
    }
}

/// What the machine lacks for a circuit's proofs.
pub(super) fn machine_bounds(
    terms: &Terms,
    assigns: bool,
    pace: Option<Pace>,
    memory: Option<u64>,
    how_to_measure: &str,
) -> Vec<Bound> {
    let Some(pace) = pace else {
        let message = "how long a proof takes here was not measured".to_owned();
        return vec![Bound::machine("not_measured", message, Some(how_to_measure.to_owned()))];
    };
    let mut bounds = Vec::new();
    let (seconds, window) = (pace.seconds(), u64::from(terms.exclusiveWindow));
    if assigns && seconds >= window {
        let message = format!("a proof takes {seconds} s here, and its holder has {window} s");
        bounds.push(Bound::machine("window", message, None));
    }
    if let (Some(peak), Some(memory)) = (pace.peak, memory)
        && peak > memory
    {
        let message =
            format!("a proof takes {} MiB of memory, and {} MiB are available", peak >> 20, memory >> 20);
        bounds.push(Bound::machine("memory", message, None));
    }
    bounds
}

/// By what a ranking goes: what the machine can serve first, of these what is no loss, then what brings most an hour, then a slot.
pub(super) fn order(bounds: &[Bound], outlook: Outlook) -> impl Ord + use<> {
    let loss = outlook.slot.is_some_and(|slot| slot < 0);
    (bounds.iter().any(|bound| bound.machine), loss, Reverse(outlook.hour), Reverse(outlook.slot))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{U256, aliases::U96};

    use super::*;

    fn terms() -> Terms {
        Terms {
            price: U96::from(1_000),
            fastWindow: 10,
            exclusiveWindow: 20,
            expiryWindow: 60,
            floorBps: 5_000,
            circuitTerms: U256::ZERO,
            ..Terms::default()
        }
    }

    fn pace(seconds: u64) -> Option<Pace> {
        Some(Pace { millis: seconds * 1_000, peak: Some(100 << 20) })
    }

    const MONEY: Money = Money { price: 1_000, machine: 30, gas: 70 };

    #[test]
    fn an_hour_brings_what_slots_leave_as_often_as_they_come() {
        // Two slots an hour, half of them here.
        let outlook = Outlook::of(&terms(), pace(5), MONEY, Some(2_000), 5_000, 1);
        assert_eq!(outlook, Outlook { slot: Some(900), slots_milli: Some(1_000), hour: Some(900) });
        // Delivered in the middle of the fall to the floor.
        let later = Outlook::of(&terms(), pace(13), MONEY, Some(2_000), 5_000, 1);
        assert_eq!(later.slot, Some(1_000 - 250 - 100));
        // No machine proves more than it has time for.
        let busy = Outlook::of(&terms(), pace(5), MONEY, Some(10_000_000), 10_000, 1);
        assert_eq!(busy.slots_milli, Some(720_000));
        assert_eq!(
            Outlook::of(&terms(), pace(5), MONEY, Some(10_000_000), 10_000, 2).slots_milli,
            Some(1_440_000)
        );
    }

    #[test]
    fn a_loss_is_a_loss_and_what_is_not_known_is_not_made_up() {
        let dear = Money { gas: 2_000, ..MONEY };
        assert_eq!(Outlook::of(&terms(), pace(5), dear, Some(1_000), 10_000, 1).hour, Some(-1_030));
        let no_past = Outlook::of(&terms(), pace(5), MONEY, None, 10_000, 1);
        assert_eq!((no_past.slot, no_past.hour), (Some(900), None));
        assert_eq!(Outlook::of(&terms(), None, MONEY, Some(1_000), 10_000, 1), Outlook::default());
    }

    #[test]
    fn a_machine_is_bound_by_time_where_a_bond_is_at_stake_and_by_memory_everywhere() {
        let codes = |assigns, seconds, memory| {
            let bounds = machine_bounds(&terms(), assigns, seconds, memory, "measure");
            bounds.into_iter().map(|bound| bound.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(true, pace(19), Some(200 << 20)), [""; 0]);
        assert_eq!(codes(true, pace(20), Some(99 << 20)), ["window", "memory"]);
        assert_eq!(codes(false, pace(20), None), [""; 0], "a race binds nobody");
        assert_eq!(codes(true, None, None), ["not_measured"]);
    }

    #[test]
    fn what_can_be_served_comes_first_then_what_brings_most() {
        let cannot = [Bound::machine("window", String::new(), None)];
        let stake = [Bound::other("no_stake", String::new(), None)];
        let outlook = |slot, hour| Outlook { slot: Some(slot), slots_milli: None, hour };
        let mut ranked = [
            ("slow", order(&cannot, outlook(9, Some(900)))),
            ("no past", order(&[], outlook(8, None))),
            ("loss", order(&[], outlook(-1, Some(-5)))),
            ("best", order(&stake, outlook(1, Some(70)))),
            ("good", order(&[], outlook(5, Some(60)))),
            ("no past, less", order(&[], outlook(7, None))),
        ];
        ranked.sort_by(|(_, a), (_, b)| a.cmp(b));
        assert_eq!(
            ranked.map(|(name, _)| name),
            ["best", "good", "no past", "no past, less", "loss", "slow"]
        );
    }
}
