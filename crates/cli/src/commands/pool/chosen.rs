//! Which pool a command is about, and what its transactions said.

use alloy::{
    primitives::{Address, U256},
    sol_types::SolEvent,
};
use clap::Args;
use eyre::Result;
use provery_rpc::PoolRecord;
use provery_txmgr::Mined;
use provery_types::DELEGATION_POOLS;

use crate::{
    address,
    amount::{self, Written},
    error::{Code, fail},
    session::Session,
};

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PoolArg {
    /// The pool's address, which is also its prover's
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    pub pool: Address,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SeenArg {
    /// Go ahead only if the pool's revision is this, as `provery pool show` said: the operator announced nothing since
    /// [default: the one as of now]
    #[arg(long, value_name = "REVISION")]
    seen: Option<u64>,
}

impl SeenArg {
    /// The revision to decide by.
    pub(crate) fn of(self, pool: Address, record: &PoolRecord) -> Result<U256> {
        match self.seen.map(U256::from) {
            Some(seen) if seen != record.revision => Err(fail(
                Code::RevisionChanged,
                format!(
                    "the revision of {pool} is {}, not {seen}: its operator announced something; look at it with `provery \
                     pool show --pool {pool}`, and run this again with that revision if you still want to",
                    record.revision
                ),
            )),
            _ => Ok(record.revision),
        }
    }
}

/// A pool of this deployment's factory. Of any other contract nobody knows what it does with an allowance.
pub(super) async fn find(session: &Session, pool: Address) -> Result<PoolRecord> {
    require_factory(session)?;
    if !session.chain.is_pool(pool).await? {
        return Err(fail(
            Code::PoolNotFound,
            format!("{pool} is no pool of this deployment; `provery pool list` shows those there are"),
        ));
    }
    Ok(session.chain.pool(pool).await?)
}

pub(super) fn require_factory(session: &Session) -> Result<()> {
    if session.deployment().address(DELEGATION_POOLS).is_zero() {
        return Err(fail(
            Code::DeploymentInvalid,
            "the deployment file names no DelegationPools, so it has no pools; write it anew with `provery \
             deploy`",
        ));
    }
    Ok(())
}

pub(super) fn require_amount(session: &Session, amount: &Written) -> Result<U256> {
    Ok(amount::required("--amount", amount, session.asset())?.base)
}

/// The first event of a kind that `contract` emitted in a transaction.
pub(super) fn event<E: SolEvent>(mined: &Mined, contract: Address) -> Option<E> {
    let logs = mined.logs.iter().filter(|log| log.address() == contract);
    logs.filter_map(|log| E::decode_log(&log.inner).ok()).map(|event| event.data).next()
}

pub(super) fn unsaid(what: &str) -> eyre::Report {
    fail(
        Code::Internal,
        format!("the transaction is through but its receipt does not say {what}; see `provery pool show`"),
    )
}
