//! What every command has.

use eyre::Result;

use crate::{
    config::{ENV_PRIVATE_KEY, Key, Settings},
    output::Output,
    session::Session,
};

/// The settings and where results go.
#[derive(Debug)]
pub(crate) struct Context {
    pub settings: Settings,
    pub out: Output,
}

impl Context {
    /// Where two keys are named, which of them signs.
    pub(crate) fn say_which_key(&self) {
        if let (true, Key::Keystore { path, .. }) = (self.settings.passed_over, &self.settings.key) {
            self.out.warn(&format!(
                "the keystore {} signs, not {ENV_PRIVATE_KEY}, which is set, too",
                path.display()
            ));
        }
    }

    /// The chain and its deployment, to read.
    pub(crate) async fn reader(&self) -> Result<Session> {
        Session::open(&self.settings, false).await
    }

    /// The chain and its deployment, with the key that signs.
    pub(crate) async fn signer(&self) -> Result<Session> {
        self.say_which_key();
        Session::open(&self.settings, true).await
    }
}
