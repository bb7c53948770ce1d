//! Whether a chain lets contracts of this size come into being, and what that costs, before anything is sent.
//!
//! The node is asked, so it does not matter which rules hold: before Amsterdam one transaction may ask for 2^24 gas (EIP-7825);
//! from Amsterdam on a byte of code costs several times as much, what state costs may go beyond that, and whoever sends must ask
//! for more (EIP-8037). A constructor that calls contracts which are not there yet cannot be estimated: then the same number of bytes is,
//! without constructor.

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    transports::RpcError,
};
use eyre::Result;

use super::abilities::{Rules, TRANSACTION_GAS};
use crate::{
    amount::Currency,
    error::{Code, fail},
    session::{Wire, max_fee},
};

/// What a constructor may take apart from its code.
const CONSTRUCTOR_GAS: u64 = 250_000;
/// Longest code that is tried in a contract's place: what EIP-170 allows.
const CODE_LIMIT: usize = 24_576;

/// What the node said about a contract's creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Estimate {
    pub name: &'static str,
    /// Gas; or why the node refuses it.
    pub gas: Result<u64, String>,
}

/// What the whole deployment takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bill {
    pub gas: u64,
    /// Wei of the chain's own coin, at most.
    pub wei: U256,
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// More than a block holds.
    Block { name: &'static str, gas: u64, limit: u64 },
    /// More than one transaction may ask for.
    Transaction { name: &'static str, gas: u64, limit: u64 },
    /// The node would not take it.
    Refused { name: &'static str, message: String },
    /// More than the deployer has.
    Funds { bill: Bill, balance: U256 },
}

/// Whether a deployment can be paid for and mined. Each creation asks for its [`limit_for`].
pub(super) fn judge(
    estimates: &[Estimate],
    rules: Rules,
    fee: u128,
    balance: U256,
) -> Result<Bill, Obstacle> {
    let mut total = 0;
    for Estimate { name, gas } in estimates {
        let gas = match gas {
            Err(message) => return Err(Obstacle::Refused { name, message: message.clone() }),
            Ok(gas) => *gas,
        };
        if gas > rules.block_gas {
            return Err(Obstacle::Block { name, gas, limit: rules.block_gas });
        }
        if let Some(limit) = rules.transaction_gas.filter(|limit| gas > *limit) {
            return Err(Obstacle::Transaction { name, gas, limit });
        }
        total += gas;
    }
    let bill = Bill { gas: total, wei: U256::from(total) * U256::from(fee) };
    if bill.wei > balance { Err(Obstacle::Funds { bill, balance }) } else { Ok(bill) }
}

/// The gas limit of a transaction that takes `needed`: some more, but within what one transaction may ask for if it fits there.
pub(super) fn limit_for(needed: u64, block_gas: u64) -> u64 {
    let roomy = needed.saturating_add(needed / 5).saturating_add(50_000);
    let most = if needed <= TRANSACTION_GAS { TRANSACTION_GAS } else { u64::MAX };
    roomy.min(most).min(block_gas).max(needed)
}

/// The gas limit for a creation that is about to be sent; none if the node cannot tell, and sending will say why.
pub(super) async fn limit(wire: &Wire, code: &Bytes, block_gas: u64) -> Option<u64> {
    let request = creation(wire.sender.address(), code.clone());
    match estimate(wire, &request, block_gas).await {
        Ok(Answer::Gas(needed)) => Some(limit_for(needed, block_gas)),
        _ => None,
    }
}

/// Refuse what the chain would refuse, or the deployer cannot pay.
pub(super) async fn require(wire: &Wire, rules: Rules, codes: &[(&'static str, Bytes)]) -> Result<Bill> {
    let block_gas = rules.block_gas;
    let fee = max_fee(&wire.rpc).await?;
    let deployer = wire.sender.address();
    let balance = wire.rpc.balance(deployer).await?;
    let mut estimates = Vec::new();
    for (name, code) in codes {
        estimates.push(Estimate { name, gas: ask(wire, code, block_gas).await? });
    }
    judge(&estimates, rules, fee, balance).map_err(|obstacle| refusal(wire, obstacle))
}

fn refusal(wire: &Wire, obstacle: Obstacle) -> eyre::Report {
    let chain = wire.rpc.chain_id();
    match obstacle {
        Obstacle::Block { name, gas, limit } => fail(
            Code::GasTooHigh,
            format!(
                "creating {name} takes {gas} gas and a block of chain {chain} holds {limit}, so nothing was sent; \
                 deploy on a chain with larger blocks"
            ),
        ),
        Obstacle::Transaction { name, gas, limit } => fail(
            Code::GasTooHigh,
            format!(
                "creating {name} takes {gas} gas and chain {chain} lets one transaction have {limit} (2^24, EIP-7825), so \
                 nothing was sent; deploy on another chain"
            ),
        ),
        Obstacle::Refused { name, message } => fail(
            Code::GasTooHigh,
            format!(
                "the node refuses to create {name} ({message}), so nothing was sent; the contract needs more gas than \
                 this node or chain lets one transaction have (2^24 = {TRANSACTION_GAS} under EIP-7825): use \
                 another node, or another chain"
            ),
        ),
        Obstacle::Funds { bill, balance } => fail(
            Code::InsufficientGasFunds,
            format!(
                "the deployment takes {} gas and may cost {}, and {} has {}, so nothing was sent; send it at least {} more",
                bill.gas,
                Currency::gas().show(bill.wei),
                wire.sender.address(),
                Currency::gas().show(balance),
                Currency::gas().show(bill.wei.saturating_sub(balance))
            ),
        ),
    }
}

/// What the node says to a creation; fails only if it does not answer.
async fn ask(wire: &Wire, code: &Bytes, block_gas: u64) -> Result<Result<u64, String>> {
    let deployer = wire.sender.address();
    let whole = creation(deployer, code.clone());
    let (answer, request, extra) = match estimate(wire, &whole, block_gas).await? {
        Answer::Reverted => {
            let request = creation(deployer, stand_in(code));
            (estimate(wire, &request, block_gas).await?, request, CONSTRUCTOR_GAS)
        }
        answer => (answer, whole, 0),
    };
    match answer {
        Answer::Gas(gas) => Ok(limited(wire, request, gas, block_gas).await?.map(|gas| gas + extra)),
        Answer::Refused(message) => Ok(Err(message)),
        Answer::Reverted => Ok(Err("it would revert".to_string())),
    }
}

/// Beyond what one transaction may ask for under EIP-7825, the node is asked again with the limit that would be sent.
async fn limited(
    wire: &Wire,
    request: TransactionRequest,
    gas: u64,
    block_gas: u64,
) -> Result<Result<u64, String>> {
    if gas <= TRANSACTION_GAS || gas > block_gas {
        return Ok(Ok(gas));
    }
    match estimate_once(wire, request.with_gas_limit(limit_for(gas, block_gas))).await? {
        Answer::Refused(message) => Ok(Err(message)),
        Answer::Gas(_) | Answer::Reverted => Ok(Ok(gas)),
    }
}

enum Answer {
    Gas(u64),
    Reverted,
    Refused(String),
}

/// What a transaction takes. A node that assumes too little for it is asked again with what a block holds.
async fn estimate(wire: &Wire, request: &TransactionRequest, block_gas: u64) -> Result<Answer> {
    match estimate_once(wire, request.clone()).await? {
        Answer::Refused(_) => estimate_once(wire, request.clone().with_gas_limit(block_gas)).await,
        answer => Ok(answer),
    }
}

async fn estimate_once(wire: &Wire, request: TransactionRequest) -> Result<Answer> {
    match wire.rpc.provider().estimate_gas(request).await {
        Ok(gas) => Ok(Answer::Gas(gas)),
        Err(RpcError::ErrorResp(payload)) if payload.as_revert_data().is_some() => Ok(Answer::Reverted),
        // A revert without data is told as one in words or by its code: what matters is that gas was not the reason.
        Err(RpcError::ErrorResp(payload)) if payload.code == 3 => Ok(Answer::Reverted),
        Err(RpcError::ErrorResp(payload)) => Ok(Answer::Refused(payload.message.into_owned())),
        Err(error) => Err(fail(
            Code::RpcUnavailable,
            format!("the RPC at {} did not estimate gas ({error}); run this again", wire.rpc.name()),
        )),
    }
}

fn creation(from: Address, code: Bytes) -> TransactionRequest {
    TransactionRequest::default().with_from(from).with_input(code).into_create()
}

/// Creation code that leaves as many bytes of code as `code` may, and calls nobody.
fn stand_in(code: &Bytes) -> Bytes {
    // PUSH2 size, DUP1, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 0, RETURN
    let body = &code[..code.len().min(CODE_LIMIT)];
    let size = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = [0x61, size[0], size[1], 0x80, 0x60, 12, 0x60, 0, 0x39, 0x60, 0, 0xf3];
    [&head[..], body].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 60_000_000;
    const RULES: Rules = Rules { block_gas: BLOCK, transaction_gas: None };

    fn estimates(gas: &[u64]) -> Vec<Estimate> {
        gas.iter().map(|gas| Estimate { name: "Market", gas: Ok(*gas) }).collect()
    }

    #[test]
    fn what_fits_and_can_be_paid_passes() {
        let bill =
            judge(&estimates(&[4_000_000, 30_000_000]), RULES, 2, U256::from(68_000_000)).expect("passes");
        assert_eq!(bill, Bill { gas: 34_000_000, wei: U256::from(68_000_000) });
    }

    #[test]
    fn what_does_not_is_named() {
        let large = judge(&estimates(&[1, BLOCK + 1]), RULES, 0, U256::ZERO);
        assert_eq!(large, Err(Obstacle::Block { name: "Market", gas: BLOCK + 1, limit: BLOCK }));
        let refused = Estimate { name: "Ext", gas: Err("exceeds the cap".into()) };
        assert_eq!(
            judge(&[refused], RULES, 0, U256::MAX),
            Err(Obstacle::Refused { name: "Ext", message: "exceeds the cap".into() })
        );
        let poor = judge(&estimates(&[10]), RULES, 3, U256::from(29));
        let bill = Bill { gas: 10, wei: U256::from(30) };
        let capped = Rules { transaction_gas: Some(TRANSACTION_GAS), ..RULES };
        let above = judge(&estimates(&[TRANSACTION_GAS, TRANSACTION_GAS + 1]), capped, 0, U256::MAX);
        let (name, gas, limit) = ("Market", TRANSACTION_GAS + 1, TRANSACTION_GAS);
        assert_eq!(above, Err(Obstacle::Transaction { name, gas, limit }));
        assert_eq!(poor, Err(Obstacle::Funds { bill, balance: U256::from(29) }));
    }

    #[test]
    fn a_limit_stays_within_the_cap_if_it_can() {
        assert_eq!(limit_for(1_000_000, BLOCK), 1_250_000);
        assert_eq!(limit_for(16_000_000, BLOCK), TRANSACTION_GAS);
        assert_eq!(limit_for(TRANSACTION_GAS, BLOCK), TRANSACTION_GAS);
        assert_eq!(limit_for(20_000_000, BLOCK), 24_050_000, "what state costs goes beyond");
        assert_eq!(limit_for(59_000_000, BLOCK), BLOCK);
    }

    #[test]
    fn a_stand_in_leaves_its_body() {
        let code = Bytes::from(vec![0x60; 300]);
        let stand_in = stand_in(&code);
        assert_eq!((stand_in.len(), stand_in[1], stand_in[2]), (312, 1, 44));
        assert_eq!(super::stand_in(&Bytes::from(vec![0x60; 30_000])).len(), CODE_LIMIT + 12);
    }
}
