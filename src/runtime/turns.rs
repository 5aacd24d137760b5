//! Callers that wait for their turn, first come, first served.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::Cancel;
use crate::error::Result;

/// How often one who waits looks whether it is to stop: nobody wakes it for that.
const LOOK: Duration = Duration::from_millis(20);

/// Lets `places` callers in at a time, in the order in which they came.
pub(super) struct Turns {
    places: usize,
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    /// Callers that have come.
    come: u64,
    /// Numbers of those that wait, the first to come in front.
    waiting: VecDeque<u64>,
    /// How many are in.
    inside: usize,
}

/// A caller's place until it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// `places` callers at a time.
    pub fn new(places: usize) -> Self {
        Self { places, line: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until all who came before have been let in and a place is free.
    pub fn wait(&self) -> Turn<'_> {
        let mut line = self.line.lock();
        let number = line.join();
        while !self.lets_in(&line, number) {
            self.changed.wait(&mut line);
        }
        self.enter(line)
    }

    /// As [`Turns::wait`]. Errors: `Cancelled` when `cancel` is set meanwhile; those behind move up.
    pub fn wait_unless_cancelled(&self, cancel: &Cancel) -> Result<Turn<'_>> {
        let mut line = self.line.lock();
        let number = line.join();
        while !self.lets_in(&line, number) {
            if let Err(cancelled) = cancel.check() {
                line.waiting.retain(|&other| other != number);
                self.changed.notify_all();
                return Err(cancelled);
            }
            self.changed.wait_for(&mut line, LOOK);
        }
        Ok(self.enter(line))
    }

    fn lets_in(&self, line: &Line, number: u64) -> bool {
        line.inside < self.places && line.waiting.front() == Some(&number)
    }

    /// Lets the first of the line in.
    fn enter(&self, mut line: MutexGuard<'_, Line>) -> Turn<'_> {
        line.waiting.pop_front();
        line.inside += 1;
        // Who comes next may have looked already, when it was not yet the first.
        if line.inside < self.places && !line.waiting.is_empty() {
            self.changed.notify_all();
        }
        Turn(self)
    }
}

impl Line {
    /// The number of one more who waits.
    fn join(&mut self) -> u64 {
        self.come += 1;
        self.waiting.push_back(self.come);
        self.come
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.line.lock().inside -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Status;

    #[test]
    fn no_more_than_the_places_are_taken_and_everyone_gets_one() {
        let (turns, inside, most, served) =
            (Turns::new(3), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _turn = turns.wait();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(served.into_inner(), 24 * 20);
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn a_panic_gives_its_place_back() {
        let turns = Turns::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _turn = turns.wait();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        drop(turns.wait());
    }

    #[test]
    fn who_is_cancelled_leaves_the_line_and_those_behind_move_up() {
        let (turns, cancel) = (Turns::new(1), Cancel::new());
        let inside = turns.wait();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| turns.wait_unless_cancelled(&cancel).map(drop));
            while turns.line.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            let behind = scope.spawn(|| turns.wait_unless_cancelled(&Cancel::new()).map(drop));
            assert!(!waiter.is_finished());
            cancel.request();
            assert_eq!(waiter.join().unwrap().unwrap_err().status(), Status::Cancelled);
            assert!(!behind.is_finished());
            drop(inside);
            behind.join().unwrap().unwrap();
        });
        assert!(turns.line.lock().waiting.is_empty());
    }
}
