//! One request to the best endpoint that answers it.

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket, ResponsePayload},
    transports::{TransportError, TransportErrorKind},
};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};

use super::{
    Fault, Pool,
    ask::PROMPT,
    health,
    refusal::{self, About},
    shape,
};

/// What those said who had no answer.
#[derive(Default)]
struct Tried {
    refusals: Vec<(usize, About, ResponsePacket)>,
    faults: Vec<(usize, Fault)>,
    /// An answer that will do if nobody knows more.
    partial: Option<ResponsePacket>,
}

impl Pool {
    /// Ask the best endpoint, and the next one if it has no answer: it fails, what it says makes no sense, or it refuses
    /// what another might not. While one takes too long, the next is asked as well.
    pub(super) async fn send(&self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let mut rest = health::order(&self.states(), Instant::now()).into_iter();
        let ask = |at: usize| {
            let packet = &packet;
            async move { (at, self.ask_patiently(at, packet).await) }
        };
        // Not for hung yet, if it takes an effort: but why wait for one alone.
        let alone = self.each.min(PROMPT);
        let mut asked = FuturesUnordered::new();
        let mut tried = Tried::default();
        // Where all of several ask to be left alone, the first that may be asked is waited for, once.
        let mut waits = self.len() > 1;
        loop {
            if asked.is_empty() {
                let waited_for = || self.first_awake().filter(|_| std::mem::take(&mut waits));
                match rest.next().or_else(waited_for) {
                    Some(at) => asked.push(ask(at)),
                    None => break,
                }
            }
            tokio::select! {
                Some((at, answer)) = asked.next() => match answer {
                    Ok((answer, Some(About::Reverted))) => return Ok(answer),
                    Ok((answer, Some(about))) => tried.refusals.push((at, about, answer)),
                    Ok((answer, None)) => match shape::misfit(&packet, &answer) {
                        None if shape::is_partial(&packet, &answer) => {
                            tried.partial.get_or_insert(answer);
                        }
                        None => {
                            self.contradicted(&packet, &tried);
                            return Ok(answer);
                        }
                        Some(why) => {
                            let fault = Fault::Malformed(why);
                            if !packet.method_names().all(refusal::is_optional) {
                                self.failed(at, fault.to_string());
                            }
                            tried.faults.push((at, fault));
                        }
                    },
                    Err(fault) => tried.faults.push((at, fault)),
                },
                () = sleep(alone), if rest.len() > 0 => asked.extend(rest.next().map(ask)),
            }
        }
        self.unanswered(tried)
    }

    /// What these said of the request was not so: another answered it. Of a transaction each says what its own pool has.
    fn contradicted(&self, packet: &RequestPacket, tried: &Tried) {
        if packet.method_names().any(|method| method == "eth_sendRawTransaction") {
            return;
        }
        for (at, about, answer) in &tried.refusals {
            if *about == About::Request {
                self.failed(*at, self.said(*at, answer));
            }
        }
    }

    fn said(&self, at: usize, answer: &ResponsePacket) -> String {
        let message = answer.first_error_message().unwrap_or_default();
        format!("{}: {message}", self.name(at))
    }

    /// The refusal that says most, with what the others said; what failed if nobody refused.
    fn unanswered(&self, tried: Tried) -> Result<ResponsePacket, TransportError> {
        let Tried { mut refusals, mut faults, partial } = tried;
        if let Some(answer) = partial {
            return Ok(answer);
        }
        let all: Vec<String> = refusals
            .iter()
            .map(|(at, _, answer)| self.said(*at, answer))
            .chain(faults.iter().map(|(at, fault)| format!("{}: {fault}", self.name(*at))))
            .collect();
        // The first of those that are alike.
        refusals.sort_by_key(|(_, about, _)| std::cmp::Reverse(*about));
        if let Some((_, about, mut answer)) = refusals.into_iter().next() {
            if (about.is_fault() || about == About::Pruned)
                && all.len() > 1
                && let ResponsePacket::Single(response) = &mut answer
                && let ResponsePayload::Failure(error) = &mut response.payload
            {
                error.message = all.join("; ").into();
            }
            return Ok(answer);
        }
        // One that is no connection's says what is wrong with the endpoint.
        faults.sort_by_key(|(_, fault)| !fault.is_senseless());
        match faults.len() {
            0 => Err(TransportErrorKind::backend_gone()),
            1 => Err(TransportErrorKind::custom(faults.swap_remove(0).1)),
            _ if faults[0].1.is_senseless() => {
                Err(TransportErrorKind::custom(Fault::Malformed(all.join("; "))))
            }
            _ => Err(TransportErrorKind::custom_str(&all.join("; "))),
        }
    }
}
