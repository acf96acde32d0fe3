//! Live data of several forms, made in one order and linked in that or another.

use crate::nodes::Nodes;
use windrow::{
    AnyRef, ArrayRef, Config, Error, NoGc, OwnedRooted, Rooted, Scope, Store, StructRef, Unrooted,
};

/// How live objects refer to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A chain, linked in the order the nodes were made in.
    List,
    /// A chain in random order.
    Shuffled,
    /// A binary tree, level by level in that order.
    Tree,
    /// A chain in random order, with a second edge from each node to any other.
    Graph,
    /// One array of all nodes, which refer to nothing.
    Array,
}

impl Form {
    pub(crate) const ALL: [Self; 5] = [
        Self::List,
        Self::Shuffled,
        Self::Tree,
        Self::Graph,
        Self::Array,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Shuffled => "shuffled list",
            Self::Tree => "tree",
            Self::Graph => "graph",
            Self::Array => "array",
        }
    }
}

/// A store with so many live nodes of one form.
pub(crate) struct Live {
    pub(crate) store: Store,
    pub(crate) nodes: Nodes,
    form: Form,
    count: u32,
    root: OwnedRooted<AnyRef>,
}

impl Live {
    pub(crate) fn make(config: &Config, form: Form, count: u32) -> Result<Self, Error> {
        let (mut store, nodes) = Nodes::store(config)?;
        let mut scope = store.scope();
        let all = ArrayRef::new_default(&mut scope, nodes.array, count)?;
        for index in 0..count {
            let mut scope = scope.scope();
            let node = nodes.leaf(&mut scope)?;
            all.set(&mut scope, index, node.into())?;
        }
        let root = if form == Form::Array {
            all.to_any()
        } else {
            let first = link(&mut scope, &nodes, form, all)?;
            let first = all.get(&mut scope, first)?;
            first.as_ref().expect("every element is set")
        };
        let root = root.own(&mut scope);
        drop(scope);
        Ok(Self {
            store,
            nodes,
            form,
            count,
            root,
        })
    }

    /// Meets every object once, by the references between them.
    ///
    /// # Panics
    /// If it met more or fewer than there are.
    pub(crate) fn walk(&mut self) -> Result<(), Error> {
        let mut scope = self.store.scope();
        let root = self.root.root(&mut scope);
        let (nodes, heap) = (&self.nodes, scope.no_gc());
        let root = heap.unrooted(root)?;
        let met = match self.form {
            Form::List | Form::Shuffled | Form::Graph => walk_chain(nodes, &heap, root.cast(&heap)),
            Form::Tree => walk_tree(nodes, &heap, root.cast(&heap)),
            Form::Array => walk_array(nodes, &heap, root.cast(&heap).expect("an array"))?,
        };
        assert_eq!(met, self.count, "every object is met once");
        Ok(())
    }
}

/// Links the elements of an array; the place of the first.
fn link(
    scope: &mut Scope<'_>,
    nodes: &Nodes,
    form: Form,
    all: Rooted<'_, ArrayRef>,
) -> Result<u32, Error> {
    let mut heap = scope.no_gc();
    let all = heap.unrooted(all)?;
    let count = all.len(&heap);
    let mut random = Random(1);
    let order = match form {
        Form::Shuffled | Form::Graph => random.permutation(count),
        _ => (0..count).collect(),
    };
    for place in 0..count {
        let (left, right) = match form {
            Form::Tree => (2 * place + 1, 2 * place + 2),
            Form::Graph => (place + 1, random.below(count)),
            Form::List | Form::Shuffled | Form::Array => (place + 1, count),
        };
        let node = element(&heap, all, &order, place)?.expect("a place within");
        let node = node.cast(&heap).expect("a node");
        for (field, place) in [(nodes.left, left), (nodes.right, right)] {
            let child = element(&heap, all, &order, place)?;
            heap.write_ref(node, field, child)?;
        }
    }
    Ok(order.first().copied().unwrap_or(0))
}

/// The node at a place of an order; beyond its end none.
fn element<'n>(
    heap: &NoGc<'n>,
    all: Unrooted<'n, ArrayRef>,
    order: &[u32],
    place: u32,
) -> Result<Option<Unrooted<'n>>, Error> {
    match order.get(place as usize) {
        Some(index) => all.read_ref(heap, *index),
        None => Ok(None),
    }
}

fn walk_chain<'n>(nodes: &Nodes, heap: &NoGc<'n>, root: Option<Unrooted<'n, StructRef>>) -> u32 {
    let (mut at, mut met) = (root, 0);
    while let Some(node) = at {
        met += 1;
        at = node.read_ref_unchecked(heap, nodes.left);
    }
    met
}

fn walk_tree<'n>(nodes: &Nodes, heap: &NoGc<'n>, root: Option<Unrooted<'n, StructRef>>) -> u32 {
    let Some(root) = root else { return 0 };
    let (mut rest, mut met) = (vec![root], 0);
    while let Some(node) = rest.pop() {
        met += 1;
        rest.extend(node.read_ref_unchecked(heap, nodes.right));
        rest.extend(node.read_ref_unchecked(heap, nodes.left));
    }
    met
}

fn walk_array<'n>(
    nodes: &Nodes,
    heap: &NoGc<'n>,
    root: Unrooted<'n, ArrayRef>,
) -> Result<u32, Error> {
    let mut met = 0;
    for index in 0..root.len(heap) {
        if let Some(node) = root.read_ref(heap, index)? {
            let node: Unrooted<'n, StructRef> = node.cast(heap).expect("a node");
            met += u32::from(node.read_ref_unchecked(heap, nodes.left).is_none());
        }
    }
    Ok(met)
}

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    /// The next number below `end`, which is not zero.
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        u32::try_from((self.0 >> 33) % u64::from(end)).expect("less than `end`")
    }

    /// The numbers below `end` in random order.
    fn permutation(&mut self, end: u32) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..end).collect();
        for index in (1..end).rev() {
            numbers.swap(index as usize, self.below(index + 1) as usize);
        }
        numbers
    }
}
