//! The heap as the evaluator uses it: a stack of values, constants, and what values are made of.
//!
//! Every value that must outlive an allocation is on the stack or among the constants, which together
//! are the [`RootSource`] of this Lisp: each collection scans and updates both in place. A [`GcRef`] in a local variable is good until
//! the next allocation and no longer; so what allocates takes its operands from the stack, after it
//! has allocated, and leaves its result there. Under `--zeal 1` a slip would show at once.
//!
//! The hot operations here go through [`Store::isolate`] with the offsets of looked-up fields, having
//! checked types themselves. What is not hot uses scopes and handles (`text.rs`, `tables.rs`), and
//! what only looks around opens a scope without collections (`compiler.rs`, `printer.rs`).

use super::builtins::BUILTINS;
use super::code::SYNTAX;
use super::fault::Fault;
use super::symbols::Symbols;
use super::types::{Kind, Types};
use windrow::{
    ActivationList, Config, GcRef, HeapError, I31, ObjectRef, RootSource, RootVisitor, RootsKey,
    Store, ValueStack,
};

/// A stack longer than this is taken for a runaway recursion.
const MAX_STACK: usize = 1 << 20;

/// Constants that are always there, by their index.
pub(crate) const NIL: usize = 0;
pub(crate) const TRUE: usize = 1;
pub(crate) const NOTHING: usize = 2;
pub(crate) const UNBOUND: usize = 3;

/// How `constant` structs print, by number.
pub(crate) const CONSTANT_NAMES: [&str; 4] = ["()", "#t", "#<nothing>", "#<unbound>"];

/// What collections start from. One source for both, since each look at a source costs a type check.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    pub(crate) stack: ValueStack,
    pub(crate) constants: ValueStack,
}

impl RootSource for Roots {
    fn visit_roots(
        &mut self,
        activations: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        self.stack.visit_roots(activations, visitor)?;
        self.constants.visit_roots(activations, visitor)
    }
}

/// The store and its roots.
#[derive(Debug)]
pub(crate) struct Heap {
    pub(crate) store: Store,
    pub(crate) types: Types,
    pub(crate) symbols: Symbols,
    roots: RootsKey<Roots>,
}

impl Heap {
    pub(crate) fn new(config: &Config) -> Result<Self, Fault> {
        let mut store = Store::new(config)?;
        let types = Types::register(&mut store)?;
        store.isolate_mut().sync_types();
        let roots = store.add_roots(Roots::default());
        for number in 0..CONSTANT_NAMES.len() {
            let isolate = store.isolate_mut();
            let object = isolate.alloc_struct(types.id(Kind::Constant), &mut [])?;
            isolate.store_u32(object, types.constant.offset(), index(number));
            store.roots_mut(roots).constants.push(object.to_ref());
        }
        Ok(Self {
            store,
            types,
            symbols: Symbols::default(),
            roots,
        })
    }

    /// Gives the symbols of special forms and built-in procedures their meaning.
    pub(crate) fn define_words(&mut self) -> Result<(), Fault> {
        for (number, (name, _)) in SYNTAX.iter().enumerate() {
            let symbol = self.intern(name)?;
            self.add_constant(symbol);
            if let Some(symbol) = symbol.as_object() {
                let offset = self.types.syntax.offset();
                let isolate = self.store.isolate_mut();
                isolate.store_u32(symbol, offset, index(number + 1));
            }
        }
        for (number, builtin) in BUILTINS.iter().enumerate() {
            let symbol = self.intern(builtin.name)?;
            let at = self.add_constant(symbol);
            let procedure = self.builtin(number)?;
            self.set_global(self.constant(at), procedure);
        }
        Ok(())
    }

    // ---- The stack. ----

    #[inline]
    pub(crate) fn roots(&mut self) -> &mut Roots {
        self.store.roots_mut(self.roots)
    }

    #[inline]
    pub(crate) fn stack(&mut self) -> &mut ValueStack {
        &mut self.roots().stack
    }

    #[inline]
    pub(crate) fn push(&mut self, value: GcRef) {
        self.stack().push(value);
    }

    /// The value on top, taken off.
    #[inline]
    pub(crate) fn pop(&mut self) -> GcRef {
        self.stack().pop().unwrap_or(GcRef::NULL)
    }

