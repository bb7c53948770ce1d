//! An epoch's seed block: the first block at or after a time, and the headers that show a contract which one that is.
//!
//! The contract checks hashes against the chain's history of them (EIP-2935), so a header must be encoded exactly as its hash
//! was made: with every field of the fork it is of. Blocks are asked of one endpoint at a time, since only its own answers
//! belong together.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{B256, Bytes, U64, U256, keccak256},
    providers::Provider as _,
    rlp,
    rpc::types::Header as RpcHeader,
};
use provery_bindings::epoch_seeds;
use provery_types::is_development_chain;

use crate::{Call, Calls, Chain, ChainError, reads::read::read, view::View};

/// How many blocks back the chain's history goes.
const WINDOW: u64 = 8_191;

/// What there is to show for an epoch's seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedBlock {
    /// The first block at or after the seed's time.
    Ready {
        /// Its height.
        number: u64,
        /// The RLP of its header and of its parent's, one after the other.
        headers: Bytes,
    },
    /// No block is as late as that yet.
    NotYet,
    /// The history no longer reaches back to its seed block, or the chain began after that time: the epoch
    /// has no seed.
    OutOfReach {
        /// What shows that, in the next block: the RLP of the oldest header in reach and of its parent's, or of the
        /// chain's first alone.
        headers: Bytes,
    },
}

/// Looks for the first block at or after a time, from `low` to `high`, of which `high` is known to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Search {
    time: u64,
    low: u64,
    high: u64,
}

impl Search {
    /// The block to look at next; nothing once it is found.
    fn next(&self) -> Option<u64> {
        (self.low < self.high).then(|| self.low + (self.high - self.low) / 2)
    }

    /// The block that was to be looked at has this timestamp.
    fn saw(&mut self, timestamp: u64) {
        let middle = self.low + (self.high - self.low) / 2;
        if timestamp >= self.time {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
    }
}

/// A header and its encoding, which has its hash.
#[derive(Debug)]
struct Encoded {
    parent: B256,
    hash: B256,
    timestamp: u64,
    rlp: Bytes,
}

impl Encoded {
    /// Nothing if the header has fields that this program does not know.
    fn of(header: &RpcHeader) -> Option<Self> {
        Self::with(header, rlp::encode(&header.inner).into())
    }

    fn with(header: &RpcHeader, rlp: Bytes) -> Option<Self> {
        let (parent, timestamp) = (header.inner.parent_hash, header.inner.timestamp);
        (keccak256(&rlp) == header.hash).then_some(Self { parent, hash: header.hash, timestamp, rlp })
    }
}

impl View {
    /// What shows the first block at or after `time` (unix seconds).
    async fn seed_block(&self, time: u64) -> Result<SeedBlock, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let head = self.head().await?.block;
        if head.timestamp < time {
            return Ok(SeedBlock::NotYet);
        }
        // What brings it in is in the next block at the earliest.
        let oldest = (head.number + 1).saturating_sub(WINDOW);
        let mut search = Search { time, low: oldest, high: head.number };
        while let Some(number) = search.next() {
            let header = self.headers(&[number]).await?.pop().ok_or(ChainError::BlockNotFound(number))?;
            search.saw(header.block.timestamp);
        }
        let number = search.high;
        let block = self.encoded(number).await?;
        if number == 0 {
            return Ok(SeedBlock::OutOfReach { headers: block.rlp });
        }
        let parent = self.encoded(number - 1).await?;
        if parent.hash != block.parent {
            return Err(self.inconsistent(METHOD, "a block whose parent is another"));
        }
        let headers = Bytes::from([block.rlp, parent.rlp].concat());
        match (block.timestamp >= time, parent.timestamp < time) {
            (true, true) => Ok(SeedBlock::Ready { number, headers }),
            // Before the oldest that is served there may be one that is late enough.
            (true, false) if number == oldest => Ok(SeedBlock::OutOfReach { headers }),
            _ => Err(self.inconsistent(METHOD, "blocks whose timestamps fall, or a reorg")),
        }
    }

    async fn encoded(&self, number: u64) -> Result<Encoded, ChainError> {
        let header = self.full_header(number).await?;
        if let Some(encoded) = Encoded::of(&header) {
            return Ok(encoded);
        }
        // Of a fork that this program does not know. Not every node serves this method.
        let raw = self.raw_header(number).await?;
        Encoded::with(&header, raw)
            .ok_or_else(|| self.inconsistent("debug_getRawHeader", "a header that has not the block's hash"))
    }
}

/// Why there are no data to open a slot with that is drawn.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The seed's block is not mined yet.
    #[error(
        "epoch {epoch} has no seed yet: it follows from the first block at or after {time} (unix seconds); try again when there is one"
    )]
    NotYet {
        /// The epoch that it is for.
        epoch: u64,
        /// Unix seconds: the first block at or after it seeds the epoch.
        time: u64,
    },
}

impl Calls {
    /// Bring an epoch's seed in; `headers` as [`SeedBlock`] has them, or empty where a beacon seeds the epochs.
    pub fn bring_seed(&self, epoch: u64, headers: Bytes) -> Call {
        let call = epoch_seeds::bringSeedCall { epoch: U256::from(epoch), headers };
        Call::new("seed", self.seeds, &call)
    }
}

