//! What every command has.

use eyre::Result;
use provery_node::config::shown_url;

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
        let signs = match &self.settings.key {
            Key::Keystore { path, .. } => format!("the keystore {}", path.display()),
            Key::Remote { url, .. } => format!("the remote signer {}", shown_url(url.expose())),
            Key::Private(_) | Key::None => return,
        };
        if self.settings.passed_over {
            self.out.warn(&format!("{signs} signs, not {ENV_PRIVATE_KEY}, which is set, too"));
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
