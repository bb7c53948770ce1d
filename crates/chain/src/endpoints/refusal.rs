//! What a refusal is about: the request, how much or how often was asked, or the endpoint. Pure.
//!
//! Providers and clients agree on hardly any code or word, and every gateway has its own. So what is not known to be about the
//! request is the endpoint's own trouble: another one is asked, and this one is trusted less.

use alloy::rpc::json_rpc::{ErrorPayload, RequestPacket, ResponsePacket};

/// What a JSON-RPC error says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// The endpoint, or nothing that is known.
    Endpoint,
    /// How often this endpoint is asked.
    Rate,
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

/// Methods whose answer depends on what the request would do.
const EXECUTE: [&str; 4] = ["eth_call", "eth_estimateGas", "eth_createAccessList", "eth_sendRawTransaction"];
/// Methods for which there is another way.
const OPTIONAL: [&str; 5] = [
    "eth_getBlockReceipts",
    "debug_getRawHeader",
    "eth_feeHistory",
    "eth_maxPriorityFeePerGas",
    "eth_createAccessList",
];

/// What nodes say of something that cannot be executed, or that the pool does not want from anybody.
const EXECUTION: [&str; 41] = [
    "revert",
    "vm execution",
    "vm exception",
    "evm error",
    "execution error",
    "out of gas",
    "outofgas",
    "gas required exceeds",
    "intrinsic gas",
    "block gas limit",
    "gas limit reached",
    "gas limit too",
    "gas limit is too",
    "gas limit cap",
    "gaslimitexceeded",
    "transaction gas limit",
    "exceeds transaction gas",
    "insufficient funds",
    "insufficient balance for",
    "insufficient sender balance",
    "upfront cost exceeds",
    "doesn't have enough funds",
    "invalid opcode",
    "bad instruction",
    "opcode",
    "invalid jump",
    "stack underflow",
    "stack limit",
    "write protection",
    "initcode",
    "init code",
    "code size",
    "always failing transaction",
    "base fee",
    "fee per gas",
    "underpriced",
    "nonce",
    "already known",
    "already imported",
    "known transaction",
    "transaction type",
];
/// More that is only ever said of a transaction.
const TRANSACTION: [&str; 8] = [
    "already exists",
    "already_exists",
    "alreadyknown",
    "already in the pool",
    "already in mempool",
    "invalid sender",
    "invalid signature",
    "chain id",
];
/// What is asked too often.
const RATE: [&str; 24] = [
    "rate limit",
    "rate-limit",
    "ratelimit",
    "rate exceeded",
    "too many requests",
    "too many concurrent",
    "request limit",
    "requests limit",
    "requests per",
    "per second",
    "/second",
    "/sec",
    "per minute",
    "per day",
    "daily",
    "monthly",
    "quota",
    "credits",
    "compute unit",
    "capacity",
    "throttl",
    "usage limit",
    "request count",
    "limit reached",
];
/// What is too much, whatever it is.
const SIZE: [&str; 9] = [
    "response size",
    "response too large",
    "response is too",
    "response too big",
    "exceeded max limit",
    "batch size",
    "batch of",
    "batch limit",
    "batch too",
];
/// What is too much of logs.
const LOGS: [&str; 13] = [
    "range",
    "results",
    "too large",
    "too many logs",
    "too many blocks",
    "more than",
    "block count",
    "blocks distance",
    "block distance",
    "logs matched",
    "max results",
    "number of blocks",
    "timeout",
];

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

/// Whether what was said to an `eth_call` is about what it calls, rather than about the endpoint.
pub(crate) fn is_about_the_call(error: &ErrorPayload) -> bool {
    about("eth_call", error) >= About::Request
}

/// Whether it can be done without a method's answer.
pub(super) fn is_optional(method: &str) -> bool {
    OPTIONAL.contains(&method)
}

