//! `Terms` across the ABI boundary of the rollup.

use crate::{Terms, TransferRollup};

/// Field by field, so that a change of the struct stops the build.
macro_rules! same {
    ($($field:ident),+ $(,)?) => {
        impl From<Terms> for TransferRollup::Terms {
            fn from(terms: Terms) -> Self {
                let Terms { $($field),+ } = terms;
                Self { $($field),+ }
            }
        }
    };
}

same!(
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
);
