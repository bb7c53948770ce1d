//! Block headers: whether they are what their hashes say, and whether they hang together.

use alloy::{
    primitives::{B256, Bloom, U64},
    rpc::types::Header as RpcHeader,
};
use provery_types::BlockRef;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

/// Looks in a row at headers that are not what their hashes say, on a chain whose headers were, until they are believed all
/// the same: the chain may have forked to headers with fields that this program does not know.
const FORKED: u32 = 6;

/// No height and no time is above this for ages to come, and sums of a few do not overflow.
const HIGHEST: u64 = 1 << 53;

/// A block's place and what it says of its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) block: BlockRef,
    /// All ones where the endpoint does not say it: any contract may have logs.
    pub(crate) bloom: Bloom,
    /// Of its receipts, where its fields give its hash.
    pub(crate) receipts_root: Option<B256>,
    /// Its fields give its hash, so none of them is made up.
    pub(crate) is_sealed: bool,
}

/// What is needed of a block's JSON, whatever else a chain puts there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawHeader {
    #[serde(deserialize_with = "sane")]
    number: u64,
    hash: B256,
    parent_hash: B256,
    #[serde(deserialize_with = "sane")]
    timestamp: u64,
    /// Some endpoints leave it out.
    #[serde(default)]
    logs_bloom: Option<Bloom>,
}

fn sane<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = U64::deserialize(deserializer)?.to::<u64>();
    if number > HIGHEST { Err(D::Error::custom(format!("{number} is beyond any block"))) } else { Ok(number) }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let fields: RawHeader = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let sealed = serde_json::from_str::<RpcHeader>(text.get())
            .ok()
            .filter(|header| header.hash == fields.hash && header.inner.hash_slow() == fields.hash);
        let receipts_root = sealed.as_ref().map(|header| header.inner.receipts_root);
        let block = BlockRef {
            number: fields.number,
            hash: fields.hash,
            parent_hash: fields.parent_hash,
            timestamp: fields.timestamp,
        };
        let bloom = fields.logs_bloom.unwrap_or(Bloom::repeat_byte(0xff));
        Ok(Self { block, bloom, receipts_root, is_sealed: sealed.is_some() })
    }
}

/// Whether one endpoint's headers are what their hashes say. Some chains hash what they do not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seal {
    /// One was.
    kept: bool,
    /// How many in a row were not, since the last that was.
    broken: u32,
}

impl Seal {
    /// Its last header was what its hash says.
    fn holds(self) -> bool {
        self.kept && self.broken == 0
    }
}

/// An endpoint told of a header that is, or is not, what its hash says: whether it may be believed. One that is not is, where no
/// endpoint ever told of one that is; or if this endpoint tells of such alone, and none of the others (`counts` says which
/// of them have a say) does better. That ends with the next header that is.
pub(crate) fn believes(
    seals: &mut [Seal],
    at: usize,
    is_sealed: bool,
    counts: impl Fn(usize) -> bool,
) -> bool {
    let Some(seal) = seals.get_mut(at) else { return false };
    if is_sealed {
        *seal = Seal { kept: true, broken: 0 };
        return true;
    }
    seal.broken = seal.broken.saturating_add(1);
    let forked = seal.broken >= FORKED;
    let does_better = |(other, seal): (usize, &Seal)| other != at && seal.holds() && counts(other);
    let never = !seals.iter().any(|seal| seal.kept);
    never || forked && !seals.iter().enumerate().any(does_better)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Each block's parent is the one before it.
    Linked,
    /// They hang together, but not from `tip`.
    Elsewhere,
    /// They are not of one chain, or not of the heights that were asked for.
    Torn,
}

