//! `provery market defund`: unused funds back to their creator.

use alloy::primitives::Address;
use eyre::Result;
use serde_json::json;

use crate::{
    amount::{self, Written},
    context::Context,
    error::{Code, fail},
    market_ref::MarketRef,
};

pub(super) async fn run(
    context: &Context,
    market: &MarketRef,
    amount: &Written,
    to: Option<Address>,
) -> Result<()> {
    let session = context.signer().await?;
    let id = session.market(market)?;
    let amount = amount::required("--amount", amount, session.asset())?;
    let (me, state) = (session.me()?, session.chain.market(id).await?);
    if state.creator != me {
        return Err(fail(
            Code::BadKey,
            format!(
                "only {}, its creator, takes funds of market {id} back; sign with its key",
                state.creator
            ),
        ));
    }
    if state.funds < amount.base {
        return Err(fail(
            Code::InsufficientFunds,
            format!(
                "market {id} has {} that no open slot needs, less than {amount}; choose a smaller --amount",
                session.show(state.funds)
            ),
        ));
    }
    let to = to.unwrap_or(me);
    let mined = session.send(session.calls().defund(id, amount.base, to)).await?;
    let funds = session.chain.market(id).await?.funds;
    let json = json!({
        "market": id.to_string(),
        "amount": amount,
        "to": to,
        "funds": funds.to_string(),
        "tx": mined.tx_hash,
    });
    context.out.result(&json, || {
        format!(
            "{amount} of market {id} is credit of {to} now, and {} is left; `provery credit withdraw` pays credit out",
            session.show(funds)
        )
    });
    Ok(())
}
