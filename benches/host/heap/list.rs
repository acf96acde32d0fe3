//! A doubly linked list: walked forwards, nodes taken out and put in on the way; walked backwards;
//! filled up at its end; again.

use super::{Declared, Door, declare};
use crate::size::{Random, Size, mix};
use windrow::{
    Error, Field, HeapType, RefField, RefType, Rooted, Scope, ScopedVal, Store, StructRef, TypeId,
    TypeUse, Val, ValType,
};

/// Nodes visited with the handles of one scope.
const STRETCH: u32 = 64;

type Node<'s> = Rooted<'s, StructRef>;

/// How to get at a list.
struct List {
    node: TypeId,
    value: Field<i64>,
    prev: RefField<StructRef>,
    next: RefField<StructRef>,
    first: RefField<StructRef>,
    last: RefField<StructRef>,
}

impl List {
    fn declare(store: &Store) -> Result<(Self, TypeId), Error> {
        let fields = [Declared::Of(ValType::I64), Declared::Own, Declared::Own];
        let node = declare(store, &fields)?;
        let end = RefType::nullable(HeapType::Concrete(TypeUse::Id(node)));
        let end = Declared::Of(ValType::Ref(end));
        let ends = declare(store, &[end, end])?;
        let list = Self {
            node,
            value: store.field(node, 0)?,
            prev: store.ref_field(node, 1)?,
            next: store.ref_field(node, 2)?,
            first: store.ref_field(ends, 0)?,
            last: store.ref_field(ends, 1)?,
        };
        Ok((list, ends))
    }

    /// Joins two neighbours; `None` is the list's end.
    fn join<D: Door>(
        &self,
        store: &mut Store,
        ends: Node<'_>,
        prev: Option<Node<'_>>,
        next: Option<Node<'_>>,
    ) -> Result<(), Error> {
        match prev {
            Some(prev) => D::write_ref(prev, store, self.next, next)?,
            None => D::write_ref(ends, store, self.first, next)?,
        }
        match next {
            Some(next) => D::write_ref(next, store, self.prev, prev),
            None => D::write_ref(ends, store, self.last, prev),
        }
    }

    fn remove<D: Door>(
        &self,
        scope: &mut Scope<'_>,
        ends: Node<'_>,
        node: Node<'_>,
        next: Option<Node<'_>>,
    ) -> Result<(), Error> {
        let prev = D::read_ref(node, scope, self.prev)?;
        self.join::<D>(scope, ends, prev, next)
    }

    fn insert<D: Door>(
        &self,
        scope: &mut Scope<'_>,
        ends: Node<'_>,
        prev: Option<Node<'_>>,
        next: Option<Node<'_>>,
        value: i64,
    ) -> Result<(), Error> {
        let fields = [Val::I64(value), ScopedVal::NULL, ScopedVal::NULL];
        let node = D::make(scope, self.node, &fields, |scope, node| {
            node.write_unchecked(scope, self.value, value);
        })?;
        self.join::<D>(scope, ends, prev, Some(node))?;
        self.join::<D>(scope, ends, Some(node), next)
    }

    /// Visits a node on the way forwards, and returns the next one.
    fn visit<'s, D: Door>(
        &self,
        scope: &mut Scope<'s>,
        ends: Node<'_>,
        node: Node<'_>,
        round: i64,
        (sum, nodes): (&mut u64, &mut u32),
    ) -> Result<Option<Node<'s>>, Error> {
        let value = D::read(node, scope, self.value)?;
        let next = D::read_ref(node, scope, self.next)?;
        *sum = mix(*sum, value.cast_unsigned());
        if value % 3 == round % 3 {
            self.remove::<D>(scope, ends, node, next)?;
            *nodes -= 1;
        } else if value % 5 == 0 {
            let value = (value * 7 + round) % 1_000_003;
            self.insert::<D>(scope, ends, Some(node), next, value)?;
            *nodes += 1;
        }
        Ok(next)
    }

    /// Walks the list, a scope for each stretch of it.
    fn walk(
        scope: &mut Scope<'_>,
        first: Option<Node<'_>>,
        mut step: impl for<'s> FnMut(&mut Scope<'s>, Node<'_>) -> Result<Option<Node<'s>>, Error>,
    ) -> Result<(), Error> {
        let mut scope = scope.scope();
        let Some(first) = first else { return Ok(()) };
        let mut at = scope.nested(|scope| step(scope, first))?;
        while let Some(start) = at {
            at = scope.nested(|scope| {
                let mut at = step(scope, start)?;
                for _ in 1..STRETCH {
                    let Some(node) = at else { break };
                    at = step(scope, node)?;
                }
                Ok::<_, Error>(at)
            })?;
        }
        Ok(())
    }
}

pub(super) fn run<D: Door>(store: &mut Store, size: &Size) -> Result<u64, Error> {
    let (list, ends) = List::declare(store)?;
    let scope = &mut store.scope();
    let ends = D::make_default(scope, ends)?;
    let mut random = Random::new(1);
    let (mut sum, mut nodes) = (0, 0);
    for round in 0..i64::from(size.list_rounds) {
        while nodes < size.list_nodes {
            let scope = &mut scope.scope();
            let last = D::read_ref(ends, scope, list.last)?;
            let value = random.below(1_000_003).into();
            list.insert::<D>(scope, ends, last, None, value)?;
            nodes += 1;
        }
        let scope = &mut scope.scope();
        let first = D::read_ref(ends, scope, list.first)?;
        List::walk(scope, first, |scope, node| {
            list.visit::<D>(scope, ends, node, round, (&mut sum, &mut nodes))
        })?;
        // Nothing is made on the way back, so nothing has to be rooted.
        let heap = scope.no_gc();
        let mut at = D::follow(heap.unrooted(ends)?, &heap, list.last)?;
        while let Some(node) = at {
            let value = D::peek(node, &heap, list.value)?;
            sum = mix(sum, value.cast_unsigned());
            at = D::follow(node, &heap, list.prev)?;
        }
    }
    Ok(sum)
}
