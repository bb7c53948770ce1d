//! What to do about a pending transaction, given what the chain says of it. Pure.

use crate::{
    fees::{Bounds, Cost, raised},
    transaction::{MinedAt, PendingTransaction},
};
use alloy::primitives::U256;
use provery_rpc::{Fees, Quote};
use provery_types::BlockRef;

/// Looks in a row that must find a nonce gone to something else before that is believed: one endpoint may know a count
/// before another knows the receipt.
pub(crate) const TAKEN_LOOKS: u32 = 3;
/// Broadcasts in a row that end in nobody knowing the transaction, after which higher fees are tried.
const LOST_BROADCASTS: u32 = 2;

/// How long something took, by the chain's blocks and its time: a block is twelve seconds here and a quarter of one there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub blocks: u64,
    pub seconds: u64,
}

impl Span {
    pub(crate) fn between(since: BlockRef, head: BlockRef) -> Self {
        Self {
            blocks: head.number.saturating_sub(since.number),
            seconds: head.timestamp.saturating_sub(since.timestamp),
        }
    }

    /// At least as many blocks, and at least as many seconds.
    pub(crate) fn reaches(self, least: Self) -> bool {
        self.blocks >= least.blocks && self.seconds >= least.seconds
    }
}

/// A pending transaction without a receipt, and what was seen of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unmined<'a> {
    pub pending: &'a PendingTransaction,
    /// The head's, unix seconds.
    pub time: u64,
    /// What gas costs now; None if it was not asked for.
    pub quote: Option<Quote>,
    /// Wei that the key has for it; None if it was not asked for.
    pub funds: Option<U256>,
    /// What it takes, as of now.
    pub cost: Cost,
    /// What an empty transfer in its place takes; None if it was not asked for.
    pub cancel: Option<Cost>,
    /// Whether an endpoint knows the newest of its transactions.
    pub known: bool,
    /// Whether one knows an older one while the newest was refused.
    pub older_known: bool,
    /// Whether the newest was refused when it was broadcast last.
    pub refused: bool,
    /// Broadcasts since an endpoint last knew it.
    pub resent: u32,
    /// Whether there are several endpoints, and the newest was given to all of them: the one that took it may keep it to itself.
    pub is_several: bool,
    pub is_spread: bool,
    /// For how long it could have been mined and was not.
    pub waited: Span,
    /// Whether it is the next to be mined, has waited and would revert.
    pub reverts: bool,
    /// Whether the chain's count is past its nonce, though it has no receipt.
    pub passed: bool,
    /// Looks in a row that found this so at the depth that counts.
    pub taken: u32,
}

/// What to do about a pending transaction that is not mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Wait,
    /// Broadcast the newest bytes again. `exhausted` if the budget forbids to raise them.
    Rebroadcast,
    /// Sign the same again with these fees.
    Replace(Fees),
    /// Let an empty transfer to oneself take the nonce.
    Cancel(Fees),
    /// The nonce went to another transaction, for good.
    Release,
}

/// An action, and whether it should have been a replacement that the budget forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub action: Action,
    pub exhausted: bool,
}

/// Whether the chain's time is past what it is worth something until.
pub(crate) fn is_late(deadline: Option<u64>, time: u64) -> bool {
    deadline.is_some_and(|deadline| time > deadline)
}

/// After waiting for `patience`, it is raised.
pub(crate) fn decide(seen: &Unmined<'_>, patience: Span) -> Decision {
    let plain = |action| Decision { action, exhausted: false };
    let Some(newest) = seen.pending.signed.last() else { return plain(Action::Wait) };
    if seen.taken >= TAKEN_LOOKS {
        return plain(Action::Release);
    }
    if seen.passed {
        // The receipt is about to be seen, or the nonce about to be given up.
        return plain(Action::Wait);
    }
    let again =
        if seen.known && (seen.is_spread || !seen.is_several) { Action::Wait } else { Action::Rebroadcast };
    let late = is_late(seen.pending.deadline, seen.time);
    // What would revert keeps its nonce from what comes next, and is dearer if it is mined after all.
    let worthless = !newest.cancels && (late || seen.reverts);
    // Sent once more as it is before its fees are taken for the reason.
    let tried = seen.known || seen.refused || seen.resent >= LOST_BROADCASTS;
    let underpriced = seen.refused && seen.older_known;
    let stuck = underpriced || seen.waited.reaches(patience) && tried;
    if !worthless && !stuck {
        return plain(again);
    }
    let Some(quote) = seen.quote else { return plain(again) };
    let Some(bounds) = bounds(seen, worthless || newest.cancels) else { return plain(again) };
    match raised(newest.into(), quote, bounds) {
        Some(fees) if worthless => plain(Action::Cancel(fees)),
        Some(fees) => plain(Action::Replace(fees)),
        // Perhaps the others were never given it.
        None if seen.is_several => Decision { action: Action::Rebroadcast, exhausted: true },
        None => Decision { action: again, exhausted: true },
    }
}

