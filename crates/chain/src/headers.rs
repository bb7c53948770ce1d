//! Block headers, and whether they hang together.

use alloy::primitives::{B256, Bloom, U64};
use provery_types::BlockRef;
use serde::{Deserialize, Deserializer, de::Error as _};

/// No height and no time is above this for ages to come, and sums of a few do not overflow.
const HIGHEST: u64 = 1 << 53;

/// A block's place and what it says of its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) block: BlockRef,
    /// All ones where the endpoint does not say it: any contract may have logs.
    pub(crate) bloom: Bloom,
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

impl From<RawHeader> for Header {
    fn from(raw: RawHeader) -> Self {
        let block = BlockRef {
            number: raw.number,
            hash: raw.hash,
            parent_hash: raw.parent_hash,
            timestamp: raw.timestamp,
        };
        Self { block, bloom: raw.logs_bloom.unwrap_or(Bloom::repeat_byte(0xff)) }
    }
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
                Header { block, bloom: Bloom::ZERO }
            })
            .collect()
    }

    #[test]
    fn a_block_that_says_nothing_of_its_logs_may_have_any() {
        let block = |more: &str| {
            let zero = B256::ZERO;
            let text = format!(
                r#"{{"number":"0x2","timestamp":"0x1","hash":"{zero}","parentHash":"{zero}"{more}}}"#
            );
            serde_json::from_str::<RawHeader>(&text).map(|raw| Header::from(raw).bloom)
        };
        for more in ["", r#","logsBloom":null"#, r#","logsBloom":null,"mixHash":null,"new":1"#] {
            assert_eq!(block(more).ok(), Some(Bloom::repeat_byte(0xff)), "{more}");
        }
        let said = format!(r#","logsBloom":"{}""#, Bloom::ZERO);
        assert_eq!(block(&said).ok(), Some(Bloom::ZERO));
        assert!(block(r#","logsBloom":"0x00""#).is_err(), "no bloom is that short");
    }

    #[test]
    fn heights_and_times_beyond_all_reason_are_refused() {
        let zero = B256::ZERO;
        for (number, timestamp) in [("0xffffffffffffffff", "0x1"), ("0x1", "0xffffffffffffffff")] {
            let text = format!(
                r#"{{"number":"{number}","timestamp":"{timestamp}","hash":"{zero}","parentHash":"{zero}"}}"#
            );
            assert!(serde_json::from_str::<RawHeader>(&text).is_err(), "{text}");
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
