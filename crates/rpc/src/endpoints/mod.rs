//! Several endpoints behind one transport: each request goes to the best of them, and to the next one when it fails.

mod ask;
mod batch;
mod failure;
mod health;
mod judge;
mod limit;
pub(crate) mod refusal;
mod send;
mod shape;
mod votes;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use alloy::{
    primitives::{Bytes, U64},
    rpc::json_rpc::{ErrorPayload, Id, Request, RequestPacket, ResponsePacket, RpcRecv},
    transports::{RpcError, TransportError, TransportErrorKind, TransportFut},
};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    ChainError,
    headers::{self, Seal},
};
pub(crate) use batch::batched;
pub(crate) use health::Because;
use health::State;
pub(crate) use judge::Verdict;
use limit::Limit;
use refusal::About;
pub(crate) use refusal::is_about_the_call;
pub(crate) use wire::redact;
use wire::{Fault, Wire};

/// Blocks below the head from which on endpoints must agree.
pub(crate) const DEEP: u64 = 3;

/// Blocks whose logs are asked for in one request, at most.
const RANGE: u64 = 1 << 20;

/// So many refusals in a row to tell what is final are taken for those of a hurried or broken endpoint, no more.
const UNTOLD: u32 = 4;
const UNTOLD_AT_THIS_RATE: u32 = 16;

/// No time for an endpoint is shorter than this.
const SHORTEST: Duration = Duration::from_secs(1);

/// How one endpoint is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Scheme, host and port of its URL.
    pub name: String,
    /// Its last request was answered.
    pub up: bool,
    /// Height of its newest block, when it was last asked.
    pub head: Option<u64>,
    /// Blocks behind the best endpoint.
    pub lag_blocks: u64,
    /// Failures in a row.
    pub failures: u32,
    /// Failures since the connection was made.
    pub total_failures: u64,
    /// Requests that it was sent since then; a batch counts once.
    pub requests: u64,
    /// What the last failure was; `None` if there was none.
    pub last_error: Option<String>,
    /// Why it is not asked at present: "failing", "lagging", "empty", "contradicting", or "resting" as it asked for that.
    pub left_because: Option<&'static str>,
}

#[derive(Debug)]
struct Endpoint {
    wire: Wire,
    /// How many requests it takes in one batch, and logs of how many blocks in one request.
    batch: Mutex<Limit>,
    range: Mutex<Limit>,
    /// It has refused to tell a block's logs by the block's hash.
    no_logs_by_hash: AtomicBool,
    /// How often in a row it has refused, for no reason of the request's, to tell what is final.
    no_finality: AtomicU32,
}

#[derive(Debug)]
pub(crate) struct Pool {
    endpoints: Vec<Endpoint>,
    chain_id: OnceLock<u64>,
    states: Mutex<Vec<State>>,
    /// Most time for a request to one of them.
    each: Duration,
    /// Requests so far, which numbers them.
    asked: AtomicU64,
    /// Of each endpoint.
    seals: Mutex<Vec<Seal>>,
}

impl Pool {
    /// `timeout` bounds a request; half of it bounds each of several endpoints.
    pub(crate) fn new(urls: &[String], timeout: Duration) -> Result<Self, ChainError> {
        let mut unique: Vec<&String> = Vec::new();
        for url in urls {
            if !unique.contains(&url) {
                unique.push(url);
            }
        }
        let each = if unique.len() > 1 { (timeout / 2).max(SHORTEST).min(timeout) } else { timeout };
        let endpoints: Vec<Endpoint> = unique
            .into_iter()
            .map(|url| {
                let wire = Wire::new(url, each, wire::LONGEST)?;
                let [batch, range] = [batch::MOST, RANGE].map(|most| Mutex::new(Limit::new(most)));
                Ok(Endpoint {
                    wire,
                    batch,
                    range,
                    no_logs_by_hash: AtomicBool::new(false),
                    no_finality: AtomicU32::new(0),
                })
            })
            .collect::<Result<_, ChainError>>()?;
        let states = Mutex::new(vec![State::default(); endpoints.len()]);
        let seals = Mutex::new(vec![Seal::default(); endpoints.len()]);
        Ok(Self { endpoints, chain_id: OnceLock::new(), states, each, asked: AtomicU64::new(0), seals })
    }

