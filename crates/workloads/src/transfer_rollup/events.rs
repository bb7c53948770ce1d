//! What a rollup's contract says. Anybody may have written it.

use alloy::{
    primitives::{B256, Bytes, LogData, U256},
    sol_types::{SolEvent as _, SolEventInterface as _},
};
use provery_bindings::TransferRollup::{BlockPosted, GenesisSet, TransferRollupEvents};
use provery_types::{Event, LoggedEvent, text};

/// Of why a log does not decode.
const REASON_BYTES: usize = 200;

/// The first topics of the logs that are read.
pub const TOPICS: [B256; 2] = [GenesisSet::SIGNATURE_HASH, BlockPosted::SIGNATURE_HASH];

/// A log, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The state that the rollup starts with.
    Genesis {
        /// Root of that state.
        root: U256,
        /// The accounts in it, encoded as `provery-circuits` documents it.
        accounts: Bytes,
    },
    /// A block was posted.
    Posted {
        /// The block's number, which is its slot's id.
        number: u64,
        /// The number of the block it builds on; 0 is genesis.
        parent: u64,
        /// Root of the state that it starts from.
        old_root: U256,
        /// Root of the state after it, as whoever posted it claims.
        new_root: U256,
        /// The block's bytes: its transactions.
        data: Bytes,
    },
}

impl Said {
    /// Nothing if it is none of the rollup's; an error says why it cannot be read.
    pub fn decode(log: &LogData) -> Result<Option<Self>, String> {
        if !log.topics().first().is_some_and(|topic| TOPICS.contains(topic)) {
            return Ok(None);
        }
        let decoded = TransferRollupEvents::decode_raw_log(log.topics(), &log.data)
            .map_err(|error| text::shown(&format!("a log of it does not decode: {error}"), REASON_BYTES))?;
        Ok(Some(match decoded {
            TransferRollupEvents::GenesisSet(it) => Self::Genesis { root: it.root, accounts: it.accounts },
            TransferRollupEvents::BlockPosted(it) => Self::Posted {
                number: it.number,
                parent: it.parent,
                old_root: it.oldRoot,
                new_root: it.newRoot,
                data: it.data,
            },
        }))
    }

    /// What the rollup's contract says in an event, if this is one of a workload's and makes sense.
    pub fn of(logged: &LoggedEvent) -> Option<Self> {
        match &logged.event {
            Event::WorkloadLog { log } => Self::decode(log).ok().flatten(),
            _ => None,
        }
    }

    /// The log of it.
    pub fn encode(self) -> LogData {
        match self {
            Self::Genesis { root, accounts } => GenesisSet { root, accounts }.encode_log_data(),
            Self::Posted { number, parent, old_root, new_root, data } => {
                BlockPosted { number, parent, oldRoot: old_root, newRoot: new_root, data }.encode_log_data()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_as_it_was_and_what_is_cut_short_is_an_error() {
        let (old_root, new_root) = (U256::from(3), U256::from(4));
        let said = [
            Said::Genesis { root: U256::ONE, accounts: vec![1].into() },
            Said::Posted { number: 1, parent: 0, old_root, new_root, data: vec![2].into() },
        ];
        for said in said {
            let mut log = said.clone().encode();
            assert_eq!(Said::decode(&log), Ok(Some(said)));
            log.data = vec![7].into();
            assert!(Said::decode(&log).is_err_and(|reason| reason.len() <= REASON_BYTES + 3));
        }
        let other = LogData::new_unchecked(vec![B256::repeat_byte(1)], Bytes::new());
        assert_eq!(Said::decode(&other), Ok(None));
    }
}
