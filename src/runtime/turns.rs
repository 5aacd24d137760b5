//! Callers that wait for their turn, first come, first served.

use parking_lot::{Condvar, Mutex};

/// Lets `places` callers in at a time, in the order in which they came.
pub(super) struct Turns {
    places: u64,
    count: Mutex<Count>,
    changed: Condvar,
}

#[derive(Default)]
struct Count {
    /// Callers that have come.
    come: u64,
    /// Those of them that have left again.
    left: u64,
}

/// A caller's place until it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// `places` callers at a time.
    pub fn new(places: usize) -> Self {
        Self { places: places as u64, count: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until all who came before have been let in and a place is free.
    pub fn wait(&self) -> Turn<'_> {
        let mut count = self.count.lock();
        let before = count.come;
        count.come += 1;
        while before >= count.left + self.places {
            self.changed.wait(&mut count);
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.count.lock().left += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

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
}
