//! Sockets that wait to be used again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Idle sockets of one kind to one upstream; the one used last comes first.
#[derive(Debug)]
pub(crate) struct Pool<S> {
    // Held for a push or a pop, never across a wait. The oldest are at the front.
    idle: Mutex<VecDeque<Pooled<S>>>,
    limits: Limits,
}

/// A socket and its times.
#[derive(Debug)]
pub(crate) struct Pooled<S> {
    pub(crate) socket: S,
    opened: Instant,
    used: Instant,
}

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) expire: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_idle: usize,
}

impl<S> Pooled<S> {
    /// A socket that has just been opened.
    pub(crate) fn new(socket: S) -> Pooled<S> {
        let now = Instant::now();
        Pooled { socket, opened: now, used: now }
    }
}

impl<S> Pool<S> {
    pub(crate) fn new(limits: Limits) -> Pool<S> {
        Pool { idle: Mutex::default(), limits }
    }

    /// Takes a socket that is still good.
    pub(crate) fn take(&self) -> Option<Pooled<S>> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(pooled) = idle.pop_back() {
            if self.limits.keep(&pooled, now) {
                return Some(pooled);
            }
        }
        None
    }

    /// Puts a socket back that nobody expects anything from.
    pub(crate) fn put(&self, mut pooled: Pooled<S>) {
        pooled.used = Instant::now();
        if !self.limits.keep(&pooled, pooled.used) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.limits.max_idle {
            idle.push_back(pooled);
        }
    }

    /// Closes what is too old.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.front().is_some_and(|pooled| !self.limits.keep(pooled, now)) {
            idle.pop_front();
        }
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Limits {
    fn keep<S>(&self, pooled: &Pooled<S>, now: Instant) -> bool {
        now.duration_since(pooled.used) < self.expire
            && self.max_age.is_none_or(|age| now.duration_since(pooled.opened) < age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pool(max_age: Option<Duration>, max_idle: usize) -> Pool<u8> {
        Pool::new(Limits { expire: 10 * SECOND, max_age, max_idle })
    }

    fn take(pool: &Pool<u8>) -> Option<u8> {
        pool.take().map(|pooled| pooled.socket)
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_used_comes_first_until_it_expires() {
        let pool = pool(None, 10);
        pool.put(Pooled::new(1));
        tokio::time::advance(5 * SECOND).await;
        pool.put(Pooled::new(2));
        tokio::time::advance(5 * SECOND).await;
        pool.sweep();
        assert_eq!((take(&pool), take(&pool)), (Some(2), None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_has_an_age() {
        let pool = pool(Some(3 * SECOND), 10);
        pool.put(Pooled::new(1));
        tokio::time::advance(2 * SECOND).await;
        let first = pool.take().unwrap();
        tokio::time::advance(SECOND).await;
        pool.put(first);
        assert_eq!(take(&pool), None);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_kept() {
        let pool = pool(None, 1);
        pool.put(Pooled::new(1));
        pool.put(Pooled::new(2));
        assert_eq!((take(&pool), take(&pool)), (Some(1), None));
    }
}
