//! Function bodies, validated and compiled in parallel.
//!
//! Threads take the next body off a shared counter until none is left. Which error is reported does
//! not depend on their luck: it is that of the first function, in the order of the module, among
//! those that were tried.

use super::parse::Body;
use crate::compile::{Compiled, FunctionCompiler};
use crate::engine::Engine;
use crate::env::ModuleEnv;
use crate::error::Error;
use crate::translate::TranslateError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Functions that a thread is given at least, so that small modules start none.
const FUNCTIONS_PER_THREAD: usize = 4;

/// The bodies of a module, and which of them is to be compiled next.
struct Queue<'a> {
    env: &'a ModuleEnv,
    bodies: &'a [Body<'a>],
    next: AtomicUsize,
}

/// What one thread compiled, by position; or the position and error of the body it failed at.
type Share = Result<Vec<(usize, Compiled)>, (usize, Error)>;

/// Compiles function bodies on all processors, and gives them back in order.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Unsupported`], [`Error::Compile`].
pub(super) fn compile_all(
    engine: &Engine,
    env: &ModuleEnv,
    bodies: &[Body<'_>],
) -> Result<Vec<Compiled>, Error> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors
        .min(bodies.len().div_ceil(FUNCTIONS_PER_THREAD))
        .max(1);
    let queue = Queue {
        env,
        bodies,
        next: AtomicUsize::new(0),
    };
    let shares = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| scope.spawn(|| queue.work(engine)))
            .collect();
        let mut shares = vec![queue.work(engine)];
        for other in others {
            shares.push(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        shares
    });
    in_order(shares)
}

impl Queue<'_> {
    /// Compiles bodies until none is left, or one fails, which ends the work of all.
    fn work(&self, engine: &Engine) -> Share {
        let mut compiler = FunctionCompiler::new(self.env, engine.isa(), self.bodies);
        let mut done = Vec::new();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(body) = self.bodies.get(index) else {
                return Ok(done);
            };
            let function = body.validate.index;
            match compiler.compile(body) {
                Ok(compiled) => done.push((index, compiled)),
                Err(error) => {
                    self.next.store(self.bodies.len(), Ordering::Relaxed);
                    return Err((index, function_error(self.env, function, error)));
                }
            }
        }
    }
}

fn in_order(shares: Vec<Share>) -> Result<Vec<Compiled>, Error> {
    let mut compiled = Vec::new();
    let mut failures = Vec::new();
    for share in shares {
        match share {
            Ok(done) => compiled.extend(done),
            Err(failure) => failures.push(failure),
        }
    }
    if let Some((_, error)) = failures.into_iter().min_by_key(|(index, _)| *index) {
        return Err(error);
    }
    compiled.sort_unstable_by_key(|(index, _)| *index);
    Ok(compiled.into_iter().map(|(_, compiled)| compiled).collect())
}

fn function_error(env: &ModuleEnv, function: u32, error: TranslateError) -> Error {
    match error {
        TranslateError::Invalid(error) => error.into(),
        TranslateError::Unsupported { proposal, offset } => Error::Unsupported {
            feature: proposal,
            message: format!("{} uses it", env.display_name(function)),
            offset,
        },
        error => Error::compile(Some(env.display_name(function)), &error),
    }
}
