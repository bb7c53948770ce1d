//! What a chain asks for a transaction: a price for gas, and, on some rollups, a fee for the bytes and one for the operator.
//!
//! Not every node serves every method. `eth_feeHistory` is asked first; without it, `eth_gasPrice` or `eth_maxPriorityFeePerGas`
//! is enough. A chain whose blocks have no base fee takes transactions of the old kind alone.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes, U64, U256},
    providers::{Provider, RootProvider},
    rpc::types::{FeeHistory, TransactionReceipt, TransactionRequest},
    sol,
    sol_types::SolCall,
    transports::{RpcError, TransportError},
};
use serde_json::Value;

use crate::{
    ChainError, Rpc,
    data_fees::{DataFees, SIGNS},
    endpoints::refusal::{About, about},
};

/// Blocks whose tips say what a usual one is, and which part of their transactions paid less.
const TIP_BLOCKS: u64 = 10;
const TIP_PERCENTILE: f64 = 20.0;
/// Above any price there ever was, and low enough that sums of a few do not overflow. Wei a unit of gas.
const HIGHEST: u128 = 1 << 100;
/// What is asked of another endpoint, too, before it is believed. Wei a unit of gas.
const MUCH: u128 = 5_000_000_000_000;
const MUCH_OF_A_TIP: u128 = 100_000_000_000;
/// Bytes of a signed transaction besides its calldata, rounded up.
const ENVELOPE: u8 = 200;
/// Gas for which an operator's fee is asked: it is a fixed sum and so much a unit, which this tells to the last digit.
const OPERATED_GAS: u64 = 1_000_000_000_000;

sol! {
    /// What rollups of the OP stack, and Scroll, have at a fixed address.
    interface GasPriceOracle {
        function getL1Fee(bytes memory data) external view returns (uint256);
        /// The OP stack's since Isthmus.
        function getOperatorFee(uint256 gasUsed) external view returns (uint256);
    }
}

/// Wei a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The most that is paid, the tip included.
    pub max: u128,
    /// The most of it that is for who makes the block.
    pub tip: u128,
    /// A transaction of the old kind, whose price is `max`.
    pub legacy: bool,
}

impl Fees {
    /// Of a transaction of the kind that has a tip (EIP-1559).
    pub fn new(max: u128, tip: u128) -> Self {
        Self { max, tip, legacy: false }
    }
}

/// What the chain asks now, wei a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The higher of the last block's base fee and the next one's; the price, where there is no base fee.
    pub base: u128,
    /// What transactions of late paid to who makes the block.
    pub tip: u128,
    /// Blocks have no base fee.
    pub legacy: bool,
}

impl Quote {
    /// Of a chain whose blocks have a base fee; what no chain asks is cut down to what can be added up.
    pub fn new(base: u128, tip: u128) -> Self {
        Self { base: base.min(HIGHEST), tip: tip.clamp(1, HIGHEST), legacy: false }
    }

    /// Of a chain whose blocks have none, which asks this price.
    pub fn legacy(price: u128) -> Self {
        let price = price.clamp(1, HIGHEST);
        Self { base: price, tip: price, legacy: true }
    }

    /// Whether it is so much that another endpoint should be asked, too.
    fn is_absurd(self) -> bool {
        self.base > MUCH || !self.legacy && self.tip > self.base.saturating_mul(20).max(MUCH_OF_A_TIP)
    }

    /// Good for some blocks of a rising base fee.
    pub fn fees(self) -> Fees {
        match self.legacy {
            true => self.settled(self.base, self.base),
            false => self.settled(2 * self.base + self.tip, self.tip),
        }
    }

    /// Fees as this chain takes them.
    pub fn settled(self, max: u128, tip: u128) -> Fees {
        Fees { max, tip: if self.legacy { max } else { tip }, legacy: self.legacy }
    }

    /// From what a node answers besides fees of the past: the base fee of its newest block, its price and its tip.
    fn of(base: Option<u128>, price: Option<u128>, tip: Option<u128>) -> Option<Self> {
        match base {
            Some(base) => Some(Self::new(base, tip.or(price.map(|price| price.saturating_sub(base)))?)),
            None => Some(Self::legacy(price.or(tip)?)),
        }
    }

    /// The base fee, and the usual tip if anybody tipped. None if no block has a base fee.
    fn of_history(history: &FeeHistory) -> Option<(u128, Option<u128>)> {
        let base = history.base_fee_per_gas.iter().rev().take(2).max().copied().filter(|base| *base > 0)?;
        let rewards = history.reward.iter().flatten();
        let mut tips: Vec<u128> =
            rewards.filter_map(|block| block.first().copied()).filter(|tip| *tip > 0).collect();
        tips.sort_unstable();
        Some((base, tips.get(tips.len() / 2).copied()))
    }
}

