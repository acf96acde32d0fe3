//! gc-arena: an incremental mark-sweep collector for Rust values. Fields that change are `Lock`s,
//! and the debt is paid after each call of `mutate`: a tree, a walk, a thousand words.

use crate::size::{FIRST_BUCKETS, Random, Size, Word, hash, mix, tree_counts};
use gc_arena::barrier::unlock;
use gc_arena::{Arena, Collect, Gc, Lock, Mutation, RefLock, Rootable};

pub(crate) fn run(program: &str, size: &Size) -> u64 {
    match program {
        "gcbench" => gcbench(size),
        "binary-trees" => binary_trees(size),
        "list" => list(size),
        _ => strings(size),
    }
}

#[derive(Collect, Default)]
#[collect(no_drop)]
struct Node<'gc> {
    left: Lock<Option<Gc<'gc, Node<'gc>>>>,
    right: Lock<Option<Gc<'gc, Node<'gc>>>>,
    depth: Lock<i32>,
    _other: i32,
}

impl<'gc> Node<'gc> {
    fn leaf(mc: &Mutation<'gc>) -> Gc<'gc, Self> {
        Gc::new(mc, Self::default())
    }

    fn populate(mc: &Mutation<'gc>, this: Gc<'gc, Self>, depth: u32) {
        if depth == 0 {
            return;
        }
        let (left, right) = (Self::leaf(mc), Self::leaf(mc));
        let node = Gc::write(mc, this);
        unlock!(node, Node, left).set(Some(left));
        unlock!(node, Node, right).set(Some(right));
        unlock!(node, Node, depth).set(depth.cast_signed());
        Self::populate(mc, left, depth - 1);
        Self::populate(mc, right, depth - 1);
    }

    fn make(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Self> {
        if depth == 0 {
            return Self::leaf(mc);
        }
        let node = Self {
            left: Lock::new(Some(Self::make(mc, depth - 1))),
            right: Lock::new(Some(Self::make(mc, depth - 1))),
            depth: Lock::new(depth.cast_signed()),
            _other: 0,
        };
        Gc::new(mc, node)
    }

    fn count(&self) -> u64 {
        let children = [self.left.get(), self.right.get()].into_iter().flatten();
        1 + children.map(|child| child.count()).sum::<u64>()
    }
}

#[derive(Collect)]
#[collect(no_drop)]
struct LongLived<'gc> {
    tree: Gc<'gc, Node<'gc>>,
    array: Gc<'gc, Box<[f64]>>,
}

fn gcbench(size: &Size) -> u64 {
    let depth = size.gcbench_depth;
    let mut arena = Arena::<Rootable![LongLived<'_>]>::new(|mc| {
        Node::make(mc, depth + 1);
        let tree = Node::leaf(mc);
        Node::populate(mc, tree, depth);
        let mut array = vec![0.0_f64; size.gcbench_array as usize];
        for (number, index) in array.iter_mut().zip(0..size.gcbench_array / 2) {
            *number = 1.0 / f64::from(index + 1);
        }
        let array = Gc::new(mc, array.into());
        LongLived { tree, array }
    });
    arena.collect_debt();
    let mut sum = 0;
    for (depth, count) in tree_counts(depth) {
        for _ in 0..count {
            let depth = arena.mutate(|mc, _| {
                let root = Node::leaf(mc);
                Node::populate(mc, root, depth);
                root.depth.get()
            });
            sum = mix(sum, u64::from(depth.cast_unsigned()));
            arena.collect_debt();
        }
        for _ in 0..count {
            let depth = arena.mutate(|mc, _| Node::make(mc, depth).depth.get());
            sum = mix(sum, u64::from(depth.cast_unsigned()));
            arena.collect_debt();
        }
    }
    arena.mutate(|_, long_lived| {
        let number = long_lived.array.get(1000).copied();
        sum = mix(sum, number.map_or(0, f64::to_bits));
        mix(sum, long_lived.tree.count())
    })
}

#[derive(Collect)]
#[collect(no_drop)]
struct Tree<'gc> {
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
}

