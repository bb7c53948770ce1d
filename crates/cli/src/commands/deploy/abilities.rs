//! Whether a chain can do what the contracts need, asked before anything is sent: short programs are run as if they created a
//! contract (`eth_call` without `to`), so the chain's rules answer and not a list of names.

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionBuilder,
    primitives::{Address, Bytes, U256, hex},
    providers::Provider,
    rpc::types::{Block, TransactionRequest},
    transports::RpcError,
};
use eyre::{Report, Result};
use provery_rpc::{Rpc, reason};

use super::{
    past::{self, Past},
    unanswered::unanswered,
};
use crate::error::{Code, fail};

/// What one transaction may ask for where EIP-7825 holds, but for what state costs under EIP-8037.
pub(super) const TRANSACTION_GAS: u64 = 1 << 24;
/// Longer than any of the contracts: what EIP-170 allows.
const CODE_SIZE: u64 = 24_576;
/// Gas a byte of code costs at most where state is not priced apart: 200, and the endpoint's rounding.
const PLAIN_BYTE: u64 = 500;

/// What the contracts need of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ability {
    Push0,
    TransientStorage,
    MemoryCopy,
    Curve,
    History,
    CodeSize,
}

impl Ability {
    fn name(self) -> &'static str {
        match self {
            Self::Push0 => "PUSH0 (EIP-3855, Shanghai)",
            Self::TransientStorage => "TLOAD and TSTORE (EIP-1153, Cancun)",
            Self::MemoryCopy => "MCOPY (EIP-5656, Cancun)",
            Self::Curve => "the precompiles of the curve BN254 (EIP-196, EIP-197)",
            Self::History => {
                "the hashes of past blocks (EIP-2935, Prague), without which --randomness ADDRESS must name where \
                 seeds come from"
            }
            Self::CodeSize => "contracts of 24,576 bytes (EIP-170)",
        }
    }
}

/// What holds on the chain for everything that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// What a block holds.
    pub block_gas: u64,
    /// What one transaction may ask for, if the chain bounds it (EIP-7825).
    pub transaction_gas: Option<u64>,
}

/// A program that ends with the word at `from` in memory as its result.
fn program(body: &[u8], from: u8) -> Bytes {
    [body, &[0x60, 0x20, 0x60, from, 0xf3]].concat().into()
}

/// Calls a precompile without input and leaves whether it answered with `size` bytes.
fn precompile(at: u8, size: u8) -> Bytes {
    let call = [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, at, 0x5a, 0xfa, 0x50];
    program(&[&call[..], &[0x3d, 0x60, size, 0x14, 0x60, 0, 0x52]].concat(), 0)
}

/// Programs whose result is 1 where a chain has what they try. The first uses nothing that any chain lacks.
fn probes() -> [(Option<Ability>, Bytes); 7] {
    let one = hex!("6001600052");
    [
        (None, program(&one, 0)),
        // PUSH0 for the place to store at
        (Some(Ability::Push0), program(&hex!("60015f52"), 0)),
        // TSTORE(0, 1), TLOAD(0)
        (Some(Ability::TransientStorage), program(&hex!("600160005d60005c600052"), 0)),
        // MCOPY(32, 0, 32)
        (Some(Ability::MemoryCopy), program(&[&one[..], &hex!("6020600060205e")].concat(), 32)),
        (Some(Ability::Curve), precompile(6, 64)),
        (Some(Ability::Curve), precompile(7, 64)),
        (Some(Ability::Curve), precompile(8, 32)),
    ]
}

/// CLZ(2^254): new with the fork that bounds a transaction's gas (EIP-7939 and EIP-7825, both Osaka).
fn osaka_probe() -> Bytes {
    program(&hex!("600160fe1b1e600052"), 0)
}

/// Leaves `size` zero bytes of code.
fn blank(size: u64) -> Bytes {
    let size = u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes();
    [0x61, size[0], size[1], 0x60, 0, 0xf3].into()
}

/// Whether a transaction's gas is bounded, given whether the chain has Osaka's opcodes and what a byte of code costs. Where state is
/// priced apart (EIP-8037), what it costs goes beyond the bound.
fn bounded(osaka: bool, byte_gas: Option<u64>) -> bool {
    osaka && byte_gas.is_some_and(|gas| gas < PLAIN_BYTE)
}

