//! Signals that ask dyno to stop.

use crate::machine::Input;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Puts each such signal into the run's inbox from now on.
pub(crate) fn listen_for_signals(inbox: &mpsc::Sender<Input>) -> std::io::Result<()> {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind)?;
        let inbox = inbox.clone();
        tokio::task::spawn_local(async move {
            while signals.recv().await.is_some() {
                if inbox
                    .send(Input::Signal(kind.as_raw_value()))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
    }
    Ok(())
}
