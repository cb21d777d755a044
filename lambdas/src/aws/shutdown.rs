//! The end of a process: SIGTERM lets the invocation at hand end, its answer included, and no other
//! begin.
//!
//! Lambda itself sends SIGTERM only to functions with an extension, and freezes or kills the others
//! between invocations: nothing here waits to be written by then. Whoever else runs this program
//! (the local cloud for one) stops it in the middle.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use lambda_runtime::{
    Error, LambdaInvocation,
    tower::{Layer, Service},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Knows whether an invocation is being worked on.
pub(super) struct Working(watch::Sender<bool>);

impl Working {
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Resolves when the process is told to stop and no invocation is being worked on.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub async fn stopped(&self) -> Result<(), Error> {
        signal(SignalKind::terminate())?.recv().await;
        let mut working = self.0.subscribe();
        working.wait_for(|working| !working).await?;
        Ok(())
    }
}

impl<S> Layer<S> for Working {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, working: self.0.clone() }
    }
}

/// Notes when an invocation begins and when its answer is given.
pub(super) struct Watched<S> {
    inner: S,
    working: watch::Sender<bool>,
}

impl<S> Service<LambdaInvocation> for Watched<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        self.working.send_replace(true);
        let (answer, working) = (self.inner.call(invocation), self.working.clone());
        Box::pin(async move {
            let answer = answer.await;
            working.send_replace(false);
            answer
        })
    }
}
