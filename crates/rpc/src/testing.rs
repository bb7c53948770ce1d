//! A client of endpoints that answer by script.

use std::time::Duration;

pub(crate) use provery_fake::*;

use provery_types::Currency;

use crate::{Chain, Rpc};

/// A client of these, that waits for so long.
pub(crate) async fn connect(fakes: &[&Fake], timeout: Duration) -> Rpc {
    Rpc::connect_with(&urls(fakes), timeout).await.expect("one of them answers")
}

/// A client of the deployment whose contracts say nothing.
pub(crate) fn unchecked(rpc: Rpc) -> Chain {
    Chain::unchecked(rpc, silent(), Currency::asset("", 18).expect("a currency"))
}
