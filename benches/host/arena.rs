//! A plain arena, `bumpalo`: references of one lifetime, nothing freed before the end. What it needs
//! at its peak is therefore everything that was ever made, but for trees, which get an arena each.

use crate::size::{FIRST_BUCKETS, Random, Size, Word, hash, mix, tree_counts};
use bumpalo::Bump;
use std::cell::Cell;

pub(crate) fn run(program: &str, size: &Size) -> u64 {
    match program {
        "gcbench" => gcbench(size),
        "binary-trees" => binary_trees(size),
        "list" => list(size),
        _ => strings(size),
    }
}

#[derive(Default)]
struct Node<'a> {
    left: Cell<Option<&'a Node<'a>>>,
    right: Cell<Option<&'a Node<'a>>>,
    depth: Cell<i32>,
    _other: i32,
}

impl<'a> Node<'a> {
    fn leaf(arena: &'a Bump) -> &'a Self {
        arena.alloc(Self::default())
    }

    fn populate(&self, arena: &'a Bump, depth: u32) {
        if depth == 0 {
            return;
        }
        let (left, right) = (Self::leaf(arena), Self::leaf(arena));
        self.left.set(Some(left));
        self.right.set(Some(right));
        self.depth.set(depth.cast_signed());
        left.populate(arena, depth - 1);
        right.populate(arena, depth - 1);
    }

    fn make(arena: &'a Bump, depth: u32) -> &'a Self {
        if depth == 0 {
            return Self::leaf(arena);
        }
        arena.alloc(Self {
            left: Cell::new(Some(Self::make(arena, depth - 1))),
            right: Cell::new(Some(Self::make(arena, depth - 1))),
            depth: Cell::new(depth.cast_signed()),
            _other: 0,
        })
    }

    fn count(&self) -> u64 {
        let children = [self.left.get(), self.right.get()].into_iter().flatten();
        1 + children.map(Self::count).sum::<u64>()
    }
}

fn gcbench(size: &Size) -> u64 {
    let depth = size.gcbench_depth;
    Node::make(&Bump::new(), depth + 1);
    let arena = Bump::new();
    let long_lived = Node::leaf(&arena);
    long_lived.populate(&arena, depth);
    let array = arena.alloc_slice_fill_copy(size.gcbench_array as usize, 0.0_f64);
    for (number, index) in array.iter_mut().zip(0..size.gcbench_array / 2) {
        *number = 1.0 / f64::from(index + 1);
    }
    let mut sum = 0;
    let mut trees = Bump::new();
    for (depth, count) in tree_counts(depth) {
        for _ in 0..count {
            trees.reset();
            let root = Node::leaf(&trees);
            root.populate(&trees, depth);
            sum = mix(sum, u64::from(root.depth.get().cast_unsigned()));
        }
        for _ in 0..count {
            trees.reset();
            let root = Node::make(&trees, depth);
            sum = mix(sum, u64::from(root.depth.get().cast_unsigned()));
        }
    }
    sum = mix(sum, array.get(1000).map_or(0, |number| number.to_bits()));
    mix(sum, long_lived.count())
}

struct Tree<'a> {
    left: Option<&'a Tree<'a>>,
    right: Option<&'a Tree<'a>>,
}

impl<'a> Tree<'a> {
    fn make(arena: &'a Bump, depth: u32) -> &'a Self {
        let child = || Some(Self::make(arena, depth.checked_sub(1)?));
        arena.alloc(Self {
            left: child(),
            right: child(),
        })
    }

    fn count(&self) -> u64 {
        let children = [self.left, self.right].into_iter().flatten();
        1 + children.map(Self::count).sum::<u64>()
    }
}

fn binary_trees(size: &Size) -> u64 {
    let depth = size.trees_depth;
    let mut sum = mix(0, Tree::make(&Bump::new(), depth + 1).count());
    let arena = Bump::new();
    let long_lived = Tree::make(&arena, depth);
    let mut trees = Bump::new();
    for (depth, count) in tree_counts(depth) {
        let mut nodes = 0;
        for _ in 0..count {
            trees.reset();
            nodes += Tree::make(&trees, depth).count();
        }
        sum = mix(sum, nodes);
    }
    mix(sum, long_lived.count())
}

struct Link<'a> {
    value: i64,
    prev: Cell<Option<&'a Link<'a>>>,
    next: Cell<Option<&'a Link<'a>>>,
}

struct List<'a> {
    arena: &'a Bump,
    first: Cell<Option<&'a Link<'a>>>,
    last: Cell<Option<&'a Link<'a>>>,
}

impl<'a> List<'a> {
    fn join(&self, prev: Option<&'a Link<'a>>, next: Option<&'a Link<'a>>) {
        prev.map_or(&self.first, |prev| &prev.next).set(next);
        next.map_or(&self.last, |next| &next.prev).set(prev);
    }