/// Refuse a chain that lacks something, naming all that it lacks. With a source of randomness of its own a deployment needs no
/// hashes of past blocks.
pub(super) async fn require(rpc: &Rpc, deployer: Address, randomness: bool) -> Result<Rules> {
    let head = head(rpc).await?;
    let block_gas = head.header.inner.gas_limit;
    let mut missing = Vec::new();
    let mut lacks = |ability| {
        if !missing.contains(&ability) {
            missing.push(ability)
        }
    };
    for (ability, code) in probes() {
        let found = run(rpc, deployer, code).await? == Some(U256::ONE);
        match ability {
            None if !found => return Err(senseless(rpc)),
            Some(ability) if !found => lacks(ability),
            _ => {}
        }
    }
    let past = if randomness { Past::Kept } else { past::kept(rpc).await? };
    if past == Past::Missing {
        lacks(Ability::History);
    }
    let byte_gas = byte_gas(rpc, deployer).await?;
    // Where that would not fit for its price, the estimates say so.
    let affordable = byte_gas.is_some_and(|gas| gas * CODE_SIZE + 1_000_000 < block_gas);
    if affordable && answer(rpc, creation(deployer, blank(CODE_SIZE))).await?.is_none() {
        lacks(Ability::CodeSize);
    }
    if missing.is_empty() && past == Past::Unknown {
        return Err(fail(Code::ChainUnsupported, young(rpc.chain_id())));
    }
    if missing.is_empty() {
        let osaka = run(rpc, deployer, osaka_probe()).await? == Some(U256::ONE);
        let transaction_gas = bounded(osaka, byte_gas).then_some(TRANSACTION_GAS);
        return Ok(Rules { block_gas, transaction_gas });
    }
    Err(fail(Code::ChainUnsupported, refusal(rpc.chain_id(), &missing)))
}

fn refusal(chain: u64, missing: &[Ability]) -> String {
    let names: Vec<&str> = missing.iter().map(|ability| ability.name()).collect();
    format!(
        "chain {chain} lacks what the contracts need, so nothing was sent: {}; deploy on a chain that has it (Ethereum has since \
         Prague)",
        names.join("; ")
    )
}

fn young(chain: u64) -> String {
    format!(
        "chain {chain} has just begun, and its first blocks do not show whether it keeps the hashes of past ones (EIP-2935), which \
         seeds are shown by, so nothing was sent; mine two blocks or wait for them, and run this again"
    )
}

fn senseless(rpc: &Rpc) -> Report {
    fail(
        Code::RpcRejected,
        format!(
            "the RPC at {} does not run a program that any chain runs (eth_call without `to`), so what the chain can is \
             not known; use another node",
            rpc.name()
        ),
    )
}

async fn head(rpc: &Rpc) -> Result<Block> {
    let block = rpc.provider().get_block_by_number(BlockNumberOrTag::Latest).await;
    let block = block.map_err(|error| unanswered(rpc, "eth_getBlockByNumber", &reason(&error)))?;
    block.ok_or_else(|| unanswered(rpc, "eth_getBlockByNumber", "no newest block"))
}

/// What a program leaves; nothing if the chain does not run it.
async fn run(rpc: &Rpc, from: Address, code: Bytes) -> Result<Option<U256>> {
    let left = answer(rpc, creation(from, code)).await?;
    Ok(left.filter(|left| left.len() == 32).map(|left| U256::from_be_slice(&left)))
}

async fn answer(rpc: &Rpc, request: TransactionRequest) -> Result<Option<Bytes>> {
    match rpc.provider().call(request).await {
        Ok(answer) => Ok(Some(answer)),
        Err(RpcError::ErrorResp(_)) => Ok(None),
        Err(error) => Err(unanswered(rpc, "eth_call", &reason(&error))),
    }
}

/// Gas that a byte of code costs; nothing if the node does not estimate that.
async fn byte_gas(rpc: &Rpc, from: Address) -> Result<Option<u64>> {
    const BYTES: u64 = 1024;
    let mut gas = [None; 2];
    for (gas, size) in gas.iter_mut().zip([0, BYTES]) {
        *gas = match rpc.provider().estimate_gas(creation(from, blank(size))).await {
            Ok(gas) => Some(gas),
            Err(RpcError::ErrorResp(_)) => None,
            Err(error) => return Err(unanswered(rpc, "eth_estimateGas", &reason(&error))),
        };
    }
    Ok(gas[0].zip(gas[1]).map(|(none, some)| some.saturating_sub(none) / BYTES))
}

fn creation(from: Address, code: Bytes) -> TransactionRequest {
    TransactionRequest::default().with_from(from).with_input(code).into_create()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_bounded_where_osaka_is_and_state_is_not_priced_apart() {
        assert!(bounded(true, Some(200)));
        assert!(!bounded(false, Some(200)), "before Osaka");
        assert!(!bounded(true, Some(1_530)), "EIP-8037: what state costs goes beyond");
        assert!(!bounded(true, None), "not known");
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let said = refusal(5, &[Ability::Push0, Ability::TransientStorage, Ability::History]);
        for named in ["chain 5", "EIP-3855", "EIP-1153", "EIP-2935", "--randomness", "nothing was sent"] {
            assert!(said.contains(named), "{named}: {said}");
        }
        assert!(!said.contains("EIP-5656"), "{said}");
    }
}
