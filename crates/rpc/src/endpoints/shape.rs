//! Whether an answer is what its method answers. Pure.

use alloy::{
    primitives::{B256, Bytes, U256},
    rpc::{
        json_rpc::{RequestPacket, ResponsePacket, SerializedRequest},
        types::{Block, FeeHistory, Log, Transaction, TransactionReceipt},
    },
};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::headers::RawHeader;

/// Whether every node has the answer at hand.
pub(super) fn is_prompt(method: &str) -> bool {
    !matches!(
        method,
        "eth_getLogs" | "eth_getBlockReceipts" | "eth_call" | "eth_estimateGas" | "eth_feeHistory"
    ) && !method.starts_with("debug_")
}

/// Why a single answer without an error is none: what is missing of it, or wrong with it.
pub(super) fn misfit(request: &RequestPacket, answer: &ResponsePacket) -> Option<String> {
    let request = request.as_single()?;
    let result = answer.as_single()?.payload.as_success()?.get();
    if is_pending(request) {
        return None;
    }
    let reason = match request.method() {
        "eth_blockNumber"
        | "eth_chainId"
        | "eth_gasPrice"
        | "eth_maxPriorityFeePerGas"
        | "eth_getBalance"
        | "eth_getTransactionCount"
        | "eth_estimateGas" => fits::<U256>(result),
        "eth_getBlockByNumber" | "eth_getBlockByHash" => fits::<Option<RawHeader>>(result),
        "eth_getTransactionReceipt" => fits::<Option<TransactionReceipt>>(result),
        "eth_getTransactionByHash" => fits::<Option<Transaction>>(result),
        "eth_getLogs" => fits::<Vec<Log>>(result),
        "eth_feeHistory" => fits::<FeeHistory>(result),
        "eth_call" | "eth_getCode" => fits::<Bytes>(result),
        "eth_sendRawTransaction" => fits::<B256>(result),
        _ => None,
    };
    reason.map(|reason| format!("{}: {reason}", request.method()))
}

/// Whether an answer is of use, and others may know more: a block without what some endpoints leave out.
pub(super) fn is_partial(request: &RequestPacket, answer: &ResponsePacket) -> bool {
    let Some(request) = request.as_single().filter(|request| !is_pending(request)) else { return false };
    matches!(request.method(), "eth_getBlockByNumber" | "eth_getBlockByHash")
        && answer
            .as_single()
            .and_then(|response| response.payload.as_success())
            .is_some_and(|result| fits::<Option<Block<IgnoredAny>>>(result.get()).is_some())
}

/// Whether the pending block is asked for, which has no hash yet, and may lack more.
fn is_pending(request: &SerializedRequest) -> bool {
    request.method() == "eth_getBlockByNumber"
        && request.params().is_some_and(|params| params.get().contains("pending"))
}

fn fits<T: DeserializeOwned>(result: &str) -> Option<String> {
    serde_json::from_str::<T>(result).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use alloy::rpc::json_rpc::{Id, Request};

    use super::*;

    fn misfit_of(method: &'static str, result: &str) -> Option<String> {
        misfit_with(method, "latest", result)
    }

    fn misfit_with(method: &'static str, param: &str, result: &str) -> Option<String> {
        let request = Request::new(method, Id::Number(1), [param]).serialize().expect("it serializes");
        let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        misfit(&RequestPacket::Single(request), &serde_json::from_str(&answer).expect("JSON-RPC"))
    }

    #[test]
    fn an_answer_that_is_none_says_what_is_missing_and_of_which_call() {
        let why = misfit_of("eth_getBlockByNumber", r#"{"number":"0x1","hash":null}"#).expect("no block");
        assert!(why.starts_with("eth_getBlockByNumber: ") && why.contains("null"), "{why}");
        let why = misfit_of("eth_getBlockByNumber", r#"{"number":"0x1"}"#).expect("no block");
        assert!(why.contains("missing field `hash`"), "{why}");
        for (method, result) in [
            ("eth_getBalance", "null"),
            ("eth_getBalance", "true"),
            ("eth_getTransactionCount", r#""zero""#),
            ("eth_call", "null"),
            ("eth_getLogs", "null"),
            ("eth_getLogs", r#"[{"address":"0x00"}]"#),
            ("eth_sendRawTransaction", r#""0x""#),
            ("eth_getTransactionReceipt", r#"{"status":"0x1"}"#),
            ("eth_feeHistory", "[]"),
        ] {
            assert!(misfit_of(method, result).is_some(), "{method} {result}");
        }
    }

    #[test]
    fn what_fits_or_is_not_known_passes() {
        for (method, result) in [
            ("eth_getBalance", r#""0x0""#),
            ("eth_getBlockByNumber", "null"),
            ("eth_getTransactionReceipt", "null"),
            ("eth_getLogs", "[]"),
            ("eth_call", r#""0x""#),
            ("web3_clientVersion", r#""anvil""#),
            ("anvil_mine", "null"),
        ] {
            assert_eq!(misfit_of(method, result), None, "{method} {result}");
        }
        let pending = r#"{"number":null,"hash":null,"timestamp":"0x1"}"#;
        assert_eq!(misfit_with("eth_getBlockByNumber", "pending", pending), None);
        assert!(misfit_of("eth_getBlockByNumber", pending).is_some());
    }
}