/// How headers, which should begin at the height `first`, hang from the block `tip`.
pub(crate) fn link(tip: Option<&BlockRef>, first: u64, headers: &[Header]) -> Link {
    let heights = headers.iter().zip(first..).all(|(header, height)| header.block.number == height);
    let joined = headers.windows(2).all(|pair| pair[1].block.parent_hash == pair[0].block.hash);
    if !heights || !joined {
        return Link::Torn;
    }
    match (tip, headers.first()) {
        (Some(tip), Some(first)) if first.block.parent_hash != tip.hash => Link::Elsewhere,
        _ => Link::Linked,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A chain of blocks whose hashes are told apart by `branch`, from `from` to `to`, on the parent given.
    pub(crate) fn chain(branch: u8, from: u64, to: u64, parent: B256) -> Vec<Header> {
        let mut parent_hash = parent;
        (from..=to)
            .map(|number| {
                let mut hash = B256::with_last_byte(branch);
                hash[..8].copy_from_slice(&number.to_be_bytes());
                let block = BlockRef { number, hash, parent_hash, timestamp: number };
                parent_hash = hash;
                Header { block, bloom: Bloom::ZERO, receipts_root: None, is_sealed: true }
            })
            .collect()
    }

    /// A block of an anvil of Prague.
    pub(crate) fn prague() -> serde_json::Value {
        let (bloom, zero) = (Bloom::ZERO, B256::ZERO);
        serde_json::json!({
            "hash": "0x5a352861a6e70f19bce0491da093a40ff9259822b09b36ecfaf164b61332719b",
            "parentHash": "0x6fcc2c3d7cf4d659e2a4c109e1fcdfd4712f673a478ca1b11ae7cc9386ef6754",
            "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
            "miner": "0x0000000000000000000000000000000000000000",
            "stateRoot": "0x78e159fd0aa31b75d09e969bd968794e1efb14295478a3bf27297fcf7b5327d7",
            "transactionsRoot": "0x1c00dac2ab8ce8dea52b32cc69df37b264d20f7667e7932e2cb074b2861cea60",
            "receiptsRoot": "0xf78dfb743fbd92ade140711c8bbc542b5e307f0ab7984eff35d751969fe57efa",
            "logsBloom": bloom, "difficulty": "0x0", "number": "0x1", "gasLimit": "0x1c9c380", "gasUsed": "0x5208",
            "timestamp": "0x6b09a5ed", "extraData": "0x", "nonce": "0x0000000000000000",
            "mixHash": "0x599f57156ddcd4e624ec396a2cd36c05898a4d7fc02ab806f2b4e53f68a2cee8",
            "baseFeePerGas": "0x3b9aca00", "blobGasUsed": "0x0", "excessBlobGas": "0x0", "parentBeaconBlockRoot": zero,
            "withdrawalsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
            "requestsHash": "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        })
    }

    fn read(json: &serde_json::Value) -> Header {
        serde_json::from_str(&json.to_string()).expect("a header")
    }

    #[test]
    fn a_header_whose_time_was_changed_is_not_what_its_hash_says() {
        let mut json = prague();
        let honest = read(&json);
        assert!(honest.is_sealed);
        json["timestamp"] = "0x7b09a5ed".into();
        let forged = read(&json);
        assert_eq!((forged.is_sealed, forged.block.hash), (false, honest.block.hash));
        let mut seals = [Seal::default()];
        let mut believes = |header: Header| believes(&mut seals, 0, header.is_sealed, |_| true);
        assert!(believes(forged), "nothing is known of this chain yet");
        assert!(believes(honest) && !believes(forged));
        assert!(believes(honest) && !believes(forged));
    }

    #[test]
    fn headers_of_a_fork_to_come_are_believed_in_the_end() {
        let mut seals = [Seal::default(); 2];
        let all = |_| true;
        assert!(believes(&mut seals, 0, true, all) && believes(&mut seals, 1, true, all));
        // Both tell of such alone.
        let looks = (1..100).find(|_| {
            let one = believes(&mut seals, 0, false, all);
            believes(&mut seals, 1, false, all) && one
        });
        assert_eq!(looks, Some(FORKED));
        assert!(believes(&mut seals, 0, false, all), "and stay so");
    }

    #[test]
    fn forged_headers_switch_nothing_off_for_good_nor_for_other_endpoints() {
        let mut seals = [Seal::default(); 2];
        let all = |_| true;
        assert!(believes(&mut seals, 0, true, all));
        assert!(!(0..100).any(|_| believes(&mut seals, 1, false, all)), "the other does better");
        assert!(!believes(&mut seals, 0, false, all), "nor is that one let off by what the other told");
        // It alone is asked, the other is away: it is believed in the end, and held to it again once it can be.
        let mut alone = [Seal::default(); 2];
        assert!(believes(&mut alone, 0, true, |_| false) && believes(&mut alone, 1, true, |_| false));
        assert_eq!((1..100).find(|_| believes(&mut alone, 1, false, |_| false)), Some(FORKED));
        assert!(believes(&mut alone, 1, true, |_| false) && !believes(&mut alone, 1, false, |_| false));
    }

    #[test]
    fn a_block_without_a_bloom_says_nothing_of_its_logs() {
        for nothing in [Some(serde_json::Value::Null), None] {
            let mut json = prague();
            match nothing {
                Some(null) => json["logsBloom"] = null,
                None => drop(json.as_object_mut().expect("an object").remove("logsBloom")),
            }
            let header = read(&json);
            assert_eq!((header.bloom, header.is_sealed), (Bloom::repeat_byte(0xff), false));
        }
    }

    #[test]
    fn heights_and_times_beyond_all_reason_are_refused() {
        let zero = B256::ZERO;
        for (number, timestamp) in [("0xffffffffffffffff", "0x1"), ("0x1", "0xffffffffffffffff")] {
            let text = format!(
                r#"{{"number":"{number}","timestamp":"{timestamp}","hash":"{zero}","parentHash":"{zero}"}}"#
            );
            assert!(serde_json::from_str::<Header>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_hang_from_the_tip_or_not() {
        let blocks = chain(1, 10, 20, B256::ZERO);
        let tip = blocks[3].block;
        assert_eq!(link(Some(&tip), 14, &blocks[4..]), Link::Linked);
        assert_eq!(link(None, 14, &blocks[4..]), Link::Linked);
        assert_eq!(link(Some(&tip), 14, &[]), Link::Linked);
        let other = chain(2, 14, 20, B256::ZERO);
        assert_eq!(link(Some(&tip), 14, &other), Link::Elsewhere);
        assert_eq!(link(Some(&tip), 15, &blocks[4..]), Link::Torn, "not the heights that were asked for");
    }

    #[test]
    fn answers_of_two_chains_are_torn() {
        let mut blocks = chain(1, 10, 20, B256::ZERO);
        blocks.splice(5.., chain(2, 15, 20, B256::repeat_byte(9)));
        assert_eq!(link(None, 10, &blocks), Link::Torn);
        let mut gap = chain(1, 10, 20, B256::ZERO);
        gap.remove(4);
        assert_eq!(link(None, 10, &gap), Link::Torn);
    }
}
