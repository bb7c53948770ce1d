//! A websocket that tells when to look: a hint, never a source.

use std::{sync::Arc, time::Duration};

use alloy::{
    providers::{Provider, RootProvider},
    rpc::client::{RpcClient, WsConnect},
    transports::TransportError,
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{cause::root_cause, endpoints::redact};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Wake whoever waits on `wake` at each new block that the node at `ws_url` announces, until `shutdown`. A connection
/// that breaks is made again, after a wait that doubles up to a minute: never an error, for polling goes on without it.
pub async fn new_heads(ws_url: String, wake: Arc<Notify>, shutdown: CancellationToken) {
    let name = redact(&ws_url);
    let mut wait = FIRST;
    loop {
        let heard = tokio::select! {
            () = shutdown.cancelled() => return,
            heard = listen(&ws_url, &name, &wake) => heard,
        };
        match heard {
            Ok(blocks) => {
                if blocks > 0 {
                    wait = FIRST;
                }
                tracing::info!(rpc = %name, "the websocket closed, polling goes on");
            }
            Err(error) => {
                tracing::info!(rpc = %name, error = root_cause(&error), "no websocket, polling goes on");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(wait) => wait = LONGEST.min(wait * 2),
        }
    }
}

/// Listen until the connection ends; how many blocks were announced.
async fn listen(url: &str, name: &str, wake: &Notify) -> Result<u64, TransportError> {
    // wss needs a provider of cryptography; one that is already installed stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = RpcClient::connect_pubsub(WsConnect::new(url).with_max_retries(0)).await?;
    let provider: RootProvider = RootProvider::new(client);
    let mut blocks = provider.subscribe_blocks().await?;
    tracing::info!(rpc = name, "the websocket tells of new blocks");
    let mut heard = 0;
    loop {
        use tokio::sync::broadcast::error::RecvError;
        match blocks.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => {
                heard += 1;
                wake.notify_one();
            }
            Err(RecvError::Closed) => return Ok(heard),
        }
    }
}
