//! Adding a recursion group: references, supertypes, layouts.
//!
//! Either every member of a group is added or none.

use super::{Inner, MAX_SUBTYPE_DEPTH, TypeError, TypeInfo};
use crate::layout::{Cell, MAX_STRUCT_FIELDS, StructLayout, array_shape};
use crate::shape::{Shape, ShapeKind};
use crate::types::{CompositeType, FieldType, StorageType, SubTypeDef, TypeUse, ValType};
use crate::{HeapError, TypeId};
use std::sync::Arc;

impl Inner {
    /// The first id of a group, which is added unless it is there.
    pub(super) fn find_or_add_group(
        &mut self,
        group: &[SubTypeDef],
        limit: u32,
    ) -> Result<u32, TypeError> {
        match self.groups.get(group) {
            Some(first) => Ok(*first),
            None => self.add_group(group, limit),
        }
    }

    /// Adds a group not seen before; takes everything back on error.
    fn add_group(&mut self, group: &[SubTypeDef], limit: u32) -> Result<u32, TypeError> {
        let first = self.next_id();
        let fits = u64::from(first) + group.len() as u64 <= u64::from(limit) + 1;
        if !fits {
            return Err(HeapError::TypesExhausted { limit }.into());
        }
        let before = self.types.len();
        if let Err(error) = self.add_members(group, first) {
            self.types.truncate(before);
            return Err(error);
        }
        self.groups.insert(group.to_vec(), first);
        Ok(first)
    }

    /// First every member with its composite, since members refer to each other; then checks and
    /// layouts, which look at them.
    fn add_members(&mut self, group: &[SubTypeDef], first: u32) -> Result<(), TypeError> {
        let end = first + u32::try_from(group.len()).expect("the limit was checked");
        for (member, def) in (0..).zip(group) {
            check_references(def, member, first, end)?;
            let name = |reference: TypeUse| match reference {
                TypeUse::Id(id) => id,
                TypeUse::Member(index) => TypeId::from_bits(first + index),
            };
            let id = TypeId::from_bits(first + member);
            let supertype = def.supertype.map(name);
            let ancestors = self.ancestors(id, supertype, def, member)?;
            let is_defaultable = match &def.composite {
                CompositeType::Struct(of) => of.fields.iter().all(FieldType::is_defaultable),
                CompositeType::Array(of) => of.element.is_defaultable(),
                CompositeType::Func(_) => false,
            };
            self.types.push(Arc::new(TypeInfo {
                id,
                is_final: def.is_final,
                supertype,
                composite: def.composite.map(&name),
                shape: Shape {
                    kind: ShapeKind::Function,
                    ..Shape::default()
                },
                ancestors,
                layout: StructLayout::default(),
                wide: None,
                is_defaultable,
            }));
        }
        for (member, def) in (0..).zip(group) {
            let id = TypeId::from_bits(first + member);
            if let (Some(supertype), Some(written)) =
                (self.info(id).and_then(|t| t.supertype), def.supertype)
            {
                self.check_extends(id, supertype)
                    .map_err(|reason| TypeError::Mismatch {
                        member,
                        supertype: written.to_string(),
                        reason,
                    })?;
            }
            self.lay_out(id, member)?;
        }
        Ok(())
    }

    fn ancestors(
        &self,
        id: TypeId,
        supertype: Option<TypeId>,
        def: &SubTypeDef,
        member: u32,
    ) -> Result<Box<[TypeId]>, TypeError> {
        let Some(supertype) = supertype else {
            return Ok(Box::new([id]));
        };
        let written = || def.supertype.map(|s| s.to_string()).unwrap_or_default();
        let info = self.info(supertype).ok_or_else(|| TypeError::Unknown {
            member,
            reference: written(),
        })?;
        if info.is_final {
            return Err(TypeError::FinalSupertype {
                member,
                supertype: written(),
            });
        }
        if info.depth() >= MAX_SUBTYPE_DEPTH {
            return Err(TypeError::TooDeep { member });
        }
        Ok(info.ancestors.iter().copied().chain([id]).collect())
    }

    /// Lays out a type whose supertype is laid out and whose references are known.
    fn lay_out(&mut self, id: TypeId, member: u32) -> Result<(), TypeError> {
        let Some(info) = self.info(id) else {
            return Ok(());
        };
        let (shape, layout, wide) = match &info.composite {
            CompositeType::Func(_) => return Ok(()),
            CompositeType::Array(of) => (
                array_shape(self.cell(of.element)),
                StructLayout::default(),
                None,
            ),
            CompositeType::Struct(of) => {
                if of.fields.len() > MAX_STRUCT_FIELDS {
                    return Err(TypeError::TooManyFields {
                        member,
                        fields: of.fields.len(),
                    });
                }
                let supertype = info
                    .supertype
                    .and_then(|id| self.info(id))
                    .map(|info| &info.layout);
                let inherited = supertype.map_or(0, |layout| layout.offsets.len());
                let added: Vec<Cell> = of
                    .fields
                    .iter()
                    .skip(inherited)
                    .map(|f| self.cell(*f))
                    .collect();
                let layout = StructLayout::extend(supertype, &added);
                let (shape, wide) = layout.shape();
                (shape, layout, wide)
            }
        };
        let index = (id.bits() - TypeId::FIRST_DECLARED) as usize;
        let info = self
            .types
            .get_mut(index)
            .and_then(Arc::get_mut)
            .expect("nobody has seen the type yet");
        (info.shape, info.layout, info.wide) = (shape, layout, wide);
        Ok(())
    }

    fn cell(&self, field: FieldType) -> Cell {
        let is_ref = match field.storage {
            StorageType::Val(ValType::Ref(reference)) => self.is_traced(reference.heap_type),
            _ => false,
        };
        Cell {
            bytes_log2: field.storage.bytes_log2(),
            is_ref,
        }
    }
}

/// Checks that what a definition refers to exists: ids below the group, members of the group.
fn check_references(def: &SubTypeDef, member: u32, first: u32, end: u32) -> Result<(), TypeError> {
    let is_known = |reference: TypeUse| match reference {
        TypeUse::Id(id) => (TypeId::FIRST_DECLARED..first).contains(&id.bits()),
        TypeUse::Member(index) => index < end - first,
    };
    let unknown = |reference: TypeUse| TypeError::Unknown {
        member,
        reference: reference.to_string(),
    };
    if let Some(supertype) = def.supertype {
        let comes_earlier = !matches!(supertype, TypeUse::Member(index) if index >= member);
        if !comes_earlier || !is_known(supertype) {
            return Err(unknown(supertype));
        }
    }
    let bad = std::cell::Cell::new(None);
    def.composite.map(&|reference| {
        if !is_known(reference) {
            bad.set(Some(reference));
        }
    });
    bad.get()
        .map_or(Ok(()), |reference| Err(unknown(reference)))
}
