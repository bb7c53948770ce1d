//! A connection to a chain, over one endpoint or several.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718 as _},
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{Provider, RootProvider},
    rpc::client::RpcClient,
};
use futures::future::join_all;
use provery_types::{BlockRef, is_development_chain};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::OnceCell, time::timeout};

use crate::{
    ChainError, EndpointHealth,
    clock::believable,
    data_fees::DataFees,
    endpoints::{Because, Pool, Route, Verdict},
    finality::Finality,
    headers::Header,
    view::View,
};

/// No request takes longer than this unless told otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rpc {
    provider: RootProvider,
    pool: Arc<Pool>,
    /// For each endpoint a provider that asks no other.
    alone: Arc<[RootProvider]>,
    name: Arc<str>,
    chain_id: u64,
    /// What the chain takes for bytes, once that was asked.
    data_fees: Arc<OnceCell<DataFees>>,
}

impl Rpc {
    /// Connect and ask for the chain id.
    pub async fn connect(url: &str) -> Result<Self, ChainError> {
        Self::connect_all(&[url.to_string()]).await
    }

    /// Connect to several endpoints of one chain, the preferred one first. Those that are down join when they are up.
    pub async fn connect_all(urls: &[String]) -> Result<Self, ChainError> {
        Self::connect_with(urls, REQUEST_TIMEOUT).await
    }

    /// As [`Self::connect_all`]; a request to a single endpoint takes at most `timeout`, to each of several half of it.
    pub async fn connect_with(urls: &[String], timeout: Duration) -> Result<Self, ChainError> {
        let pool = Arc::new(Pool::new(urls, timeout)?);
        let chain_id = pool.connect().await?;
        let provider = |only| {
            let route = Route { pool: pool.clone(), only };
            RootProvider::new(RpcClient::new(route, pool.is_local()))
        };
        let name = match pool.len() {
            1 => pool.name(0).to_string(),
            count => format!("{} and {} more", pool.name(0), count - 1),
        };
        let alone = (0..pool.len()).map(|at| provider(Some(at))).collect();
        Ok(Self {
            provider: provider(None),
            alone,
            name: name.into(),
            chain_id,
            pool,
            data_fees: Arc::default(),
        })
    }

    /// How each endpoint is doing.
    pub fn endpoints(&self) -> Vec<EndpointHealth> {
        self.pool.health()
    }

    /// The endpoints whose chain may be followed, the best first.
    pub(crate) fn trusted(&self) -> Vec<View> {
        self.pool.trusted().into_iter().filter_map(|at| self.view(at)).collect()
    }

    #[cfg(test)]
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// One endpoint by itself.
    pub(crate) fn view(&self, at: usize) -> Option<View> {
        Some(View::new(self.pool.clone(), self.alone.get(at)?.clone(), at))
    }

    /// The same connection for each endpoint that may be followed and is not left, which asks no other.
    pub fn apart(&self) -> Vec<Self> {
        let alone = |view: View| Self { provider: view.provider().clone(), ..self.clone() };
        self.sound().into_iter().map(alone).collect()
    }

    /// Whether it has more than one endpoint.
    pub fn is_several(&self) -> bool {
        self.pool.len() > 1
    }

    /// Give a signed transaction to every endpoint, if there are several. What they say of it is not asked for.
    pub async fn spread(&self, raw: &Bytes) {
        if self.is_several() {
            self.pool.spread(raw).await;
        }
    }

    pub(crate) fn is_suspicious(&self) -> bool {
        self.pool.is_suspicious()
    }

    /// An endpoint was caught.
    pub(crate) fn blame(&self, view: &View, because: Because) {
        self.pool.blame(view.at(), because);
    }

    /// See who lags and who contradicts.
    pub(crate) async fn look(&self, known: &BTreeMap<u64, B256>) {
        self.pool.look(known).await;
    }

    /// Who is right about the block of a height, of which `known` is what we have stored.
    pub(crate) async fn vote(&self, height: u64, known: Option<B256>) -> Verdict {
        self.pool.vote(height, known).await
    }

