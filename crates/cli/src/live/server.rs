//! Serve on a thread of its own, which nothing waits for.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{io, thread};

use axum::Router;
use tokio::runtime;
use tokio::sync::oneshot;

use super::connections::Limited;

/// A server that answers until it is closed.
#[derive(Debug)]
pub(super) struct Server {
    close: oneshot::Sender<()>,
    ended: Receiver<()>,
}

impl Server {
    /// Answer those who connect.
    ///
    /// # Errors
    /// Where the system has no thread or no handle left.
    pub(super) fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (close, closing) = oneshot::channel();
        let (end, ended) = channel();
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let is_closing = async move {
                let _ = closing.await; // or the server was forgotten
            };
            axum::serve(Limited::new(listener), router)
                .with_graceful_shutdown(is_closing)
                .await
        };
        thread::Builder::new()
            .name("live".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(serve) {
                    tracing::error!("the live page cannot be served: {error}");
                }
                let _ = end.send(()); // to whom waits for it
            })?;
        Ok(Self { close, ended })
    }

    /// Take no more connections, and give those that are there this time to end.
    pub(super) fn close(self, patience: Duration) {
        let _ = self.close.send(()); // it has ended by itself
        let _ = self.ended.recv_timeout(patience);
    }
}
