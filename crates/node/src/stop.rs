//! Two ways to end a node: when its work is done, and at once.

use tokio_util::sync::CancellationToken;

/// The wish to stop, in two steps. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Take nothing new on, finish what is held, and end.
    pub drain: CancellationToken,
    /// End now: deliver what is ready, and no more.
    pub now: CancellationToken,
}

impl Stop {
    /// The next step: drain, and if that has been said already, end now.
    pub fn next(&self) {
        if self.drain.is_cancelled() {
            self.now.cancel();
        }
        self.drain.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_means_now() {
        let stop = Stop::default();
        stop.next();
        assert!(stop.drain.is_cancelled() && !stop.now.is_cancelled());
        stop.next();
        assert!(stop.now.is_cancelled());
    }
}
