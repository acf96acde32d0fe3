//! Weak tables: windrow's weak maps, as host values in the heap.
//!
//! An entry lives as long as its key does, whatever its value leads to. The table itself dies when
//! nothing refers to it: its host value is dropped then, and the map with it.

use super::builtins::Args;
use super::fault::Fault;
use super::machine::Lisp;
use super::types::Kind;
use windrow::{ExternRef, GcRef, WeakMap};

type Answer = Result<GcRef, Fault>;

/// What the host value is.
struct WeakTable(WeakMap);

pub(crate) fn make(lisp: &mut Lisp, _: Args) -> Answer {
    let table = WeakTable(lisp.heap.store.new_weak_map());
    let mut scope = lisp.heap.store.scope();
    let table = ExternRef::new(&mut scope, table).map_err(|refused| refused.error)?;
    Ok(table.gc_ref(&scope))
}

/// The map of the table that the first argument is.
fn map(lisp: &mut Lisp, args: Args) -> Result<WeakMap, Fault> {
    let value = args.get(lisp, 0);
    let mut scope = lisp.heap.store.scope();
    if let Some(handle) = scope.root(value)
        && let Some(table) = handle.cast::<ExternRef>(&scope)
        && let Some(WeakTable(map)) = table.data(&scope)?
    {
        return Ok(map.clone());
    }
    drop(scope);
    Err(lisp.wrong("a weak table", value))
}

/// The key that the second argument is: anything but a number in place or `#f`, which never die.
fn key(lisp: &mut Lisp, args: Args) -> Result<GcRef, Fault> {
    let key = args.get(lisp, 1);
    match lisp.heap.kind(key) {
        Kind::Int | Kind::False => Err(lisp.wrong("an object as key", key)),
        _ => Ok(key),
    }
}

pub(crate) fn set(lisp: &mut Lisp, args: Args) -> Answer {
    let (map, key, value) = (map(lisp, args)?, key(lisp, args)?, args.get(lisp, 2));
    let mut scope = lisp.heap.store.scope();
    let (key, value) = (scope.root(key), scope.root(value));
    map.insert(&mut scope, key.expect("it is an object"), value)?;
    drop(scope);
    Ok(lisp.nothing())
}

/// `(weak-table-ref table key default)`; without a default it is `#f`.
pub(crate) fn get(lisp: &mut Lisp, args: Args) -> Answer {
    let (map, key) = (map(lisp, args)?, key(lisp, args)?);
    let mut scope = lisp.heap.store.scope();
    let key = scope.root(key).expect("it is an object");
    let found = map.get(&mut scope, key)?;
    let found = found.map(|value| value.map_or(GcRef::NULL, |value| value.gc_ref(&scope)));
    drop(scope);
    Ok(match found {
        Some(value) => value,
        None if args.count > 2 => args.get(lisp, 2),
        None => GcRef::NULL,
    })
}

pub(crate) fn delete(lisp: &mut Lisp, args: Args) -> Answer {
    let (map, key) = (map(lisp, args)?, key(lisp, args)?);
    let mut scope = lisp.heap.store.scope();
    let key = scope.root(key).expect("it is an object");
    let removed = map.remove(&mut scope, key)?;
    drop(scope);
    Ok(lisp.heap.bool(removed))
}

/// Entries whose keys no collection found dead.
pub(crate) fn count(lisp: &mut Lisp, args: Args) -> Answer {
    let count = map(lisp, args)?.len(&lisp.heap.store)?;
    lisp.heap.int(count as i64)
}
