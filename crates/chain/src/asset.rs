//! What a deployment's asset counts in, as its contract tells.

use alloy::contract::Error as Answer;
use provery_bindings::DevelopmentToken;
use provery_types::{Address, Currency};

use crate::{ChainError, Rpc};

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
        // What nodes say of a revert: geth and most others 3, older ones in words.
        Answer::TransportError(error) => {
            error.as_error_resp().is_some_and(|answer| answer.code == 3 || answer.message.contains("revert"))
        }
        _ => true,
    }
}