/// What may be spent on a pending transaction, or on an empty transfer in its place; None if that is not known.
fn bounds(seen: &Unmined<'_>, cancels: bool) -> Option<Bounds> {
    let (pending, budget, funds) = (seen.pending, seen.pending.budget, seen.funds);
    if cancels {
        return Some(Bounds { cost: seen.cancel?, budget, funds, reserve: U256::ZERO });
    }
    Some(Bounds { cost: seen.cost, budget, funds, reserve: pending.spend.reserve })
}

/// What to do about a pending transaction that was seen mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MinedAction {
    Wait,
    /// Its block was replaced.
    Unmine,
    /// Deep enough to count.
    Settle,
    /// Too deep for a reorg.
    Forget,
}

/// `canonical` is the block that the chain has at the height where it was mined; `is_final` if that is too deep for a reorg.
pub(crate) fn decide_mined(
    mined: &MinedAt,
    canonical: &BlockRef,
    head: u64,
    settled: bool,
    confirmations: u64,
    is_final: bool,
) -> MinedAction {
    if canonical.hash != mined.block.hash {
        return MinedAction::Unmine;
    }
    let depth = head.checked_sub(mined.block.number);
    match depth {
        Some(depth) if depth >= confirmations && settled && is_final => MinedAction::Forget,
        Some(depth) if depth >= confirmations && !settled => MinedAction::Settle,
        _ => MinedAction::Wait,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, Bytes, U256};
    use proptest::prelude::*;

    use super::*;
    use crate::transaction::Signed;

    const GAS: u64 = 100_000;
    const TRANSFER_GAS: u64 = 21_000;

    fn pending(budget: Option<u64>, deadline: Option<u64>, cancels: bool) -> PendingTransaction {
        let signed = Signed {
            hash: B256::repeat_byte(1),
            raw: Bytes::new(),
            max_fee: 201,
            max_priority_fee: 1,
            cancels,
        };
        PendingTransaction {
            account: Address::ZERO,
            nonce: 3,
            tag: "prove:1:1".to_owned(),
            kind: "prove".to_owned(),
            to: None,
            data: Bytes::new(),
            value: U256::ZERO,
            gas: GAS,
            budget: budget.map(U256::from),
            spend: Default::default(),
            deadline,
            signed: vec![signed],
            mined: None,
        }
    }

    fn cost(gas: u64, limit: u64) -> Cost {
        Cost { gas, limit, ..Cost::default() }
    }

    /// Of two seconds each.
    fn blocks(blocks: u64) -> Span {
        Span { blocks, seconds: 2 * blocks }
    }

    fn fresh(pending: &PendingTransaction) -> Unmined<'_> {
        Unmined {
            pending,
            time: 1_000,
            quote: Some(Quote::new(100, 1)),
            funds: None,
            cost: cost(GAS, GAS),
            cancel: Some(cost(TRANSFER_GAS, TRANSFER_GAS)),
            known: true,
            older_known: false,
            refused: false,
            resent: 0,
            is_several: false,
            is_spread: false,
            waited: blocks(0),
            reverts: false,
            passed: false,
            taken: 0,
        }
    }

    #[test]
    fn what_the_pool_has_is_waited_for_and_what_it_lost_is_sent_again() {
        let pending = pending(None, None, false);
        assert_eq!(decide(&fresh(&pending), blocks(2)).action, Action::Wait);
        let lost = Unmined { known: false, ..fresh(&pending) };
        assert_eq!(decide(&lost, blocks(2)).action, Action::Rebroadcast);
        // Even if it is overdue: it may be the loss that kept it back.
        assert_eq!(decide(&Unmined { waited: blocks(9), ..lost }, blocks(2)).action, Action::Rebroadcast);
        assert!(matches!(
            decide(&Unmined { waited: blocks(9), resent: 2, ..lost }, blocks(2)).action,
            Action::Replace(_)
        ));
    }

    #[test]
    fn what_one_endpoint_took_is_given_to_the_others_and_again_when_it_cannot_be_raised() {
        let pending = pending(None, None, false);
        let taken = Unmined { is_several: true, ..fresh(&pending) };
        assert_eq!(decide(&taken, blocks(2)).action, Action::Rebroadcast);
        let spread = Unmined { is_spread: true, ..taken };
        assert_eq!(decide(&spread, blocks(2)).action, Action::Wait);
        let poor = Unmined { waited: blocks(2), funds: Some(U256::ZERO), ..spread };
        let stuck = Decision { action: Action::Rebroadcast, exhausted: true };
        assert_eq!(decide(&poor, blocks(2)), stuck);
        let alone = Unmined { is_several: false, ..poor };
        assert_eq!(decide(&alone, blocks(2)), Decision { action: Action::Wait, exhausted: true });
    }

    #[test]
    fn what_is_stuck_is_replaced_by_an_eighth_more() {
        let pending = pending(None, None, false);
        let stuck = Unmined { waited: blocks(2), ..fresh(&pending) };
        assert_eq!(decide(&stuck, blocks(2)).action, Action::Replace(Fees::new(227, 2)));
        assert_eq!(decide(&stuck, blocks(3)).action, Action::Wait);
        // A pool that refuses a replacement has the older one: raise from what was signed last.
        let refused = Unmined { known: false, refused: true, older_known: true, ..fresh(&pending) };
        assert_eq!(decide(&refused, blocks(2)).action, Action::Replace(Fees::new(227, 2)));
    }

    #[test]
    fn blocks_that_come_quickly_are_no_reason_to_raise() {
        let pending = pending(None, None, false);
        let patience = Span { blocks: 2, seconds: 4 };
        let after = |blocks, seconds| {
            let waited = Span { blocks, seconds };
            decide(&Unmined { waited, ..fresh(&pending) }, patience).action
        };
        assert_eq!(after(12, 3), Action::Wait, "a quarter of a second each");
        assert_eq!(after(1, 12), Action::Wait, "there was but one that could have had it");
        assert!(matches!(after(16, 4), Action::Replace(_)) && matches!(after(2, 24), Action::Replace(_)));
    }

    #[test]
    fn the_budget_is_the_end_of_raising() {
        let pending = pending(Some(GAS * 210), None, false);
        let stuck = Unmined { waited: blocks(2), ..fresh(&pending) };
        assert_eq!(decide(&stuck, blocks(2)), Decision { action: Action::Wait, exhausted: true });
        let lost = Unmined { known: false, resent: 3, ..stuck };
        assert_eq!(decide(&lost, blocks(2)), Decision { action: Action::Rebroadcast, exhausted: true });
    }

    #[test]
    fn what_is_worthless_is_cancelled() {
        let late = pending(Some(GAS * 210), Some(999), false);
        // An empty transfer needs less gas, so the budget reaches further.
        assert_eq!(decide(&fresh(&late), blocks(2)).action, Action::Cancel(Fees::new(227, 2)));
        let cancelled = pending(None, Some(999), true);
        assert_eq!(decide(&fresh(&cancelled), blocks(2)).action, Action::Wait, "once");
        let stuck = Unmined { waited: blocks(2), ..fresh(&cancelled) };
        assert!(matches!(decide(&stuck, blocks(2)).action, Action::Replace(_)));

        let timeless = pending(None, None, false);
        let reverting = Unmined { reverts: true, waited: blocks(5), ..fresh(&timeless) };
        assert!(matches!(decide(&reverting, blocks(2)).action, Action::Cancel(_)), "its nonce is freed");
        let due = pending(None, Some(1_000), false);
        assert_eq!(decide(&fresh(&due), blocks(2)).action, Action::Wait, "the deadline itself is in time");
    }

    #[test]
    fn a_budget_that_rises_is_spent_by_what_is_under_way() {
        let poor = pending(Some(GAS * 210), None, false);
        let stuck = Unmined { waited: blocks(2), ..fresh(&poor) };
        assert!(decide(&stuck, blocks(2)).exhausted);
        let rich = PendingTransaction { budget: Some(U256::from(GAS * 420)), ..poor.clone() };
        let action = decide(&Unmined { pending: &rich, ..stuck }, blocks(2)).action;
        assert_eq!(action, Action::Replace(Fees::new(227, 2)));
        // So is one that turns out to use less than its limit.
        let lean = Unmined { cost: cost(GAS / 2, GAS), ..stuck };
        assert!(matches!(decide(&lean, blocks(2)).action, Action::Replace(_)));
        let dearer = Unmined { pending: &rich, cost: cost(4 * GAS, 4 * GAS), ..stuck };
        assert!(decide(&dearer, blocks(2)).exhausted, "nor one that turns out to use more");
    }

    #[test]
    fn an_empty_transfer_costs_what_the_chain_says_it_does() {
        let late = pending(Some(GAS * 210), Some(999), false);
        let dear = cost(900_000, 900_000);
        let seen = Unmined { cancel: Some(dear), ..fresh(&late) };
        assert_eq!(decide(&seen, blocks(2)), Decision { action: Action::Wait, exhausted: true });
        assert_eq!(
            decide(&Unmined { cancel: None, ..seen }, blocks(2)).action,
            Action::Wait,
            "not known, not sent"
        );
    }

    #[test]
    fn a_nonce_that_went_elsewhere_is_given_up_only_when_that_is_sure() {
        let pending = pending(None, Some(1), false);
        let passed = Unmined {
            passed: true,
            known: false,
            waited: blocks(9),
            taken: TAKEN_LOOKS - 1,
            ..fresh(&pending)
        };
        assert_eq!(decide(&passed, blocks(2)).action, Action::Wait);
        assert_eq!(decide(&Unmined { taken: TAKEN_LOOKS, ..passed }, blocks(2)).action, Action::Release);
    }

    fn block(number: u64, hash: u8) -> BlockRef {
        BlockRef { number, hash: B256::repeat_byte(hash), parent_hash: B256::ZERO, timestamp: 0 }
    }

    #[test]
    fn mined_means_canonical_and_deep() {
        let mined = MinedAt { tx_hash: B256::ZERO, block: block(10, 1), success: true, paid: None };
        let decide =
            |head, settled, is_final| decide_mined(&mined, &block(10, 1), head, settled, 2, is_final);
        let at = |head, settled| decide(head, settled, true);
        assert_eq!(at(11, false), MinedAction::Wait);
        assert_eq!(at(12, false), MinedAction::Settle);
        assert_eq!(decide(1_000_000, true, false), MinedAction::Wait, "a head far away forgets nothing");
        assert_eq!(at(74, true), MinedAction::Forget);
        assert_eq!(at(74, false), MinedAction::Settle, "its end is told before it is forgotten");
        assert_eq!(at(9, true), MinedAction::Wait, "an endpoint that lags proves nothing");
        assert_eq!(decide_mined(&mined, &block(10, 2), 90, true, 2, true), MinedAction::Unmine);
    }

    proptest! {
        #[test]
        fn no_decision_spends_more_than_the_budget(
            budget in prop::option::of(0..GAS * 1_000),
            deadline in prop::option::of(0..2_000u64),
            (cancels, known, older_known, refused) in any::<(bool, bool, bool, bool)>(),
            (reverts, passed) in any::<(bool, bool)>(),
            (resent, waited, taken) in (0..5u32, 0..10u64, 0..5u32),
            (base, tip) in (0..1_000u128, 0..10u128),
        ) {
            let pending = pending(budget, deadline, cancels);
            let quote = Some(Quote::new(base, tip));
            let seen = Unmined {
                known, older_known, refused, resent, waited: blocks(waited), reverts, passed, taken, quote, ..fresh(&pending)
            };
            let late = is_late(deadline, seen.time);
            match decide(&seen, blocks(2)).action {
                Action::Replace(fees) => {
                    let gas = if cancels { TRANSFER_GAS } else { GAS };
                    prop_assert!(budget.is_none_or(|budget| fees.max * u128::from(gas) <= u128::from(budget)));
                    prop_assert!(fees.max * 100 >= 201 * 110 && fees.tip > 1);
                    prop_assert!(cancels || !late, "what is late is never raised");
                    prop_assert!(!passed);
                }
                Action::Cancel(fees) => {
                    prop_assert!(!cancels && (late || reverts));
                    prop_assert!(budget.is_none_or(|budget| fees.max * u128::from(TRANSFER_GAS) <= u128::from(budget)));
                }
                Action::Rebroadcast => prop_assert!(!known && !passed),
                Action::Release => prop_assert!(taken >= TAKEN_LOOKS),
                Action::Wait => prop_assert!(known || passed, "what nobody knows is sent"),
            }
        }
    }
}
