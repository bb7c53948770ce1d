//! What is said of a chain that does not answer.

use eyre::Report;
use provery_rpc::Rpc;

use crate::error::{Code, fail};

pub(super) fn unanswered(rpc: &Rpc, method: &str, error: &str) -> Report {
    fail(
        Code::RpcUnavailable,
        format!(
            "the RPC at {} did not answer {method} ({error}); run this again, or use another node",
            rpc.name()
        ),
    )
}
