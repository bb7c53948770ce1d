//! Whether a chain's blocks carry randomness that nobody foresees. Several rollups give every block the same `prevrandao`, or
//! zero: there every seed is known long before its epoch.

use alloy::primitives::B256;
use eyre::Result;
use provery_rpc::Rpc;

use crate::error::{Code, fail};

/// Blocks in a row looked at.
const BLOCKS: u64 = 8;
/// How far back single blocks are looked at before those, by which randomness that several blocks share is told from what never changes.
const EARLIER: [u64; 3] = [128, 64, 32];

/// What a chain's newest blocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Changing,
    /// Several blocks in a row have the same and later ones another: whoever makes them knows it beforehand.
    Shared,
    /// It never changes, or one has none.
    Foreseeable,
    /// There is nothing to compare yet.
    NoEvidence,
}

/// `mixes` are those of blocks one after the other, genesis left out; `earlier` those of some before them.
pub(crate) fn judge(mixes: &[B256], earlier: &[B256]) -> Finding {
    let all = || earlier.iter().chain(mixes);
    if all().any(|mix| mix.is_zero()) {
        Finding::Foreseeable
    } else if mixes.windows(2).any(|pair| pair[0] == pair[1]) {
        let changes = all().any(|mix| Some(mix) != mixes.first());
        if changes { Finding::Shared } else { Finding::Foreseeable }
    } else if mixes.len() < 2 {
        Finding::NoEvidence
    } else {
        Finding::Changing
    }
}

/// Refuse a chain whose randomness is foreseen, unless only by those who make its blocks and they are trusted.
pub(crate) async fn require(rpc: &Rpc, trusted: bool) -> Result<()> {
    let chain = rpc.chain_id();
    match look(rpc).await? {
        Finding::Changing => Ok(()),
        Finding::NoEvidence if rpc.is_development() => Ok(()),
        Finding::Shared if trusted => Ok(()),
        Finding::Shared => Err(fail(
            Code::Foreseeable,
            format!(
                "blocks of chain {chain} share their randomness (their mixHash) with the next, as on the OP Stack, so whoever makes \
                 them knows beforehand whom every draw takes, and may choose; name a source of randomness with \
                 --randomness ADDRESS, or trust whoever makes the blocks with --trust-block-producer"
            ),
        )),
        Finding::Foreseeable | Finding::NoEvidence => Err(fail(
            Code::Foreseeable,
            format!(
                "the last blocks of chain {chain} do not show randomness that changes from block to block (their \
                 mixHash), so everybody would know whom every draw takes; name a source of randomness \
                 with --randomness ADDRESS"
            ),
        )),
    }
}

/// What the `prevrandao` of the newest blocks shows.
pub(crate) async fn look(rpc: &Rpc) -> Result<Finding> {
    let head = rpc.head().await?.number;
    let mut mixes = Vec::new();
    for number in head.saturating_sub(BLOCKS - 1).max(1)..=head {
        mixes.extend(rpc.mix_hash(number).await?);
    }
    let mut earlier = Vec::new();
    for number in EARLIER.iter().filter_map(|back| head.checked_sub(*back)).filter(|number| *number > 0) {
        earlier.extend(rpc.mix_hash(number).await?);
    }
    Ok(judge(&mixes, &earlier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_or_is_zero_is_foreseeable() {
        let mix = B256::repeat_byte;
        assert_eq!(judge(&[mix(1), mix(2), mix(3)], &[]), Finding::Changing);
        assert_eq!(judge(&[mix(1), mix(2), mix(1)], &[]), Finding::Changing, "not in a row");
        assert_eq!(judge(&[mix(2), mix(2), mix(2)], &[mix(2)]), Finding::Foreseeable);
        assert_eq!(judge(&[B256::ZERO], &[]), Finding::Foreseeable);
        assert_eq!(judge(&[mix(1), mix(2), mix(2)], &[B256::ZERO]), Finding::Foreseeable);
        assert_eq!(judge(&[mix(1)], &[]), Finding::NoEvidence);
        assert_eq!(judge(&[], &[]), Finding::NoEvidence);
    }

    #[test]
    fn what_several_blocks_share_is_told_from_what_never_changes() {
        let mix = B256::repeat_byte;
        assert_eq!(judge(&[mix(1), mix(2), mix(2)], &[]), Finding::Shared);
        assert_eq!(judge(&[mix(2), mix(2), mix(2)], &[mix(1), mix(2)]), Finding::Shared);
    }
}
