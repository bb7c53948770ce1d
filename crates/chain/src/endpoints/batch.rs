//! Many requests in one, in batches as large as the endpoint takes.

use std::sync::atomic::Ordering;

use alloy::{
    providers::{Provider, RootProvider},
    rpc::{
        client::BatchRequest,
        json_rpc::{RpcRecv, RpcSend},
    },
    transports::{RpcError, TransportError, TransportErrorKind},
};

use super::Pool;

/// Requests in a batch.
pub(crate) const MOST: usize = 100;

/// The answers to the same method with different parameters, in their order, from one endpoint. A batch that is refused
/// as a whole is halved, and the endpoint is sent smaller ones for a while.
pub(crate) async fn batched<P: RpcSend, R: RpcRecv>(
    pool: &Pool,
    provider: &RootProvider,
    at: usize,
    method: &'static str,
    params: &[P],
) -> Result<Vec<R>, TransportError> {
    let Some(endpoint) = pool.endpoints.get(at) else { return Err(RpcError::NullResp) };
    let mut answers = Vec::with_capacity(params.len());
    while answers.len() < params.len() {
        let size = endpoint.batch.load(Ordering::Relaxed).clamp(1, MOST);
        let left = &params[answers.len()..];
        let piece = &left[..size.min(left.len())];
        if let [one] = piece {
            answers.push(provider.client().request(method, one).await?);
            continue;
        }
        let mut batch = BatchRequest::new(provider.client());
        let mut waiting = Vec::with_capacity(piece.len());
        for params in piece {
            waiting.push(batch.add_call::<_, R>(method, params)?);
        }
        batch.await?;
        let results = futures::future::join_all(waiting).await;
        if is_refused(&results) {
            tracing::debug!(rpc = pool.name(at), size = piece.len(), "a batch was refused, halving it");
            endpoint.batch.store(piece.len() / 2, Ordering::Relaxed);
            continue;
        }
        endpoint.batch.store((size + 1).min(MOST), Ordering::Relaxed);
        for result in results {
            answers.push(result?);
        }
    }
    Ok(answers)
}

/// Whether none of a batch was answered: then the endpoint minds the batch, not what is in it.
fn is_refused<R>(results: &[Result<R, TransportError>]) -> bool {
    results.iter().all(|result| {
        matches!(
            result,
            Err(RpcError::ErrorResp(_) | RpcError::Transport(TransportErrorKind::MissingBatchResponse(_)))
        )
    })
}
