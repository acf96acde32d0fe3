//! GCBench: trees of many depths, made from the top and from the bottom, beside a large tree and an
//! array of numbers that live throughout.

use super::{Declared, Door, declare};
use crate::size::{Size, mix, tree_counts};
use windrow::{
    ArrayRef, ArrayType, Error, Field, FieldType, NoGc, RefField, Rooted, Scope, Store, StructRef,
    TypeId, Unrooted, Val, ValType,
};

struct Node {
    type_id: TypeId,
    left: RefField<StructRef>,
    right: RefField<StructRef>,
    depth: Field<i32>,
}

impl Node {
    fn declare(store: &Store) -> Result<Self, Error> {
        let number = Declared::Of(ValType::I32);
        let type_id = declare(store, &[Declared::Own, Declared::Own, number, number])?;
        Ok(Self {
            type_id,
            left: store.ref_field(type_id, 0)?,
            right: store.ref_field(type_id, 1)?,
            depth: store.field(type_id, 2)?,
        })
    }

    fn leaf<'s, D: Door>(&self, scope: &mut Scope<'s>) -> Result<Rooted<'s, StructRef>, Error> {
        D::make_default(scope, self.type_id)
    }

    /// Hangs trees of less than `depth` below a node.
    fn populate<D: Door>(
        &self,
        scope: &mut Scope<'_>,
        depth: u32,
        node: Rooted<'_, StructRef>,
    ) -> Result<(), Error> {
        if depth == 0 {
            return Ok(());
        }
        let mut scope = scope.scope();
        let left = self.leaf::<D>(&mut scope)?;
        D::write_ref(node, &mut scope, self.left, Some(left))?;
        let right = self.leaf::<D>(&mut scope)?;
        D::write_ref(node, &mut scope, self.right, Some(right))?;
        D::write(node, &mut scope, self.depth, depth.cast_signed())?;
        self.populate::<D>(&mut scope, depth - 1, left)?;
        self.populate::<D>(&mut scope, depth - 1, right)
    }

    /// Makes a tree from its leaves up.
    fn make<'s, D: Door>(
        &self,
        scope: &mut Scope<'s>,
        depth: u32,
    ) -> Result<Rooted<'s, StructRef>, Error> {
        if depth == 0 {
            return self.leaf::<D>(scope);
        }
        let made = scope.nested(|scope| {
            let left = self.make::<D>(scope, depth - 1)?;
            let right = self.make::<D>(scope, depth - 1)?;
            let number = depth.cast_signed();
            let fields = [left.into(), right.into(), Val::I32(number), Val::I32(0)];
            let node = D::make(scope, self.type_id, &fields, |scope, node| {
                node.write_ref_unchecked(scope, self.left, Some(left.to_any()));
                node.write_ref_unchecked(scope, self.right, Some(right.to_any()));
                node.write_unchecked(scope, self.depth, number);
            })?;
            Ok::<_, Error>(Some(node))
        })?;
        Ok(made.expect("a node was made"))
    }

    fn count<'n, D: Door>(
        &self,
        heap: &NoGc<'n>,
        node: Unrooted<'n, StructRef>,
    ) -> Result<u64, Error> {
        let left = D::follow(node, heap, self.left)?;
        let right = D::follow(node, heap, self.right)?;
        let mut nodes = 1;
        for child in [left, right].into_iter().flatten() {
            nodes += self.count::<D>(heap, child)?;
        }
        Ok(nodes)
    }
}

pub(super) fn run<D: Door>(store: &mut Store, size: &Size) -> Result<u64, Error> {
    let node = Node::declare(store)?;
    let doubles = ArrayType::new(FieldType::mutable(ValType::F64));
    let doubles = store.types().register_array(doubles)?;
    let scope = &mut store.scope();
    let depth = size.gcbench_depth;
    // Something to stretch the heap with.
    node.make::<D>(&mut scope.scope(), depth + 1)?;

    let long_lived = node.leaf::<D>(scope)?;
    node.populate::<D>(scope, depth, long_lived)?;
    let array = ArrayRef::new_default(scope, doubles, size.gcbench_array)?;
    for index in 0..size.gcbench_array / 2 {
        array.write(scope, index, 1.0 / f64::from(index + 1))?;
    }

    let mut sum = 0;
    for (depth, count) in tree_counts(depth) {
        for _ in 0..count {
            let mut scope = scope.scope();
            let root = node.leaf::<D>(&mut scope)?;
            node.populate::<D>(&mut scope, depth, root)?;
            let root_depth = D::read(root, &scope, node.depth)?;
            sum = mix(sum, u64::from(root_depth.cast_unsigned()));
        }
        for _ in 0..count {
            let mut scope = scope.scope();
            let root = node.make::<D>(&mut scope, depth)?;
            let root_depth = D::read(root, &scope, node.depth)?;
            sum = mix(sum, u64::from(root_depth.cast_unsigned()));
        }
    }
    let number: f64 = array.read(scope, 1000)?;
    sum = mix(sum, number.to_bits());
    let heap = scope.no_gc();
    let nodes = node.count::<D>(&heap, heap.unrooted(long_lived)?)?;
    Ok(mix(sum, nodes))
}
