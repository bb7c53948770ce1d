//! Whether a chain's blocks carry randomness that nobody foresees. Several rollups give every block the same `prevrandao`, or
//! zero: there every seed of a lottery is known long before its epoch.

use alloy::primitives::B256;
use eyre::Result;
use provery_chain::Rpc;

use crate::error::{Code, fail};

/// Blocks looked at.
const BLOCKS: u64 = 8;

/// What a chain's newest blocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    Changing,
    /// Two blocks in a row have the same, or one has none.
    Foreseeable,
    /// There is nothing to compare yet.
    NoEvidence,
}

/// `mixes` are those of blocks one after the other, genesis left out.
pub fn judge(mixes: &[B256]) -> Finding {
    if mixes.iter().any(|mix| mix.is_zero()) || mixes.windows(2).any(|pair| pair[0] == pair[1]) {
        Finding::Foreseeable
    } else if mixes.len() < 2 {
        Finding::NoEvidence
    } else {
        Finding::Changing
    }
}

/// Refuse a chain whose randomness is foreseen.
pub async fn require(rpc: &Rpc) -> Result<()> {
    let mixes = newest(rpc).await?;
    match judge(&mixes) {
        Finding::Changing => Ok(()),
        Finding::NoEvidence if rpc.is_development() => Ok(()),
        Finding::Foreseeable | Finding::NoEvidence => Err(fail(
            Code::Foreseeable,
            format!(
                "the last {} blocks of chain {} do not show randomness that changes from block to block (their \
                 mixHash), so everybody would know whom the lottery and mining draw; name a source of randomness \
                 with --randomness ADDRESS",
                mixes.len(),
                rpc.chain_id()
            ),
        )),
    }
}

/// The `prevrandao` of the newest blocks, oldest first.
pub async fn newest(rpc: &Rpc) -> Result<Vec<B256>> {
    let head = rpc.head().await?.number;
    let mut mixes = Vec::new();
    for number in head.saturating_sub(BLOCKS - 1).max(1)..=head {
        mixes.extend(rpc.mix_hash(number).await?);
    }
    Ok(mixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_or_is_zero_is_foreseeable() {
        let mix = B256::repeat_byte;
        assert_eq!(judge(&[mix(1), mix(2), mix(3)]), Finding::Changing);
        assert_eq!(judge(&[mix(1), mix(2), mix(1)]), Finding::Changing, "not in a row");
        assert_eq!(judge(&[mix(1), mix(2), mix(2)]), Finding::Foreseeable);
        assert_eq!(judge(&[B256::ZERO]), Finding::Foreseeable);
        assert_eq!(judge(&[mix(1)]), Finding::NoEvidence);
        assert_eq!(judge(&[]), Finding::NoEvidence);
    }
}
