//! JSON-RPC straight to anvil, past every proxy: what the run itself goes by.

use eyre::{Context, Result, bail};
use serde_json::{Value, json};

use super::http;

#[derive(Clone, Debug)]
pub(super) struct Direct {
    address: String,
}

impl Direct {
    pub(super) fn new(port: u16) -> Self {
        Self { address: format!("127.0.0.1:{port}") }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The result of one request.
    pub(super) async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let bytes = http::post(&self.address, body.to_string().as_bytes())
            .await
            .wrap_err_with(|| format!("anvil does not answer {method}"))?;
        result(method, serde_json::from_slice(&bytes)?)
    }

    /// The results of many requests of one method, in order.
    pub(super) async fn batch(&self, method: &str, each: Vec<Value>) -> Result<Vec<Value>> {
        let mut results = Vec::with_capacity(each.len());
        for some in each.chunks(50) {
            let body: Vec<Value> = some
                .iter()
                .enumerate()
                .map(|(id, params)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
                .collect();
            let bytes = http::post(&self.address, serde_json::to_string(&body)?.as_bytes())
                .await
                .wrap_err_with(|| format!("anvil does not answer {method}"))?;
            let mut answers: Vec<Value> = serde_json::from_slice(&bytes)?;
            answers.sort_by_key(|answer| answer["id"].as_u64());
            for answer in answers {
                results.push(result(method, answer)?);
            }
        }
        Ok(results)
    }

    pub(super) async fn number(&self, method: &str, params: Value) -> Result<u64> {
        quantity(&self.call(method, params).await?)
    }
}

fn result(method: &str, mut answer: Value) -> Result<Value> {
    if answer["error"].is_object() {
        bail!("anvil refuses {method}: {}", answer["error"]);
    }
    Ok(answer["result"].take())
}

/// A JSON-RPC quantity.
pub(super) fn quantity(value: &Value) -> Result<u64> {
    let text = value.as_str().unwrap_or_default();
    u64::from_str_radix(text.trim_start_matches("0x"), 16).wrap_err_with(|| format!("{value} is no quantity"))
}