    /// How many endpoints there are besides this one, and what those that answer have at a height.
    pub(crate) async fn others(&self, view: &View, height: u64) -> (usize, Vec<(usize, B256)>) {
        let others: Vec<usize> = (0..self.pool.len()).filter(|at| *at != view.at()).collect();
        (others.len(), self.pool.hashes(&others, height).await)
    }

    /// Whether no other endpoint that answers has a different block at this height; else, the name of one that has.
    pub(crate) async fn seconded(&self, view: &View, block: &BlockRef) -> Result<(), String> {
        let seconded = self.pool.seconded(view.at(), block.number, block.hash).await;
        seconded.map_err(|other| self.pool.name(other).to_owned())
    }

    /// The endpoints to ask for a second opinion, the best first: none that is left.
    pub(crate) fn seconds(&self, view: &View) -> Vec<View> {
        self.pool.seconds(view.at()).into_iter().filter_map(|at| self.view(at)).collect()
    }

    fn sound(&self) -> Vec<View> {
        self.pool.sound().into_iter().filter_map(|at| self.view(at)).collect()
    }

    /// What each endpoint answers that may be followed, is not left, and answers in time.
    pub async fn everyone<T, F>(&self, ask: impl Fn(View) -> F) -> Vec<T>
    where
        F: Future<Output = Result<T, ChainError>>,
    {
        let views = self.sound();
        let answers = views.iter().map(|view| self.second(view, ask(view.clone())));
        join_all(answers).await.into_iter().flatten().collect()
    }

    /// What each says of its head and of what is final.
    pub async fn finalities(&self) -> Vec<(u64, Finality)> {
        let ask = |view: View| async move {
            let head = view.head().await?.block;
            Ok((head.number, view.finality(&head).await?))
        };
        self.everyone(ask).await
    }

    /// The most that any endpoint says an account has: one that says too little keeps nothing from being sent.
    pub async fn richest(&self, account: Address) -> Option<U256> {
        self.everyone(|view| async move { view.balance(account).await }).await.into_iter().max()
    }

    /// What a second endpoint says, if it does so in time; one that does not is left for a while.
    pub(crate) async fn second<T>(
        &self,
        other: &View,
        opinion: impl Future<Output = Result<T, ChainError>>,
    ) -> Option<T> {
        let most = self.pool.deadline();
        match timeout(most, opinion).await {
            Ok(Ok(said)) => return Some(said),
            Ok(Err(error)) => {
                tracing::debug!(rpc = other.name(), %error, "a second opinion was refused, going on without");
            }
            Err(_) => {
                let waited_ms = most.as_millis() as u64;
                tracing::warn!(
                    rpc = other.name(),
                    waited_ms,
                    "a second opinion did not come in time, going on without"
                );
                self.blame(other, Because::Failing);
            }
        }
        None
    }

    /// EIP-155 id, which every endpoint has to have.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Scheme, host and port of the first URL, and how many more there are. The rest of a URL may be a secret and is
    /// never shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For requests that are not made here: one endpoint's after [`Self::apart`], else that of whichever answers.
    pub fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Whether keys with known secrets may be used here: see [`is_development_chain`].
    pub fn is_development(&self) -> bool {
        is_development_chain(self.chain_id)
    }

    /// How often to ask for new blocks unless told otherwise.
    pub fn poll_interval(&self) -> Duration {
        Duration::from_millis(if self.is_development() { 200 } else { 1000 })
    }

