//! The loop's tasks. Components make futures with results of their own; here they are run, and their results told apart.

use std::future::Future;

use tokio::task::{JoinError, JoinSet};

use super::{
    account, deliveries, keeper::puzzles, keeper::standing, keeper_task, preparations, presence::whose,
};

/// A task that has ended, by the component that wanted it.
pub(super) enum Done {
    Delivery(deliveries::Sent),
    KeeperTask(keeper_task::Returned),
    Account(account::Reading),
    Puzzles(puzzles::Found),
    Standing(standing::Reading),
    Whose(whose::Answer),
    Ready(preparations::Ready),
}

impl From<preparations::Ready> for Done {
    fn from(ready: preparations::Ready) -> Self {
        Self::Ready(ready)
    }
}

impl From<deliveries::Sent> for Done {
    fn from(sent: deliveries::Sent) -> Self {
        Self::Delivery(sent)
    }
}

impl From<keeper_task::Returned> for Done {
    fn from(returned: keeper_task::Returned) -> Self {
        Self::KeeperTask(returned)
    }
}

impl From<account::Reading> for Done {
    fn from(reading: account::Reading) -> Self {
        Self::Account(reading)
    }
}

impl From<puzzles::Found> for Done {
    fn from(found: puzzles::Found) -> Self {
        Self::Puzzles(found)
    }
}

impl From<standing::Reading> for Done {
    fn from(reading: standing::Reading) -> Self {
        Self::Standing(reading)
    }
}

impl From<whose::Answer> for Done {
    fn from(answer: whose::Answer) -> Self {
        Self::Whose(answer)
    }
}

/// Tasks under way. They end with it.
#[derive(Default)]
pub(super) struct Tasks(JoinSet<Done>);

impl Tasks {
    /// Run these.
    pub(super) fn spawn<F>(&mut self, tasks: impl IntoIterator<Item = F>)
    where
        F: Future + Send + 'static,
        F::Output: Into<Done>,
    {
        for task in tasks {
            self.0.spawn(async move { task.await.into() });
        }
    }

    /// The next to end; nothing if none is under way.
    pub(super) async fn next(&mut self) -> Option<Result<Done, JoinError>> {
        self.0.join_next().await
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Have nothing more to do with any. What was signed stays with the outbox.
    pub(super) fn abandon(&mut self) {
        self.0.abort_all();
    }
}
