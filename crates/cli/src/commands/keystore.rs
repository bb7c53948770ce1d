//! `provery keystore`: encrypted files for signing keys.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use clap::Subcommand;
use eyre::Result;
use serde_json::json;

use crate::{
    config::{ENV_PRIVATE_KEY, Password, Secret},
    context::Context,
    error::{Code, fail},
    output::fields,
    signer,
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeystoreCommand {
    /// Make a fresh key, encrypted
    #[command(after_help = "Example: provery keystore new prover.json --password-file password.txt")]
    New {
        /// The file to write; one that exists is never overwritten
        file: PathBuf,
    },
    /// Encrypt the key in PROVERY_PRIVATE_KEY
    #[command(after_help = "Example: PROVERY_PRIVATE_KEY=$KEY provery keystore import prover.json")]
    Import {
        /// The file to write; one that exists is never overwritten
        file: PathBuf,
    },
    /// The address of the key that the other commands would sign with
    #[command(after_help = "Example: provery keystore address --keystore prover.json")]
    Address,
}

pub(crate) fn run(context: &Context, command: KeystoreCommand) -> Result<()> {
    let (file, made) = match command {
        KeystoreCommand::New { file } => {
            signer::check_free(&file)?;
            let made = signer::create(&file, None, &new_password(context)?)?;
            (file, made)
        }
        KeystoreCommand::Import { file } => {
            let key =
                std::env::var(ENV_PRIVATE_KEY).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
                    fail(
                        Code::NoKey,
                        format!("there is no key to import; set {ENV_PRIVATE_KEY} for this one command"),
                    )
                })?;
            let key = signer::from_hex(&Secret::new(key))?;
            signer::check_free(&file)?;
            let made = signer::create(&file, Some(&key), &new_password(context)?)?;
            (file, made)
        }
        KeystoreCommand::Address => {
            context.say_which_key();
            let signer = signer::load(&context.settings)?;
            return tell(context, signer.address(), None);
        }
    };
    tell(context, made.address(), Some(&file))
}

fn tell(context: &Context, address: Address, file: Option<&Path>) -> Result<()> {
    context.out.result(&json!({ "address": address, "keystore": file }), || match file {
        Some(file) => fields(&[("address", address.to_string()), ("keystore", file.display().to_string())]),
        None => address.to_string(),
    });
    Ok(())
}

/// A password for a new file; typed twice if typed at all.
fn new_password(context: &Context) -> Result<Secret> {
    let source = &context.settings.password;
    let password = signer::read_password(source, "New password: ")?;
    if *source == Password::Prompt && password != signer::read_password(source, "The same again: ")? {
        return Err(fail(Code::WrongPassword, "the two passwords differ; try again"));
    }
    Ok(password)
}
