//! Who is right when endpoints contradict each other.

use std::collections::BTreeMap;

use alloy::primitives::B256;

/// What endpoints said of one block, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The hash to believe; None if nobody can say.
    pub(crate) agreed: Option<B256>,
    /// Those who said something else.
    pub(crate) against: Vec<usize>,
    /// Those who said it.
    pub(crate) with: Vec<usize>,
}

/// Judge what each endpoint said of the same height, of which `known` is what we have stored. Of three or more the
/// majority is believed. Otherwise those who differ are measured by what we know, and nobody is right if that is nothing.
pub(crate) fn judge(votes: &[(usize, B256)], known: Option<B256>) -> Verdict {
    let mut counts: BTreeMap<B256, usize> = BTreeMap::new();
    for (_, hash) in votes {
        *counts.entry(*hash).or_default() += 1;
    }
    let majority = counts.iter().find(|(_, count)| **count * 2 > votes.len()).map(|(hash, _)| *hash);
    let Some(agreed) = majority.or_else(|| known.filter(|known| counts.contains_key(known))) else {
        return Verdict::default();
    };
    let of = |with: bool| {
        votes.iter().filter(|(_, hash)| (*hash == agreed) == with).map(|(at, _)| *at).collect::<Vec<_>>()
    };
    Verdict { agreed: Some(agreed), against: of(false), with: of(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: B256 = B256::repeat_byte(1);
    const B: B256 = B256::repeat_byte(2);

    #[test]
    fn the_majority_of_three_wins_even_against_what_is_known() {
        let verdict = judge(&[(0, A), (1, B), (2, B)], Some(A));
        assert_eq!(verdict, Verdict { agreed: Some(B), against: vec![0], with: vec![1, 2] });
    }

    #[test]
    fn of_two_the_one_that_agrees_with_what_is_known_wins() {
        let verdict = judge(&[(0, A), (1, B)], Some(B));
        assert_eq!(verdict, Verdict { agreed: Some(B), against: vec![0], with: vec![1] });
        assert_eq!(judge(&[(0, A), (1, B)], None), Verdict::default());
        assert_eq!(judge(&[(0, A), (1, B)], Some(B256::ZERO)), Verdict::default());
    }

    #[test]
    fn those_who_agree_are_believed_though_we_knew_otherwise() {
        let verdict = judge(&[(0, A), (2, A)], Some(B));
        assert_eq!(verdict, Verdict { agreed: Some(A), against: vec![], with: vec![0, 2] });
        assert_eq!(judge(&[], Some(B)), Verdict::default());
    }

    #[test]
    fn a_tie_of_four_is_settled_by_what_is_known() {
        assert_eq!(judge(&[(0, A), (1, A), (2, B), (3, B)], Some(A)).against, [2, 3]);
    }
}
