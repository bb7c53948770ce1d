//! How endpoints of other chains and providers answer the same questions: right, and unlike anvil.

use serde_json::{Map, Value, json};

/// Transactions that a rollup's own node puts into every block, with types that Ethereum does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// A deposit, type 0x7e, and the fields that the OP Stack's receipts have.
    Optimism,
    /// An internal one, type 0x6a, and the fields that Arbitrum's blocks and receipts have.
    Arbitrum,
}

/// What is unlike anvil.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    pub stack: Option<Stack>,
    /// Every object has fields that no specification has.
    pub unknown_fields: bool,
    pub upper_case: bool,
    /// More logs than this in one answer, or from more blocks, are refused.
    pub most_logs: Option<usize>,
    pub most_blocks: Option<u64>,
    /// Counts of transactions as of the pending block are null.
    pub no_pending: bool,
}

impl Dialect {
    /// Say it this way: `answer` is the node's to `request`.
    pub fn speak(self, method: &str, request: &Value, answer: &mut Value) {
        let too_much = |code: i64, message: &str| json!({ "code": code, "message": message });
        if method == "eth_getLogs" {
            let logs = answer["result"].as_array().map_or(0, Vec::len);
            let (from, to) =
                (quantity(&request["params"][0]["fromBlock"]), quantity(&request["params"][0]["toBlock"]));
            let blocks = from.zip(to).map_or(1, |(from, to)| to.saturating_sub(from) + 1);
            if self.most_blocks.is_some_and(|most| blocks > most) {
                return refuse(
                    answer,
                    &too_much(-32600, "you can make eth_getLogs requests with up to a 10 block range"),
                );
            }
            if self.most_logs.is_some_and(|most| logs > most) {
                return refuse(answer, &too_much(-32005, "query returned more than 5 results"));
            }
        }
        if self.no_pending && method == "eth_getTransactionCount" && request["params"][1] == "pending" {
            answer["result"] = Value::Null;
        }
        let Some(result) = answer.get_mut("result").filter(|result| !result.is_null()) else { return };
        if let Some(stack) = self.stack {
            stack.add(method, result);
        }
        if self.unknown_fields {
            stretch(result);
        }
        if self.upper_case {
            shout(result);
        }
    }
}

impl Stack {
    fn add(self, method: &str, result: &mut Value) {
        match method {
            "eth_getBlockByNumber" | "eth_getBlockByHash" => self.to_block(result),
            "eth_getBlockReceipts" => self.to_receipts(result),
            "eth_getTransactionReceipt" => self.to_receipt(result),
            _ => {}
        }
    }

    /// The hash of its own transaction in a block.
    fn hash(self, block: &Value) -> String {
        let kind = if self == Self::Optimism { "7e" } else { "6a" };
        let of_block = block["hash"].as_str().or(block["blockHash"].as_str()).unwrap_or_default();
        format!("0x{kind}{}", of_block.get(4..).unwrap_or(&"0".repeat(62)))
    }

    fn to_block(self, block: &mut Value) {
        let hash = self.hash(block);
        let number = block["number"].clone();
        let is_whole = block["transactions"][0].is_object();
        let transaction = if !is_whole {
            hash.into()
        } else {
            let place = json!({ "blockHash": block["hash"], "blockNumber": number, "transactionIndex": "0x0", "hash": hash });
            let own = match self {
                Self::Optimism => json!({
                    "type": "0x7e", "from": "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001",
                    "to": "0x4200000000000000000000000000000000000015", "sourceHash": hash, "mint": "0x0",
                    "value": "0x0", "gas": "0xf4240", "isSystemTx": false, "input": "0x", "nonce": "0x1",
                    "gasPrice": "0x0", "v": "0x0", "r": "0x0", "s": "0x0", "depositReceiptVersion": "0x1",
                }),
                Self::Arbitrum => json!({
                    "type": "0x6a", "from": "0x00000000000000000000000000000000000a4b05",
                    "to": "0x00000000000000000000000000000000000a4b05", "value": "0x0", "gas": "0x0", "input": "0x6bf6a42d",
                    "nonce": "0x0", "gasPrice": "0x0", "v": "0x0", "r": "0x0", "s": "0x0", "chainId": "0xa4b1",
                }),
            };
            merged(own, place)
        };
        if let Some(all) = block["transactions"].as_array_mut() {
            all.insert(0, transaction);
        }
        if self == Self::Arbitrum {
            block["l1BlockNumber"] = number;
            block["sendCount"] = "0x1".into();
            block["sendRoot"] = block["hash"].clone();
        }
    }

