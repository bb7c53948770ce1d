//! Who else is asked for an update that makes no sense to the caller: what a contract said is not a matter of one endpoint's word.

use super::Follower;

/// How often the other endpoints are asked, a look apart, when one of them fails or is behind.
const TRIES: u32 = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Opinions {
    /// Whose word is what is told now.
    by: Option<usize>,
    /// Whose word made no sense.
    senseless: Vec<usize>,
    tries: u32,
    /// There is nobody else to ask.
    is_sure: bool,
}

impl Opinions {
    /// Whether somebody else is to be asked.
    pub(super) fn are_sought(&self) -> bool {
        !self.is_sure && !self.senseless.is_empty()
    }

    /// Whether an endpoint is not the one to ask.
    pub(super) fn has_told(&self, at: usize) -> bool {
        self.are_sought() && self.senseless.contains(&at)
    }

    pub(super) fn told(&mut self, at: usize) {
        self.by = Some(at);
    }

    /// None of those that are to be asked told anything; `any`: whether there are such.
    pub(super) fn nobody_told(&mut self, any: bool) {
        self.tries += 1;
        self.is_sure = !any || self.tries >= TRIES;
    }

    /// What was told is taken for true.
    pub(super) fn settled(&mut self) {
        *self = Self { by: self.by, ..Self::default() };
    }
}

impl Follower {
    /// Whether what [`Self::next`] gave last is all that can be had: there is no endpoint that could tell it otherwise.
    pub fn is_sure(&self) -> bool {
        !self.chain.rpc().is_several() || self.opinions.is_sure
    }

    /// What [`Self::next`] gave last makes no sense, and is not stored: have the same blocks from another endpoint. Once there is
    /// none left, [`Self::is_sure`].
    pub fn doubt(&mut self) {
        self.opinions.senseless.extend(self.opinions.by);
        self.ready.clear();
    }
}
