//! The table of symbols: one for each name, and gone when nobody uses it any more.
//!
//! The table holds weak references. A symbol that a program only made on the way, by
//! `string->symbol`, dies like anything else; one with a global value is kept by the heap's
//! constants. Entries of the dead are swept when the table has doubled.

use super::fault::Fault;
use super::heap::{Heap, UNBOUND};
use super::types::Kind;
use std::collections::HashMap;
use windrow::{ArrayRef, GcRef, Scope, ScopedVal, StructRef, Val, WeakRef};

/// Entries below which nothing is swept.
const FEW: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Symbols {
    entries: HashMap<Box<str>, WeakRef<StructRef>>,
    sweep_at: usize,
}

impl Symbols {
    fn sweep(&mut self, scope: &mut Scope<'_>) {
        self.entries.retain(|_, symbol| {
            // A handle of its own for each, so that none keeps a symbol alive longer.
            let found = symbol.get(&mut scope.scope());
            matches!(found, Ok(Some(_)))
        });
        self.sweep_at = 2 * self.entries.len().max(FEW);
    }
}

impl Heap {
    /// The symbol of a name. A safepoint.
    pub(crate) fn intern(&mut self, name: &str) -> Result<GcRef, Fault> {
        let mut scope = self.store.scope();
        if let Some(weak) = self.symbols.entries.get(name)
            && let Some(symbol) = weak.get(&mut scope)?
        {
            return Ok(symbol.gc_ref(&scope));
        }
        if self.symbols.entries.len() >= self.symbols.sweep_at {
            self.symbols.sweep(&mut scope);
        }
        let text = ArrayRef::from_slice(&mut scope, self.types.id(Kind::Str), name.as_bytes())?;
        let fields = [text.into(), ScopedVal::NULL, Val::I32(0)];
        let symbol = StructRef::new(&mut scope, self.types.id(Kind::Symbol), &fields)?;
        let weak = symbol.downgrade(&mut scope)?;
        self.symbols.entries.insert(name.into(), weak);
        let symbol = symbol.gc_ref(&scope);
        drop(scope);
        self.set_global(symbol, self.constant(UNBOUND));
        Ok(symbol)
    }

    /// How many symbols there are, dead ones not yet swept included.
    pub(crate) fn symbol_count(&self) -> usize {
        self.symbols.entries.len()
    }
}