impl<'gc> Tree<'gc> {
    fn make(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Self> {
        let child = || Some(Self::make(mc, depth.checked_sub(1)?));
        let tree = Self {
            left: child(),
            right: child(),
        };
        Gc::new(mc, tree)
    }

    fn count(&self) -> u64 {
        let children = [self.left, self.right].into_iter().flatten();
        1 + children.map(|child| child.count()).sum::<u64>()
    }
}

fn binary_trees(size: &Size) -> u64 {
    let depth = size.trees_depth;
    let mut sum = 0;
    let mut arena = Arena::<Rootable![Gc<'_, Tree<'_>>]>::new(|mc| {
        sum = mix(sum, Tree::make(mc, depth + 1).count());
        Tree::make(mc, depth)
    });
    for (depth, count) in tree_counts(depth) {
        let mut nodes = 0;
        for _ in 0..count {
            nodes += arena.mutate(|mc, _| Tree::make(mc, depth).count());
            arena.collect_debt();
        }
        sum = mix(sum, nodes);
    }
    mix(sum, arena.mutate(|_, tree| tree.count()))
}

type End<'gc> = Option<Gc<'gc, Link<'gc>>>;

#[derive(Collect)]
#[collect(no_drop)]
struct Link<'gc> {
    value: i64,
    prev: Lock<End<'gc>>,
    next: Lock<End<'gc>>,
}

#[derive(Collect, Default)]
#[collect(no_drop)]
struct List<'gc> {
    first: Lock<End<'gc>>,
    last: Lock<End<'gc>>,
}

impl<'gc> List<'gc> {
    fn join(mc: &Mutation<'gc>, this: Gc<'gc, Self>, prev: End<'gc>, next: End<'gc>) {
        match prev {
            Some(prev) => unlock!(Gc::write(mc, prev), Link, next).set(next),
            None => unlock!(Gc::write(mc, this), List, first).set(next),
        }
        match next {
            Some(next) => unlock!(Gc::write(mc, next), Link, prev).set(prev),
            None => unlock!(Gc::write(mc, this), List, last).set(prev),
        }
    }

    fn insert(mc: &Mutation<'gc>, this: Gc<'gc, Self>, prev: End<'gc>, next: End<'gc>, value: i64) {
        let node = Link {
            value,
            prev: Lock::new(None),
            next: Lock::new(None),
        };
        let node = Gc::new(mc, node);
        Self::join(mc, this, prev, Some(node));
        Self::join(mc, this, Some(node), next);
    }
}

fn list(size: &Size) -> u64 {
    let mut arena = Arena::<Rootable![Gc<'_, List<'_>>]>::new(|mc| Gc::new(mc, List::default()));
    let mut random = Random::new(1);
    let (mut sum, mut nodes) = (0, 0);
    for round in 0..i64::from(size.list_rounds) {
        arena.mutate(|mc, list| {
            while nodes < size.list_nodes {
                let value = random.below(1_000_003).into();
                List::insert(mc, *list, list.last.get(), None, value);
                nodes += 1;
            }
        });
        arena.collect_debt();
        arena.mutate(|mc, list| {
            let mut at = list.first.get();
            while let Some(node) = at {
                let (value, next) = (node.value, node.next.get());
                sum = mix(sum, value.cast_unsigned());
                if value % 3 == round % 3 {
                    List::join(mc, *list, node.prev.get(), next);
                    nodes -= 1;
                } else if value % 5 == 0 {
                    let value = (value * 7 + round) % 1_000_003;
                    List::insert(mc, *list, Some(node), next, value);
                    nodes += 1;
                }
                at = next;
            }
        });
        arena.collect_debt();
        arena.mutate(|_, list| {
            let mut at = list.last.get();
            while let Some(node) = at {
                sum = mix(sum, node.value.cast_unsigned());
                at = node.prev.get();
            }
        });
    }
    sum
}

type Chain<'gc> = Option<Gc<'gc, Entry<'gc>>>;

#[derive(Collect)]
#[collect(no_drop)]
struct Entry<'gc> {
    key: Gc<'gc, Box<[u8]>>,
    next: Lock<Chain<'gc>>,
    hash: u32,
    count: Lock<u32>,
}

