use serde_json::json;

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
                (-32003, "daily request limit reached"),                               // quicknode
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
            (-32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800"), // cloudflare
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
fn what_is_not_kept_of_the_past_is_known_by_code_or_words() {
    let refusals = [
        (4444, "Pruned history unavailable"), // geth, reth, nethermind
        (4444, ""),
        (-32000, "pruned history unavailable: requested 1, earliest available 2"),
        (-32000, "missing trie node 00 (path ) state 0x00 is not available, not found"), // geth
        (-32000, "historical state 00 is not available"),
        (-32000, "required historical state unavailable (reexec=128)"),
        (-32000, "failed to get logs for block #0 (0xd4e567..cb8fa3)"),
        (
            -32000,
            "old data not available due to pruning: requested block 1, history is available from block 2",
        ), // erigon
        (-32000, "seek with txNum=1 but data before txNum=2 is not available: blockNum=1, txNum=1"),
        (-32000, "Receipt not available for From block 14319330."), // nethermind
        (-32002, "No state available for block 1"),
        (-32602, "Receipts for block 1 (0x00) are neither stored nor reproducible from state history."),
        (-32603, "state at block #12369623 is pruned"), // reth
        (-32000, "World state unavailable"),            // besu
        (
            -32000,
            "This request is not supported because your node is running with state pruning. Run with --pruning=archive.",
        ),
        (-32701, "History has been pruned for this block"), // publicnode
        (-32000, "project ID does not have access to archive state"), // infura
        (-32000, "block range extends beyond available history"),
    ];
    for method in ["eth_getLogs", "eth_getBlockByNumber", "eth_getBlockReceipts", "eth_call"] {
        check(About::Pruned, method, &refusals);
    }
    check(About::Rate, "eth_getLogs", &[(-32000, "archive requests per second: 5")]);
}

fn refused(method: &'static str, params: Value, head: Option<u64>) -> Option<About> {
    let request = alloy::rpc::json_rpc::Request::new(method, 1.into(), params);
    let request = RequestPacket::Single(request.serialize().expect("it serializes"));
    let answer = r#"{"jsonrpc":"2.0","id":1,"error":{"code":4444,"message":"Pruned history unavailable"}}"#;
    refusal(&request, &serde_json::from_str(answer).expect("JSON-RPC"), head)
}

#[test]
fn only_what_may_be_old_is_not_kept_of_the_past() {
    let hash = format!("0x{}", "07".repeat(32));
    let (old, new) = ("0x1", "0x3e0");
    for (method, params) in [
        ("eth_getLogs", json!([{"fromBlock": old, "toBlock": new}])),
        ("eth_getLogs", json!([{"blockHash": hash}])),
        ("eth_getBlockByNumber", json!([old, false])),
        ("eth_getBlockByNumber", json!(["earliest", false])),
        ("eth_getBlockReceipts", json!([hash])),
        ("eth_getTransactionReceipt", json!([hash])),
        ("eth_call", json!([{}, old])),
        ("eth_call", json!([{}, {"blockHash": hash}])),
        ("eth_getBalance", json!([hash, {"blockNumber": old}])),
    ] {
        assert_eq!(refused(method, params.clone(), Some(1_000)), Some(About::Pruned), "{method} {params}");
    }
    for (method, params) in [
        ("eth_getLogs", json!([{"fromBlock": new, "toBlock": new}])),
        ("eth_getLogs", json!([{}])),
        ("eth_getBlockByNumber", json!([new, false])),
        ("eth_getBlockByNumber", json!(["latest", false])),
        ("eth_getBlockByNumber", json!(["finalized", false])),
        ("eth_call", json!([{}, "latest"])),
        ("eth_call", json!([{}])),
        ("eth_getBalance", json!([hash, "pending"])),
        ("eth_blockNumber", json!([])),
        ("eth_chainId", Value::Null),
    ] {
        assert_eq!(refused(method, params.clone(), Some(1_000)), Some(About::Endpoint), "{method} {params}");
    }
    assert_eq!(refused("eth_getBlockByNumber", json!([new, false]), None), Some(About::Pruned));
}

#[test]
fn that_a_chain_has_no_finalized_block_is_said_of_the_request() {
    for (code, message) in [
        (-39001, "Unknown block"),
        (-32000, "finalized block not found"),
        (-32000, "safe block not found"),
        (-32602, "Invalid params"),
        (-32602, "invalid argument 0: hex string without 0x prefix"),
        (-32000, "unknown block"),
        (-32602, "data did not match any variant of untagged enum BlockNumberOrTag"),
        (-32004, "Method not supported"),
        (-32603, "Invalid block tag 'finalized'"),
    ] {
        assert!(lacks_tag(&error(code, message, "")), "{code} {message}");
    }
    for (code, message) in [
        (429, "finalized: too many requests"),
        (-32005, "limit exceeded"),
        (-32603, "limit reached"),
        (-32603, "Internal error"),
        (-32000, "no backend is currently healthy to serve traffic"),
        (-32002, "request timed out"),
        (4444, "Pruned history unavailable"),
        (0, ""),
    ] {
        assert!(!lacks_tag(&error(code, message, "")), "{code} {message}");
    }
    let tagged = |code, message: &str| {
        let params = json!(["finalized", false]);
        let request = alloy::rpc::json_rpc::Request::new("eth_getBlockByNumber", 1.into(), params);
        let request = RequestPacket::Single(request.serialize().expect("it serializes"));
        let answer = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}});
        refusal(&request, &serde_json::from_value(answer).expect("JSON-RPC"), None)
    };
    assert_eq!(tagged(-32602, "Invalid params"), Some(About::Method), "that is no fault");
    assert_eq!(tagged(-32603, "Internal error"), Some(About::Endpoint));
}

#[test]
fn a_method_that_can_be_done_without_is_no_fault() {
    check(
        About::Method,
        "eth_getBlockByNumber",
        &[(-39001, "Unknown block"), (-32000, "finalized block not found"), (-32000, "safe block not found")],
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
