//! Adapted prompts' computed states, bounded, least recently used goes first.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::backbone::PromptState;
use crate::error::Result;

/// A bounded cache from adapter id to prompt state, safe under concurrent calls.
pub struct PromptCache {
    capacity: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    states: HashMap<u64, Entry>,
    bytes: usize,
    clock: u64,
}

struct Entry {
    state: Arc<dyn PromptState>,
    bytes: usize,
    last_use: u64,
}

impl PromptCache {
    /// An empty cache of at most `capacity` bytes; 0 keeps nothing.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, held: Mutex::default() }
    }

    /// The state of `id`, made by `make` when it is not held. Never holds the lock while computing: threads that miss
    /// together each compute, and the first to finish is kept. A state larger than the whole cache is used but not kept.
    pub fn get_or_make(
        &self,
        id: u64,
        make: impl FnOnce() -> Result<Box<dyn PromptState>>,
    ) -> Result<Arc<dyn PromptState>> {
        if let Some(state) = self.held.lock().get(id) {
            return Ok(state);
        }
        let state: Arc<dyn PromptState> = make()?.into();
        let bytes = state.bytes();
        // A state of no bytes costs nothing to make and would escape the bound.
        if bytes == 0 || bytes > self.capacity {
            return Ok(state);
        }
        let mut held = self.held.lock();
        if let Some(earlier) = held.get(id) {
            return Ok(earlier);
        }
        let mut dropped = Vec::new();
        while held.bytes + bytes > self.capacity {
            dropped.extend(held.remove_oldest());
        }
        held.insert(id, Arc::clone(&state), bytes);
        drop(held);
        // `dropped` goes here: memory is given back outside the lock.
        Ok(state)
    }

    /// Bytes held now; never above the capacity.
    pub fn bytes(&self) -> usize {
        self.held.lock().bytes
    }
}

impl Held {
    fn get(&mut self, id: u64) -> Option<Arc<dyn PromptState>> {
        self.clock += 1;
        let entry = self.states.get_mut(&id)?;
        entry.last_use = self.clock;
        Some(Arc::clone(&entry.state))
    }

    fn insert(&mut self, id: u64, state: Arc<dyn PromptState>, bytes: usize) {
        self.bytes += bytes;
        self.states.insert(id, Entry { state, bytes, last_use: self.clock });
    }

    fn remove_oldest(&mut self) -> Option<Entry> {
        let id = *self.states.iter().min_by_key(|(_, entry)| entry.last_use)?.0;
        let entry = self.states.remove(&id)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::{Status, fail};

    struct Block {
        id: u64,
        bytes: usize,
    }

    impl PromptState for Block {
        fn bytes(&self) -> usize {
            self.bytes
        }
        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    /// Asks for `id` and tells whether it had to be made.
    fn made(cache: &PromptCache, id: u64, bytes: usize) -> bool {
        let mut made = false;
        let state = cache.get_or_make(id, || {
            made = true;
            Ok(Box::new(Block { id, bytes }))
        });
        assert_eq!(state.unwrap().as_any().downcast_ref::<Block>().unwrap().id, id);
        made
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = PromptCache::new(30);
        assert!([1, 2, 3].iter().all(|&id| made(&cache, id, 10)));
        assert!(!made(&cache, 1, 10));
        assert!(made(&cache, 4, 10));
        assert!(!made(&cache, 1, 10) && !made(&cache, 3, 10) && !made(&cache, 4, 10));
        assert!(made(&cache, 2, 10));
        assert!(made(&cache, 9, 25));
        assert_eq!(cache.bytes(), 25);
    }

    #[test]
    fn nothing_is_kept_that_does_not_fit() {
        let none = PromptCache::new(0);
        assert!(made(&none, 1, 10) && made(&none, 1, 10));
        let small = PromptCache::new(15);
        assert!(made(&small, 1, 10));
        assert!(made(&small, 2, 16) && made(&small, 2, 16));
        assert!(!made(&small, 1, 10));
        assert!(made(&small, 3, 0) && made(&small, 3, 0));
    }

    #[test]
    fn a_failed_computation_leaves_no_trace() {
        let cache = PromptCache::new(30);
        let failed = cache.get_or_make(1, || fail(Status::NotFinite, "no"));
        assert_eq!(failed.err().unwrap().status(), Status::NotFinite);
        assert!(made(&cache, 1, 10));
    }

    #[test]
    fn sixteen_threads_get_their_own_states_within_the_bound() {
        let cache = PromptCache::new(55);
        let computed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..16u64 {
                let (cache, computed) = (&cache, &computed);
                scope.spawn(move || {
                    for i in 0..500 {
                        computed.fetch_add(usize::from(made(cache, (i * (thread + 1)) % 8, 10)), Ordering::Relaxed);
                        assert!(cache.bytes() <= 55);
                    }
                });
            }
        });
        assert!(computed.into_inner() >= 8);
        assert_eq!(cache.bytes(), 50);
    }

    #[test]
    fn computing_does_not_block_others() {
        let cache = PromptCache::new(100);
        cache
            .get_or_make(1, || {
                std::thread::scope(|scope| scope.spawn(|| assert!(made(&cache, 2, 10))).join()).unwrap();
                assert!(made(&cache, 1, 10));
                Ok(Box::new(Block { id: 1, bytes: 10 }))
            })
            .unwrap();
        assert_eq!(cache.bytes(), 20);
    }
}
