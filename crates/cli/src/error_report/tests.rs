//! What becomes of errors.

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};
use provery_bindings::decode_revert;

use super::{reverts::of_newer_revert, *};
use crate::error::fail;

fn code(error: impl std::error::Error + Send + Sync + 'static) -> Code {
    explain(&Report::new(error)).code
}

#[test]
fn codes_are_distinct_and_plain() {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}

#[test]
fn a_failure_keeps_its_code_under_context() {
    let report = fail(Code::NoKey, "no key").wrap_err("doing something");
    assert_eq!(explain(&report), Failure::new(Code::NoKey, "no key"));
}

#[test]
fn errors_of_the_chain_have_codes() {
    let wrong = ChainError::WrongChain { url: "http://x".into(), deployment: 1, rpc: 2 };
    assert_eq!(code(wrong), Code::WrongChain);
    assert_eq!(code(ChainError::Unreachable { url: "u".into(), reason: "r".into() }), Code::RpcUnavailable);
    assert_eq!(code(ChainError::MarketNotFound(U256::from(9))), Code::MarketNotFound);
    assert_eq!(code(SendError::Rpc(ChainError::MarketNotFound(U256::from(9)))), Code::MarketNotFound);
    let poor = SendError::AssetUnderfunded {
        kind: "stake",
        account: Address::ZERO,
        balance: "1 DEV".into(),
        needed: "2 DEV".into(),
        missing: "1 DEV".into(),
    };
    assert_eq!(code(poor), Code::InsufficientBalance);
}

#[test]
fn reverts_have_codes() {
    let reverted = |name: &str, detail: &str| {
        code(SendError::Reverted { kind: "prove", name: name.into(), detail: detail.into(), tx_hash: None })
    };
    assert_eq!(reverted("ProofInvalid", ""), Code::ProofInvalid);
    assert_eq!(reverted("StatementMismatch", ""), Code::ProofForAnother);
    assert_eq!(reverted("TransferNotOffered", ""), Code::OfferInvalid);
    assert_eq!(reverted("StakeNotFree", "available = 1, needed = 2"), Code::NotReady);
    assert_eq!(reverted("SomethingNew", "x = 1"), Code::Reverted);
}

/// Every error that a pool can revert with is told in words of its own.
#[test]
fn no_error_of_a_pool_is_left_to_its_name() {
    use provery_bindings::{DelegationPool, DelegationPoolPolicies};
    // Of libraries, or about the deployment itself.
    const INTERNAL: [&str; 3] = ["Overflow", "ReentrancyGuardReentrantCall", "AssetTakesFee"];
    let policies = DelegationPoolPolicies::abi::errors().into_keys();
    for name in DelegationPool::abi::errors().into_keys().chain(policies) {
        let told = of_newer_revert(&name).0 != Code::Reverted;
        assert!(told || INTERNAL.contains(&name.as_str()), "{name}");
    }
}

/// The slot's state is read from the decoded argument, so the decoder's spelling matters.
#[test]
fn an_ended_slot_says_how() {
    use alloy::sol_types::SolError;
    use provery_bindings::ProofMarket;
    let of = |state: u8| {
        let decoded = decode_revert(&ProofMarket::SlotNotOpen { state }.abi_encode()).expect("is ours");
        let (name, detail) = (decoded.name.clone(), decoded.detail());
        code(SendError::Reverted { kind: "prove", name, detail, tx_hash: None })
    };
    assert_eq!(of(0), Code::SlotNotFound);
    assert_eq!(of(1), Code::SlotProven);
    assert_eq!(of(2), Code::SlotExpired);
    assert_eq!(of(3), Code::SlotCancelled);
    assert_eq!(of(4), Code::SlotDropped);
}

#[test]
fn whatever_else_is_one_line() {
    let report = eyre::eyre!("first\nsecond").wrap_err("context");
    assert_eq!(explain(&report), Failure::new(Code::Internal, "context: first second"));
}
