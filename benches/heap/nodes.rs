//! The one object most figures are about: a struct of two references, 16 bytes, like a cons cell.

use windrow::{
    ArrayType, Config, Error, FieldType, HeapType, RefField, RefType, Rooted, Scope, Store,
    StructRef, StructType, TypeId, ValType,
};

/// The type of nodes, and of arrays of them.
#[derive(Clone, Copy)]
pub(crate) struct Nodes {
    pub(crate) node: TypeId,
    pub(crate) left: RefField<StructRef>,
    pub(crate) right: RefField<StructRef>,
    pub(crate) array: TypeId,
}

impl Nodes {
    pub(crate) fn declare(store: &Store) -> Result<Self, Error> {
        let reference = ValType::Ref(RefType::nullable(HeapType::Struct));
        let field = FieldType::mutable(reference);
        let node = StructType::new([field, field]);
        let node = store.types().register_struct(node)?;
        Ok(Self {
            node,
            left: store.ref_field(node, 0)?,
            right: store.ref_field(node, 1)?,
            array: store.types().register_array(ArrayType::new(field))?,
        })
    }

    /// A store that can hold nodes.
    pub(crate) fn store(config: &Config) -> Result<(Store, Self), Error> {
        let store = Store::new(config)?;
        let nodes = Self::declare(&store)?;
        Ok((store, nodes))
    }

    /// A node without children.
    pub(crate) fn leaf<'s>(&self, scope: &mut Scope<'s>) -> Result<Rooted<'s, StructRef>, Error> {
        StructRef::new_unchecked(scope, self.node)
    }
}