    fn insert(&self, prev: Option<&'a Link<'a>>, next: Option<&'a Link<'a>>, value: i64) {
        let node = &*self.arena.alloc(Link {
            value,
            prev: Cell::default(),
            next: Cell::default(),
        });
        self.join(prev, Some(node));
        self.join(Some(node), next);
    }
}

fn list(size: &Size) -> u64 {
    let arena = Bump::new();
    let list = List {
        arena: &arena,
        first: Cell::default(),
        last: Cell::default(),
    };
    let mut random = Random::new(1);
    let (mut sum, mut nodes) = (0, 0);
    for round in 0..i64::from(size.list_rounds) {
        while nodes < size.list_nodes {
            list.insert(list.last.get(), None, random.below(1_000_003).into());
            nodes += 1;
        }
        let mut at = list.first.get();
        while let Some(node) = at {
            let (value, next) = (node.value, node.next.get());
            sum = mix(sum, value.cast_unsigned());
            if value % 3 == round % 3 {
                list.join(node.prev.get(), next);
                nodes -= 1;
            } else if value % 5 == 0 {
                list.insert(Some(node), next, (value * 7 + round) % 1_000_003);
                nodes += 1;
            }
            at = next;
        }
        let mut at = list.last.get();
        while let Some(node) = at {
            sum = mix(sum, node.value.cast_unsigned());
            at = node.prev.get();
        }
    }
    sum
}

struct Entry<'a> {
    key: &'a [u8],
    next: Cell<Option<&'a Entry<'a>>>,
    hash: u32,
    count: Cell<u32>,
}

type Bucket<'a> = Cell<Option<&'a Entry<'a>>>;

struct Map<'a> {
    arena: &'a Bump,
    buckets: &'a [Bucket<'a>],
    len: u32,
}

impl<'a> Map<'a> {
    fn make_buckets(arena: &'a Bump, count: usize) -> &'a [Bucket<'a>] {
        arena.alloc_slice_fill_with(count, |_| Cell::default())
    }

    fn bucket(&self, hash: u32) -> &'a Bucket<'a> {
        let mask = self.buckets.len() - 1;
        self.buckets
            .get(hash as usize & mask)
            .expect("a bucket for each masked hash")
    }

    /// The place that leads to a word's entry, if it has one.
    fn find(&self, word: &[u8], hash: u32) -> Option<(&'a Bucket<'a>, &'a Entry<'a>)> {
        let mut place = self.bucket(hash);
        while let Some(entry) = place.get() {
            if entry.hash == hash && entry.key == word {
                return Some((place, entry));
            }
            place = &entry.next;
        }
        None
    }

    fn add(&mut self, word: &[u8]) {
        let key = &*self.arena.alloc_slice_copy(word);
        let hash = hash(key);
        if let Some((_, entry)) = self.find(word, hash) {
            entry.count.set(entry.count.get() + 1);
            return;
        }
        if self.len as usize == self.buckets.len() {
            self.grow();
        }
        self.len += 1;
        let bucket = self.bucket(hash);
        let entry = self.arena.alloc(Entry {
            key,
            next: Cell::new(bucket.get()),
            hash,
            count: Cell::new(1),
        });
        bucket.set(Some(entry));
    }

    fn grow(&mut self) {
        let old = self.buckets;
        self.buckets = Self::make_buckets(self.arena, 2 * old.len());
        for bucket in old {
            let mut at = bucket.get();
            while let Some(entry) = at {
                at = entry.next.get();
                let bucket = self.bucket(entry.hash);
                entry.next.set(bucket.get());
                bucket.set(Some(entry));
            }
        }
    }

    fn remove(&mut self, word: &[u8]) {
        if let Some((place, entry)) = self.find(word, hash(word)) {
            place.set(entry.next.get());
            self.len -= 1;
        }
    }

    fn count(&self, word: &[u8]) -> u32 {
        let found = self.find(word, hash(word));
        found.map_or(0, |(_, entry)| entry.count.get())
    }
}

fn strings(size: &Size) -> u64 {
    let arena = Bump::new();
    let mut map = Map {
        arena: &arena,
        buckets: Map::make_buckets(&arena, FIRST_BUCKETS as usize),
        len: 0,
    };
    let mut random = Random::new(2);
    for _ in 0..size.words {
        map.add(&Word::new(random.below(size.distinct)));
    }
    for number in (0..size.distinct).step_by(3) {
        map.remove(&Word::new(number));
    }
    for _ in 0..size.words / 2 {
        map.add(&Word::new(random.below(size.distinct)));
    }
    let mut sum = 0;
    for number in 0..size.distinct + size.distinct / 2 {
        sum = mix(sum, map.count(&Word::new(number)).into());
    }
    mix(sum, map.len.into())
}
