//! Some circuits are proven elsewhere than the others.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{Checked, InProcess, Job, JobWatch, Outcome, ProofRunner};

/// Runs jobs of some circuits with their own backends, and all others as usual.
#[derive(Clone, Debug)]
pub struct Routed {
    special: InProcess,
    usual: Arc<dyn ProofRunner>,
}

impl Routed {
    /// Jobs for circuits of `special` go there, others to `usual`.
    pub fn new(special: InProcess, usual: Arc<dyn ProofRunner>) -> Self {
        Self { special, usual }
    }
}

impl ProofRunner for Routed {
    fn run(&self, job: Job, watch: JobWatch) -> BoxFuture<'static, Outcome> {
        if self.special.0.iter().any(|backend| backend.circuit() == job.circuit) {
            self.special.run(job, watch)
        } else {
            self.usual.run(job, watch)
        }
    }

    fn check(&self, job: Job) -> BoxFuture<'static, Checked> {
        if self.special.0.iter().any(|backend| backend.circuit() == job.circuit) {
            self.special.check(job)
        } else {
            self.usual.check(job)
        }
    }

    fn name(&self) -> &'static str {
        "external"
    }
}
