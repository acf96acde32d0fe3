//! binary-trees of the Benchmarks Game: trees made, counted and dropped, beside one that lives
//! throughout. A node is 16 bytes: two references.

use super::{Declared, Door, declare};
use crate::size::{Size, mix, tree_counts};
use windrow::{
    Error, NoGc, RefField, Rooted, Scope, ScopedVal, Store, StructRef, TypeId, Unrooted,
};

struct Node {
    type_id: TypeId,
    left: RefField<StructRef>,
    right: RefField<StructRef>,
}

impl Node {
    fn make<'s, D: Door>(
        &self,
        scope: &mut Scope<'s>,
        depth: u32,
    ) -> Result<Option<Rooted<'s, StructRef>>, Error> {
        if depth == 0 {
            return D::make_default(scope, self.type_id).map(Some);
        }
        scope.nested(|scope| {
            let left = self.make::<D>(scope, depth - 1)?;
            let right = self.make::<D>(scope, depth - 1)?;
            let fields = [ScopedVal::from(left), ScopedVal::from(right)];
            let node = D::make(scope, self.type_id, &fields, |scope, node| {
                node.write_ref_unchecked(scope, self.left, left.map(Rooted::to_any));
                node.write_ref_unchecked(scope, self.right, right.map(Rooted::to_any));
            })?;
            Ok(Some(node))
        })
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

    fn make_and_count<D: Door>(&self, scope: &mut Scope<'_>, depth: u32) -> Result<u64, Error> {
        let mut scope = scope.scope();
        let tree = self.make::<D>(&mut scope, depth)?;
        self.count_all::<D>(&mut scope, tree)
    }

    fn count_all<D: Door>(
        &self,
        scope: &mut Scope<'_>,
        tree: Option<Rooted<'_, StructRef>>,
    ) -> Result<u64, Error> {
        let Some(tree) = tree else { return Ok(0) };
        let heap = scope.no_gc();
        self.count::<D>(&heap, heap.unrooted(tree)?)
    }
}

pub(super) fn run<D: Door>(store: &mut Store, size: &Size) -> Result<u64, Error> {
    let type_id = declare(store, &[Declared::Own, Declared::Own])?;
    let node = Node {
        type_id,
        left: store.ref_field(type_id, 0)?,
        right: store.ref_field(type_id, 1)?,
    };
    let scope = &mut store.scope();
    let depth = size.trees_depth;
    let mut sum = mix(0, node.make_and_count::<D>(scope, depth + 1)?);
    let long_lived = node.make::<D>(scope, depth)?;
    for (depth, count) in tree_counts(depth) {
        let mut nodes = 0;
        for _ in 0..count {
            nodes += node.make_and_count::<D>(scope, depth)?;
        }
        sum = mix(sum, nodes);
    }
    Ok(mix(sum, node.count_all::<D>(scope, long_lived)?))
}
