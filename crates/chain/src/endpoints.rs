//! Several endpoints behind one transport: each request goes to the best of them, and to the next one when it fails.

mod batch;
mod health;
mod judge;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicUsize},
    task::{Context, Poll},
    time::Duration,
};

use alloy::{
    primitives::{B256, U64},
    rpc::json_rpc::{Id, Request, RequestPacket, ResponsePacket, RpcRecv},
    transports::{RpcError, TransportError, TransportErrorKind, TransportFut},
};
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_service::Service;

use crate::ChainError;
pub(crate) use batch::batched;
pub(crate) use health::Because;
pub(crate) use judge::Verdict;
pub(crate) use wire::{Fault, redact};
use {health::State, wire::Wire};

/// Blocks below the head from which on endpoints must agree.
pub(crate) const DEEP: u64 = 3;

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
    pub total_failures: u64,
    pub requests: u64,
    pub last_error: Option<String>,
    /// Why it is not asked at present: "failing", "lagging", "empty" or "contradicting".
    pub left_because: Option<&'static str>,
}

#[derive(Debug)]
struct Endpoint {
    wire: Wire,
    /// How many requests it takes in one batch, as far as is known.
    batch: AtomicUsize,
}

#[derive(Debug)]
pub(crate) struct Pool {
    endpoints: Vec<Endpoint>,
    chain_id: OnceLock<u64>,
    states: Mutex<Vec<State>>,
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
            .map(|url| Ok(Endpoint { wire: Wire::new(url, each)?, batch: AtomicUsize::new(batch::MOST) }))
            .collect::<Result<_, ChainError>>()?;
        let states = Mutex::new(vec![State::default(); endpoints.len()]);
        Ok(Self { endpoints, chain_id: OnceLock::new(), states })
    }

    /// Ask every endpoint for its chain id. At least one must answer, and those that do must agree.
    pub(crate) async fn connect(&self) -> Result<u64, ChainError> {
        let answers = join_all((0..self.len()).map(|at| self.chain_id(at))).await;
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
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn health(&self) -> Vec<EndpointHealth> {
        let (now, states) = (Instant::now(), self.states());
        let best = states.iter().filter(|state| !state.is_flagged()).filter_map(|state| state.head).max();
        let health = |(at, state): (usize, &State)| EndpointHealth {
            name: self.name(at).to_string(),
            up: state.failures == 0 && state.checked,
            head: state.head,
            lag_blocks: best.unwrap_or_default().saturating_sub(state.head.unwrap_or_default()),
            failures: state.failures,
            total_failures: state.total_failures,
            requests: state.requests,
            last_error: state.last_error.clone(),
            left_because: state.left.filter(|_| !state.is_in(now)).map(|left| left.because.word()),
        };
        states.iter().enumerate().map(health).collect()
    }

    /// Whose chain may be followed, the best first.
    pub(crate) fn trusted(&self) -> Vec<usize> {
        health::trusted(&self.states(), Instant::now())
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
        let news = self.states().get_mut(at).is_some_and(|state| state.leave(Instant::now(), because));
        if news {
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

    /// One request to one endpoint, with what it tells of its health.
    pub(crate) async fn ask(&self, at: usize, packet: &RequestPacket) -> Result<ResponsePacket, Fault> {
        if !self.states().get(at).is_some_and(|state| state.checked) {
            self.chain_id(at).await.map_err(|error| Fault::Unreachable(crate::error::root_cause(&error)))?;
        }
        self.post(at, packet).await
    }

    async fn post(&self, at: usize, packet: &RequestPacket) -> Result<ResponsePacket, Fault> {
        let Some(endpoint) = self.endpoints.get(at) else { return Err(Fault::Mismatched) };
        if let Some(state) = self.states().get_mut(at) {
            state.requests += 1;
        }
        let answer = endpoint.wire.post(packet).await;
        match &answer {
            Ok(_) => {
                if self.states().get_mut(at).is_some_and(|state| state.answered(Instant::now())) {
                    tracing::info!(rpc = self.name(at), "an endpoint answers again");
                }
            }
            Err(fault) => self.failed(at, fault),
        }
        answer
    }

    fn failed(&self, at: usize, fault: &Fault) {
        let left =
            self.states().get_mut(at).is_some_and(|state| state.failed(Instant::now(), fault.to_string()));
        if left {
            self.tell(at);
        }
    }

    /// Its chain id, which must be ours if we have one.
    async fn chain_id(&self, at: usize) -> Result<u64, TransportError> {
        let packet = request("eth_chainId", json!([]))?;
        let answer = self.post(at, &packet).await.map_err(TransportErrorKind::custom)?;
        let found: U64 = payload(answer)?;
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

    /// One request to the best endpoint that answers it.
    async fn send(&self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let order = health::order(&self.states(), Instant::now());
        let mut refusal = None;
        let mut faults: Vec<(usize, Fault)> = Vec::new();
        for at in order {
            match self.ask(at, &packet).await {
                Ok(answer) if is_for_another(&answer) => refusal = refusal.or(Some(answer)),
                Ok(answer) => return Ok(answer),
                Err(fault) => faults.push((at, fault)),
            }
        }
        match (refusal, faults.len()) {
            (Some(refusal), _) => Ok(refusal),
            (None, 1) => Err(faults
                .pop()
                .map_or(TransportErrorKind::backend_gone(), |(_, fault)| TransportErrorKind::custom(fault))),
            (None, _) => {
                let all = faults.iter().map(|(at, fault)| format!("{}: {fault}", self.name(*at)));
                Err(TransportErrorKind::custom_str(&all.collect::<Vec<_>>().join("; ")))
            }
        }
    }

    async fn hash_at(&self, at: usize, height: u64) -> Option<B256> {
        #[derive(Clone, Debug, Deserialize)]
        struct Hash {
            hash: B256,
        }
        let params = json!([format!("{height:#x}"), false]);
        self.call::<Option<Hash>>(at, "eth_getBlockByNumber", params).await?.map(|block| block.hash)
    }

    /// What each of these endpoints has at a height. Those that say nothing are left out.
    pub(crate) async fn hashes(&self, of: &[usize], height: u64) -> Vec<(usize, B256)> {
        let answers =
            join_all(of.iter().map(|at| async move { Some((*at, self.hash_at(*at, height).await?)) }));
        answers.await.into_iter().flatten().collect()
    }

    /// Who is right about the block of a height, of which `known` is what we have stored.
    pub(crate) async fn vote(&self, height: u64, known: Option<B256>) -> Verdict {
        let now = Instant::now();
        let voters: Vec<usize> = {
            let states = self.states();
            (0..self.len()).filter(|at| states[*at].is_due(now) && states[*at].may_vote()).collect()
        };
        let verdict = judge::judge(&self.hashes(&voters, height).await, known);
        self.apply(&verdict, known);
        verdict
    }

    fn apply(&self, verdict: &Verdict, known: Option<B256>) {
        let now = Instant::now();
        let mut left = Vec::new();
        {
            let mut states = self.states();
            // One that was caught does not clear itself.
            let clears = known.is_some() && verdict.agreed == known
                || verdict.with.iter().any(|at| !states[*at].is_flagged());
            for at in verdict.with.iter().filter(|_| clears) {
                states[*at].agrees(now);
            }
            left.extend(verdict.against.iter().copied().filter(|at| states[*at].contradicts(now)));
        }
        left.into_iter().for_each(|at| self.tell(at));
    }

    /// Look at all endpoints that are not left, or are due to be asked again: who lags, and who contradicts. `known` are
    /// the blocks we have stored. Never an error: who does not answer has failed, which is noted.
    pub(crate) async fn look(&self, known: &BTreeMap<u64, B256>) {
        let now = Instant::now();
        let due: Vec<usize> = {
            let states = self.states();
            (0..self.len()).filter(|at| states[*at].is_due(now)).collect()
        };
        let heads = join_all(due.iter().map(|at| async move {
            let head: U64 = self.call(*at, "eth_blockNumber", json!([])).await?;
            Some((*at, head.to::<u64>()))
        }));
        let heads: Vec<(usize, u64)> = heads.await.into_iter().flatten().collect();
        health::moved(&mut self.states(), &heads);
        let mut against = Vec::new();
        if let Some(height) = anchor(&heads) {
            against = self.vote(height, known.get(&height).copied()).await.against;
        }
        let sound = heads.iter().filter(|(at, _)| !against.contains(at));
        let Some(best) = sound.clone().map(|(_, head)| *head).max() else { return };
        let now = Instant::now();
        let left: Vec<usize> = {
            let mut states = self.states();
            sound.map(|(at, _)| *at).filter(|at| states[*at].measured(now, best)).collect()
        };
        left.into_iter().for_each(|at| self.tell(at));
    }
}

/// The height at which endpoints are compared: deep below the lower median of their heads, so that neither one that is
/// far behind nor one that is on another chain decides it.
fn anchor(heads: &[(usize, u64)]) -> Option<u64> {
    let mut heights: Vec<u64> = heads.iter().map(|(_, head)| *head).collect();
    heights.sort_unstable();
    heights.get(heights.len().checked_sub(1)? / 2)?.checked_sub(DEEP)
}

/// Whether another endpoint may answer what this one refuses: it is asked too much, or does not know the method.
fn is_for_another(answer: &ResponsePacket) -> bool {
    answer
        .as_single()
        .and_then(|response| response.error_code())
        .is_some_and(|code| matches!(code, -32005 | -32601 | -32004 | 429))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_compared_below_the_median_head() {
        assert_eq!(anchor(&[]), None);
        assert_eq!(anchor(&[(0, 2)]), None);
        assert_eq!(anchor(&[(0, 100)]), Some(97));
        assert_eq!(anchor(&[(0, 100), (1, 5000)]), Some(97));
        assert_eq!(anchor(&[(0, 100), (1, 5000), (2, 5001)]), Some(4997));
        assert_eq!(anchor(&[(0, 9000), (1, 5000), (2, 5001)]), Some(4998));
    }

    #[test]
    fn what_is_refused_for_lack_of_means_is_asked_elsewhere() {
        let refused = |code: i64| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":0,"error":{{"code":{code},"message":""}}}}"#);
            is_for_another(&serde_json::from_str(&text).expect("JSON-RPC"))
        };
        assert!(refused(-32005) && refused(-32601) && refused(429));
        assert!(!refused(3) && !refused(-32000));
    }

    #[test]
    fn one_that_was_caught_does_not_clear_itself() {
        let urls = ["http://127.0.0.1:1".to_string(), "http://127.0.0.1:2".to_string()];
        let pool = Pool::new(&urls, Duration::from_secs(1)).expect("URLs");
        let (ours, theirs) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let both = judge::judge(&[(0, ours), (1, theirs)], Some(ours));
        (0..3).for_each(|_| pool.apply(&both, Some(ours)));
        assert_eq!(pool.health()[1].left_because, Some("contradicting"));
        assert_eq!(pool.trusted(), [0]);
        pool.apply(&judge::judge(&[(1, theirs)], Some(ours)), Some(ours));
        assert_eq!(pool.trusted(), [0]);
        pool.apply(&judge::judge(&[(1, ours)], Some(ours)), Some(ours));
        assert_eq!(pool.trusted(), [0, 1]);
    }
}