    fn to_receipts(self, receipts: &mut Value) {
        let Some(all) = receipts.as_array_mut() else { return };
        all.iter_mut().for_each(|receipt| self.to_receipt(receipt));
        let Some(first) = all.first() else { return };
        let own = json!({
            "type": if self == Self::Optimism { "0x7e" } else { "0x6a" }, "transactionHash": self.hash(first),
            "blockHash": first["blockHash"], "blockNumber": first["blockNumber"], "transactionIndex": "0x0",
            "from": "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001", "to": "0x4200000000000000000000000000000000000015",
            "status": "0x1", "gasUsed": "0xb729", "cumulativeGasUsed": "0xb729", "effectiveGasPrice": "0x0",
            "contractAddress": null, "logs": [], "logsBloom": format!("0x{}", "0".repeat(512)),
        });
        let more = match self {
            Self::Optimism => json!({ "depositNonce": "0x1", "depositReceiptVersion": "0x1" }),
            Self::Arbitrum => json!({ "gasUsedForL1": "0x0", "l1BlockNumber": first["blockNumber"] }),
        };
        all.insert(0, merged(own, more));
    }

    fn to_receipt(self, receipt: &mut Value) {
        let more = match self {
            Self::Optimism => json!({
                "l1Fee": "0x1", "l1GasPrice": "0x1", "l1GasUsed": "0x640", "l1FeeScalar": null, "l1BaseFeeScalar": "0x1",
                "l1BlobBaseFee": "0x1", "l1BlobBaseFeeScalar": "0x1", "operatorFeeScalar": "0x0",
            }),
            Self::Arbitrum => json!({ "gasUsedForL1": "0x1", "l1BlockNumber": "0x1", "timeboosted": false }),
        };
        *receipt = merged(receipt.take(), more);
    }
}

fn merged(mut into: Value, more: Value) -> Value {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
    into
}

fn refuse(answer: &mut Value, error: &Value) {
    *answer = json!({ "jsonrpc": "2.0", "id": answer["id"], "error": error });
}

fn quantity(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// Add unknown fields to every object.
fn stretch(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(stretch);
            let of_a_stranger: Map<String, Value> =
                Map::from_iter([("lFutureField".to_owned(), json!({ "a": [1, "0x", null] }))]);
            fields.extend(of_a_stranger);
        }
        Value::Array(all) => all.iter_mut().for_each(stretch),
        _ => {}
    }
}

/// Write every hexadecimal string in upper case.
fn shout(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(shout),
        Value::Array(all) => all.iter_mut().for_each(shout),
        Value::String(text) => {
            if let Some(digits) = text.strip_prefix("0x") {
                *text = format!("0x{}", digits.to_ascii_uppercase());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deposit_is_in_the_block_and_among_its_receipts_by_the_same_hash() {
        let hash = format!("0x{}", "ab".repeat(32));
        for stack in [Stack::Optimism, Stack::Arbitrum] {
            let speaking = Dialect { stack: Some(stack), upper_case: true, ..Dialect::default() };
            let mut block = json!({ "result": { "hash": hash, "number": "0x1", "transactions": ["0x1"] } });
            speaking.speak("eth_getBlockByNumber", &Value::Null, &mut block);
            let mut receipts = json!({ "result": [{ "blockHash": hash, "blockNumber": "0x1" }] });
            speaking.speak("eth_getBlockReceipts", &Value::Null, &mut receipts);
            assert_eq!(block["result"]["transactions"][0], receipts["result"][0]["transactionHash"]);
            assert_eq!(block["result"]["hash"], format!("0x{}", "AB".repeat(32)));
        }
    }
}
