//! The types of a case with every pick resolved, and the sizes their objects must have.
//!
//! Sizes are worked out from what the contract promises, byte by byte and with no look at how
//! windrow does it: an 8-byte header; the fields a struct type adds go by decreasing size, each to
//! the lowest free bytes that suit its alignment; arrays have a 4-byte length and then their
//! elements; everything is rounded up to eight.

use crate::case::{Body, Field, Pick, Target, TypeDecl, choose};

const HEADER_BYTES: u64 = 8;
const ALIGN_BYTES: u64 = 8;

/// A type with its picks resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Resolved {
    /// A struct: its supertype, all its fields (the supertype's first), bytes of its objects.
    Struct {
        supertype: Option<usize>,
        fields: Vec<Field>,
        bytes: u64,
    },
    /// An array: its supertype and its elements.
    Array {
        supertype: Option<usize>,
        element: Field,
    },
}

/// The types of a case. A [`Target::Type`] inside holds an index and no pick.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    types: Vec<Resolved>,
    structs: Vec<usize>,
    arrays: Vec<usize>,
}

impl Schema {
    pub(crate) fn new(decls: &[TypeDecl]) -> Self {
        let mut schema = Self {
            types: Vec::new(),
            structs: Vec::new(),
            arrays: Vec::new(),
        };
        let mut used: Vec<Vec<bool>> = Vec::new();
        for (index, decl) in decls.iter().enumerate() {
            let (resolved, bytes_used) = match &decl.body {
                Body::Struct(added) => {
                    let supertype = pick_in(&schema.structs, decl.supertype);
                    schema.structs.push(index);
                    schema.resolve_struct(supertype, added, decls.len(), &used)
                }
                Body::Array(element) => {
                    let supertype = pick_in(&schema.arrays, decl.supertype);
                    schema.arrays.push(index);
                    let own = resolve_field(*element, decls.len());
                    let element = supertype
                        .and_then(|index| schema.element(index))
                        .unwrap_or(own);
                    (Resolved::Array { supertype, element }, Vec::new())
                }
            };
            schema.types.push(resolved);
            used.push(bytes_used);
        }
        schema
    }

    fn resolve_struct(
        &self,
        supertype: Option<usize>,
        added: &[Field],
        types: usize,
        used: &[Vec<bool>],
    ) -> (Resolved, Vec<bool>) {
        let added: Vec<Field> = added
            .iter()
            .map(|field| resolve_field(*field, types))
            .collect();
        let mut bytes_used = supertype
            .and_then(|index| used.get(index).cloned())
            .unwrap_or_default();
        let mut sizes: Vec<usize> = added.iter().map(|field| field.bytes() as usize).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        for size in sizes {
            place(&mut bytes_used, size);
        }
        let inherited = supertype.map_or(&[][..], |index| self.fields(index));
        let fields = inherited.iter().copied().chain(added).collect();
        let bytes = (HEADER_BYTES + bytes_used.len() as u64).next_multiple_of(ALIGN_BYTES);
        (
            Resolved::Struct {
                supertype,
                fields,
                bytes,
            },
            bytes_used,
        )
    }

    /// The types, in order of declaration.
    pub(crate) fn types(&self) -> &[Resolved] {
        &self.types
    }

    /// The struct type a pick stands for.
    pub(crate) fn pick_struct(&self, pick: Pick) -> Option<usize> {
        pick_in(&self.structs, Some(pick))
    }

    /// The array type a pick stands for.
    pub(crate) fn pick_array(&self, pick: Pick) -> Option<usize> {
        pick_in(&self.arrays, Some(pick))
    }

    /// Fields of a struct type; none for an array type.
    pub(crate) fn fields(&self, ty: usize) -> &[Field] {
        match self.types.get(ty) {
            Some(Resolved::Struct { fields, .. }) => fields,
            _ => &[],
        }
    }

