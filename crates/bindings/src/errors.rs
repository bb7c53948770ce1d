//! Revert data → the contracts' named errors.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use alloy::{
    dyn_abi::{DynSolValue, ErrorExt},
    json_abi::Error,
    primitives::Selector,
    sol_types::{Panic, Revert, SolError},
};

use crate::{
    BlockVerifier, CircuitRegistry, DelegationPool, DelegationPoolPolicies, DelegationPools,
    DevelopmentToken, ProofMarket, ProverRegistry, SlotTransfers, TransferRollup, mechanism_errors,
};

/// A revert, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedError {
    /// The error's name in the ABI, such as `SlotHasExpired`.
    pub name: String,
    /// Its arguments: name and value.
    pub args: Vec<(String, String)>,
}

impl DecodedError {
    /// `a = 1, b = 2`; empty when the error has no arguments.
    pub fn detail(&self) -> String {
        self.args.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for DecodedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.detail())
    }
}

static ERRORS: LazyLock<BTreeMap<Selector, Error>> = LazyLock::new(|| {
    [
        ProofMarket::abi::errors(),
        ProverRegistry::abi::errors(),
        SlotTransfers::abi::errors(),
        DelegationPoolPolicies::abi::errors(),
        DelegationPool::abi::errors(),
        DelegationPools::abi::errors(),
        CircuitRegistry::abi::errors(),
        TransferRollup::abi::errors(),
        BlockVerifier::abi::errors(),
        DevelopmentToken::abi::errors(),
    ]
    .into_iter()
    .chain(mechanism_errors().into_iter().map(|(_, errors)| errors))
    .flat_map(BTreeMap::into_values)
    .flatten()
    .map(|error| (error.selector(), error))
    .collect()
});

/// The error that `data` encodes, if it is one of the contracts', a `require` message or a panic.
pub fn decode_revert(data: &[u8]) -> Option<DecodedError> {
    let selector = Selector::try_from(data.get(..4)?).ok()?;
    if selector == Selector::from(Revert::SELECTOR) {
        let reason = Revert::abi_decode(data).ok()?.reason;
        return Some(DecodedError { name: "Error".to_string(), args: vec![("reason".to_string(), reason)] });
    }
    if selector == Selector::from(Panic::SELECTOR) {
        let panic = Panic::abi_decode(data).ok()?;
        return Some(DecodedError {
            name: "Panic".to_string(),
            args: vec![("code".to_string(), panic.code.to_string())],
        });
    }
    let error = ERRORS.get(&selector)?;
    let decoded = error.decode_error(data).ok()?;
    let args = error
        .inputs
        .iter()
        .zip(&decoded.body)
        .map(|(param, value)| (param.name.clone(), show(value)))
        .collect();
    Some(DecodedError { name: error.name.clone(), args })
}

/// Numbers in decimal, addresses with checksum, words that spell a short name as that name.
fn show(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(number, _) => number.to_string(),
        DynSolValue::Int(number, _) => number.to_string(),
        DynSolValue::Bool(flag) => flag.to_string(),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::String(text) => text.clone(),
        DynSolValue::FixedBytes(word, _) => short_name(word.as_slice()).unwrap_or_else(|| word.to_string()),
        other => format!("{other:?}"),
    }
}

fn short_name(word: &[u8]) -> Option<String> {
    let end = word.iter().rposition(|&byte| byte != 0)? + 1;
    let text = word.get(..end)?;
    text.iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        .then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, U256};

    use super::*;

    #[test]
    fn a_named_error_keeps_its_arguments() {
        let error = ProofMarket::NotAssignedProver {
            prover: Address::repeat_byte(1),
            exclusiveUntil: U256::from(99),
        };
        let decoded = decode_revert(&error.abi_encode()).expect("one of ours");
        assert_eq!(decoded.name, "NotAssignedProver");
        assert_eq!(decoded.args[1], ("exclusiveUntil".to_string(), "99".to_string()));
    }

    #[test]
    fn a_rule_is_shown_as_text() {
        let mut rule = B256::ZERO;
        rule[..9].copy_from_slice(b"floor bps");
        let decoded = decode_revert(&ProofMarket::TermsRejected { rule }.abi_encode()).expect("one of ours");
        assert_eq!(decoded.to_string(), "TermsRejected(rule = floor bps)");
    }

    #[test]
    fn messages_and_panics_are_named() {
        let decoded = decode_revert(&Revert::from("no".to_string()).abi_encode()).expect("a message");
        assert_eq!(decoded.to_string(), "Error(reason = no)");
        let panic = Panic { code: U256::from(0x11) };
        assert_eq!(decode_revert(&panic.abi_encode()).expect("a panic").name, "Panic");
    }

    #[test]
    fn foreign_and_cut_data_are_not_named() {
        assert_eq!(decode_revert(&[]), None);
        assert_eq!(decode_revert(&[1, 2, 3]), None);
        assert_eq!(decode_revert(&[0xde, 0xad, 0xbe, 0xef]), None);
        let cut = &ProofMarket::SlotNotExpired { expiresAt: U256::from(1) }.abi_encode()[..20];
        assert_eq!(decode_revert(cut), None);
    }
}
