//! New terms of markets, accepted within the operator's bounds: the same stake for more versions.

use alloy::primitives::U256;
use provery_rpc::Call;
use tracing::info;

use crate::{
    book::{Book, MarketDecision},
    service::{handles::Handles, keeper_task::KeeperTask},
};

fn decisions(handles: &Handles, book: &Book) -> Vec<MarketDecision> {
    let tunables = handles.tunables();
    book.decisions(&tunables.accept, tunables.minimum_reward)
}

/// Markets whose coming terms are to be accepted.
pub(super) fn acceptable(handles: &Handles, book: &Book) -> Vec<KeeperTask> {
    if !handles.is_prover() {
        return Vec::new();
    }
    let ready = |it: &MarketDecision| it.versions().is_some() && book.lack(it.market).is_none();
    decisions(handles, book).into_iter().filter(ready).map(|it| KeeperTask::Accept(it.market)).collect()
}

/// The same stake behind a market, for more versions of its terms.
pub(super) fn call(market: U256, handles: &Handles, book: &Book) -> Option<Call> {
    let decision = decisions(handles, book).into_iter().find(|it| it.market == market)?;
    let (units, exposure) = (decision.commitment.units, decision.commitment.exposure);
    let versions = decision.versions()?;
    info!(%market, to_version = versions.end(), "terms are accepted");
    Some(handles.chain.calls().allocate(market, U256::from(units), U256::from(exposure), versions))
}