    /// The newest block, as the first endpoint has it that gives one which is what its hash says. Its time is no later than
    /// it can be.
    pub async fn head(&self) -> Result<BlockRef, ChainError> {
        let mut failure = None;
        for view in self.pool.order().into_iter().filter_map(|at| self.view(at)) {
            match view.head().await {
                Ok(Header { block, .. }) => {
                    let timestamp = believable(block.timestamp, self.is_development());
                    return Ok(BlockRef { timestamp, ..block });
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        Err(failure.unwrap_or(ChainError::BlockNotFound(0)))
    }

    /// The canonical block of a height, if the node has it.
    pub async fn block(&self, number: u64) -> Result<Option<BlockRef>, ChainError> {
        self.get(BlockNumberOrTag::Number(number)).await
    }

    async fn get(&self, block: BlockNumberOrTag) -> Result<Option<BlockRef>, ChainError> {
        self.header("eth_getBlockByNumber", json!([block, false])).await
    }

    /// A block by its hash, canonical or not, if the node has it.
    pub async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockRef>, ChainError> {
        self.header("eth_getBlockByHash", json!([hash, false])).await
    }

    /// Of a block only what is needed, whatever else an endpoint says or leaves out.
    async fn header(&self, method: &'static str, params: Value) -> Result<Option<BlockRef>, ChainError> {
        let block = self.provider.client().request::<_, Option<Header>>(method, params).await;
        Ok(block.map_err(|error| self.error(method, error))?.map(|header| header.block))
    }

    /// The mixHash of the canonical block of a height, which is its `prevrandao`; nothing if there is no such block.
    pub async fn mix_hash(&self, number: u64) -> Result<Option<B256>, ChainError> {
        #[derive(Clone, Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Mix {
            mix_hash: B256,
        }
        const METHOD: &str = "eth_getBlockByNumber";
        let params = json!([BlockNumberOrTag::Number(number), false]);
        let block = self.provider.client().request::<_, Option<Mix>>(METHOD, params).await;
        Ok(block.map_err(|error| self.error(METHOD, error))?.map(|block| block.mix_hash))
    }

    /// Balance in wei of the chain's own currency.
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.provider.get_balance(account).await.map_err(|error| self.error("eth_getBalance", error))
    }

    /// The same where it is acted on: an endpoint that says it is less than `enough` is not believed if another says it is more.
    pub async fn surest_balance(&self, account: Address, enough: U256) -> Result<U256, ChainError> {
        let balance = self.balance(account).await?;
        if balance >= enough || !self.is_several() {
            return Ok(balance);
        }
        Ok(self.richest(account).await.unwrap_or_default().max(balance))
    }

    /// Wei that a transaction with this calldata, which uses so much gas, costs besides that.
    pub async fn surcharge(&self, calldata: &[u8], gas: u64) -> Result<U256, ChainError> {
        Ok(self.surcharge_by(self.data_fees().await?, calldata).await?.at(gas))
    }

    /// What the chain takes for bytes. That does not change, so it is asked once.
    pub async fn data_fees(&self) -> Result<DataFees, ChainError> {
        self.data_fees.get_or_try_init(|| self.look_for_data_fees()).await.copied()
    }

    /// keccak256 of the code at an address; `None` if there is no code.
    pub async fn code_hash(&self, account: Address) -> Result<Option<B256>, ChainError> {
        let code = self.provider.get_code_at(account).block_id(BlockId::latest()).await;
        let code = code.map_err(|error| self.error("eth_getCode", error))?;
        Ok((!code.is_empty()).then(|| keccak256(&code)))
    }

    /// Who signed a transaction, to whom it goes (nobody, where it creates a contract), and its calldata, as its hash and its signature say, and not whoever tells of it. Every endpoint
    /// is asked; nothing if none knows it.
    pub async fn transaction(&self, hash: B256) -> Option<(Address, Option<Address>, Bytes)> {
        let told = self.everyone(|view| async move {
            let told = view.provider().get_transaction_by_hash(hash).await;
            let told = told.map_err(|error| self.error("eth_getTransactionByHash", error))?;
            Ok(told.and_then(|told| signed(told.inner.inner(), hash)))
        });
        told.await.into_iter().flatten().next()
    }

    /// What an error of `method`, asked of any endpoint, is here.
    pub fn error(&self, method: &'static str, error: alloy::transports::TransportError) -> ChainError {
        ChainError::rpc(&self.name, method, error)
    }
}

/// Who signed this, to whom, and its calldata, if it is what has this hash.
fn signed(envelope: &TxEnvelope, hash: B256) -> Option<(Address, Option<Address>, Bytes)> {
    // The hash that it knows of itself is the one that came with it.
    if keccak256(envelope.encoded_2718()) != hash {
        return None;
    }
    let signer = envelope.signature().recover_address_from_prehash(&envelope.signature_hash()).ok()?;
    Some((signer, envelope.to(), envelope.input().clone()))
}

#[cfg(test)]
mod tests {
    use alloy::{
        consensus::{SignableTransaction as _, TxEip1559, TxLegacy},
        primitives::TxKind,
        signers::{SignerSync as _, local::PrivateKeySigner},
    };