/// Wei that a rollup takes for a transaction besides its gas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surcharge {
    /// For its bytes, and what the operator takes whatever gas is used.
    pub fixed: U256,
    /// What the operator takes for [`OPERATED_GAS`].
    pub by_gas: U256,
}

impl Surcharge {
    /// Of a transaction that uses so much gas.
    pub fn at(self, gas: u64) -> U256 {
        let by_gas = self.by_gas.saturating_mul(U256::from(gas)).div_ceil(U256::from(OPERATED_GAS));
        self.fixed.saturating_add(by_gas)
    }
}

/// A receipt, with what a rollup took besides gas.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The receipt itself.
    pub inner: TransactionReceipt,
    /// Wei for the transaction's bytes and for the rollup's operator. (What Arbitrum takes for bytes is part of the gas used.)
    pub surcharge: U256,
}

impl Receipt {
    fn parse(answer: Value) -> Result<Self, serde_json::Error> {
        let said = |field: &str| answer.get(field).filter(|said| !said.is_null()).cloned();
        let wei = |field: &str| said(field).map(serde_json::from_value::<U256>).transpose();
        let bytes = wei("l1Fee")?.unwrap_or_default();
        let (scalar, fixed) = (wei("operatorFeeScalar")?, wei("operatorFeeConstant")?.unwrap_or_default());
        // The scalar counts hundreds of wei since Jovian, which brought the other field with it, and millionths before.
        let jovian = said("daFootprintGasScalar").is_some();
        let inner: TransactionReceipt = serde_json::from_value(answer)?;
        let scaled = scalar.unwrap_or_default().saturating_mul(U256::from(inner.gas_used));
        let by_gas = match jovian {
            true => scaled.saturating_mul(U256::from(100)),
            false => scaled / U256::from(1_000_000),
        };
        Ok(Self { inner, surcharge: bytes.saturating_add(by_gas).saturating_add(fixed) })
    }

    /// Wei that the transaction cost its sender, besides what it sent along.
    pub fn cost(&self) -> U256 {
        let gas = U256::from(self.inner.gas_used).saturating_mul(U256::from(self.inner.effective_gas_price));
        gas.saturating_add(self.surcharge)
    }
}

impl Rpc {
    /// A transaction's receipt; none if there is none yet.
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>, ChainError> {
        const METHOD: &str = "eth_getTransactionReceipt";
        let answer: Result<Value, _> = self.provider().raw_request(METHOD.into(), (hash,)).await;
        let answer = answer.map_err(|error| self.error(METHOD, error))?;
        if answer.is_null() {
            return Ok(None);
        }
        match Receipt::parse(answer) {
            // An answer about something else is none.
            Ok(receipt) => Ok(Some(receipt).filter(|receipt| receipt.inner.transaction_hash == hash)),
            Err(error) => Err(self.error(METHOD, TransportError::deser_err(error, ""))),
        }
    }

    /// Most that a unit of gas may cost in some blocks' time, in wei.
    pub async fn max_fee(&self) -> Result<u128, ChainError> {
        Ok(self.quote().await?.fees().max)
    }

    /// What gas costs now. A price beyond reason is not believed of one endpoint if another tells a lower one.
    pub async fn quote(&self) -> Result<Quote, ChainError> {
        let quote = self.quote_of(self.provider()).await?;
        if !quote.is_absurd() || !self.is_several() {
            return Ok(quote);
        }
        let all = self.everyone(|view| async move { self.quote_of(view.provider()).await }).await;
        let lowest = all.into_iter().chain([quote]).min_by_key(|quote| quote.fees().max).unwrap_or(quote);
        if lowest != quote {
            tracing::warn!(
                base = quote.base,
                tip = quote.tip,
                lower_base = lowest.base,
                lower_tip = lowest.tip,
                "an endpoint tells fees beyond reason, another's are taken"
            );
        }
        Ok(lowest)
    }

    async fn quote_of(&self, provider: &RootProvider) -> Result<Quote, ChainError> {
        let history = provider.get_fee_history(TIP_BLOCKS, BlockNumberOrTag::Latest, &[TIP_PERCENTILE]).await;
        if let Some((base, usual)) = history.ok().as_ref().and_then(Quote::of_history) {
            // On a quiet chain nobody tips, and its block producers may still leave out what tips less than they say.
            let tip = match usual {
                Some(tip) => tip,
                None => self.price(provider, "eth_maxPriorityFeePerGas").await.unwrap_or_default(),
            };
            return Ok(Quote::new(base, tip));
        }
        let (base, price, tip) = tokio::join!(
            self.base_fee(provider),
            self.price(provider, "eth_gasPrice"),
            self.price(provider, "eth_maxPriorityFeePerGas")
        );
        let base = base?;
        match (Quote::of(base, price.as_ref().ok().copied(), tip.ok()), price) {
            (Some(quote), _) => Ok(quote),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(self.senseless("eth_gasPrice", "no price")),
        }
    }

