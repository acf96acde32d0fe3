//! Canonical types, shared by a family of stores.
//!
//! Types are registered in recursion groups. Two groups that look alike (members named by
//! position, types outside by id) get the same ids, so equality of types is equality of ids, in
//! the heap and in compiled code. Ids are dense and never reused while the registry lives.
//! Registering costs a hash of the group; a type test on the host is a look into the ancestors.

mod define;
mod error;
mod matching;
mod names;
#[cfg(test)]
mod tests;

use crate::header::HEADER_BYTES;
use crate::layout::StructLayout;
use crate::shape::{DISPLAY_DEPTH, Display, Shape, ShapeKind, TypeTables};
use crate::types::{
    ArrayType, CompositeType, FieldType, FuncType, HeapType, StorageType, StructType, SubTypeDef,
    ValType,
};
use crate::{GcRef, HeapError, TypeId};
use hashbrown::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The deepest a type may lie below the root of its hierarchy of declared supertypes.
pub const MAX_SUBTYPE_DEPTH: u32 = 63;

pub use error::TypeError;

/// A registered type.
#[derive(Debug)]
pub struct TypeInfo {
    /// Its id.
    pub id: TypeId,
    /// Whether it can have no subtypes.
    pub is_final: bool,
    /// Its declared supertype.
    pub supertype: Option<TypeId>,
    /// What it is.
    pub composite: CompositeType,
    /// Size and reference map of its objects.
    pub shape: Shape,
    /// Its ancestors from the root of its hierarchy down, itself last.
    ancestors: Box<[TypeId]>,
    layout: StructLayout,
    wide: Option<Box<[u64]>>,
    is_defaultable: bool,
}

impl TypeInfo {
    /// Whether every field, or every element, starts out with a default value.
    #[must_use]
    #[inline]
    pub const fn is_defaultable(&self) -> bool {
        self.is_defaultable
    }

    /// Offset in bytes of each of a struct's fields, in order of declaration.
    #[must_use]
    #[inline]
    pub fn field_offsets(&self) -> &[u32] {
        &self.layout.offsets
    }

    /// Whether it is `ancestor`, or declares it, directly or not, as its supertype.
    #[must_use]
    #[inline]
    pub fn is_subtype_of(&self, ancestor: &Self) -> bool {
        self.ancestors.get(ancestor.ancestors.len() - 1) == Some(&ancestor.id)
    }

    /// How many declared supertypes lie above it.
    #[must_use]
    pub fn depth(&self) -> u32 {
        u32::try_from(self.ancestors.len() - 1).unwrap_or(MAX_SUBTYPE_DEPTH)
    }

    /// Offset in bytes of a struct's field.
    ///
    /// # Panics
    /// If the type is no struct, or has no such field.
    #[must_use]
    #[inline]
    pub fn field_offset(&self, field: u32) -> u32 {
        *self
            .layout
            .offsets
            .get(field as usize)
            .expect("the struct type has this field")
    }

    /// For each word of a struct's body, the field that starts there; `u32::MAX` where none does.
    pub(crate) fn fields_by_word(&self) -> Box<[u32]> {
        let words = self.shape.size_bytes.saturating_sub(HEADER_BYTES) / 4;
        let mut fields = vec![u32::MAX; words as usize];
        for (field, offset) in (0..).zip(&self.layout.offsets) {
            let word = offset.wrapping_sub(HEADER_BYTES) / 4;
            if let Some(entry) = fields.get_mut(word as usize)
                && *entry == u32::MAX
            {
                *entry = field;
            }
        }
        fields.into()
    }

    /// The fields, if this is a struct type.
    #[must_use]
    #[inline]
    pub fn as_struct(&self) -> Option<&StructType> {
        match &self.composite {
            CompositeType::Struct(of) => Some(of),
            _ => None,
        }
    }

    /// The element, if this is an array type.
    #[must_use]
    #[inline]
    pub fn as_array(&self) -> Option<&ArrayType> {
        match &self.composite {
            CompositeType::Array(of) => Some(of),
            _ => None,
        }
    }

    /// The signature, if this is a function type.
    #[must_use]
    pub fn as_func(&self) -> Option<&FuncType> {
        match &self.composite {
            CompositeType::Func(of) => Some(of),
            _ => None,
        }
    }

    fn display(&self) -> Display {
        let mut display = [0; DISPLAY_DEPTH];
        for (entry, ancestor) in display.iter_mut().zip(&self.ancestors) {
            *entry = ancestor.bits();
        }
        display
    }
}

/// The types of a family of stores.
pub struct TypeRegistry {
    inner: RwLock<Inner>,
    names: names::Names,
    limit: u32,
}

#[derive(Default)]
struct Inner {
    /// By id less [`TypeId::FIRST_DECLARED`].
    types: Vec<Arc<TypeInfo>>,
    /// First id of each group.
    groups: HashMap<Vec<SubTypeDef>, u32>,
    /// The last snapshot handed out.
    tables: Option<Arc<TypeTables>>,
}

impl fmt::Debug for TypeRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeRegistry")
            .field("types", &self.read().types.len())
            .finish_non_exhaustive()
    }
}

