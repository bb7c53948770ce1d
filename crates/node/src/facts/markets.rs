//! Which market an event is about, as far as it says.

use alloy::primitives::{Address, U256};
use provery_types::Event;

/// The market of an event about slots and their terms.
pub(crate) fn slots_market(event: &Event) -> Option<&U256> {
    match event {
        Event::TermsSet { market, .. }
        | Event::SlotProven { market, .. }
        | Event::SlotExpired { market, .. }
        | Event::SlotCancelled { market, .. }
        | Event::SlotDropped { market, .. }
        | Event::SlotPending { market, .. }
        | Event::SlotResolved { market, .. }
        | Event::SlotEstablished { market, .. }
        | Event::ChainCut { market, .. }
        | Event::TransferOffered { market, .. }
        | Event::MechanismLog { market, .. } => Some(market),
        Event::SlotOpened { slot, .. }
        | Event::SlotAssigned { slot }
        | Event::SlotTransferred { slot, .. } => Some(&slot.market),
        _ => None,
    }
}

/// The market of an event about slots, terms or stake.
pub(crate) fn any_market(event: &Event) -> Option<&U256> {
    slots_market(event).or(match event {
        Event::AllocationSet { market, .. }
        | Event::WeightSet { market, .. }
        | Event::ProverSuspended { market, .. }
        | Event::ProverReinstated { market, .. } => Some(market),
        _ => None,
    })
}

/// Whether an event is about a market all the same: only what was said before tells about which.
pub(crate) fn names_none(event: &Event) -> bool {
    matches!(event, Event::ProverPaused { .. } | Event::ProverResumed { .. } | Event::TransferRevoked { .. })
}

/// Whether a prover is paused or resumed.
pub(crate) fn is_turn_of(event: &Event, prover: Address) -> bool {
    matches!(event, Event::ProverPaused { prover: it } | Event::ProverResumed { prover: it } if *it == prover)
}
