//! The private thread pool of a model; the host program's own pools are never touched.

use rayon::prelude::*;

use super::Cancel;
use super::turns::Turns;
use crate::error::{Error, Result, Status, fail};
use crate::limits::MAX_THREADS;

/// How the names of all workers begin.
pub(crate) const WORKER_NAME: &str = "supmer-";

/// A pool of `count` workers that runs the kernels; results never depend on `count`.
pub struct Threads {
    pool: Option<Pool>,
    count: usize,
}

/// Workers, and who may give them work.
struct Pool {
    workers: rayon::ThreadPool,
    turns: Turns,
}

impl Threads {
    /// A pool of `count` threads; 0 takes the number of cores the system offers, 1 runs on the caller's thread.
    ///
    /// Errors: `InvalidOption` above [`MAX_THREADS`], `MemoryLimit` when the system cannot start as many.
    pub fn new(count: usize) -> Result<Self> {
        match number(count)? {
            1 => Ok(Self { pool: None, count: 1 }),
            count => Self::started(count),
        }
    }

    /// As [`Threads::new`], but a single thread is started as well: work that spreads itself over the rayon pool it runs
    /// in would otherwise take every core.
    #[cfg(feature = "train")]
    pub fn apart(count: usize) -> Result<Self> {
        Self::started(number(count)?)
    }

    fn started(count: usize) -> Result<Self> {
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|i| format!("{WORKER_NAME}{i}"))
            .build()
            .map_err(|e| {
                Error::new(Status::MemoryLimit, format!("cannot start {count} threads: {e}; lower thread_count"))
            })?;
        Ok(Self { pool: Some(Pool { workers, turns: Turns::new(count) }), count })
    }

    /// How many threads work.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Runs `work` on a thread of the pool, so that every [`Threads::run`] inside starts without a change of thread. As many
    /// calls as there are threads are inside at a time, the others wait for their turn: a worker that waits for a part of its
    /// call begins another call meanwhile, on the same stack. Workers of the caller's own rayon pools take no turn: they as well
    /// begin other work while they wait, which must not wait for them.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let _turn = self.turns().map(Turns::wait);
        self.install(work)
    }

    /// As [`Threads::enter`]. Errors: those of `work`, and `Cancelled` when `cancel` is set before its turn has come.
    pub fn enter_unless_cancelled<R: Send>(
        &self,
        cancel: &Cancel,
        work: impl FnOnce() -> Result<R> + Send,
    ) -> Result<R> {
        let _turn = self.turns().map(|turns| turns.wait_unless_cancelled(cancel)).transpose()?;
        self.install(work)
    }

    /// Runs `work(0)`, ..., `work(items - 1)`, spread over the pool, and returns when all are done. Call it inside
    /// [`Threads::enter`]; elsewhere it works on the caller's thread alone.
    pub fn run(&self, items: usize, work: impl Fn(usize) + Sync + Send) {
        if self.is_inside() && items > 1 {
            (0..items).into_par_iter().with_max_len(1).for_each(work);
        } else {
            (0..items).for_each(work);
        }
    }

    /// What `work` gives for 0, ..., `items - 1`, in order; otherwise as [`Threads::run`].
    pub fn map<R: Send>(&self, items: usize, work: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
        if self.is_inside() && items > 1 {
            (0..items).into_par_iter().with_max_len(1).map(work).collect()
        } else {
            (0..items).map(work).collect()
        }
    }

    /// Where a call on this thread has to wait.
    fn turns(&self) -> Option<&Turns> {
        self.pool.as_ref().filter(|_| rayon::current_thread_index().is_none()).map(|pool| &pool.turns)
    }

    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) if !self.is_inside() => pool.workers.install(work),
            _ => work(),
        }
    }

    fn is_inside(&self) -> bool {
        self.pool.as_ref().is_some_and(|pool| pool.workers.current_thread_index().is_some())
    }
}

/// How many threads `count` asks for.
fn number(count: usize) -> Result<usize> {
    match count {
        0 => Ok(std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)),
        1..=MAX_THREADS => Ok(count),
        _ => fail(Status::InvalidOption, format!("thread_count is at most {MAX_THREADS}, {count} was given")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn callers_of_all_kinds_get_in() {
        let calls = || {
            let (threads, served) = (Threads::new(2).unwrap(), AtomicUsize::new(0));
            let call = |_| {
                threads.enter(|| std::thread::sleep(Duration::from_millis(1)));
                served.fetch_add(1, Ordering::SeqCst);
            };
            // A pool of the caller's, whose workers begin the next call while they wait for one.
            let outer = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            outer.install(|| (0..64).into_par_iter().for_each(call));
            std::thread::scope(|scope| (0..16).for_each(|at| drop(scope.spawn(move || call(at)))));
            threads.enter(|| call(0));
            served.into_inner()
        };
        let (done, served) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(calls()));
        assert_eq!(
            served.recv_timeout(Duration::from_secs(60)).expect("callers wait for each other, or one panicked"),
            64 + 16 + 1
        );
    }

    #[test]
    fn a_call_is_cancelled_while_others_have_the_threads() {
        let (threads, cancel) = (Threads::new(2).unwrap(), Cancel::new());
        let both_are_in = std::sync::Barrier::new(3);
        let is_over = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let _turn = threads.turns().map(Turns::wait);
                    both_are_in.wait();
                    is_over.wait();
                });
            }
            both_are_in.wait();
            let waiter = scope.spawn(|| threads.enter_unless_cancelled(&cancel, || Ok(())));
            cancel.request();
            let stopped = waiter.join();
            is_over.wait();
            assert_eq!(stopped.unwrap().unwrap_err().status(), Status::Cancelled);
        });
        assert_eq!(threads.enter_unless_cancelled(&Cancel::new(), || Ok(7)).unwrap(), 7);
    }

    #[cfg(feature = "train")]
    #[test]
    fn one_thread_apart_holds_what_would_spread() {
        let threads = Threads::apart(1).unwrap();
        assert_eq!(threads.enter(rayon::current_num_threads), 1);
        assert_eq!(Threads::apart(257).err().unwrap().status(), Status::InvalidOption);
    }
}