impl Chain {
    /// What a slot that is drawn is opened with in the next block: nothing if the seed of its epoch is there, or a beacon seeds the
    /// epochs; else what brings it in. A requester sends it along whenever it opens a slot, and asks again if the opening
    /// fails with `SeedMissing` or `NotSeedBlock`: the epoch may have changed in between. On [`SeedError::NotYet`] the seed's
    /// block is not mined yet; where nothing moves by itself, see `make_block` of `provery-txmgr`.
    pub async fn drawn_opening_data(&self) -> Result<Bytes, SeedError> {
        let length = self.registry_params().await?.epoch_length;
        let epoch = self.next_timestamp().await?.checked_div(length).unwrap_or_default();
        if read!(self, self.seeds_contract(), seedOf(U256::from(epoch)))?.known || self.has_beacon().await? {
            return Ok(Bytes::new());
        }
        match self.seed_block(epoch).await? {
            SeedBlock::Ready { headers, .. } | SeedBlock::OutOfReach { headers } => Ok(headers),
            SeedBlock::NotYet => Err(SeedError::NotYet { epoch, time: self.seed_time(epoch).await? }),
        }
    }

    /// The call that brings an epoch's seed in, once its block is there.
    pub async fn bring_seed(&self, epoch: u64) -> Result<Call, SeedError> {
        if self.has_beacon().await? {
            return Ok(self.calls().bring_seed(epoch, Bytes::new()));
        }
        match self.seed_block(epoch).await? {
            SeedBlock::Ready { headers, .. } | SeedBlock::OutOfReach { headers } => {
                Ok(self.calls().bring_seed(epoch, headers))
            }
            SeedBlock::NotYet => Err(SeedError::NotYet { epoch, time: self.seed_time(epoch).await? }),
        }
    }

    async fn has_beacon(&self) -> Result<bool, ChainError> {
        let beacon = read!(self, self.seeds_contract(), randomness())?;
        Ok(!beacon.is_zero())
    }

    /// What the next block's timestamp will be, as well as that can be said: on a development chain, where the newest block may be
    /// old, what the pending one has.
    async fn next_timestamp(&self) -> Result<u64, ChainError> {
        let head = self.rpc().head().await?.timestamp + 1;
        if !is_development_chain(self.rpc().chain_id()) {
            return Ok(head);
        }
        // A pending block has no hash yet, and may lack more: of all of it only this is read.
        #[derive(Debug, serde::Deserialize)]
        struct Pending {
            timestamp: U64,
        }
        let asked = (BlockNumberOrTag::Pending, false);
        let client = self.rpc().provider().client();
        let pending = client.request::<_, Option<Pending>>("eth_getBlockByNumber", asked).await;
        let pending = pending.map_err(|error| self.rpc().error("eth_getBlockByNumber", error))?;
        Ok(pending.map_or(head, |block| block.timestamp.to::<u64>().max(head)))
    }

    /// What shows the seed block of an epoch.
    pub async fn seed_block(&self, epoch: u64) -> Result<SeedBlock, ChainError> {
        let time = self.seed_time(epoch).await?;
        let mut failure = ChainError::BlockNotFound(0);
        for view in self.rpc().trusted() {
            match view.seed_block(time).await {
                Ok(found) => return Ok(found),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number found among blocks from `low` on, and how many were looked at.
    fn search(time: u64, low: u64, timestamps: &[u64]) -> (u64, usize) {
        let mut search = Search { time, low, high: low + timestamps.len() as u64 - 1 };
        let mut looks = 0;
        while let Some(number) = search.next() {
            search.saw(timestamps[usize::try_from(number - low).expect("small")]);
            looks += 1;
        }
        (search.high, looks)
    }

    #[test]
    fn the_first_block_that_is_late_enough_is_found() {
        let times: Vec<u64> = (0..8_192).map(|number| 1_000 + number * 12).collect();
        for (time, first) in [(0, 5), (1_000, 5), (1_001, 6), (1_012, 6), (50_000, 5 + 4_084)] {
            let (found, looks) = search(time, 5, &times);
            assert_eq!(found, first, "{time}");
            assert!(looks <= 13);
        }
        // Blocks of one second, of which the first counts; and a long gap.
        assert_eq!(search(7, 0, &[1, 7, 7, 7, 9]).0, 1);
        assert_eq!(search(8, 0, &[1, 7, 7, 7, 900]).0, 4);
        assert_eq!(search(1, 3, &[1]).0, 3);
    }

    /// A block of an anvil of Prague: all of that fork's fields are there.
    fn prague() -> RpcHeader {
        serde_json::from_value(crate::headers::tests::prague()).expect("a header")
    }

    #[test]
    fn a_header_is_encoded_as_its_hash_was_made() {
        let header = prague();
        let encoded = Encoded::of(&header).expect("every field is known");
        assert_eq!((encoded.hash, encoded.parent), (header.hash, header.inner.parent_hash));
        assert_eq!(keccak256(&encoded.rlp), header.hash);
        // A field of a fork to come is not passed over.
        let mut missing = header.clone();
        missing.inner.requests_hash = None;
        assert!(Encoded::of(&missing).is_none());
        assert!(Encoded::with(&missing, encoded.rlp).is_some(), "as the node has it");
    }
}