    /// The value at an index from the bottom.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> GcRef {
        self.store.roots(self.roots).stack[index]
    }

    /// The value `depth` below the top, which is 0.
    #[inline]
    pub(crate) fn peek(&self, depth: usize) -> GcRef {
        let stack = &self.store.roots(self.roots).stack;
        stack[stack.len() - 1 - depth]
    }

    #[inline]
    pub(crate) fn height(&self) -> usize {
        self.store.roots(self.roots).stack.len()
    }

    #[inline]
    pub(crate) fn check_height(&self) -> Result<(), Fault> {
        if self.height() > MAX_STACK {
            return Err(Fault::new("recursion too deep"));
        }
        Ok(())
    }

    // ---- Constants. ----

    /// A value that lives as long as the heap; its index.
    pub(crate) fn add_constant(&mut self, value: GcRef) -> usize {
        let constants = &mut self.roots().constants;
        constants.push(value);
        constants.len() - 1
    }

    #[inline]
    pub(crate) fn constant(&self, index: usize) -> GcRef {
        self.store.roots(self.roots).constants[index]
    }

    #[inline]
    pub(crate) fn bool(&self, value: bool) -> GcRef {
        if value {
            self.constant(TRUE)
        } else {
            GcRef::NULL
        }
    }

    // ---- Looking at values. None of these is a safepoint. ----

    #[inline]
    pub(crate) fn kind(&self, value: GcRef) -> Kind {
        self.types.kind(&self.store, value)
    }

    /// The object, if the value is a pair.
    #[inline]
    pub(crate) fn pair(&self, value: GcRef) -> Option<ObjectRef> {
        match self.kind(value) {
            Kind::Pair | Kind::SourcePair => value.as_object(),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn car(&self, pair: ObjectRef) -> GcRef {
        let isolate = self.store.isolate();
        isolate.load_ref(pair, self.types.car.offset())
    }

    #[inline]
    pub(crate) fn cdr(&self, pair: ObjectRef) -> GcRef {
        let isolate = self.store.isolate();
        isolate.load_ref(pair, self.types.cdr.offset())
    }

    #[inline]
    pub(crate) fn set_ref(&mut self, object: ObjectRef, offset: u32, value: GcRef) {
        self.store.isolate_mut().write_ref(object, offset, value);
    }

    #[inline]
    pub(crate) fn is_nil(&self, value: GcRef) -> bool {
        value == self.constant(NIL)
    }

    /// The element of a frame or vector, which is known to have it.
    #[inline]
    pub(crate) fn element(&self, array: GcRef, index: u32) -> GcRef {
        let Some(array) = array.as_object() else {
            return GcRef::NULL;
        };
        let offset = self.types.first_element + 4 * index;
        self.store.isolate().load_ref(array, offset)
    }

    #[inline]
    pub(crate) fn set_element(&mut self, array: GcRef, index: u32, value: GcRef) {
        if let Some(array) = array.as_object() {
            self.set_ref(array, self.types.first_element + 4 * index, value);
        }
    }

    /// Writes an element of a frame that was just made.
    #[inline]
    pub(crate) fn init_element(&mut self, array: GcRef, index: u32, value: GcRef) {
        if let Some(array) = array.as_object() {
            let offset = self.types.first_element + 4 * index;
            self.store.isolate_mut().init_ref(array, offset, value);
        }
    }

    /// A closure's environment.
    #[inline]
    pub(crate) fn environment(&self, closure: GcRef) -> GcRef {
        let Some(closure) = closure.as_object() else {
            return GcRef::NULL;
        };
        let isolate = self.store.isolate();
        isolate.load_ref(closure, self.types.environment.offset())
    }

    /// The symbol at an index of the constants and its global value, unless it has none.
    #[inline]
    pub(crate) fn global_at(&self, index: usize) -> (GcRef, Option<GcRef>) {
        let constants = &self.store.roots(self.roots).constants;
        let (symbol, unbound) = (constants[index], constants[UNBOUND]);
        let value = self.global(symbol);
        (symbol, (value != unbound).then_some(value))
    }

    /// A symbol's global value.
    #[inline]
    pub(crate) fn global(&self, symbol: GcRef) -> GcRef {
        let Some(symbol) = symbol.as_object() else {
            return GcRef::NULL;
        };
        let isolate = self.store.isolate();
        isolate.load_ref(symbol, self.types.value.offset())
    }

    pub(crate) fn set_global(&mut self, symbol: GcRef, value: GcRef) {
        if let Some(symbol) = symbol.as_object() {
            self.set_ref(symbol, self.types.value.offset(), value);
        }
    }

    // ---- Making values. All of these are safepoints. ----

    /// Replaces the two values on top by a pair of them.
    pub(crate) fn cons(&mut self) -> Result<(), Fault> {
        self.cons_at(Kind::Pair, 0)
    }

    /// As [`Self::cons`], of a pair that knows its place in the source.
    pub(crate) fn cons_at(&mut self, kind: Kind, place: i64) -> Result<(), Fault> {
        let types = &self.types;
        let (id, at) = (types.id(kind), [types.car.offset(), types.cdr.offset()]);
        let pair = self.store.isolate_mut().alloc_struct(id, &mut [])?;
        let stack = self.stack();
        let (cdr, car) = (stack.pop(), stack.pop());
        let isolate = self.store.isolate_mut();
        isolate.init_ref(pair, at[0], car.unwrap_or_default());
        isolate.init_ref(pair, at[1], cdr.unwrap_or_default());
        if kind == Kind::SourcePair {
            isolate.store_u64(pair, self.types.place.offset(), place.cast_unsigned());
        }
        self.push(pair.to_ref());
        Ok(())
    }

    /// Replaces the `count` values on top by a list of them, before the list on top of them all.
    pub(crate) fn list(&mut self, count: usize) -> Result<(), Fault> {
        (0..count).try_for_each(|_| self.cons())
    }

    /// Takes `count` values off the stack into an array of `length`, whose first elements are
    /// `skip` null ones. The array is the result, not yet rooted.
    pub(crate) fn array_of(
        &mut self,
        kind: Kind,
        skip: u32,
        count: usize,
        length: u32,
    ) -> Result<GcRef, Fault> {
        let isolate = self.store.isolate_mut();
        let array = isolate.alloc_array(self.types.id(kind), length, &mut [])?;
        let start = self.height() - count;
        for at in 0..count {
            let value = self.at(start + at);
            let offset = self.types.first_element + 4 * (skip + index(at));
            self.store.isolate_mut().init_ref(array, offset, value);
        }
        self.stack().truncate(start);
        Ok(array.to_ref())
    }

    /// An integer, boxed where it has more than 31 bits.
    #[inline]
    pub(crate) fn int(&mut self, value: i64) -> Result<GcRef, Fault> {
        if let Some(small) = i32::try_from(value).ok().and_then(I31::new) {
            return Ok(small.into());
        }
        let isolate = self.store.isolate_mut();
        let object = isolate.alloc_struct(self.types.id(Kind::Long), &mut [])?;
        isolate.store_u64(object, self.types.long.offset(), value.cast_unsigned());
        Ok(object.to_ref())
    }

    pub(crate) fn float(&mut self, value: f64) -> Result<GcRef, Fault> {
        let isolate = self.store.isolate_mut();
        let object = isolate.alloc_struct(self.types.id(Kind::Float), &mut [])?;
        isolate.store_u64(object, self.types.float.offset(), value.to_bits());
        Ok(object.to_ref())
    }

    /// A closure over the environment on top, which stays there.
    pub(crate) fn closure(&mut self, code: u32, environment: usize) -> Result<GcRef, Fault> {
        let isolate = self.store.isolate_mut();
        let object = isolate.alloc_struct(self.types.id(Kind::Closure), &mut [])?;
        isolate.store_u32(object, self.types.code.offset(), code);
        let environment = self.at(environment);
        let offset = self.types.environment.offset();
        let isolate = self.store.isolate_mut();
        isolate.init_ref(object, offset, environment);
        Ok(object.to_ref())
    }

    pub(crate) fn builtin(&mut self, number: usize) -> Result<GcRef, Fault> {
        let isolate = self.store.isolate_mut();
        let object = isolate.alloc_struct(self.types.id(Kind::Builtin), &mut [])?;
        isolate.store_u32(object, self.types.builtin.offset(), index(number));
        Ok(object.to_ref())
    }
}

/// An index or count as the heap holds it.
pub(crate) fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
