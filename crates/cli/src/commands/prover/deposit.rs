//! `provery prover deposit`: the asset that bonds of bids and tickets come from, in a mechanism's own escrow.

use alloy::primitives::Address;
use clap::Args;
use eyre::Result;
use serde_json::json;

use crate::{
    address,
    amount::{self, Written},
    context::Context,
    error::{Code, fail},
    terms,
};

#[derive(Debug, Args)]
pub(crate) struct DepositArgs {
    #[arg(long, value_name = "NAME", help = mechanism_help())]
    mechanism: String,
    /// Whole units of the asset, such as 2.5; without it the deposit is shown
    #[arg(long)]
    amount: Option<Written>,
    /// Take it out instead of putting it in
    #[arg(long, requires = "amount")]
    withdraw: bool,
    /// Who receives what is taken out [default: the signing account]
    #[arg(long, value_name = "ADDRESS", requires = "withdraw", value_parser = address::parse)]
    to: Option<Address>,
}

fn keepers() -> String {
    provery_mechanisms::words(|mechanism| mechanism.wants_deposit())
}

fn mechanism_help() -> String {
    format!("Which mechanism's escrow, of those that keep bonds of their own: {}", keepers())
}

pub(super) async fn run(context: &Context, args: DepositArgs) -> Result<()> {
    let session = context.signer().await?;
    let (mechanism, escrow) = terms::mechanism(session.deployment(), &args.mechanism)?;
    if !mechanism.wants_deposit() {
        return Err(fail(
            Code::Usage,
            format!(
                "{} needs no deposit: those that keep bonds of their own are {}",
                args.mechanism,
                keepers()
            ),
        ));
    }
    let me = session.me()?;
    let before = session.chain.deposited(escrow, me).await?;
    let amount =
        args.amount.as_ref().map(|it| amount::required("--amount", it, session.asset())).transpose()?;
    let tx = match amount {
        None => None,
        Some(amount) if args.withdraw => {
            if amount.base > before {
                return Err(fail(
                    Code::InsufficientCredit,
                    format!("{me} has {} there, less than {amount}; ask for less", session.show(before)),
                ));
            }
            let to = args.to.unwrap_or(me);
            Some(session.send(session.calls().withdraw_deposit(escrow, to, amount.base)).await?.tx_hash)
        }
        Some(amount) => Some(session.sender()?.deposit(&session.chain, escrow, amount.base).await?.tx_hash),
    };
    let deposit = session.chain.deposited(escrow, me).await?;
    context.out.result(
        &json!({
            "mechanism": args.mechanism,
            "escrow": escrow,
            "key": me,
            "deposit": deposit.to_string(),
            "tx": tx,
        }),
        || format!("{me} has {} in the escrow of {}", session.show(deposit), args.mechanism),
    );
    Ok(())
}