    /// The newest block's base fee. Nothing else of the block is looked at: some nodes leave out what others have.
    async fn base_fee(&self, provider: &RootProvider) -> Result<Option<u128>, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let block: Result<Value, _> = provider.raw_request(METHOD.into(), ("latest", false)).await;
        let block = block.map_err(|error| self.error(METHOD, error))?;
        let fee = block.get("baseFeePerGas").filter(|fee| !fee.is_null()).cloned();
        let fee = fee.map(serde_json::from_value::<U256>).transpose();
        let fee = fee.map_err(|error| self.error(METHOD, TransportError::deser_err(error, "")))?;
        Ok(fee.map(|fee| fee.saturating_to()))
    }

    async fn price(&self, provider: &RootProvider, method: &'static str) -> Result<u128, ChainError> {
        let price: Result<U256, _> = provider.raw_request(method.into(), ()).await;
        Ok(price.map_err(|error| self.error(method, error))?.saturating_to())
    }

    /// What the chain takes for bytes: what contracts it has says which kind it is.
    pub async fn look_for_data_fees(&self) -> Result<DataFees, ChainError> {
        let looks = SIGNS.map(|(at, fees)| async move {
            let code = self.code(at).await?;
            Ok::<_, ChainError>((!code.is_empty()).then_some(fees))
        });
        let found = futures::future::try_join_all(looks).await?;
        Ok(found.into_iter().flatten().next().unwrap_or(DataFees::InGas))
    }

    async fn code(&self, at: Address) -> Result<Bytes, ChainError> {
        self.provider().get_code_at(at).await.map_err(|error| self.error("eth_getCode", error))
    }

    /// What the chain takes for a transaction with this calldata, besides its gas.
    pub async fn surcharge_by(&self, fees: DataFees, calldata: &[u8]) -> Result<Surcharge, ChainError> {
        let DataFees::Oracle(oracle) = fees else { return Ok(Surcharge::default()) };
        let (bytes, idle, busy) = tokio::join!(
            self.byte_fee(oracle, calldata),
            self.operator_fee(oracle, 0),
            self.operator_fee(oracle, OPERATED_GAS)
        );
        let (bytes, idle, busy) = (bytes?, idle?, busy?);
        Ok(Surcharge { fixed: bytes.saturating_add(idle), by_gas: busy.saturating_sub(idle) })
    }

    async fn byte_fee(&self, oracle: Address, calldata: &[u8]) -> Result<U256, ChainError> {
        // What a signature and the rest look like is not known yet: as dear as bytes can be.
        let data: Vec<u8> = (1..=ENVELOPE).chain(calldata.iter().copied()).collect();
        let call = GasPriceOracle::getL1FeeCall { data: data.into() };
        let answer =
            self.ask(oracle, call.abi_encode()).await.map_err(|error| self.error("eth_call", error))?;
        GasPriceOracle::getL1FeeCall::abi_decode_returns(&answer)
            .map_err(|error| self.senseless("eth_call", &format!("getL1Fee: {error}")))
    }

    /// Nothing where the oracle knows of no operator's fee.
    async fn operator_fee(&self, oracle: Address, gas: u64) -> Result<U256, ChainError> {
        let call = GasPriceOracle::getOperatorFeeCall { gasUsed: U256::from(gas) };
        let answer = match self.ask(oracle, call.abi_encode()).await {
            Ok(answer) if answer.is_empty() => return Ok(U256::ZERO),
            Ok(answer) => answer,
            Err(RpcError::ErrorResp(payload))
                if matches!(about("eth_call", &payload), About::Reverted | About::Request) =>
            {
                return Ok(U256::ZERO);
            }
            Err(error) => return Err(self.error("eth_call", error)),
        };
        GasPriceOracle::getOperatorFeeCall::abi_decode_returns(&answer)
            .map_err(|error| self.senseless("eth_call", &format!("getOperatorFee: {error}")))
    }

    async fn ask(&self, contract: Address, calldata: Vec<u8>) -> Result<Bytes, TransportError> {
        self.provider().call(TransactionRequest::default().to(contract).input(calldata.into())).await
    }

    /// Gas of an empty transfer to oneself: more than 21,000 where bytes or code are paid for.
    pub async fn transfer_gas(&self, account: Address) -> Result<u64, ChainError> {
        let request = TransactionRequest::default().from(account).to(account).value(U256::ZERO);
        let gas: Result<U64, _> = self.provider().raw_request("eth_estimateGas".into(), (request,)).await;
        Ok(gas.map_err(|error| self.error("eth_estimateGas", error))?.to())
    }

    /// An answer of `method` that makes no sense, for `reason`.
    pub fn senseless(&self, method: &'static str, reason: &str) -> ChainError {
        ChainError::Inconsistent { url: self.name().to_string(), method, reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Fake, Say, connect, sound};

    #[test]
    fn a_price_or_a_tip_is_enough_to_send() {
        assert_eq!(Quote::of(Some(100), Some(103), Some(2)), Some(Quote::new(100, 2)));
        assert_eq!(Quote::of(Some(100), Some(103), None), Some(Quote::new(100, 3)));
        assert_eq!(Quote::of(Some(100), Some(90), None), Some(Quote::new(100, 1)));
        assert_eq!(Quote::of(Some(100), None, Some(2)), Some(Quote::new(100, 2)));
        assert_eq!(Quote::of(Some(100), None, None), None);
        assert_eq!(Quote::of(None, Some(7), None), Some(Quote::legacy(7)));
        assert_eq!(Quote::of(None, None, Some(7)), Some(Quote::legacy(7)));
        assert_eq!(Quote::of(None, None, None), None);
    }

    #[test]
    fn a_history_without_a_base_fee_says_nothing() {
        let history = |base: &[u128]| FeeHistory { base_fee_per_gas: base.to_vec(), ..FeeHistory::default() };
        assert_eq!(Quote::of_history(&history(&[5, 9, 8])), Some((9, None)));
        assert_eq!(Quote::of_history(&history(&[0, 0])), None);
        assert_eq!(Quote::of_history(&history(&[])), None);
    }

    #[tokio::test]
    async fn where_nobody_tips_the_tip_is_what_the_node_suggests() {
        let tipped = |reward: &'static str| {
            move |method: &str, params: &Value, _: usize| match method {
                "eth_feeHistory" => Say::Result(serde_json::json!({
                    "oldestBlock": "0x3e7", "baseFeePerGas": ["0x9", "0x9"], "gasUsedRatio": [0.0], "reward": [[reward]],
                })),
                "eth_maxPriorityFeePerGas" => Say::Result(serde_json::json!("0xe4e1c0")),
                _ => sound(method, params),
            }
        };
        for (reward, tip) in [("0x0", 15_000_000), ("0x2", 2)] {
            let fake = Fake::new(tipped(reward)).await;
            let rpc = connect(&[&fake], Duration::from_secs(60)).await;
            assert_eq!(rpc.quote().await.expect("a quote"), Quote::new(9, tip));
        }
    }

    #[test]
    fn what_a_rollup_takes_besides_gas_is_part_of_a_receipts_cost() {
        let receipt = |more: Value| {
            let mut receipt = serde_json::json!({
                "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": [],
                "logsBloom": format!("0x{}", "0".repeat(512)), "transactionHash": B256::ZERO,
                "transactionIndex": "0x0", "blockHash": B256::ZERO, "blockNumber": "0x1", "gasUsed": "0x64",
                "effectiveGasPrice": "0x3", "from": Address::ZERO, "to": Address::ZERO, "contractAddress": null,
            });
            if let (Some(into), Value::Object(more)) = (receipt.as_object_mut(), more) {
                into.extend(more);
            }
            Receipt::parse(receipt).expect("parses").cost()
        };
        assert_eq!(receipt(serde_json::json!({})), U256::from(300));
        assert_eq!(receipt(serde_json::json!({ "l1Fee": null })), U256::from(300));
        let op = |more: &[(&str, &str)]| {
            let fees = [("l1Fee", "0x7"), ("l1GasPrice", "0x1"), ("l1BlobBaseFee", "0x1")];
            let fees = fees.iter().chain(more);
            receipt(fees.map(|(field, value)| ((*field).to_owned(), Value::from(*value))).collect())
        };
        let operator = [("operatorFeeScalar", "0x4c4b40"), ("operatorFeeConstant", "0x9")];
        assert_eq!(op(&[]), U256::from(307));
        assert_eq!(op(&[("operatorFeeScalar", "0x0"), ("operatorFeeConstant", "0x0")]), U256::from(307));
        // Five wei a unit of gas, and nine.
        assert_eq!(op(&operator), U256::from(307 + 500 + 9));
        let jovian = [("operatorFeeScalar", "0x3"), operator[1], ("daFootprintGasScalar", "0x190")];
        assert_eq!(op(&jovian), U256::from(307 + 30_000 + 9));
        // Arbitrum's is part of the gas.
        assert_eq!(receipt(serde_json::json!({ "gasUsedForL1": "0x32" })), U256::from(300));
    }
}