/// What an answer's refusal is about; nothing if anything in it is an answer.
pub(crate) fn refusal(request: &RequestPacket, answer: &ResponsePacket) -> Option<About> {
    let first = request.requests().first()?;
    match (request, answer) {
        (RequestPacket::Single(_), ResponsePacket::Single(response)) => {
            response.payload.as_error().map(|error| about(first.method(), error))
        }
        // A batch refused as one: what is in it may be asked for in smaller ones.
        (RequestPacket::Batch(_), ResponsePacket::Single(response)) => {
            let about = about(first.method(), response.payload.as_error()?);
            Some(if about == About::Rate { about } else { About::Size })
        }
        (_, ResponsePacket::Batch(responses)) => {
            let errors: Option<Vec<About>> =
                responses.iter().map(|it| Some(about(first.method(), it.payload.as_error()?))).collect();
            errors?.into_iter().max()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i64, message: &str, data: &str) -> ErrorPayload {
        let data = if data.is_empty() { String::new() } else { format!(r#","data":{data}"#) };
        let message = serde_json::to_string(message).expect("a string");
        serde_json::from_str(&format!(r#"{{"code":{code},"message":{message}{data}}}"#)).expect("an error")
    }

    fn check(about_all: About, method: &str, refusals: &[(i64, &str)]) {
        for (code, message) in refusals {
            assert_eq!(about(method, &error(*code, message, "")), about_all, "{method} {code} {message}");
        }
    }

    #[test]
    fn a_revert_is_about_the_request_whoever_says_it() {
        let data = r#""0x08c379a0""#;
        for (code, message, data) in [
            (3, "execution reverted", data),                          // geth, reth
            (3, "execution reverted: custom error 0x08c379a0", data), // anvil
            (-32000, "execution reverted", data),                     // arbitrum, op-geth behind proxyd
            (-32000, "Execution reverted (unknown reason)", data),    // besu
            (
                -32603,
                "Error: VM Exception while processing transaction: reverted with custom error 'No()'",
                r#"{"message":"reverted","data":"0x08c379a0"}"#,
            ), // hardhat
            (3, "execution reverted", r#""0x""#),
        ] {
            for method in ["eth_call", "eth_estimateGas"] {
                assert_eq!(about(method, &error(code, message, data)), About::Reverted, "{code} {message}");
            }
        }
        check(
            About::Request,
            "eth_call",
            &[
                (3, "execution reverted"),
                (-32000, "execution reverted"),
                (-32015, "VM execution error."), // nethermind, openethereum
                (-32000, "VM Exception while processing transaction: revert"), // ganache
                (-32015, "execution aborted"),
            ],
        );
    }

    #[test]
    fn what_cannot_be_executed_is_about_the_request() {
        check(
            About::Request,
            "eth_estimateGas",
            &[
                (-32000, "gas required exceeds allowance (30000000)"), // geth
                (-32000, "insufficient funds for gas * price + value: address 0x1 have 0 want 1"),
                (-32003, "Insufficient funds for gas * price + value"), // anvil
                (-32000, "insufficient balance for transfer"),
                (-32000, "invalid opcode: PUSH0"),
                (-32603, "EVM error: OpcodeNotFound"),
                (-32000, "out of gas"),
                (-32003, "Out of gas: gas required exceeds allowance: 0"), // anvil
                (-32000, "max initcode size exceeded: code size 60000 limit 49152"),
                (-32000, "max code size exceeded"),
                (-32000, "intrinsic gas too low: have 21000, want 53000"),
                (-32000, "err: max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1"),
                (-32000, "transaction gas limit too high (cap: 16777216, tx: 30000000)"),
                (-32004, "Upfront cost exceeds account balance"), // besu
                (-32000, "Sender doesn't have enough funds to send tx"), // hardhat
                (-32602, "invalid argument 0: hex string of odd length"),
            ],
        );
    }

    #[test]
    fn what_no_pool_would_take_is_about_the_transaction() {
        check(
            About::Request,
            "eth_sendRawTransaction",
            &[
                (-32000, "nonce too low: next nonce 5, tx nonce 4"), // geth
                (-32000, "nonce too high"),
                (-32000, "already known"),
                (-32000, "AlreadyKnown"),                  // nethermind
                (-32000, "ALREADY_EXISTS: already known"), // erigon
                (-32000, "Known transaction"),             // besu
                (-32003, "transaction already imported"),  // anvil
                (-32010, "Transaction with the same hash was already imported."), // openethereum
                (-32000, "replacement transaction underpriced"),
                (-32000, "transaction underpriced: tip needed 1, tip permitted 0"),
                (-32000, "insufficient funds for gas * price + value"),
                (-32001, "Nonce too low"),                            // besu
                (-32000, "max fee per gas less than block base fee"), // arbitrum
                (-32000, "transaction type not supported"),
                (-32000, "exceeds block gas limit"),
                (-32000, "invalid sender"),
                (-32000, "invalid chain id for signer: have 1 want 31337"),
                (-32003, "max fee per gas less than block base fee"),
            ],
        );
        check(
            About::Endpoint,
            "eth_sendRawTransaction",
            &[
                (-32000, "txpool is full"),
                (-32000, "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)"),
                (-32000, "sequencer is not available, try again"),
                (-32601, "the method eth_sendRawTransaction does not exist/is not available"),
            ],
        );
    }

    #[test]
    fn what_is_asked_too_often_is_known_by_code_or_words() {
        for method in ["eth_call", "eth_getBlockByNumber", "eth_sendRawTransaction", "eth_blockNumber"] {
            check(
                About::Rate,
                method,
                &[
                    (429, "Your app has exceeded its compute units per second capacity."), // alchemy
                    (-32005, "daily request count exceeded, request rate limited"),        // infura
                    (-32005, "limit exceeded"),                                            // EIP-1474
                    (-32007, "50/second request limit reached - reduce calls per second or upgrade"), // quicknode
                    (-32003, "daily request limit reached"), // quicknode
                    (-32012, "credits limited to 6000/sec"),
                    (-32016, "over rate limit"), // base, proxyd
                    (-32029, "Too Many Requests"),
                    (-32029, ""),
                    (-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s"), // ankr
                    (-32097, ""),
                    (-32000, "too many requests"),
                    (-32603, "limit reached"),
                    (1008, "Too many concurrent requests"),
                    (-32000, "project ID request rate exceeded"),
                ],
            );
        }
    }

    #[test]
    fn what_is_too_much_at_once_is_about_its_size() {
        check(
            About::Size,
            "eth_getLogs",
            &[
                (
                    -32602,
                    "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
                ), // alchemy
                (
                    -32600,
                    "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.",
                ),
                (-32005, "query returned more than 10000 results"), // infura
                (-32614, "eth_getLogs is limited to a 10,000 range"), // quicknode
                (-32602, "eth_getLogs is limited to a 5 range"),
                (-32701, "exceed maximum block range: 50000"), // publicnode
                (-32602, "query exceeds max results 20000, retry with the range 1-2"), // reth
                (-32602, "query exceeds max block range 100000"),
                (-32000, "requested too many blocks from 1 to 20000, maximum is set to 2048"),
                (-32000, "block range is too wide"), // ankr
                (35, "ranges over 10000 blocks are not supported on freetier"), // drpc
                (
                    -32047,
                    "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800",
                ), // cloudflare
                (-32005, "Requested range exceeds maximum range limit"), // besu
                (-32000, "query timeout exceeded"),
                (-32019, "block range is too large"), // base
            ],
        );
        check(
            About::Size,
            "eth_getBlockReceipts",
            &[
                (-32008, "Response is too big"),        // jsonrpsee
                (-32020, "backend response too large"), // proxyd
                (-32003, "response too large"),         // geth
                (-32602, "Exceeded max limit of 167772160"),
            ],
        );
    }

    #[test]
    fn whatever_is_not_known_is_the_endpoints_trouble() {
        for method in
            ["eth_call", "eth_estimateGas", "eth_sendRawTransaction", "eth_getBlockByNumber", "eth_getLogs"]
        {
            check(
                About::Endpoint,
                method,
                &[
                    (-32603, "Internal error"),
                    (-32603, "internal server error"),
                    (-32000, "header not found"),
                    (-32000, "missing trie node 00 (path ) state 0x00 is not available"),
                    (-32000, "historical state 00 is not available"),
                    (-32001, "Unable to perform request"),
                    (-32002, "request timed out"),
                    (-32011, "no backend is currently healthy to serve traffic"), // base, proxyd
                    (-32046, "Cannot fulfill request"),                           // cloudflare
                    (-32000, "Unauthorized: invalid API key"),
                    (-32052, "API key is not allowed to access blockchain"),
                    (-32600, "invalid request"),
                    (-32601, "the method does not exist/is not available"),
                    (0, "we can't execute this request"),
                    (12345, ""),
                ],
            );
        }
        check(About::Endpoint, "eth_getBlockByNumber", &[(-32602, "Invalid params"), (3, "no")]);
        check(About::Endpoint, "eth_getLogs", &[(-32005, "limit exceeded")]); // BSC
    }

    #[test]
    fn a_method_that_can_be_done_without_is_no_fault() {
        check(
            About::Method,
            "eth_getBlockByNumber",
            &[
                (-39001, "Unknown block"),
                (-32000, "finalized block not found"),
                (-32000, "safe block not found"),
            ],
        );
        for method in OPTIONAL {
            check(
                About::Method,
                method,
                &[
                    (-32601, "the method does not exist/is not available"),
                    (-32601, "Method not found"),
                    (-32004, "Method not supported"),
                    (-32600, "Unsupported method: on this network"),
                ],
            );
        }
        check(About::Endpoint, "eth_getTransactionCount", &[(-32601, "Method not found")]);
    }
}
