//! What nodes with one prover and one key share: a NATS server that goes away now and then, and a worker behind it.

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use eyre::{Context, Result};
use tokio::{
    process::{Child, Command},
    time::sleep,
};

use super::stage::Cli;
use crate::{Nats, Wire};

#[derive(Debug)]
pub(super) struct Bus {
    _server: Nats,
    _worker: Child,
    wire: Wire,
}

impl Bus {
    /// Start the server and the worker, which keeps what it says in the run's folder.
    pub(super) async fn start(cli: &Cli, dir: &Path) -> Result<Self> {
        let server = Nats::start().await?;
        let wire = Wire::to(server.port()).await?;
        let mut command = Command::new(&cli.program);
        cli.equip(&mut command, None);
        let log = File::create(dir.join("worker.log"))?;
        let worker = command
            .args(["worker", "--json", "--name", "W1", "--nats", &url(&wire), "--keys"])
            .arg(&cli.keys_dir)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .wrap_err("a worker does not start")?;
        Ok(Self { _server: server, _worker: worker, wire })
    }

    pub(super) fn url(&self) -> String {
        url(&self.wire)
    }

    /// Nobody reaches the server for a while, which then is as it was.
    pub(super) fn away(self: &Arc<Self>, lasts: Duration) {
        let bus = self.clone();
        bus.wire.cut();
        tokio::spawn(async move {
            sleep(lasts).await;
            bus.wire.join();
        });
    }
}

fn url(wire: &Wire) -> String {
    wire.url().replace("http://", "nats://")
}
