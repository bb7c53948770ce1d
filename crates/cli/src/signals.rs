//! The wish to stop.

use eyre::Result;
use provery_node::Stop;
use tokio_util::sync::CancellationToken;

/// Cancelled by SIGTERM or Ctrl-C. A second Ctrl-C ends the program at once.
pub(crate) fn stop_token() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancel = token.clone();
    let mut terminate = terminations()?;
    tokio::spawn(async move {
        signalled(&mut terminate).await;
        tracing::info!("stopping");
        cancel.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    Ok(token)
}

/// From now on this process ends neither by SIGTERM nor by Ctrl-C: whoever started it ends it.
pub(crate) fn ignore() -> Result<()> {
    // What is heard stays heard when its listener is gone.
    drop(terminations()?);
    tokio::spawn(async {
        let _ = tokio::signal::ctrl_c().await;
    });
    Ok(())
}

/// For a program that has work to finish: the first SIGTERM or Ctrl-C says to finish it, the second to stop now, and a
/// third ends the program at once.
pub(crate) fn stop() -> Result<Stop> {
    let stop = Stop::default();
    let said = stop.clone();
    let mut terminate = terminations()?;
    tokio::spawn(async move {
        for _ in 0..2 {
            signalled(&mut terminate).await;
            said.next();
            tracing::info!(now = said.now.is_cancelled(), "stopping");
        }
        signalled(&mut terminate).await;
        std::process::exit(130);
    });
    Ok(stop)
}

async fn signalled(terminate: &mut Terminations) {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate.next() => {}
    }
}

#[cfg(unix)]
struct Terminations(tokio::signal::unix::Signal);

#[cfg(unix)]
fn terminations() -> Result<Terminations> {
    Ok(Terminations(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?))
}

#[cfg(unix)]
impl Terminations {
    async fn next(&mut self) {
        self.0.recv().await;
    }
}

#[cfg(not(unix))]
struct Terminations;

#[cfg(not(unix))]
fn terminations() -> Result<Terminations> {
    Ok(Terminations)
}

#[cfg(not(unix))]
impl Terminations {
    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