#[derive(Collect)]
#[collect(no_drop)]
struct Map<'gc> {
    buckets: Vec<Chain<'gc>>,
    len: u32,
}

impl<'gc> Map<'gc> {
    fn bucket(&mut self, hash: u32) -> &mut Chain<'gc> {
        let mask = self.buckets.len() - 1;
        self.buckets
            .get_mut(hash as usize & mask)
            .expect("a bucket for each masked hash")
    }

    /// The entry of a word, and the one before it in its chain.
    fn find(&mut self, word: &[u8], hash: u32) -> Option<(Chain<'gc>, Gc<'gc, Entry<'gc>>)> {
        let mut before = None;
        let mut at = *self.bucket(hash);
        while let Some(entry) = at {
            if entry.hash == hash && **entry.key == *word {
                return Some((before, entry));
            }
            before = at;
            at = entry.next.get();
        }
        None
    }

    fn add(&mut self, mc: &Mutation<'gc>, word: &[u8]) {
        let key: Gc<'gc, Box<[u8]>> = Gc::new(mc, word.into());
        let hash = hash(&key);
        if let Some((_, entry)) = self.find(word, hash) {
            let count = entry.count.get();
            unlock!(Gc::write(mc, entry), Entry, count).set(count + 1);
            return;
        }
        if self.len as usize == self.buckets.len() {
            self.grow(mc);
        }
        self.len += 1;
        let bucket = self.bucket(hash);
        let entry = Entry {
            key,
            next: Lock::new(*bucket),
            hash,
            count: Lock::new(1),
        };
        *bucket = Some(Gc::new(mc, entry));
    }

    fn grow(&mut self, mc: &Mutation<'gc>) {
        let double = vec![None; 2 * self.buckets.len()];
        for mut at in std::mem::replace(&mut self.buckets, double) {
            while let Some(entry) = at {
                at = entry.next.get();
                let bucket = self.bucket(entry.hash);
                unlock!(Gc::write(mc, entry), Entry, next).set(*bucket);
                *bucket = Some(entry);
            }
        }
    }

    fn remove(&mut self, mc: &Mutation<'gc>, word: &[u8]) {
        let hash = hash(word);
        let Some((before, entry)) = self.find(word, hash) else {
            return;
        };
        let next = entry.next.get();
        match before {
            Some(before) => unlock!(Gc::write(mc, before), Entry, next).set(next),
            None => *self.bucket(hash) = next,
        }
        self.len -= 1;
    }

    fn count(&mut self, word: &[u8]) -> u32 {
        let found = self.find(word, hash(word));
        found.map_or(0, |(_, entry)| entry.count.get())
    }
}

/// Words added between payments of the debt.
const BATCH: u32 = 1000;

fn strings(size: &Size) -> u64 {
    let mut arena = Arena::<Rootable![Gc<'_, RefLock<Map<'_>>>]>::new(|mc| {
        let map = Map {
            buckets: vec![None; FIRST_BUCKETS as usize],
            len: 0,
        };
        Gc::new(mc, RefLock::new(map))
    });
    let mut random = Random::new(2);
    let mut add = |arena: &mut Arena<_>, words: u32| {
        for start in (0..words).step_by(BATCH as usize) {
            arena.mutate(|mc, map: &Gc<'_, RefLock<Map<'_>>>| {
                let mut map = map.borrow_mut(mc);
                for _ in start..(start + BATCH).min(words) {
                    map.add(mc, &Word::new(random.below(size.distinct)));
                }
            });
            arena.collect_debt();
        }
    };
    add(&mut arena, size.words);
    arena.mutate(|mc, map| {
        let mut map = map.borrow_mut(mc);
        for number in (0..size.distinct).step_by(3) {
            map.remove(mc, &Word::new(number));
        }
    });
    arena.collect_debt();
    add(&mut arena, size.words / 2);
    arena.mutate(|mc, map| {
        let mut map = map.borrow_mut(mc);
        let mut sum = 0;
        for number in 0..size.distinct + size.distinct / 2 {
            sum = mix(sum, map.count(&Word::new(number)).into());
        }
        mix(sum, map.len.into())
    })
}
