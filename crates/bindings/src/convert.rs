//! `Slot` and `Terms` across the ABI boundaries of contracts that repeat them.

use crate::{ReverseDutchAuction, SealedBidAuction, Slot, Terms, TransferRollup};

/// Field by field, so that a change of a struct stops the build.
macro_rules! same_struct {
    ($from:ident => $to:path { $($field:ident),+ $(,)? }) => {
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                let $from { $($field),+ } = value;
                Self { $($field),+ }
            }
        }
    };
}

macro_rules! same_terms {
    ($to:path) => {
        same_struct!(Terms => $to {
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
        });
    };
}

macro_rules! same_slot {
    ($to:path) => {
        same_struct!(Slot => $to {
            market,
            id,
            statement,
            prover,
            price,
            openedAt,
            startedAt,
            exclusiveUntil,
            capacity,
        });
    };
}

same_terms!(TransferRollup::Terms);
same_terms!(ReverseDutchAuction::Terms);
same_terms!(SealedBidAuction::Terms);
same_slot!(ReverseDutchAuction::Slot);
same_slot!(SealedBidAuction::Slot);
