//! `Slot` and `Terms` across the ABI boundary of the other contracts that take them.

use crate::{Slot, SlotTransfers, Terms, TransferRollup};

/// Field by field, so that a change of the struct stops the build.
macro_rules! same {
    ($from:ident => $to:ty; $($field:ident),+ $(,)?) => {
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                let $from { $($field),+ } = value;
                Self { $($field),+ }
            }
        }
    };
}

macro_rules! same_terms {
    ($to:ty) => {
        same!(
            Terms => $to;
            requester,
            mechanism,
            mechanismParams,
            circuit,
            verifier,
            price,
            bond,
            fastWindow,
            exclusiveWindow,
            expiryWindow,
            floorBps,
            rescuerBps,
            requesterBps,
            forfeitBps,
            outputs,
            callbackGas,
            version,
            leastRescue,
            chain,
            circuitTerms,
        );
    };
}

same_terms!(TransferRollup::Terms);
same_terms!(SlotTransfers::Terms);
same!(
    Slot => SlotTransfers::Slot;
    market,
    id,
    statement,
    prover,
    price,
    openedAt,
    startedAt,
    exclusiveUntil,
    capacity,
    link,
);
