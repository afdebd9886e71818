//! What a plugin says to a query.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A future with its type forgotten.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What happens next to a query.
#[must_use]
pub enum Step {
    /// The response is written.
    Answered,
    /// Not this plugin's business.
    Next,
    /// Say nothing.
    Drop,
    /// A future makes the response, or says that it is not this plugin's business after all.
    Defer(Deferred),
}

/// A promise of a response.
pub struct Deferred(BoxFuture<'static, Resumed>);

/// What a promise came to.
#[must_use]
pub enum Resumed {
    /// A whole response message; its id, question and OPT are replaced by those of the query.
    Answered(Vec<u8>),
    /// A response of several messages (RFC 5936 §2.2); over a stream only.
    Stream(Messages),
    /// Not this plugin's business.
    Next,
    /// Say nothing.
    Drop,
}

/// The messages of a long response, made one at a time so that a slow reader costs one message of memory.
pub type Messages = Box<dyn Iterator<Item = Vec<u8>> + Send>;

impl Step {
    /// Promises what `future` will say. The only place where a plugin waits.
    pub fn defer(future: impl Future<Output = Resumed> + Send + 'static) -> Step {
        Step::Defer(Deferred(Box::pin(future)))
    }
}

impl Deferred {
    /// The future itself, for whoever runs the chain.
    pub fn into_future(self) -> BoxFuture<'static, Resumed> {
        self.0
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Answered => "Answered",
            Step::Next => "Next",
            Step::Drop => "Drop",
            Step::Defer(_) => "Defer",
        })
    }
}

impl fmt::Debug for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resumed::Answered(_) => "Answered",
            Resumed::Stream(_) => "Stream",
            Resumed::Next => "Next",
            Resumed::Drop => "Drop",
        })
    }
}
