//! `provery prover submitter`: hot keys. A prover nominates a key, the key answers.

use alloy::primitives::Address;
use clap::Subcommand;
use eyre::Result;
use serde_json::json;

use crate::{
    address,
    commands::prover::registered::require_registered,
    context::Context,
    error::{Code, fail},
};

#[derive(Debug, Subcommand)]
pub(crate) enum SubmitterCommand {
    /// Nominate a key, which acts for this prover once it accepts
    #[command(
        after_help = "Example: provery prover submitter add 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --keystore prover.json"
    )]
    Add {
        /// The key's address
        #[arg(value_parser = address::parse)]
        address: Address,
    },
    /// Act for a prover that nominated this key; a node does it at its start
    #[command(
        after_help = "Example: provery prover submitter accept --prover 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC \
         --keystore hot.json"
    )]
    Accept {
        /// The prover that nominated the signing account
        #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
        prover: Address,
    },
    /// Disallow a key, or take a nomination back
    #[command(
        after_help = "Example: provery prover submitter remove 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \
         --keystore prover.json"
    )]
    Remove {
        /// The key's address
        #[arg(value_parser = address::parse)]
        address: Address,
    },
}

pub(super) async fn run(context: &Context, command: SubmitterCommand) -> Result<()> {
    match command {
        SubmitterCommand::Add { address } => set(context, address, true).await,
        SubmitterCommand::Remove { address } => set(context, address, false).await,
        SubmitterCommand::Accept { prover } => accept(context, prover).await,
    }
}

async fn set(context: &Context, submitter: Address, allowed: bool) -> Result<()> {
    let session = context.signer().await?;
    let me = require_registered(&session).await?;
    if submitter == me {
        return Err(fail(
            Code::Usage,
            format!(
                "{me} is the prover itself and needs no leave to act for itself; name another key's address"
            ),
        ));
    }
    let mined = session.send(session.calls().set_submitter(submitter, allowed)).await?;
    context.out.result(
        &json!({ "prover": me, "submitter": submitter, "allowed": allowed, "accepted": false, "tx": mined.tx_hash }),
        || {
            if allowed {
                format!(
                    "{submitter} is nominated; it acts for {me} once it accepts: start the node with that key, or run \
                     `provery prover submitter accept --prover {me}` with it"
                )
            } else {
                format!("{submitter} may no longer act for {me}")
            }
        },
    );
    Ok(())
}

async fn accept(context: &Context, prover: Address) -> Result<()> {
    let session = context.signer().await?;
    let me = session.me()?;
    let serves = session.chain.prover_of_submitter(me).await?;
    if serves == Some(prover) {
        return Err(fail(
            Code::AlreadyDone,
            format!("{me} acts for {prover} already; there is nothing to do"),
        ));
    }
    if !session.chain.is_nominated(prover, me).await? {
        return Err(fail(
            Code::NotRegistered,
            format!("{prover} did not nominate {me}; it does so with `provery prover submitter add {me}`"),
        ));
    }
    let mined = session.send(session.calls().serve(prover)).await?;
    context.out.result(
        &json!({ "prover": prover, "submitter": me, "accepted": true, "before": serves, "tx": mined.tx_hash }),
        || match serves {
            Some(before) => format!("{me} acts for {prover} now, and no longer for {before}"),
            None => format!("{me} acts for {prover} now"),
        },
    );
    Ok(())
}
