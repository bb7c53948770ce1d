//! What a refusal is about: the request, how much or how often was asked, or the endpoint. Pure.
//!
//! Providers and clients agree on hardly any code or word, and every gateway has its own. So what is not known to be about the
//! request is the endpoint's own trouble: another one is asked, and this one is trusted less.

mod words;

use alloy::rpc::json_rpc::{ErrorPayload, RequestPacket, ResponsePacket, SerializedRequest};
use serde_json::Value;
use words::{EXECUTE, EXECUTION, LOGS, OPTIONAL, PRUNED, RATE, SIZE, TAGLESS, TRANSACTION};

/// What a JSON-RPC error says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// The endpoint, or nothing that is known.
    Endpoint,
    /// How often this endpoint is asked.
    Rate,
    /// What this endpoint no longer has, or never had, of the past.
    Pruned,
    /// A method that not every node has, and that can be done without.
    Method,
    /// How much was asked at once: less of it may be answered.
    Size,
    /// The request, by its words alone: others are asked all the same.
    Request,
    /// The request, and it carries what the contract said.
    Reverted,
}

impl About {
    /// Whether the endpoint is at fault.
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Self::Endpoint | Self::Rate)
    }
}

/// The code of EIP-4444.
const EXPIRED: i64 = 4444;

/// No node forgets what is no deeper below its head than this.
const RECENT: u64 = 64;

/// What the error that answers a request for `method` is about.
pub(crate) fn about(method: &str, error: &ErrorPayload) -> About {
    let message = error.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if EXECUTE.contains(&method) {
        if error.as_revert_data().is_some() {
            return About::Reverted;
        }
        let sends = method == "eth_sendRawTransaction";
        if matches!(error.code, 3 | -32015) || says(&EXECUTION) || sends && says(&TRANSACTION) {
            return About::Request;
        }
    }
    if error.code == EXPIRED || says(&PRUNED) && !says(&RATE) && method != "eth_sendRawTransaction" {
        return About::Pruned;
    }
    let logs = method == "eth_getLogs";
    if says(&SIZE) || logs && says(&LOGS) && !says(&["rate limit", "too many requests"]) {
        return About::Size;
    }
    // With logs this code means that there are too many as often as that they are asked for too often.
    if says(&RATE)
        || matches!(error.code, 429 | 1008 | -32029 | -32090 | -32097)
        || error.code == -32005 && !logs
    {
        return About::Rate;
    }
    if EXECUTE.contains(&method) && error.code == -32602 {
        return About::Request;
    }
    // Not every chain says what is final.
    let tag = method == "eth_getBlockByNumber"
        && (error.code == -39001 || says(&["finalized", "safe block", "unknown block"]));
    let unknown = matches!(error.code, -32601 | -32004)
        || says(&["not supported", "unsupported", "method not found", "not available", "does not exist"]);
    if tag || is_optional(method) && unknown { About::Method } else { About::Endpoint }
}

/// Whether a chain, or a node, has no block of that name, as far as can be told from what it said to one that asked for it.
pub(crate) fn lacks_tag(error: &ErrorPayload) -> bool {
    let message = error.message.to_lowercase();
    let about = about("eth_getBlockByNumber", error);
    about == About::Method
        || about == About::Endpoint
            && (matches!(error.code, -32602 | -32601 | -32004)
                || TAGLESS.iter().any(|it| message.contains(it)))
}

/// Whether what was said to an `eth_call` is about what it calls, rather than about the endpoint.
pub(crate) fn is_about_the_call(error: &ErrorPayload) -> bool {
    about("eth_call", error) >= About::Request
}

/// Whether it can be done without a method's answer.
pub(super) fn is_optional(method: &str) -> bool {
    OPTIONAL.contains(&method)
}

/// What an answer's refusal is about, of an endpoint with this head; nothing if anything in it is an answer.
pub(crate) fn refusal(request: &RequestPacket, answer: &ResponsePacket, head: Option<u64>) -> Option<About> {
    let first = request.requests().first()?;
    let about = |error: &ErrorPayload| match about(first.method(), error) {
        // What it must have: it is out of order, or does not want to tell.
        About::Pruned if !request.requests().iter().all(|request| is_of_the_past(request, head)) => {
            About::Endpoint
        }
        About::Endpoint if names_final(first) && lacks_tag(error) => About::Method,
        about => about,
    };
    match (request, answer) {
        (RequestPacket::Single(_), ResponsePacket::Single(response)) => {
            response.payload.as_error().map(about)
        }
        // A batch refused as one: what is in it may be asked for in smaller ones.
        (RequestPacket::Batch(_), ResponsePacket::Single(response)) => {
            let about = about(response.payload.as_error()?);
            Some(if matches!(about, About::Rate | About::Pruned) { about } else { About::Size })
        }
        (_, ResponsePacket::Batch(responses)) => {
            let errors: Option<Vec<About>> =
                responses.iter().map(|it| Some(about(it.payload.as_error()?))).collect();
            errors?.into_iter().max()
        }
    }
}

fn names_final(request: &SerializedRequest) -> bool {
    request.method() == "eth_getBlockByNumber"
        && request.params().is_some_and(|params| params.get().starts_with(r#"["finalized""#))
}

/// Whether an endpoint with this head may have forgotten what is asked for: by what it is asked, how old that is may not be known.
fn is_of_the_past(request: &SerializedRequest, head: Option<u64>) -> bool {
    let params: Vec<Value> =
        request.params().and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or_default();
    let block = match (request.method(), params.as_slice()) {
        ("eth_getTransactionReceipt" | "eth_getTransactionByHash" | "eth_getBlockByHash", _) => return true,
        ("eth_getLogs", [filter, ..]) => filter.get("blockHash").or_else(|| filter.get("fromBlock")),
        ("eth_getBlockByNumber" | "eth_getBlockReceipts" | "debug_getRawHeader", [block, ..]) => Some(block),
        (_, [_, block, ..]) => Some(block),
        _ => None,
    };
    let block = block.and_then(|block| {
        let named = block.get("blockHash").or_else(|| block.get("blockNumber")).unwrap_or(block);
        named.as_str()
    });
    let Some(block) = block else { return false };
    let height = block.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    match (height, head) {
        (Some(height), Some(head)) => height.saturating_add(RECENT) < head,
        (Some(_), None) => true,
        // A hash, or the first block's name.
        (None, _) => block.len() == 66 || block == "earliest",
    }
}

#[cfg(test)]
mod tests;
