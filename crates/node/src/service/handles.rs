//! What every component works with and none owns: settings, the chain, the key's outbox, and whoever is told.

use std::sync::Arc;

use alloy::primitives::Address;
use provery_rpc::{Chain, RegistryParams};
use provery_txmgr::Sender;
use provery_types::SlotKey;
use provery_worker::lease::Role;
use serde_json::json;
use tokio::sync::watch;
use tracing::error;

use crate::{
    config::{NodeConfig, Tunables},
    monitor::Monitor,
    report::Reporter,
};

/// Bytes that are kept and shown of why something failed, where others may have written the words.
pub(super) const MOST_WORDS: usize = 300;

/// See the module.
pub(super) struct Handles {
    pub config: NodeConfig,
    /// With the deployment as it is now.
    pub chain: Chain,
    /// The registry's constants.
    pub params: RegistryParams,
    pub sender: Sender,
    pub reporter: Arc<Reporter>,
    pub monitor: Monitor,
    /// Whether this node is the one that acts, if it is one of several.
    pub roles: watch::Receiver<Role>,
}

impl Handles {
    /// The prover that this node works for.
    pub(super) fn me(&self) -> Address {
        self.config.prover
    }

    /// The settings that may change, as they are now.
    pub(super) fn tunables(&self) -> Tunables {
        self.config.tuned()
    }

    pub(super) fn role(&self) -> Role {
        *self.roles.borrow()
    }

    /// Whether the key that sends is the prover's own: only that one may commit its stake.
    pub(super) fn is_prover(&self) -> bool {
        self.sender.address() == self.config.prover
    }

    /// Say that something is wrong.
    pub(super) fn trouble(&self, key: Option<SlotKey>, code: &'static str, message: &str, retried: bool) {
        let fields = json!({ "code": code, "message": message, "retried": retried });
        match key {
            Some(key) => {
                error!(market = %key.market, slot = key.id, code, message, retried, "slot is in trouble");
                self.reporter.slot("error", key, None, fields);
            }
            None => {
                error!(code, message, retried, "node is in trouble");
                self.reporter.node("error", fields);
            }
        }
    }
}
