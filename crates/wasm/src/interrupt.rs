//! Stopping programs from outside: interruption, and fuel.
//!
//! Code of an engine whose [`EngineOptions`](crate::EngineOptions) ask for it looks, at each
//! function entry, each loop iteration and before each bulk operation, at a cell that its store
//! owns: another thread may have asked it to stop there, or its fuel may have run out. So the time
//! from the request to the trap is that of one bulk operation at most, or of the host function in
//! progress, which is waited for; WASI's wait for a time ends early, its read of a stream does not.
//! Code of other engines has no such checks and pays nothing.
//!
//! The cell lies outside the mutator state, because that is borrowed exclusively by the thread
//! that runs the store while another sets the request.

use crate::attach::{attach, is_running, stop_cell};
use crate::engine::Engine;
use crate::error::Error;
use crate::trap::TrapKind;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use windrow::Store;

/// How long a sleeping program is not looked after. A request sets a word, no more, so that it can
/// be made from anywhere, a signal handler included; so sleepers have to look.
#[cfg(feature = "wasi")]
const SLICE: Duration = Duration::from_millis(10);

/// What makes compiled code of one store stop.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct StopCell {
    /// Not zero: stop. Set by any thread, read by compiled code.
    requested: AtomicU32,
    padding: u32,
    /// What is left; below zero once code ran out. Used by the store's own thread alone.
    fuel: AtomicI64,
}

impl StopCell {
    /// Offset of the fuel; the request is at offset zero, where an atomic load can reach it.
    pub(crate) const FUEL: i32 = 8;

    fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed) != 0
    }

    /// How much fuel is left.
    pub(crate) fn fuel(&self) -> u64 {
        u64::try_from(self.fuel.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Sets how much fuel is left; what does not fit is as good as no limit.
    pub(crate) fn set_fuel(&self, fuel: u64) {
        let fuel = i64::try_from(fuel).unwrap_or(i64::MAX);
        self.fuel.store(fuel, Ordering::Relaxed);
    }
}

const _: () = {
    assert!(memoffset::offset_of!(StopCell, requested) == 0);
    assert!(memoffset::offset_of!(StopCell, fuel) == StopCell::FUEL as usize);
};

/// Asks the program of one store to stop, from any thread.
///
/// Made by [`Engine::interrupt_handle`](crate::Engine::interrupt_handle). Cheap to clone; it may
/// outlive the store, and does nothing then.
#[derive(Clone, Debug)]
pub struct InterruptHandle {
    cell: Arc<StopCell>,
}

impl InterruptHandle {
    /// Asks compiled code of the store to stop with [`TrapKind::Interrupted`].
    ///
    /// The request stands until the outermost call into the store was stopped by it, so a host
    /// function in between that goes on after a failed call is stopped too. It stands as well if
    /// the program ends just before: see [`Self::clear`].
    pub fn interrupt(&self) {
        self.cell.requested.store(1, Ordering::Relaxed);
    }

    /// Takes a request back, so that the next call is not stopped by one that came too late.
    pub fn clear(&self) {
        self.cell.requested.store(0, Ordering::Relaxed);
    }

    /// Whether a request stands.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.cell.is_requested()
    }

    /// Interrupts the store `after` from now, unless the result is dropped before. Costs a thread
    /// that sleeps meanwhile.
    ///
    /// # Errors
    /// [`Error::Host`] where the system refuses the thread.
    pub fn deadline(&self, after: Duration) -> Result<Deadline, Error> {
        let shared = Arc::new((Mutex::new(Stage::Waiting), Condvar::new()));
        let (handle, timer) = (self.clone(), Arc::clone(&shared));
        let wait = move || {
            let (stage, cancelled) = &*timer;
            let stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = |stage: &mut Stage| *stage == Stage::Waiting;
            let (mut stage, _) = cancelled
                .wait_timeout_while(stage, after, waiting)
                .unwrap_or_else(PoisonError::into_inner);
            if *stage == Stage::Waiting {
                *stage = Stage::Over;
                handle.interrupt();
            }
        };
        let thread = std::thread::Builder::new()
            .name("deadline".to_owned())
            .spawn(wait)
            .map_err(Error::host)?;
        Ok(Deadline {
            handle: self.clone(),
            shared,
            thread: Some(thread),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Over,
    Cancelled,
}

/// A time at which a store is interrupted: cancelled when dropped, and if it came while nothing of
/// the store ran, taken back then.
#[derive(Debug)]
pub struct Deadline {
    handle: InterruptHandle,
    shared: Arc<(Mutex<Stage>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Deadline {
    /// Whether the time has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) == Stage::Over
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let (stage, cancelled) = &*self.shared;
        let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
        match *stage {
            Stage::Over => self.handle.clear(),
            _ => *stage = Stage::Cancelled,
        }
        drop(stage);
        cancelled.notify_one();
        if let Some(thread) = self.thread.take() {
            // It holds no secrets: a sleep, and a store of one word.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// What stops code that runs in `store`, from any thread.
    ///
    /// # Errors
    /// [`Error::NotCompiledIn`] unless the engine is
    /// [interruptible](crate::EngineOptions::interruptible), [`Error::WrongEngine`].
    pub fn interrupt_handle(&self, store: &mut Store) -> Result<InterruptHandle, Error> {
        let cell = self.cell(
            store,
            self.checks().interrupts,
            "interrupts",
            "interruptible",
        )?;
        Ok(InterruptHandle { cell })
    }

    /// Sets how much fuel code that runs in `store` has left.
    ///
    /// # Errors
    /// [`Error::NotCompiledIn`] unless the engine's code uses [fuel](crate::EngineOptions::fuel),
    /// [`Error::WrongEngine`].
    pub fn set_fuel(&self, store: &mut Store, fuel: u64) -> Result<(), Error> {
        self.cell(store, self.checks().fuel, "fuel", "fuel")?
            .set_fuel(fuel);
        Ok(())
    }

    /// How much fuel code that runs in `store` has left.
    ///
    /// # Errors
    /// As [`Self::set_fuel`].
    pub fn fuel(&self, store: &mut Store) -> Result<u64, Error> {
        Ok(self.cell(store, self.checks().fuel, "fuel", "fuel")?.fuel())
    }

    /// The store's cell, if code looks at what the caller is after.
    fn cell(
        &self,
        store: &mut Store,
        looks: bool,
        what: &'static str,
        option: &'static str,
    ) -> Result<Arc<StopCell>, Error> {
        attach(self, store)?;
        stop_cell(store)
            .filter(|_| looks)
            .ok_or(Error::NotCompiledIn { what, option })
    }
}

/// Whether the store's program has been asked to stop.
#[cfg(feature = "wasi")]
pub(crate) fn is_interrupted(store: &Store) -> bool {
    stop_cell(store).is_some_and(|cell| cell.is_requested())
}

/// Sleeps for so long, or until the store's program is asked to stop.
#[cfg(feature = "wasi")]
pub(crate) fn sleep(store: &Store, time: Duration) {
    let Some(cell) = stop_cell(store) else {
        return std::thread::sleep(time);
    };
    let start = std::time::Instant::now();
    while !cell.is_requested() {
        let left = time.saturating_sub(start.elapsed());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(SLICE));
    }
}

/// Called with the error of each call into compiled code: a request that has stopped the outermost
/// one is done with.
pub(crate) fn settle(store: &Store, error: &Error) {
    let interrupted = error
        .as_trap()
        .is_some_and(|trap| trap.kind == TrapKind::Interrupted);
    if interrupted
        && !is_running(store)
        && let Some(cell) = stop_cell(store)
    {
        cell.requested.store(0, Ordering::Relaxed);
    }
}