impl Default for TypeRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl TypeRegistry {
    /// A registry with the built-in types alone.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(TypeId::MAX)
    }

    /// A registry whose ids go up to `limit`: for trying out what happens when they run out.
    #[must_use]
    pub fn with_limit(limit: u32) -> Self {
        Self {
            inner: RwLock::default(),
            names: names::Names::default(),
            limit: limit.min(TypeId::MAX),
        }
    }

    // Every writer leaves the registry consistent before it can panic, so poison means nothing.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a recursion group, or finds it, and returns the ids of its members in order.
    ///
    /// # Errors
    /// [`TypeError`] saying which member is wrong and how. Nothing is registered then.
    pub fn register_group(&self, group: &[SubTypeDef]) -> Result<Vec<TypeId>, TypeError> {
        let len = u32::try_from(group.len())
            .map_err(|_| HeapError::TypesExhausted { limit: self.limit })?;
        // A module loaded again finds its types without keeping other threads out.
        let known = self.read().groups.get(group).copied();
        let first = match known {
            Some(first) => first,
            None => self.write().find_or_add_group(group, self.limit)?,
        };
        Ok((first..first + len).map(TypeId::from_bits).collect())
    }

    fn register_plain(&self, composite: &CompositeType) -> Result<TypeId, TypeError> {
        let ids = self.register_group(&[SubTypeDef::plain(composite)])?;
        Ok(*ids.first().expect("one definition, one id"))
    }

    /// Registers a final struct type without a supertype.
    ///
    /// # Errors
    /// As [`Self::register_group`].
    pub fn register_struct(&self, of: StructType) -> Result<TypeId, TypeError> {
        self.register_plain(&CompositeType::Struct(of))
    }

    /// Registers a final array type without a supertype.
    ///
    /// # Errors
    /// As [`Self::register_group`].
    pub fn register_array(&self, of: ArrayType) -> Result<TypeId, TypeError> {
        self.register_plain(&CompositeType::Array(of))
    }

    /// Registers a final function type without a supertype.
    ///
    /// # Errors
    /// As [`Self::register_group`].
    pub fn register_func(&self, of: FuncType) -> Result<TypeId, TypeError> {
        self.register_plain(&CompositeType::Func(of))
    }

    /// A registered type.
    ///
    /// # Panics
    /// If the id was not handed out by this registry; see [`Self::try_sub_type`].
    #[must_use]
    pub fn sub_type(&self, id: TypeId) -> Arc<TypeInfo> {
        self.try_sub_type(id)
            .expect("the id was handed out by this registry")
    }

    /// A registered type, or `None` for the built-in ones and ids never handed out.
    #[must_use]
    pub fn try_sub_type(&self, id: TypeId) -> Option<Arc<TypeInfo>> {
        self.read().info(id).cloned()
    }

    /// One more than the largest id handed out.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.read().next_id()
    }

    /// Whether no type was registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().types.is_empty()
    }

    /// Shapes and displays of every type registered so far. The same snapshot is handed out until
    /// another type is registered; making a new one is linear in the number of types.
    #[must_use]
    pub fn tables(&self) -> Arc<TypeTables> {
        let next_id = {
            let inner = self.read();
            match &inner.tables {
                Some(tables) if tables.len() == inner.next_id() => return Arc::clone(tables),
                _ => inner.next_id(),
            }
        };
        let mut inner = self.write();
        match &inner.tables {
            Some(tables) if tables.len() >= next_id => Arc::clone(tables),
            _ => inner.make_tables(),
        }
    }

    /// Whether the slot at `offset` bytes into an object of type `owner` may hold `reference`,
    /// which leads to an object of type `target` if to any. Null is always accepted: a slot is
    /// null until its object is initialised.
    #[must_use]
    pub fn slot_accepts(
        &self,
        owner: TypeId,
        offset: u32,
        reference: GcRef,
        target: Option<TypeId>,
    ) -> bool {
        let inner = self.read();
        let Some(info) = inner.info(owner) else {
            return true;
        };
        let field = match &info.composite {
            CompositeType::Array(of) => Some(of.element),
            CompositeType::Struct(of) => {
                let index = info.layout.offsets.iter().position(|at| *at == offset);
                index.and_then(|index| of.fields.get(index).copied())
            }
            CompositeType::Func(_) => None,
        };
        let Some(FieldType {
            storage: StorageType::Val(ValType::Ref(slot)),
            ..
        }) = field
        else {
            return false;
        };
        if reference.is_null() {
            return true;
        }
        match target {
            Some(target) => inner.is_instance(target, slot.heap_type),
            None => matches!(
                slot.heap_type,
                HeapType::Any | HeapType::Eq | HeapType::I31 | HeapType::Extern
            ),
        }
    }
}

impl Inner {
    fn next_id(&self) -> u32 {
        TypeId::FIRST_DECLARED + u32::try_from(self.types.len()).expect("ids are 24 bits")
    }

    fn info(&self, id: TypeId) -> Option<&Arc<TypeInfo>> {
        self.types
            .get(id.bits().checked_sub(TypeId::FIRST_DECLARED)? as usize)
    }

    fn make_tables(&mut self) -> Arc<TypeTables> {
        let host_box = |ref_words| Shape {
            kind: ShapeKind::Struct,
            size_bytes: HEADER_BYTES + 8,
            ref_words,
            ..Shape::default()
        };
        // Invalid, the stand-ins of host values (an id), exceptions (a tag and a reference).
        let mut shapes = vec![Shape::default(), host_box(0), host_box(0b10)];
        let own = |id: TypeId| [id.bits(), 0, 0, 0, 0, 0, 0, 0];
        let mut displays = vec![[0; DISPLAY_DEPTH], own(TypeId::EXTERN), own(TypeId::EXN)];
        let mut wide = vec![None; shapes.len()];
        for info in &self.types {
            shapes.push(info.shape);
            displays.push(info.display());
            wide.push(info.wide.clone());
        }
        let tables = TypeTables::new(shapes, displays, wide).with_infos(self.types.as_slice());
        let tables = Arc::new(tables);
        self.tables = Some(Arc::clone(&tables));
        tables
    }
}