    /// Element of an array type.
    pub(crate) fn element(&self, ty: usize) -> Option<Field> {
        match self.types.get(ty) {
            Some(Resolved::Array { element, .. }) => Some(*element),
            _ => None,
        }
    }

    /// Bytes of an object, with its length if it is an array.
    pub(crate) fn object_bytes(&self, ty: usize, length: u32) -> u64 {
        match self.types.get(ty) {
            Some(Resolved::Struct { bytes, .. }) => *bytes,
            Some(Resolved::Array { element, .. }) => {
                let first = if element.bytes() > 4 {
                    HEADER_BYTES + 8
                } else {
                    HEADER_BYTES + 4
                };
                (first + u64::from(length) * u64::from(element.bytes()))
                    .next_multiple_of(ALIGN_BYTES)
            }
            None => 0,
        }
    }

    /// Whether `sub` is `sup` or below it.
    pub(crate) fn is_subtype(&self, sub: usize, sup: usize) -> bool {
        let mut at = Some(sub);
        while let Some(ty) = at {
            if ty == sup {
                return true;
            }
            at = match self.types.get(ty) {
                Some(Resolved::Struct { supertype, .. } | Resolved::Array { supertype, .. }) => {
                    *supertype
                }
                None => None,
            };
        }
        false
    }
}

/// Bytes of an object that stands for a host value: a header and an id.
pub(crate) const EXTERN_BYTES: u64 = 16;

fn pick_in(indices: &[usize], pick: Option<Pick>) -> Option<usize> {
    indices.get(choose(pick?, indices.len())?).copied()
}

fn resolve_field(field: Field, types: usize) -> Field {
    match field {
        Field::Ref(Target::Type(pick)) => {
            let index = choose(pick, types).and_then(|index| Pick::try_from(index).ok());
            Field::Ref(index.map_or(Target::Any, Target::Type))
        }
        other => other,
    }
}

/// Takes the lowest free run of `size` bytes with the right alignment (at most eight).
fn place(used: &mut Vec<bool>, size: usize) {
    let mut at = 0;
    while used.iter().skip(at).take(size).any(|taken| *taken) {
        at += size.min(8);
    }
    if used.len() < at + size {
        used.resize(at + size, false);
    }
    used.iter_mut()
        .skip(at)
        .take(size)
        .for_each(|taken| *taken = true);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decl(supertype: Option<Pick>, fields: &[Field]) -> TypeDecl {
        TypeDecl {
            supertype,
            body: Body::Struct(fields.to_vec()),
        }
    }

    #[test]
    fn sizes_are_what_the_contract_promises() {
        let any = Field::Ref(Target::Any);
        let schema = Schema::new(&[
            decl(None, &[any, any]),
            decl(Some(0), &[Field::I8]),
            decl(Some(1), &[Field::I64, Field::I16, Field::I8]),
            TypeDecl {
                supertype: None,
                body: Body::Array(Field::I8),
            },
            TypeDecl {
                supertype: None,
                body: Body::Array(Field::V128),
            },
        ]);
        assert_eq!([0, 1, 2].map(|ty| schema.object_bytes(ty, 0)), [16, 24, 32]);
        assert_eq!(
            [0, 4, 5].map(|length| schema.object_bytes(3, length)),
            [16, 16, 24]
        );
        assert_eq!(
            [0, 1].map(|length| schema.object_bytes(4, length)),
            [16, 32]
        );
        assert!(schema.is_subtype(2, 0) && !schema.is_subtype(0, 2) && !schema.is_subtype(3, 0));
    }

    #[test]
    fn picks_lead_to_types_whatever_they_are() {
        let to_any = Field::Ref(Target::Type(77));
        let schema = Schema::new(&[decl(Some(9), &[to_any])]);
        assert_eq!(schema.fields(0), [Field::Ref(Target::Type(0))]);
        assert_eq!(
            (schema.pick_struct(123), schema.pick_array(123)),
            (Some(0), None)
        );
    }
}
