//! What is had before a proof begins, without a loop around it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use futures::future::{BoxFuture, pending};
use provery_descriptor::{Artifact, Digest, Reach};
use provery_worker::{Checked, Job, JobWatch, Outcome, ProofRunner};

use super::preparations::{Preparations, Ready};
use crate::{
    book::prepared_tests::{begun, bidding, nine},
    inputs::Inputs,
};

/// Nothing ever ends.
#[derive(Debug)]
struct Slow;

impl ProofRunner for Slow {
    fn run(&self, _: Job, _: JobWatch) -> BoxFuture<'static, Outcome> {
        Box::pin(pending())
    }

    fn check(&self, _: Job) -> BoxFuture<'static, Checked> {
        Box::pin(pending())
    }

    fn name(&self) -> &'static str {
        "slow"
    }
}

fn preparations(path: &Path) -> (Preparations, Inputs) {
    let inputs = Inputs::new(path);
    (Preparations::new(Arc::new(Slow), inputs.clone(), Reach::Public), inputs)
}

/// A file under a digest, whatever is in it.
fn put(inputs: &Inputs, artifact: &Artifact) {
    let file = inputs.store().begin().expect("a file");
    fs::write(file.path(), vec![0; artifact.size as usize]).expect("written");
    inputs.store().keep(file, artifact.digest).expect("kept");
}

#[tokio::test]
async fn a_check_that_does_not_end_is_broken_off_and_nothing_is_known_by_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = begun(&directory.path().join("book"));
    let (mut preparations, _) = preparations(directory.path());
    preparations.check_time = Duration::ZERO;
    let mut checks = preparations.checks(&mut book, &bidding());
    assert_eq!(checks.len(), 1);
    assert!(preparations.checks(&mut book, &bidding()).is_empty(), "one of a market at a time");
    let ready = checks.remove(0).await;
    assert!(matches!(ready, Ready::Checked { result: Checked::Failed(_), .. }));
}

#[tokio::test]
async fn what_nobody_wants_goes_while_something_is_being_fetched() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut book, _) = begun(&directory.path().join("book"));
    let (mut preparations, inputs) = preparations(directory.path());
    let unwanted = Artifact { digest: Digest::of(b"unwanted"), ..nine() };
    put(&inputs, &nine());
    put(&inputs, &unwanted);
    let unfinished = inputs.store().begin().expect("a file");
    let fetches = preparations.fetches(&mut book, &bidding());
    assert_eq!(fetches.len(), 2);
    preparations.tidy_now(&mut book);
    assert_eq!(inputs.store().get(&unwanted), None);
    assert!(inputs.store().get(&nine()).is_some() && unfinished.path().exists());
}
