//! Whether a node is alive, or ready: for whatever starts it anew, or sends it traffic, by exit status alone.

use clap::ValueEnum;
use eyre::Result;
use provery_node::config::shown_url;
use serde_json::json;

use super::page::get;
use crate::{
    context::Context,
    error::{Code, fail},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Probe {
    /// Its loop goes round
    Live,
    /// It can be relied on
    Ready,
}

impl Probe {
    fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ready => "ready",
        }
    }

    fn page(self) -> &'static str {
        match self {
            Self::Live => "healthz",
            Self::Ready => "readyz",
        }
    }

    /// Fails unless the page at this address answers with 200.
    pub(super) async fn run(self, context: &Context, base: &str) -> Result<()> {
        let (word, at) = (self.word(), shown_url(base));
        let unwell = |why: String| {
            let message = format!("the node at {at} is not {word} ({why}); `provery node status` says more");
            fail(Code::NodeUnavailable, message)
        };
        let answer = get(base, self.page()).await.map_err(unwell)?;
        if answer.status() != 200 {
            return Err(unwell(format!("HTTP {}", answer.status().as_u16())));
        }
        context.out.result(&json!({ "probe": word, "ok": true }), || word.to_owned());
        Ok(())
    }
}
