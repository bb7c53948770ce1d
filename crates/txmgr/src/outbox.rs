//! What a sender's clones share. What it does lies in `submit`, `poll`, `resubmit` and `broadcast`.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::{config::SenderConfig, journal::Journal, pending::PendingSet, signer::Signer, watch::Watch};
use provery_rpc::Rpc;

#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) rpc: Rpc,
    pub(crate) signer: Signer,
    pub(crate) config: SenderConfig,
    pub(crate) journal: Arc<dyn Journal>,
    /// Never held across a request.
    pub(crate) pending_set: Mutex<PendingSet>,
    /// Held while a nonce is chosen, signed for and written down.
    pub(crate) submitting: tokio::sync::Mutex<()>,
    /// Held by whoever polls.
    pub(crate) watch: tokio::sync::Mutex<Watch>,
    /// Keeper tasks that run.
    pub(crate) keepers: AtomicUsize,
}

impl Outbox {
    /// Nothing panics while it is held, and every change to it is whole.
    pub(crate) fn pending_set(&self) -> MutexGuard<'_, PendingSet> {
        self.pending_set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.keepers.load(Ordering::SeqCst) > 0
    }
}

/// Counts a keeper while it lives.
pub(crate) struct Keeper<'a>(&'a AtomicUsize);

impl<'a> Keeper<'a> {
    pub(crate) fn new(keepers: &'a AtomicUsize) -> Self {
        keepers.fetch_add(1, Ordering::SeqCst);
        Self(keepers)
    }
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
