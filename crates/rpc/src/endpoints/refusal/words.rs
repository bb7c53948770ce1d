//! The words of nodes and gateways, in lower case: what each of them says of an error.

/// Methods whose answer depends on what the request would do.
pub(super) const EXECUTE: [&str; 4] =
    ["eth_call", "eth_estimateGas", "eth_createAccessList", "eth_sendRawTransaction"];
/// Methods for which there is another way.
pub(super) const OPTIONAL: [&str; 5] = [
    "eth_getBlockReceipts",
    "debug_getRawHeader",
    "eth_feeHistory",
    "eth_maxPriorityFeePerGas",
    "eth_createAccessList",
];

/// What nodes say of something that cannot be executed, or that the pool does not want from anybody.
pub(super) const EXECUTION: [&str; 41] = [
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
pub(super) const TRANSACTION: [&str; 8] = [
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
pub(super) const RATE: [&str; 24] = [
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
pub(super) const SIZE: [&str; 9] = [
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
pub(super) const LOGS: [&str; 13] = [
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

/// What is said by who does not know a block by its name.
pub(super) const TAGLESS: [&str; 8] = [
    "block tag",
    "block number",
    "block parameter",
    "invalid argument",
    "invalid params",
    "invalid block",
    "block not found",
    "not supported",
];

/// What says that the past is not kept. The word alone may be in an endpoint's name.
pub(super) const PRUNED: [&str; 24] = [
    "pruned",
    "pruning",
    "missing trie node",
    "historical state",
    "state histor",
    "state is not available",
    "state not available",
    "state unavailable",
    "no state available",
    "history unavailable",
    "history is available",
    "history not available",
    "available history",
    "receipt not available",
    "receipts not available",
    "neither stored nor",
    "failed to get logs for block",
    "data before txnum",
    "archive node",
    "archive state",
    "archive data",
    "archive mode",
    "archive request",
    "archival",
];
