//! What a deployment's asset counts in, as its contract tells.

use alloy::contract::Error as Answer;
use provery_bindings::DevelopmentToken;
use provery_types::{Address, Currency};

use crate::{ChainError, Rpc, endpoints::is_about_the_call};

/// Symbol and decimals of an ERC-20. One without a symbol that can be read has none here; decimals it must have.
pub async fn currency(rpc: &Rpc, asset: Address) -> Result<Currency, ChainError> {
    let contract = DevelopmentToken::new(asset, rpc.provider().clone());
    let unusable = |reason: String| ChainError::AssetUnusable { asset, reason };
    let decimals = match contract.decimals().call().await {
        Ok(decimals) => decimals,
        Err(error) if is_the_contracts(&error) => {
            return Err(unusable("it does not say how many decimals it has".to_owned()));
        }
        Err(error) => return Err(ChainError::contract(rpc.name(), "decimals", error)),
    };
    let symbol = match contract.symbol().call().await {
        Ok(symbol) => symbol,
        Err(error) if is_the_contracts(&error) => String::new(),
        Err(error) => return Err(ChainError::contract(rpc.name(), "symbol", error)),
    };
    Currency::asset(&symbol, decimals).map_err(|error| unusable(error.0))
}

/// Asset wei that there are in all.
pub async fn supply(rpc: &Rpc, asset: Address) -> Result<provery_types::U256, ChainError> {
    let contract = DevelopmentToken::new(asset, rpc.provider().clone());
    let answer = contract.totalSupply().call().await;
    answer.map_err(|error| ChainError::contract(rpc.name(), "totalSupply", error))
}

/// Whether it is the contract that does not answer as an ERC-20, rather than the endpoint.
fn is_the_contracts(error: &Answer) -> bool {
    match error {
        Answer::TransportError(error) => error.as_error_resp().is_some_and(is_about_the_call),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::testing::{Fake, Say, connect, sound};

    #[tokio::test]
    async fn what_a_node_says_of_a_call_that_cannot_be_executed_is_the_tokens_fault_whatever_its_words() {
        for say in [
            Say::Error(3, "execution reverted", json!("0x")),
            Say::refuse(-32000, "invalid opcode: opcode 0xfe not defined"),
            Say::refuse(-32015, "VM execution error."),
        ] {
            let fake = Fake::new(move |method, params, _| match method {
                "eth_call" => say.clone(),
                _ => sound(method, params),
            })
            .await;
            let rpc = connect(&[&fake], Duration::from_secs(20)).await;
            let error = currency(&rpc, Address::repeat_byte(1)).await.expect_err("it has no decimals");
            assert!(matches!(error, ChainError::AssetUnusable { .. }), "{error}");
        }
        let fake = Fake::new(|method, params, _| match method {
            "eth_call" => Say::refuse(-32005, "daily request count exceeded"),
            _ => sound(method, params),
        })
        .await;
        let rpc = connect(&[&fake], Duration::from_secs(20)).await;
        let error = currency(&rpc, Address::repeat_byte(1)).await.expect_err("it refuses");
        assert!(!matches!(error, ChainError::AssetUnusable { .. }), "{error}");
    }
}