    use super::*;
    use crate::testing::{Fake, Say, connect, hash, sound};

    const LONG: Duration = Duration::from_secs(20);

    /// Its oracle is where the OP stack's is, takes a wei for each byte, and says this of an operator's fee.
    async fn rollup(operator: impl Fn(u128) -> Say + Send + Sync + 'static) -> Fake {
        let oracle = "0x420000000000000000000000000000000000000f";
        Fake::new(move |method, params, _| match method {
            "eth_getCode" if params[0] == oracle => Say::Result(json!("0x01")),
            "eth_getCode" => Say::Result(json!("0x")),
            "eth_call" if params[0]["to"] == oracle => {
                let input = params[0]["input"].as_str().expect("calldata");
                let word = |at: usize| &input[2 + 8 + 64 * at..][..64];
                match input.len() {
                    74 => operator(u128::from_str_radix(&word(0)[32..], 16).expect("gas")),
                    _ => Say::Result(json!(format!("0x{}", word(1)))),
                }
            }
            _ => sound(method, params),
        })
        .await
    }

    /// What contracts say that have no such method: with data or without, or with a code of its own.
    const NO_METHOD: [Say; 3] = [
        Say::Error(3, "execution reverted", Value::Null),
        Say::Error(-32000, "execution reverted", Value::Null),
        Say::Error(-32015, "VM execution error.", Value::Null),
    ];

    #[tokio::test]
    async fn a_chain_that_takes_a_fee_for_bytes_is_asked_for_it() {
        let plain = Fake::new(|method, params, _| match method {
            "eth_getCode" => Say::Result(json!("0x")),
            _ => sound(method, params),
        })
        .await;
        let rollup = rollup(|_| NO_METHOD[0].clone()).await;
        let rpc = connect(&[&rollup], LONG).await;
        let fee = async |length| rpc.surcharge(&vec![7; length], 1_000_000).await.expect("answers");
        assert_eq!(fee(4_000).await - fee(0).await, U256::from(4_000));
        assert_eq!(rollup.asked("eth_getCode"), 4, "what kind of a chain it is does not change");
        let mut fees = Vec::new();
        for one in connect(&[&rollup, &plain], LONG).await.apart() {
            // What kind of a chain it is was not asked of this connection yet.
            let one = Rpc { data_fees: Arc::default(), ..one };
            fees.push(one.surcharge(&[7; 100], 0).await.expect("answers").is_zero());
        }
        fees.sort_unstable();
        assert_eq!(fees, [false, true], "each by itself");
        let rpc = connect(&[&plain], LONG).await;
        assert_eq!(rpc.surcharge(&[7; 100], 1_000_000).await.expect("answers"), U256::ZERO);
    }

    #[tokio::test]
    async fn an_operators_fee_is_counted_where_the_oracle_knows_of_one() {
        let fee = async |fake: &Fake, gas| connect(&[fake], LONG).await.surcharge(&[], gas).await;
        for says in NO_METHOD.into_iter().chain([Say::Result(json!("0x"))]) {
            let older = rollup(move |_| says.clone()).await;
            let (idle, busy) = (fee(&older, 0).await, fee(&older, 1_000_000).await);
            let (idle, busy) = (idle.expect("no operator's fee"), busy.expect("no operator's fee"));
            assert!(idle == busy && idle > U256::ZERO, "the bytes alone: {idle} {busy}");
        }
        let word = |wei: u128| Say::Result(json!(format!("0x{wei:064x}")));
        // By the rule of Isthmus, and by the one since Jovian.
        type Rule = fn(u128) -> u128;
        let rules: [Rule; 2] = [|gas| gas * 7 / 1_000_000 + 9, |gas| gas * 7 * 100 + 9];
        let bytes = fee(&rollup(|_| NO_METHOD[0].clone()).await, 0).await.expect("bytes");
        for rule in rules {
            let rollup = rollup(move |gas| word(rule(gas))).await;
            for gas in [0, 21_000, 400_000, 16_777_216] {
                let operator = fee(&rollup, gas).await.expect("answers") - bytes;
                let exact = U256::from(rule(gas.into()));
                assert!(operator == exact || operator == exact + U256::ONE, "{gas}: {operator} {exact}");
            }
        }
        // An endpoint that does not answer says nothing of what it costs.
        let broken = rollup(|_| Say::refuse(-32603, "internal error")).await;
        assert!(fee(&broken, 0).await.is_err());
    }

