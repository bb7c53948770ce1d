//! Many requests in one, in batches as large as the endpoint takes.

use std::{collections::VecDeque, time::Duration};

use alloy::{
    providers::{Provider, RootProvider},
    rpc::{
        client::BatchRequest,
        json_rpc::{RequestPacket, Response, ResponsePacket, ResponsePayload, RpcRecv, RpcSend},
    },
    transports::{RpcError, TransportError, TransportErrorKind},
};
use futures::future::join_all;
use tokio::time::sleep;

use super::{
    Fault, Pool,
    refusal::{About, about},
};

/// Requests in a batch.
pub(super) const MOST: u64 = 100;

/// Before each further attempt while nothing at all is answered that an endpoint will answer at another time.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The answers to the same method with different parameters, in their order, from one endpoint. What is answered is kept;
/// of what is refused, less is asked for at once, and where it is refused for being too much in too short a time, later.
pub(crate) async fn batched<P: RpcSend, R: RpcRecv>(
    pool: &Pool,
    provider: &RootProvider,
    at: usize,
    method: &'static str,
    params: &[P],
) -> Result<Vec<R>, TransportError> {
    let mut answers: Vec<Option<R>> = params.iter().map(|_| None).collect();
    let mut left: VecDeque<usize> = (0..params.len()).collect();
    let mut pauses = PAUSES.iter();
    while !left.is_empty() {
        let size = usize::try_from(pool.batch_size(at)).unwrap_or(usize::MAX);
        let piece: Vec<usize> = left.iter().take(size).copied().collect();
        let asked = piece.len() as u64;
        let wanted: Vec<&P> = piece.iter().filter_map(|at| params.get(*at)).collect();
        let results = match ask(provider, method, &wanted).await {
            Err(error) if asked > 1 && is_too_long(&error) => {
                pool.learn_batch(at, |limit| limit.refused(asked, 0));
                continue;
            }
            results => results?,
        };
        let mut refusal = None;
        let mut answered = 0;
        for (at, result) in piece.into_iter().zip(results) {
            match result {
                Ok(answer) => {
                    answers[at] = Some(answer);
                    answered += 1;
                }
                Err(
                    error @ (RpcError::ErrorResp(_)
                    | RpcError::Transport(TransportErrorKind::MissingBatchResponse(_))),
                ) => refusal = refusal.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let Some(refusal) = refusal else {
            pool.learn_batch(at, |limit| limit.took(asked));
            left.drain(..(asked as usize).min(left.len()));
            pauses = PAUSES.iter();
            continue;
        };
        tracing::debug!(rpc = pool.name(at), asked, answered, "part of a batch was refused");
        let about = refusal.as_error_resp().map(|error| about(method, error));
        if about == Some(About::Pruned) {
            return Err(refusal); // Less of it, or later, it does not have either.
        }
        let later = about == Some(About::Rate);
        if answered > 0 {
            pool.learn_batch(at, |limit| limit.refused(asked, answered));
            left.retain(|at| answers[*at].is_none());
            pauses = PAUSES.iter();
        } else if asked > 1 && !later {
            pool.learn_batch(at, |limit| limit.refused(asked, 0));
        } else if (later || left.len() < params.len())
            && let Some(pause) = pauses.next()
        {
            sleep(*pause).await;
        } else {
            pool.learn_batch(at, |limit| limit.refused(asked, 0));
            return Err(refusal);
        }
    }
    Ok(answers.into_iter().flatten().collect())
}

/// What each is answered with.
async fn ask<P: RpcSend, R: RpcRecv>(
    provider: &RootProvider,
    method: &'static str,
    params: &[&P],
) -> Result<Vec<Result<R, TransportError>>, TransportError> {
    if let [one] = params {
        return Ok(vec![provider.client().request(method, *one).await]);
    }
    let mut batch = BatchRequest::new(provider.client());
    let mut waiting = Vec::with_capacity(params.len());
    for params in params {
        waiting.push(batch.add_call::<_, R>(method, params)?);
    }
    batch.await?;
    Ok(join_all(waiting).await)
}

pub(super) fn is_too_long(error: &TransportError) -> bool {
    matches!(error, RpcError::Transport(TransportErrorKind::Custom(fault))
        if matches!(fault.downcast_ref(), Some(Fault::TooLong(_))))
}

/// A refusal of a whole batch, said of each that is in it: what waits for one of them would not hear why.
pub(super) fn to_each(request: &RequestPacket, answer: ResponsePacket) -> ResponsePacket {
    let (RequestPacket::Batch(requests), ResponsePacket::Single(response)) = (request, &answer) else {
        return answer;
    };
    let ResponsePayload::Failure(error) = &response.payload else { return answer };
    let refused = |id| Response { id, payload: ResponsePayload::Failure(error.clone()) };
    ResponsePacket::Batch(requests.iter().map(|request| refused(request.id().clone())).collect())
}
