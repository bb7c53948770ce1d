//! Whether the prover is in the draws, what is known of its pause, and whether a node that ends leaves it there.

use std::time::Duration;

use alloy::primitives::Address;
use provery_rpc::{Chain, ChainError};
use provery_txmgr::Landing;
use tracing::warn;

use crate::{
    book::Book,
    pause::{PAUSE, RESUME, Turn, Wish},
    service::handles::Handles,
};

/// What is known of the pause.
pub(in crate::service) fn turn(handles: &Handles, book: &Book) -> Turn {
    let prover_status = book.facts().prover_status(handles.me());
    Turn {
        registered: prover_status.registered,
        paused: prover_status.paused,
        coming: unread(&[PAUSE, RESUME], handles, book).map(|(kind, _)| kind == PAUSE),
        held: book.facts().held_out(handles.me()),
    }
}

/// The last of this node's own calls of these kinds, if it is not in what was read.
fn unread(kinds: &[&str], handles: &Handles, book: &Book) -> Option<(String, Landing)> {
    let head = book.head().map_or(0, |head| head.number);
    handles.sender.landing(kinds).filter(|(_, landing)| match landing {
        Landing::UnderWay => true,
        Landing::In(block) => *block > head,
    })
}

/// Whether the prover is to be out of the draws when this node ends, and is not: neither is a call in a block that sees to it.
/// `drawn`: whether it is in them, if that was asked.
pub(in crate::service) fn stays_in_draws(handles: &Handles, book: &Book, drawn: Option<bool>) -> bool {
    let wanted = handles.config.upkeep && handles.config.pauses_when_stopping() && handles.role().may_act();
    if !wanted {
        return false;
    }
    let drawn = drawn.or_else(|| known_drawn(handles, book)).unwrap_or(false);
    let landed = handles.sender.landing(&[PAUSE, RESUME]).is_some_and(|(_, at)| at != Landing::UnderWay);
    left_drawn(drawn, unread(&[RESUME], handles, book).is_some(), &turn(handles, book), landed)
}

/// Whether the prover is in draws, as events tell; nothing if none were read yet.
pub(in crate::service) fn known_drawn(handles: &Handles, book: &Book) -> Option<bool> {
    book.head()?;
    let (me, facts) = (handles.me(), book.facts());
    let has_stake = facts.leaves(me).iter().any(|(_, leaf)| leaf.allocation > 0 || leaf.weight > 0);
    Some(facts.prover_status(me).active() && has_stake)
}

/// Ask the chain whether the prover `me` is in any draws; nothing if it does not answer in time.
pub(in crate::service) async fn ask_whether_drawn(
    chain: &Chain,
    me: Address,
    bound: Duration,
) -> Option<bool> {
    let ask = async {
        let record = chain.prover(me).await?;
        let mut has_stake = false;
        for rollup in &chain.deployment().rollups {
            has_stake |= !chain.allocation(rollup.market, me).await?.is_zero();
        }
        Ok::<_, ChainError>(record.id != 0 && !record.paused && has_stake)
    };
    match tokio::time::timeout(bound, ask).await {
        Ok(Ok(drawn)) => Some(drawn),
        Ok(Err(error)) => {
            warn!(%error, "it cannot be asked whether the prover is in draws");
            None
        }
        Err(_) => {
            warn!("nobody answers whether the prover is in draws");
            None
        }
    }
}

/// Whether the prover is in draws: as the chain `answered`, or else as is `known` from events. Who knows nothing says so: a node that
/// cannot tell does not end in peace.
pub(in crate::service) fn is_drawn(answered: Option<bool>, known: Option<bool>) -> bool {
    answered.or(known).unwrap_or(true)
}

/// Whether it matters that a pause could not be had: it is still wanted, and there is none.
pub(super) fn matters(turn: &Turn, wish: Wish) -> bool {
    wish == Wish::Out && turn.registered && !turn.paused
}

/// Whether a node that ends now leaves a prover in the draws that is in them (`drawn`), or comes back to them by a resumption of this
/// node's that is not yet read (`comes_back`): unless its own pause, which comes after that, `landed`.
fn left_drawn(drawn: bool, comes_back: bool, turn: &Turn, landed: bool) -> bool {
    (drawn || comes_back) && !(turn.coming == Some(true) && landed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stops_before_it_has_read_the_chain_asks_whether_its_prover_is_drawn() {
        assert!(is_drawn(Some(true), None) && !is_drawn(Some(false), None));
        assert!(!is_drawn(Some(false), Some(true)), "it left since");
        assert!(is_drawn(None, Some(true)) && !is_drawn(None, Some(false)));
        assert!(is_drawn(None, None), "nobody knows");
    }

    #[test]
    fn a_node_does_not_end_in_peace_while_its_own_resumption_is_on_its_way() {
        let turn = |paused, coming| Turn { registered: true, paused, coming, held: false };
        let back = turn(true, Some(false));
        assert!(left_drawn(false, true, &back, false), "it is in the pool of transactions");
        assert!(left_drawn(false, true, &back, true), "it is in a block that comes");
        let away = turn(true, Some(true));
        assert!(left_drawn(false, true, &away, false), "the pause behind it may not be mined");
        assert!(!left_drawn(false, true, &away, true), "and it is");
        assert!(!left_drawn(false, false, &away, false), "it was out and stays so");
        assert!(!left_drawn(false, false, &turn(true, None), false));
        assert!(left_drawn(true, false, &turn(false, Some(true)), false));
        assert!(!left_drawn(true, false, &turn(false, Some(true)), true));
    }

    #[test]
    fn trouble_with_a_pause_ends_with_its_cause() {
        let drawn = Turn { registered: true, ..Turn::default() };
        assert!(matters(&drawn, Wish::Out));
        assert!(!matters(&drawn, Wish::In), "it is not wanted any more");
        assert!(!matters(&Turn { paused: true, ..drawn }, Wish::Out), "another paused it");
    }
}
