//! Whether a chain keeps the hashes of its past blocks where contracts can ask for them (EIP-2935), which seeds are shown by.

use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256, address},
    providers::Provider,
    rpc::types::TransactionRequest,
    transports::RpcError,
};
use eyre::Result;
use provery_rpc::{Rpc, reason};

use super::unanswered::unanswered;

/// Where EIP-2935 keeps them.
const HISTORY: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");
/// Blocks back that are asked for: endpoints may lag, and the newest blocks may be replaced.
const BACK: u64 = 8;
/// A chain with fewer blocks has no past that every node can be asked for.
const YOUNG: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    Kept,
    Missing,
    /// What a chain that has just begun answers tells nothing.
    Unknown,
}

/// Given the newest block's number, whether there is a contract at all, what it answered, and the block's own hash.
fn judge(head: u64, code: bool, told: Option<&[u8]>, hash: B256) -> Past {
    if !code {
        Past::Missing
    } else if told == Some(hash.as_slice()) && !hash.is_zero() {
        Past::Kept
    } else if head < YOUNG {
        Past::Unknown
    } else {
        Past::Missing
    }
}

/// Ask the chain for the hash of a block that it has.
pub(crate) async fn kept(rpc: &Rpc) -> Result<Past> {
    let head = rpc.head().await?.number;
    if rpc.code_hash(HISTORY).await?.is_none() {
        return Ok(judge(head, false, None, B256::ZERO));
    }
    let past = head.saturating_sub(BACK);
    let hash = rpc.block(past).await?.map(|block| block.hash).unwrap_or_default();
    let number = Bytes::from(U256::from(past).to_be_bytes_vec());
    let request = TransactionRequest::default().with_to(HISTORY).with_input(number);
    // Of the first block the next one knows.
    let at = if head == 0 { BlockId::pending() } else { BlockId::latest() };
    let told = match rpc.provider().call(request).block(at).await {
        Ok(told) => Some(told),
        Err(RpcError::ErrorResp(_)) => None,
        Err(error) => return Err(unanswered(rpc, "eth_call", &reason(&error))),
    };
    Ok(judge(head, true, told.as_ref().map(AsRef::as_ref), hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hash_itself_shows_that_hashes_are_kept() {
        let hash = B256::repeat_byte(7);
        let other = B256::repeat_byte(8);
        assert_eq!(judge(100, true, Some(hash.as_slice()), hash), Past::Kept);
        assert_eq!(judge(0, true, Some(hash.as_slice()), hash), Past::Kept, "told by the next block");
        for told in [None, Some(&[][..]), Some(other.as_slice()), Some(B256::ZERO.as_slice())] {
            assert_eq!(judge(100, true, told, hash), Past::Missing, "{told:?}");
            assert_eq!(judge(1, true, told, hash), Past::Unknown, "{told:?}");
            assert_eq!(judge(1, false, told, hash), Past::Missing, "there is no contract");
        }
        assert_eq!(judge(100, true, Some(B256::ZERO.as_slice()), B256::ZERO), Past::Missing);
    }
}
