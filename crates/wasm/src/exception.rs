//! Exceptions, as the host sees them: made, looked at, and passed on as errors.

use crate::attach::StoreId;
use crate::engine::Engine;
use crate::enter::{Slot, find_landing};
use crate::error::Error;
use crate::tag::Tag;
use crate::trap::{TrapFrame, write_frames};
use crate::value::{check_type, from_bits, to_bits};
use smallvec::SmallVec;
use std::fmt;
use windrow::jit::{GcRef, HEADER_BYTES, ObjectRef};
use windrow::{Ref, Store, TypeId, Val, ValType};

/// Where an exception keeps its tag's number.
const TAG: u32 = HEADER_BYTES;

/// Where an exception keeps the struct of its arguments.
const PAYLOAD: u32 = HEADER_BYTES + 4;

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
        store.isolate_mut().sync_types();
        let payload = if args.is_empty() {
            GcRef::NULL
        } else {
            make_payload(store, tag, args)?.to_ref()
        };
        let mut in_flight = [payload];
        let isolate = store.isolate_mut();
        let exception = isolate.alloc_struct(TypeId::EXN, &mut in_flight)?;
        isolate.store_u32(exception, TAG, tag.data.number);
        let [payload] = in_flight;
        isolate.init_ref(exception, PAYLOAD, payload);
        Ok(Self::held(store, exception.to_ref()))
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
        let Some(exception) = self.object(store)? else {
            return Ok(None);
        };
        if store.isolate().load_u32(exception, TAG) != tag.data.number {
            return Ok(None);
        }
        let payload = store.isolate().load_ref(exception, PAYLOAD).as_object();
        let info = store.types().sub_type(tag.data.payload);
        let mut args = Vec::with_capacity(tag.data.ty.params.len());
        if let Some(payload) = payload {
            for (ty, index) in tag.data.ty.params.iter().zip(0..) {
                let bits = load(store, payload, info.field_offset(index), *ty);
                args.push(from_bits(store, *ty, bits));
            }
        }
        Ok(Some(args))
    }

    fn object(&self, store: &Store) -> Result<Option<ObjectRef>, Error> {
        self.store.check(store, "the exception")?;
        let reference = store
            .try_resolve(&self.reference)
            .map_err(|_| Error::WrongStore {
                what: "the exception",
            })?;
        Ok(reference.as_object())
    }

    /// Where it lands if thrown by the host call at hand: the words for the trampoline that made
    /// the call, or `None` if nothing of that activation catches it.
    pub(crate) fn landing(
        &self,
        engine: &Engine,
        store: &Store,
    ) -> Result<Option<[Slot; 2]>, Error> {
        match self.object(store) {
            Ok(Some(exception)) => find_landing(engine, store, exception.to_ref()),
            // An exception of another store: nothing here could tell what it is.
            Ok(None) | Err(_) => Ok(None),
        }
    }
}

/// Makes the struct that keeps the arguments of an exception. A safepoint.
fn make_payload(store: &mut Store, tag: &Tag, args: &[Val]) -> Result<ObjectRef, Error> {
    let info = store.types().sub_type(tag.data.payload);
    let payload = store
        .isolate_mut()
        .alloc_struct(tag.data.payload, &mut [])?;
    let mut values = SmallVec::<[u128; 8]>::new();
    for arg in args {
        values.push(to_bits(store, arg)?);
    }
    for ((ty, bits), index) in tag.data.ty.params.iter().zip(values).zip(0..) {
        let at = info.field_offset(index);
        let low = crate::global::low_ref(bits);
        match ty {
            ValType::I64 | ValType::F64 => {
                let double = crate::global::low_double(bits);
                store.isolate_mut().store_u64(payload, at, double);
            }
            ValType::V128 => store.isolate_mut().store_u128(payload, at, bits),
            ValType::Ref(_) => store.isolate_mut().init_ref(payload, at, low),
            _ => store.isolate_mut().store_u32(payload, at, low.bits()),
        }
    }
    Ok(payload)
}

fn load(store: &Store, object: ObjectRef, at: u32, ty: ValType) -> u128 {
    match ty {
        ValType::I64 | ValType::F64 => store.isolate().load_u64(object, at).into(),
        ValType::V128 => store.isolate().load_u128(object, at),
        _ => store.isolate().load_u32(object, at).into(),
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
