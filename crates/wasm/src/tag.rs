//! Tags: kinds of exceptions, each with the types of its arguments.
//!
//! A tag is known by its number, which no other tag of its store has; exceptions carry it. All but
//! one are counted through the process; the one of JavaScript's exceptions has the same number in
//! every store, so whoever asks for it gets the same tag.

use crate::attach::{StoreId, attach};
use crate::engine::Engine;
use crate::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use windrow::{FieldType, FuncType, Store, StructType, TypeId, TypeRegistry, ValType};

/// The number of the tag of JavaScript's exceptions.
const JAVASCRIPT: u32 = 1;

/// What the store's instances share of a tag.
#[derive(Debug)]
pub(crate) struct TagData {
    pub(crate) number: u32,
    /// The canonical id of its type.
    pub(crate) type_id: TypeId,
    /// The struct type that keeps the arguments of its exceptions.
    pub(crate) payload: TypeId,
    pub(crate) ty: FuncType,
}

impl TagData {
    /// A new tag of a registered type.
    ///
    /// # Panics
    /// After four billion tags.
    pub(crate) fn new(type_id: TypeId, payload: TypeId, ty: FuncType) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(JAVASCRIPT + 1);
        let number = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            next.checked_add(1)
        });
        Self {
            number: number.expect("fewer than four billion tags"),
            type_id,
            payload,
            ty,
        }
    }
}

/// The struct type that keeps arguments of these types.
///
/// # Errors
/// [`Error::Heap`] where types run out.
pub(crate) fn payload_type(types: &TypeRegistry, params: &[ValType]) -> Result<TypeId, Error> {
    let fields = params.iter().map(|ty| FieldType::immutable(*ty));
    Ok(types.register_struct(StructType::new(fields))?)
}

/// A tag of a store.
#[derive(Clone, Debug)]
pub struct Tag {
    pub(crate) store: StoreId,
    pub(crate) data: Arc<TagData>,
}

impl Tag {
    /// Makes a tag for exceptions with arguments of the parameters' types, which lasts as long as
    /// the store. Its type has no results.
    ///
    /// # Errors
    /// [`Error::WrongEngine`], [`Error::Heap`] where types run out, [`Error::ValueType`] for a type
    /// with results.
    pub fn new(engine: &Engine, store: &mut Store, ty: &FuncType) -> Result<Self, Error> {
        if !ty.results.is_empty() {
            return Err(Error::ValueType {
                what: "the type of a tag".to_owned(),
                expected: "a function type without results".to_owned(),
                found: ty.to_string(),
            });
        }
        let type_id = engine.types().register_func(ty.clone())?;
        let payload = payload_type(engine.types(), &ty.params)?;
        Ok(Self {
            store: attach(engine, store)?,
            data: Arc::new(TagData::new(type_id, payload, ty.clone())),
        })
    }

    /// The store's tag of JavaScript's exceptions: one external reference.
    ///
    /// # Errors
    /// As [`Self::new`].
    #[cfg(feature = "js")]
    pub(crate) fn of_javascript(engine: &Engine, store: &mut Store) -> Result<Self, Error> {
        let ty = FuncType::new([ValType::EXTERNREF], []);
        let data = TagData {
            number: JAVASCRIPT,
            type_id: engine.types().register_func(ty.clone())?,
            payload: payload_type(engine.types(), &ty.params)?,
            ty,
        };
        Ok(Self {
            store: attach(engine, store)?,
            data: Arc::new(data),
        })
    }

    /// Its type: the parameters are the arguments of its exceptions.
    #[must_use]
    pub fn ty(&self) -> &FuncType {
        &self.data.ty
    }
}
