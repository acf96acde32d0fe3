//! What the engine keeps in a store: its number, and the engine whose code runs there.
//!
//! All four of the mutator state's words for embedders are the engine's: the store's address while code
//! runs (see `enter`), the identity of the code registry its frames are walked with, a number
//! that tells stores apart, and the address of the cell that makes code stop.

use crate::engine::Engine;
use crate::error::Error;
use crate::interrupt::StopCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use windrow::Store;

/// Index of the embedder word that holds the store's address while its code runs.
pub(crate) const STORE_WORD: usize = 0;
const ENGINE_WORD: usize = 1;
const NUMBER_WORD: usize = 2;
/// Index of the embedder word that holds the address of the store's [`StopCell`], or zero where code
/// never looks at one.
pub(crate) const STOP_WORD: usize = 3;

/// Tells stores apart, dead ones included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct StoreId(u64);

impl StoreId {
    /// The number of a store, given when first asked for.
    pub(crate) fn assign(store: &mut Store) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut number = word(store, NUMBER_WORD);
        if number == 0 {
            number = NEXT.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the engine means by this word the store's number, which this is.
            unsafe { store.isolate_mut().set_embedder_word(NUMBER_WORD, number) };
        }
        Self(number)
    }

    /// Checks that this is the number of `store`.
    ///
    /// # Errors
    /// [`Error::WrongStore`], naming `what` belongs to it.
    pub(crate) fn check(self, store: &Store, what: &'static str) -> Result<(), Error> {
        if word(store, NUMBER_WORD) == self.0 {
            Ok(())
        } else {
            Err(Error::WrongStore { what })
        }
    }
}

/// Prepares a store for code of an engine. Cheap when it is prepared already.
///
/// # Errors
/// [`Error::WrongEngine`] for a store with another collector, memory or family than the engine's,
/// or that runs code of another engine.
pub(crate) fn attach(engine: &Engine, store: &mut Store) -> Result<StoreId, Error> {
    let registry = engine.code_registry();
    let identity = Arc::as_ptr(registry).addr() as u64;
    let attached = word(store, ENGINE_WORD);
    if attached == 0 {
        let same_abi = store.isolate().code_abi().fingerprint() == engine.abi().fingerprint();
        if !same_abi || !Arc::ptr_eq(store.types(), engine.types()) {
            return Err(Error::WrongEngine);
        }
        let frames = crate::enter::compiled_frames(engine, store.isolate().zeal());
        store.isolate_mut().add_root_source(frames);
        // SAFETY: the engine means by this word the registry its frames are walked with, which is
        // the one just given to the store's root source.
        unsafe { store.isolate_mut().set_embedder_word(ENGINE_WORD, identity) };
        if engine.checks().any() {
            add_stop_cell(store);
        }
    } else if attached != identity {
        return Err(Error::WrongEngine);
    }
    store.isolate_mut().sync_types();
    Ok(StoreId::assign(store))
}

fn add_stop_cell(store: &mut Store) {
    let cell = Arc::new(StopCell::default());
    let address = Arc::as_ptr(&cell).expose_provenance() as u64;
    store.isolate_mut().keep_alive(cell);
    // SAFETY: the engine means by this word the cell, which lives as long as the store.
    unsafe { store.isolate_mut().set_embedder_word(STOP_WORD, address) };
}

/// The cell that makes code of a store stop, if code looks at one.
pub(crate) fn stop_cell(store: &Store) -> Option<Arc<StopCell>> {
    let address = usize::try_from(word(store, STOP_WORD)).ok()?;
    if address == 0 {
        return None;
    }
    let cell = std::ptr::with_exposed_provenance::<StopCell>(address);
    // SAFETY: the word holds what `Arc::as_ptr` gave for a cell that the store keeps alive, and this
    // count is one more than the store's own.
    Some(unsafe {
        Arc::increment_strong_count(cell);
        Arc::from_raw(cell)
    })
}

/// Whether code of a store is running, with the caller a part of it.
pub(crate) fn is_running(store: &Store) -> bool {
    word(store, STORE_WORD) != 0
}

fn word(store: &Store, index: usize) -> u64 {
    store.isolate().state().embedder_words()[index]
}