    /// A transaction of the old kind or not, and what an honest endpoint says of it.
    fn transaction(legacy: bool) -> (B256, Address, Value) {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
        let to = TxKind::Call(Address::repeat_byte(3));
        let input = Bytes::from_static(&[1, 2, 3, 4]);
        let envelope: TxEnvelope = if legacy {
            let tx = TxLegacy { chain_id: Some(31337), gas_limit: 9, to, input, ..TxLegacy::default() };
            let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("signs");
            tx.into_signed(signature).into()
        } else {
            let tx = TxEip1559 { chain_id: 31337, gas_limit: 9, to, input, ..TxEip1559::default() };
            let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("signs");
            tx.into_signed(signature).into()
        };
        let mut told = serde_json::to_value(&envelope).expect("serialises");
        let more = json!({
            "from": signer.address(), "blockHash": hash(5), "blockNumber": "0x5", "transactionIndex": "0x0",
            "gasPrice": told.get("gasPrice").cloned().unwrap_or(json!("0x1")),
        });
        more.as_object().into_iter().flatten().for_each(|(field, value)| told[field] = value.clone());
        (*envelope.tx_hash(), signer.address(), told)
    }

    #[tokio::test]
    async fn whose_a_transaction_is_its_hash_and_signature_say_and_not_an_endpoint() {
        for legacy in [false, true] {
            let (hash, signer, told) = transaction(legacy);
            let says = |told: Value| {
                Fake::new(move |method, params, _| match method {
                    "eth_getTransactionByHash" => Say::Result(told.clone()),
                    _ => sound(method, params),
                })
            };
            let but = |field: &str, value: &str| {
                let mut told = told.clone();
                told[field] = json!(value);
                told
            };
            let honest = says(told.clone()).await;
            let to = Some(Address::repeat_byte(3));
            let truth = Some((signer, to, Bytes::from_static(&[1, 2, 3, 4])));
            for lie in [Value::Null, but("input", "0x05"), but("nonce", "0x9")] {
                let liar = says(lie).await;
                assert_eq!(connect(&[&liar], LONG).await.transaction(hash).await, None);
                assert_eq!(connect(&[&liar, &honest], LONG).await.transaction(hash).await, truth);
            }
            let liar = says(but("from", "0x0000000000000000000000000000000000000009")).await;
            assert_eq!(
                connect(&[&liar], LONG).await.transaction(hash).await,
                truth,
                "its signature says who"
            );
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_says_a_balance_is_gone_is_not_believed_by_itself() {
        let liar = Fake::new(|method, params, _| match method {
            "eth_getBalance" => Say::Result(json!("0x0")),
            _ => sound(method, params),
        })
        .await;
        let honest = Fake::sound().await;
        let (me, wei) = (Address::repeat_byte(1), U256::from(10).pow(U256::from(18)));
        let rpc = connect(&[&liar, &honest], LONG).await;
        assert_eq!(rpc.surest_balance(me, wei).await.expect("answers"), wei);
        assert_eq!(rpc.surest_balance(me, U256::ZERO).await.expect("answers"), U256::ZERO, "it is enough");
        assert_eq!(connect(&[&liar], LONG).await.surest_balance(me, wei).await.expect("answers"), U256::ZERO);
    }
}
