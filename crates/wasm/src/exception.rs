//! Exceptions, as the host sees them: made, looked at, and passed on as errors.

use crate::attach::StoreId;
use crate::engine::Engine;
use crate::enter::{Slot, find_landing};
use crate::error::Error;
use crate::tag::Tag;
use crate::trap::{TrapFrame, write_frames};
use crate::value::check_type;
use std::fmt;
use windrow::jit::GcRef;
use windrow::{ExnRef, Ref, Rooted, Scope, Store, StructRef, Val};

/// An exception that no program has caught so far.
///
/// It is held: its object lives as long as this. A host function that returns it as
/// [`Error::Exception`] throws it in the program that called the function, if that is of the same
/// store; programs of other stores it passes without being caught.
#[derive(Clone, Debug)]
pub struct Exception {
    store: StoreId,
    reference: Ref,
    /// The innermost functions it has left.
    pub frames: Vec<TrapFrame>,
    /// How many frames there are beyond those.
    pub omitted_frames: u64,
}

impl Exception {
    /// Makes an exception. A safepoint.
    ///
    /// # Errors
    /// [`Error::ArgumentCount`] and [`Error::ValueType`] for arguments that are not of the tag's
    /// types, [`Error::WrongStore`], [`Error::Heap`] when there is no room.
    pub fn new(store: &mut Store, tag: &Tag, args: &[Val]) -> Result<Self, Error> {
        tag.store.check(store, "the tag")?;
        let params = &tag.data.ty.params;
        if args.len() != params.len() {
            return Err(Error::ArgumentCount {
                expected: params.len(),
                given: args.len(),
            });
        }
        for (index, (arg, ty)) in args.iter().zip(params).enumerate() {
            check_type(store, arg, *ty, || format!("argument {index}"))?;
        }
        let mut scope = store.scope();
        let arguments = make_arguments(&mut scope, tag, args)?;
        let exception = ExnRef::new(&mut scope, tag.data.number, arguments).map_err(heap_error)?;
        let reference = exception.gc_ref(&scope);
        Ok(Self::held(&mut scope, reference))
    }

    /// The exception behind a reference that a program threw.
    pub(crate) fn held(store: &mut Store, reference: GcRef) -> Self {
        Self {
            store: StoreId::assign(store),
            reference: store.hold(reference),
            frames: Vec::new(),
            omitted_frames: 0,
        }
    }

    /// The exception as a value of type `exnref`.
    #[must_use]
    pub const fn reference(&self) -> &Ref {
        &self.reference
    }

    /// Its arguments if it has this tag, otherwise `None`.
    ///
    /// # Errors
    /// [`Error::WrongStore`].
    pub fn args(&self, store: &mut Store, tag: &Tag) -> Result<Option<Vec<Val>>, Error> {
        tag.store.check(store, "the tag")?;
        let mut scope = store.scope();
        let Some(exception) = self.root(&mut scope)? else {
            return Ok(None);
        };
        if exception.tag(&scope).map_err(heap_error)? != tag.data.number {
            return Ok(None);
        }
        let Some(arguments) = exception.arguments(&mut scope).map_err(heap_error)? else {
            return Ok(Some(Vec::new()));
        };
        let arguments = arguments.fields(&mut scope).map_err(heap_error)?;
        let owned = arguments.into_iter().map(|value| value.own(&mut scope));
        owned
            .collect::<Result<_, _>>()
            .map(Some)
            .map_err(heap_error)
    }

    /// The exception in a scope.
    fn root<'s>(&self, scope: &mut Scope<'s>) -> Result<Option<Rooted<'s, ExnRef>>, Error> {
        self.store.check(scope, "the exception")?;
        let reference = self.reference.root(scope);
        Ok(reference.and_then(|reference| reference.cast(scope)))
    }

    /// Where it lands if thrown by the host call at hand: the words for the trampoline that made
    /// the call, or `None` if nothing of that activation catches it.
    pub(crate) fn landing(
        &self,
        engine: &Engine,
        store: &Store,
    ) -> Result<Option<[Slot; 2]>, Error> {
        match store.try_resolve(&self.reference) {
            Ok(exception) => find_landing(engine, store, exception),
            // An exception of another store: nothing here could tell what it is.
            Err(_) => Ok(None),
        }
    }
}

/// Makes the struct that keeps the arguments of an exception, if there are any. A safepoint.
fn make_arguments<'s>(
    scope: &mut Scope<'s>,
    tag: &Tag,
    args: &[Val],
) -> Result<Option<Rooted<'s, StructRef>>, Error> {
    if args.is_empty() {
        return Ok(None);
    }
    let values: Result<Vec<_>, _> = args.iter().map(|arg| arg.root(scope)).collect();
    let values = values.map_err(heap_error)?;
    let made = StructRef::new(scope, tag.data.payload, &values).map_err(heap_error)?;
    Ok(Some(made))
}

/// What can still go wrong once stores and types were checked.
fn heap_error(error: windrow::Error) -> Error {
    match error {
        windrow::Error::Heap(error) => Error::Heap(error),
        error => Error::host(error),
    }
}

/// The functions it has left, as a trap's.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("uncaught exception")?;
        write_frames(f, &self.frames, self.omitted_frames)
    }
}

impl std::error::Error for Exception {}
