//! Endpoints beside one another: what each has at a height, who is right, who lags.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::{B256, U64};
use futures::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    DEEP, Pool, ask, health,
    judge::{self, Verdict},
};

impl Pool {
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

    /// Whom to ask beside this one: those whose chain may be followed, and that are not left.
    pub(crate) fn seconds(&self, at: usize) -> Vec<usize> {
        self.sound().into_iter().filter(|other| *other != at).collect()
    }

    /// Those whose chain may be followed, and that are not left.
    pub(crate) fn sound(&self) -> Vec<usize> {
        let now = Instant::now();
        let states = self.states();
        let sound = |at: &usize| states[*at].is_due(now) && !states[*at].hangs(now);
        health::trusted(&states, now).into_iter().filter(sound).collect()
    }

    /// Most time for all that a second endpoint is asked about one thing.
    pub(crate) fn deadline(&self) -> Duration {
        self.each.min(ask::LABORIOUS)
    }

    /// Whether the block that one endpoint told of is its height's; else, an endpoint that has another. Of three the majority is
    /// believed; of two that differ nobody.
    pub(crate) async fn seconded(&self, at: usize, height: u64, hash: B256) -> Result<(), usize> {
        let mut votes = self.hashes(&self.seconds(at), height).await;
        let Some((other, _)) = votes.iter().find(|(_, theirs)| *theirs != hash).copied() else {
            return Ok(());
        };
        votes.push((at, hash));
        let verdict = judge::judge(&votes, None);
        self.apply(&verdict, None);
        if verdict.agreed == Some(hash) { Ok(()) } else { Err(other) }
    }

    pub(super) fn apply(&self, verdict: &Verdict, known: Option<B256>) {
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
pub(super) fn anchor(heads: &[(usize, u64)]) -> Option<u64> {
    let mut heights: Vec<u64> = heads.iter().map(|(_, head)| *head).collect();
    heights.sort_unstable();
    heights.get(heights.len().checked_sub(1)? / 2)?.checked_sub(DEEP)
}
