//! Whether a rollup's creation fits and can be paid for, before anything is sent.

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    transports::RpcError,
};
use eyre::Result;

use super::{
    accounts::AccountsArgs,
    circuit::{self, CIRCUIT, Circuit, VERIFIER},
    plan::{CreateArgs, FUND, Plan, ROLLUP},
};
use crate::{
    amount::Currency,
    error::{Code, fail},
    session::{self, Session},
};

/// Bytes of creation code that EIP-3860 allows; some chains allow more.
const CREATION_CODE: usize = 49_152;
/// What creating the market takes, in the rollup's constructor, and its event.
const MARKET_GAS: u64 = 800_000;
/// A registration, which verifies the sample and seven alterations of it. No node can tell it of a verifier that is not there yet.
const REGISTER_GAS: u64 = 6_000_000;
/// An allowance and a transfer of the asset into a market.
const FUND_GAS: u64 = 250_000;

/// Refuse a genesis that no transaction has room for, and a key that cannot pay for all that is still to be sent.
pub(super) async fn require(
    session: &Session,
    plan: &Plan,
    existing: Option<Circuit>,
    rollup: Bytes,
    args: &CreateArgs,
) -> Result<()> {
    let me = session.me()?;
    let sender = session.sender()?;
    let mut gas = 0;
    if !sender.live(ROLLUP) {
        gas += rollup_gas(session, plan, existing, rollup, &args.accounts).await?;
    }
    if args.fund.is_some() && !sender.live(FUND) {
        gas += FUND_GAS;
    }
    if existing.is_none() && !sender.live(VERIFIER) {
        gas += estimate(session, me, circuit::creation(plan)).await?;
    }
    if existing.is_none() && !sender.live(CIRCUIT) {
        gas += REGISTER_GAS;
    }
    let rpc = session.chain.rpc();
    let wei = U256::from(gas) * U256::from(session::max_fee(rpc).await?);
    let balance = rpc.balance(me).await?;
    if wei > balance {
        let resumed = [ROLLUP, FUND, VERIFIER, CIRCUIT].iter().any(|tag| sender.live(tag));
        let (what, sent) = if resumed {
            ("what is left of creating the rollup", "nothing more was sent")
        } else {
            ("creating the rollup", "nothing was sent")
        };
        return Err(fail(
            Code::InsufficientGasFunds,
            format!(
                "{what} takes {gas} gas and may cost {}, and {me} has {}, so {sent}; send it at least {} more",
                Currency::gas().show(wei),
                Currency::gas().show(balance),
                Currency::gas().show(wei.saturating_sub(balance))
            ),
        ));
    }
    Ok(())
}

async fn rollup_gas(
    session: &Session,
    plan: &Plan,
    existing: Option<Circuit>,
    rollup: Bytes,
    accounts: &AccountsArgs,
) -> Result<u64> {
    let me = session.me()?;
    let too_long = rollup.len() > CREATION_CODE;
    if existing.is_some() && !too_long {
        // As it will be sent.
        return estimate(session, me, rollup).await;
    }
    // Its constructor calls what is not there yet: as many bytes that do nothing.
    let length = rollup.len();
    let padded = [&[0x60, 0, 0x60, 0, 0xf3][..], &rollup.slice(5.min(length)..)].concat();
    match estimate(session, me, padded.into()).await {
        Err(_) if too_long => Err(fail(Code::GasTooHigh, too_many(plan, length, accounts))),
        gas => Ok(gas? + MARKET_GAS),
    }
}

/// What creation code of this length says to --accounts.
fn too_many(plan: &Plan, length: usize, accounts: &AccountsArgs) -> String {
    let each = plan.genesis.len().div_ceil(usize::try_from(accounts.accounts).unwrap_or(usize::MAX).max(1));
    let fixed = length.saturating_sub(plan.genesis.len());
    let most = CREATION_CODE.saturating_sub(fixed + 32) / each.max(1);
    format!(
        "{} accounts make {length} bytes of creation code and the chain takes {CREATION_CODE} (EIP-3860), so nothing was sent; \
         choose --accounts {most} or fewer",
        accounts.accounts
    )
}

async fn estimate(session: &Session, from: Address, code: Bytes) -> Result<u64> {
    let request = TransactionRequest::default().with_from(from).with_input(code).into_create();
    let rpc = session.chain.rpc();
    let said = match rpc.provider().estimate_gas(request).await {
        Ok(gas) => return Ok(gas),
        Err(RpcError::ErrorResp(payload)) => payload.message.into_owned(),
        Err(error) => {
            return Err(fail(
                Code::RpcUnavailable,
                format!("the RPC at {} did not estimate gas ({error}); run this again", rpc.name()),
            ));
        }
    };
    Err(fail(
        Code::GasTooHigh,
        format!(
            "the node refuses to create a contract of the rollup ({said}), so nothing was sent; use another node"
        ),
    ))
}
