//! One request to one endpoint, and what that tells of its health.

use std::{sync::atomic::Ordering, time::Duration};

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Fault, Pool, batch,
    refusal::{self, About},
    shape,
};

/// A question to which every node has the answer at hand takes no longer than this, and anything else no longer than
/// [`LABORIOUS`], without the endpoint being taken for hung.
pub(super) const PROMPT: Duration = Duration::from_secs(4);
pub(super) const LABORIOUS: Duration = Duration::from_secs(10);

/// A timer may be late by so much, and the clock is read a little later than it was set.
const TICK: Duration = Duration::from_millis(5);

/// A request that waits for its answer.
struct Waiting<'a> {
    pool: &'a Pool,
    at: usize,
    number: u64,
    since: Instant,
    patience: Duration,
}

impl Waiting<'_> {
    /// How long it has waited, if that is longer than it may.
    fn too_long(&self) -> Option<Duration> {
        Some(self.since.elapsed()).filter(|waited| *waited + TICK >= self.patience)
    }
}

impl Drop for Waiting<'_> {
    /// Also if nobody waits for the answer any more.
    fn drop(&mut self) {
        let waited = self.too_long();
        let left = self.pool.states().get_mut(self.at).is_some_and(|state| {
            state.waiting.remove(&self.number);
            waited.is_some_and(|waited| {
                state.hung(Instant::now(), format!("no answer within {} ms", waited.as_millis()))
            })
        });
        if left {
            self.pool.tell(self.at);
        }
    }
}

impl Pool {
    /// One request to one endpoint, with what it tells of its health.
    pub(crate) async fn ask(&self, at: usize, packet: &RequestPacket) -> Result<ResponsePacket, Fault> {
        // Where there are others, nobody waits for one that hangs.
        let most = if self.len() > 1 { self.patience(packet) } else { self.each };
        self.ask_rested(at, packet, Some(most)).await.map(|(answer, _)| answer)
    }

    pub(super) async fn ask_patiently(
        &self,
        at: usize,
        packet: &RequestPacket,
    ) -> Result<(ResponsePacket, Option<About>), Fault> {
        self.ask_rested(at, packet, None).await
    }

    /// No answer takes longer than `most`, apart from the time for which the endpoint asked to be left alone.
    async fn ask_rested(
        &self,
        at: usize,
        packet: &RequestPacket,
        most: Option<Duration>,
    ) -> Result<(ResponsePacket, Option<About>), Fault> {
        self.wake(at).await?;
        match self.ask_checked(at, packet, most).await {
            // Nobody else can be asked: the caller would only ask again.
            Err(Fault::Later { .. }) if self.first_awake() == Some(at) => {
                self.wake(at).await?;
                self.ask_checked(at, packet, most).await
            }
            answer => answer,
        }
    }

    async fn ask_checked(
        &self,
        at: usize,
        packet: &RequestPacket,
        most: Option<Duration>,
    ) -> Result<(ResponsePacket, Option<About>), Fault> {
        let ask = async {
            if !self.states().get(at).is_some_and(|state| state.checked) {
                let checked = self.chain_id(at).await;
                checked.map_err(|error| Fault::Unreachable(crate::cause::root_cause(&error)))?;
            }
            self.post(at, packet).await
        };
        match most {
            Some(most) => timeout(most, ask).await.unwrap_or(Err(Fault::Timeout(most.as_millis()))),
            None => ask.await,
        }
    }

    /// One that asked to be left alone is not asked before. Where all did, the first that may be is waited for.
    async fn wake(&self, at: usize) -> Result<(), Fault> {
        let rest = || self.states().get(at).and_then(|state| state.rest(Instant::now()));
        let Some(left) = rest() else { return Ok(()) };
        if self.first_awake() != Some(at) {
            return Err(Fault::Resting(left));
        }
        tracing::info!(
            rpc = self.name(at),
            wait_ms = left.as_millis() as u64,
            "waiting for the endpoint, which asked for it"
        );
        sleep(left).await;
        // Somebody else may have asked meanwhile, and heard the same again.
        rest().map_or(Ok(()), |left| Err(Fault::Resting(left)))
    }

    /// The first that may be asked, if none may be now.
    pub(super) fn first_awake(&self) -> Option<usize> {
        let now = Instant::now();
        let states = self.states();
        let rests = states.iter().map(|state| state.rest(now)).collect::<Option<Vec<_>>>()?;
        (0..rests.len()).min_by_key(|at| rests[*at])
    }

    /// How long a request may take without the endpoint being taken for hung.
    fn patience(&self, packet: &RequestPacket) -> Duration {
        let prompt = packet.as_single().is_some_and(|request| shape::is_prompt(request.method()));
        self.each.min(if prompt { PROMPT } else { LABORIOUS })
    }

    fn wait(&self, at: usize, packet: &RequestPacket) -> Waiting<'_> {
        let (since, patience) = (Instant::now(), self.patience(packet));
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(state) = self.states().get_mut(at) {
            state.requests += 1;
            state.waiting.insert(number, since + patience);
        }
        Waiting { pool: self, at, number, since, patience }
    }

    pub(super) async fn post(
        &self,
        at: usize,
        packet: &RequestPacket,
    ) -> Result<(ResponsePacket, Option<About>), Fault> {
        let Some(endpoint) = self.endpoints.get(at) else { return Err(Fault::Mismatched) };
        let waiting = self.wait(at, packet);
        let answer = endpoint.wire.post(packet).await;
        let answer = answer.map(|answer| {
            let head = self.states().get(at).and_then(|state| state.head);
            let about = refusal::refusal(packet, &answer, head);
            (batch::to_each(packet, answer), about)
        });
        let too_long = waiting.too_long().is_some();
        drop(waiting);
        match &answer {
            // Used, and noted already.
            _ if too_long => {}
            Ok((answer, Some(about))) if about.is_fault() => {
                let error = answer.as_error();
                let (code, message) = error.map_or((0, ""), |error| (error.code, &error.message));
                self.failed(at, format!("it refuses ({code}: {message})"));
            }
            Ok(_) => {
                if self.states().get_mut(at).is_some_and(|state| state.answered(Instant::now())) {
                    tracing::info!(rpc = self.name(at), "an endpoint answers again");
                }
            }
            Err(fault) => {
                self.failed(at, fault.to_string());
                if let Fault::Later { wait, .. } = fault {
                    self.rests(at, *wait);
                }
            }
        }
        answer
    }
}
