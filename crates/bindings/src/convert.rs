//! `Terms` across the ABI boundary of the rollup.

use crate::{Terms, TransferRollup};

impl From<Terms> for TransferRollup::Terms {
    fn from(terms: Terms) -> Self {
        let Terms {
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
        } = terms;
        Self {
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
        }
    }
}
