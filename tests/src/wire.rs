//! A TCP relay that can be cut and joined: the node seems to go away and comes back as it was.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use eyre::Result;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

#[derive(Debug)]
pub struct Wire {
    port: u16,
    up: Arc<AtomicBool>,
    cut: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Relay a free port to `target`.
    pub async fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let up = Arc::new(AtomicBool::new(true));
        let cut = watch::Sender::new(0);
        let (is_up, cuts) = (up.clone(), cut.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut inward, _)) = listener.accept().await {
                if !is_up.load(Ordering::SeqCst) {
                    continue;
                }
                let mut cuts = cuts.subscribe();
                tokio::spawn(async move {
                    if let Ok(mut outward) = TcpStream::connect(("127.0.0.1", target)).await {
                        tokio::select! {
                            _ = copy_bidirectional(&mut inward, &mut outward) => {}
                            _ = cuts.changed() => {}
                        }
                    }
                });
            }
        });
        Ok(Self { port, up, cut, task })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Close every connection and refuse new ones.
    pub fn cut(&self) {
        self.up.store(false, Ordering::SeqCst);
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    pub fn join(&self) {
        self.up.store(true, Ordering::SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}