    /// Ask every endpoint for its chain id. At least one must answer, and those that do must agree.
    pub(crate) async fn connect(&self) -> Result<u64, ChainError> {
        // One that hangs keeps nobody from the others.
        let most = if self.len() > 1 { self.each.min(ask::PROMPT) } else { self.each };
        let ask = |at| async move {
            let late = |_| Err(TransportErrorKind::custom(Fault::Timeout(most.as_millis())));
            tokio::time::timeout(most, self.chain_id(at)).await.unwrap_or_else(late)
        };
        let answers = join_all((0..self.len()).map(ask)).await;
        let mut first: Option<(usize, u64)> = None;
        let mut failure = None;
        for (at, answer) in answers.into_iter().enumerate() {
            match (answer, first) {
                (Ok(id), None) => first = Some((at, id)),
                (Ok(id), Some((_, one))) if id == one => {}
                (Ok(other), Some((by, one))) => {
                    return Err(ChainError::ChainsDiffer {
                        url: self.name(by).to_string(),
                        chain: one,
                        other_url: self.name(at).to_string(),
                        other,
                    });
                }
                (Err(error), _) => {
                    let error = ChainError::rpc(self.name(at), "eth_chainId", error);
                    if self.len() > 1 {
                        tracing::warn!(rpc = self.name(at), %error, "an endpoint is down, it joins later");
                    }
                    failure.get_or_insert(error);
                }
            }
        }
        match (first, failure) {
            (Some((_, id)), _) => {
                let _ = self.chain_id.set(id);
                Ok(id)
            }
            (None, Some(error)) => Err(error),
            (None, None) => {
                Err(ChainError::UrlInvalid { url: String::new(), reason: "none is given".into() })
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.endpoints.len()
    }

    pub(crate) fn name(&self, at: usize) -> &str {
        self.endpoints.get(at).map_or("", |endpoint| endpoint.wire.name())
    }

    pub(crate) fn is_local(&self) -> bool {
        self.endpoints.iter().all(|endpoint| endpoint.wire.is_local())
    }

    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        lock(&self.states)
    }

    pub(crate) fn health(&self) -> Vec<EndpointHealth> {
        let (now, states) = (Instant::now(), self.states());
        let best = states.iter().filter(|state| !state.is_flagged()).filter_map(|state| state.head).max();
        let health = |(at, state): (usize, &State)| EndpointHealth {
            name: self.name(at).to_string(),
            up: state.failures == 0 && state.checked && !state.hangs(now),
            head: state.head,
            lag_blocks: best.unwrap_or_default().saturating_sub(state.head.unwrap_or_default()),
            failures: state.failures,
            total_failures: state.total_failures,
            requests: state.requests,
            last_error: state.last_error.clone(),
            left_because: match state.left.filter(|_| !state.is_in(now)) {
                Some(left) => Some(left.because.word()),
                None => state.rest(now).map(|_| "resting"),
            },
        };
        states.iter().enumerate().map(health).collect()
    }

    /// Whose chain may be followed, the best first.
    pub(crate) fn trusted(&self) -> Vec<usize> {
        health::trusted(&self.states(), Instant::now())
    }

    /// The order in which to ask.
    pub(crate) fn order(&self) -> Vec<usize> {
        health::order(&self.states(), Instant::now())
    }

    /// It told of a header that is, or is not, what its hash says. Whether that is to be believed.
    pub(crate) fn believes(&self, at: usize, is_sealed: bool) -> bool {
        let away: Vec<bool> = self.states().iter().map(State::is_away).collect();
        let counts = |other: usize| away.get(other).is_some_and(|away| !away);
        let believed = headers::believes(&mut lock(&self.seals), at, is_sealed, counts);
        if !believed {
            self.blame(at, Because::Contradicting);
        }
        believed
    }

    /// Whether an endpoint is known to refuse to tell a block's logs by the block's hash.
    pub(crate) fn refuses_logs_by_hash(&self, at: usize) -> bool {
        self.endpoints.get(at).is_some_and(|endpoint| endpoint.no_logs_by_hash.load(Ordering::Relaxed))
    }

    pub(crate) fn note_no_logs_by_hash(&self, at: usize) {
        let Some(endpoint) = self.endpoints.get(at) else { return };
        if !endpoint.no_logs_by_hash.swap(true, Ordering::Relaxed) {
            tracing::info!(
                rpc = self.name(at),
                "an endpoint tells no logs by block hash, it is asked by height"
            );
        }
    }

    /// Whether it says that there is no finalized block by that name. Whatever it says: if it says it again and again, and answers
    /// all else, it has none, and nobody waits for it for ever.
    pub(crate) fn lacks_finality(&self, at: usize, error: &ErrorPayload) -> bool {
        let Some(endpoint) = self.endpoints.get(at) else { return false };
        if refusal::lacks_tag(error) {
            return true;
        }
        let is_rate = refusal::about("eth_getBlockByNumber", error) == About::Rate;
        let most = if is_rate { UNTOLD_AT_THIS_RATE } else { UNTOLD };
        endpoint.no_finality.fetch_add(1, Ordering::Relaxed) >= most
    }

    /// It told of one.
    pub(crate) fn told_finality(&self, at: usize) {
        if let Some(endpoint) = self.endpoints.get(at) {
            endpoint.no_finality.store(0, Ordering::Relaxed);
        }
    }

    /// Whether something was noticed that only counts if it persists.
    pub(crate) fn is_suspicious(&self) -> bool {
        self.states().iter().any(State::is_suspected)
    }

    pub(crate) fn note_head(&self, at: usize, head: u64) {
        if let Some(state) = self.states().get_mut(at) {
            state.head = Some(head);
        }
    }

    /// It was caught.
    pub(crate) fn blame(&self, at: usize, because: Because) {
        let is_new = self.states().get_mut(at).is_some_and(|state| state.leave(Instant::now(), because));
        if is_new {
            self.tell(at);
        }
    }

    fn tell(&self, at: usize) {
        let states = self.states();
        let Some((state, left)) = states.get(at).and_then(|state| Some((state, state.left?))) else { return };
        tracing::warn!(
            rpc = self.name(at),
            because = left.because.word(),
            error = state.last_error.as_deref().unwrap_or_default(),
            retry_ms = left.until.duration_since(Instant::now()).as_millis() as u64,
            "an endpoint is left for a while"
        );
    }

    /// It asked to be left alone.
    fn rests(&self, at: usize, wait: Duration) {
        if self.states().get_mut(at).is_some_and(|state| state.rests(Instant::now(), wait)) {
            tracing::warn!(
                rpc = self.name(at),
                wait_ms = wait.as_millis() as u64,
                "an endpoint asks to be left alone for a while"
            );
        }
    }

    /// A request got no usable answer.
    pub(crate) fn failed(&self, at: usize, why: String) {
        let left = self.states().get_mut(at).is_some_and(|state| state.failed(Instant::now(), why));
        if left {
            self.tell(at);
        }
    }

    /// Its chain id, which must be ours if we have one.
    async fn chain_id(&self, at: usize) -> Result<u64, TransportError> {
        let packet = request("eth_chainId", json!([]))?;
        let (answer, _) = self.post(at, &packet).await.map_err(TransportErrorKind::custom)?;
        let found: U64 = payload(answer).inspect_err(|error| {
            if error.is_deser_error() {
                self.failed(at, error.to_string());
            }
        })?;
        let found = found.to::<u64>();
        if let Some(expected) = self.chain_id.get().copied().filter(|expected| *expected != found) {
            let fault = Fault::OtherChain { found, expected };
            if let Some(state) = self.states().get_mut(at) {
                state.failed(Instant::now(), fault.to_string());
            }
            self.blame(at, Because::Contradicting);
            return Err(TransportErrorKind::custom(fault));
        }
        if let Some(state) = self.states().get_mut(at) {
            state.checked = true;
        }
        Ok(found)
    }

    async fn call<R: RpcRecv>(&self, at: usize, method: &'static str, params: Value) -> Option<R> {
        let packet = request(method, params).ok()?;
        let answer = self.ask(at, &packet).await.ok()?;
        payload(answer)
            .inspect_err(|error| tracing::debug!(rpc = self.name(at), method, %error, "a look was refused"))
            .ok()
    }

    fn batch_size(&self, at: usize) -> u64 {
        self.endpoints.get(at).map_or(1, |endpoint| lock(&endpoint.batch).size())
    }

    fn learn_batch(&self, at: usize, learn: impl FnOnce(&mut Limit)) {
        if let Some(endpoint) = self.endpoints.get(at) {
            learn(&mut lock(&endpoint.batch));
        }
    }

    /// Of how many blocks it tells the logs in one request, as far as is known.
    pub(crate) fn range_size(&self, at: usize) -> u64 {
        self.endpoints.get(at).map_or(1, |endpoint| lock(&endpoint.range).size())
    }

    /// It answered for so many blocks.
    pub(crate) fn range_taken(&self, at: usize, blocks: u64) {
        if let Some(endpoint) = self.endpoints.get(at) {
            lock(&endpoint.range).took(blocks);
        }
    }

    /// It did not answer for so many blocks. Whether it may for fewer.
    pub(crate) fn range_refused(&self, at: usize, blocks: u64, error: &TransportError) -> bool {
        let is_too_much = match error {
            RpcError::ErrorResp(error) => {
                !matches!(refusal::about("eth_getLogs", error), About::Rate | About::Pruned)
            }
            error => batch::is_too_long(error),
        };
        if is_too_much && let Some(endpoint) = self.endpoints.get(at) {
            lock(&endpoint.range).refused(blocks, 0);
        }
        is_too_much && blocks > 1
    }

    /// Give a transaction to every endpoint that is not left: the one that took it first may keep it to itself.
    pub(crate) async fn spread(&self, raw: &Bytes) {
        let Ok(packet) = request("eth_sendRawTransaction", json!([raw])) else { return };
        let now = Instant::now();
        let there: Vec<usize> = {
            let states = self.states();
            (0..self.len()).filter(|at| states[*at].is_due(now)).collect()
        };
        join_all(there.into_iter().map(|at| self.ask(at, &packet))).await;
    }
}

/// Nothing panics while any of these is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn request(method: &'static str, params: Value) -> Result<RequestPacket, TransportError> {
    let request = Request::new(method, Id::Number(0), params);
    Ok(RequestPacket::Single(request.serialize().map_err(TransportError::ser_err)?))
}

fn payload<R: RpcRecv>(answer: ResponsePacket) -> Result<R, TransportError> {
    use alloy::rpc::json_rpc::ResponsePayload;
    let ResponsePacket::Single(response) = answer else { return Err(RpcError::NullResp) };
    match response.payload {
        ResponsePayload::Failure(error) => Err(RpcError::ErrorResp(error)),
        ResponsePayload::Success(text) => {
            serde_json::from_str(text.get()).map_err(|error| TransportError::deser_err(error, text.get()))
        }
    }
}

/// The transport of a provider: over all endpoints, or over one alone.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) pool: Arc<Pool>,
    pub(crate) only: Option<usize>,
}

impl Service<RequestPacket> for Route {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let route = self.clone();
        Box::pin(async move {
            match route.only {
                Some(at) => route.pool.ask(at, &packet).await.map_err(TransportErrorKind::custom),
                None => route.pool.send(packet).await,
            }
        })
    }
}
