//! dumpster, on one thread: counted, with a search for dead cycles now and then; nothing to be done for
//! them.

use crate::size::{FIRST_BUCKETS, Random, Size, Word, hash, mix, tree_counts};
use dumpster::Trace;
use dumpster::unsync::Gc;
use std::cell::RefCell;

pub(crate) fn run(program: &str, size: &Size) -> u64 {
    match program {
        "gcbench" => gcbench(size),
        "binary-trees" => binary_trees(size),
        "list" => list(size),
        _ => strings(size),
    }
}

#[derive(Default, Trace)]
struct Node {
    left: Option<Gc<RefCell<Node>>>,
    right: Option<Gc<RefCell<Node>>>,
    depth: i32,
    _other: i32,
}

impl Node {
    fn leaf() -> Gc<RefCell<Self>> {
        Gc::new(RefCell::new(Self::default()))
    }

    fn populate(this: &RefCell<Self>, depth: u32) {
        if depth == 0 {
            return;
        }
        let (left, right) = (Self::leaf(), Self::leaf());
        {
            let mut node = this.borrow_mut();
            node.left = Some(Gc::clone(&left));
            node.right = Some(Gc::clone(&right));
            node.depth = depth.cast_signed();
        }
        Self::populate(&left, depth - 1);
        Self::populate(&right, depth - 1);
    }

    fn make(depth: u32) -> Gc<RefCell<Self>> {
        if depth == 0 {
            return Self::leaf();
        }
        Gc::new(RefCell::new(Self {
            left: Some(Self::make(depth - 1)),
            right: Some(Self::make(depth - 1)),
            depth: depth.cast_signed(),
            _other: 0,
        }))
    }

    fn count(this: &RefCell<Self>) -> u64 {
        let node = this.borrow();
        let children = [&node.left, &node.right].into_iter().flatten();
        1 + children.map(|child| Self::count(child)).sum::<u64>()
    }
}

fn gcbench(size: &Size) -> u64 {
    let depth = size.gcbench_depth;
    drop(Node::make(depth + 1));
    let long_lived = Node::leaf();
    Node::populate(&long_lived, depth);
    let mut array = vec![0.0_f64; size.gcbench_array as usize];
    for (number, index) in array.iter_mut().zip(0..size.gcbench_array / 2) {
        *number = 1.0 / f64::from(index + 1);
    }
    let mut sum = 0;
    for (depth, count) in tree_counts(depth) {
        for _ in 0..count {
            let root = Node::leaf();
            Node::populate(&root, depth);
            sum = mix(sum, u64::from(root.borrow().depth.cast_unsigned()));
        }
        for _ in 0..count {
            let root = Node::make(depth);
            sum = mix(sum, u64::from(root.borrow().depth.cast_unsigned()));
        }
    }
    sum = mix(sum, array.get(1000).map_or(0, |number| number.to_bits()));
    mix(sum, Node::count(&long_lived))
}

/// Nothing of these trees changes, so there is no cell in them.
#[derive(Trace)]
struct Tree {
    left: Option<Gc<Tree>>,
    right: Option<Gc<Tree>>,
}

impl Tree {
    fn make(depth: u32) -> Gc<Self> {
        let child = || depth.checked_sub(1).map(Self::make);
        Gc::new(Self {
            left: child(),
            right: child(),
        })
    }

    fn count(&self) -> u64 {
        let children = [&self.left, &self.right].into_iter().flatten();
        1 + children.map(|child| child.count()).sum::<u64>()
    }
}

fn binary_trees(size: &Size) -> u64 {
    let depth = size.trees_depth;
    let mut sum = mix(0, Tree::make(depth + 1).count());
    let long_lived = Tree::make(depth);
    for (depth, count) in tree_counts(depth) {
        sum = mix(sum, (0..count).map(|_| Tree::make(depth).count()).sum());
    }
    mix(sum, long_lived.count())
}

#[derive(Trace)]
struct Link {
    value: i64,
    prev: Option<Gc<RefCell<Link>>>,
    next: Option<Gc<RefCell<Link>>>,
}

#[derive(Default)]
struct List {
    first: Option<Gc<RefCell<Link>>>,
    last: Option<Gc<RefCell<Link>>>,
}

impl List {
    fn join(&mut self, prev: Option<&Gc<RefCell<Link>>>, next: Option<&Gc<RefCell<Link>>>) {
        match prev {
            Some(prev) => prev.borrow_mut().next = next.cloned(),
            None => self.first = next.cloned(),
        }
        match next {
            Some(next) => next.borrow_mut().prev = prev.cloned(),
            None => self.last = prev.cloned(),
        }
    }

    fn insert(
        &mut self,
        prev: Option<&Gc<RefCell<Link>>>,
        next: Option<&Gc<RefCell<Link>>>,
        value: i64,
    ) {
        let node = Gc::new(RefCell::new(Link {
            value,
            prev: None,
            next: None,
        }));
        self.join(prev, Some(&node));
        self.join(Some(&node), next);
    }
}

fn up(link: Option<&Gc<RefCell<Link>>>) -> Option<Gc<RefCell<Link>>> {
    link.cloned()
}

fn list(size: &Size) -> u64 {
    let mut list = List::default();
    let mut random = Random::new(1);
    let (mut sum, mut nodes) = (0, 0);
    for round in 0..i64::from(size.list_rounds) {
        while nodes < size.list_nodes {
            let last = up(list.last.as_ref());
            list.insert(last.as_ref(), None, random.below(1_000_003).into());
            nodes += 1;
        }
        let mut at = list.first.clone();
        while let Some(node) = at {
            let (value, next) = {
                let node = node.borrow();
                (node.value, node.next.clone())
            };
            sum = mix(sum, value.cast_unsigned());
            if value % 3 == round % 3 {
                let prev = up(node.borrow().prev.as_ref());
                list.join(prev.as_ref(), next.as_ref());
                nodes -= 1;
            } else if value % 5 == 0 {
                list.insert(Some(&node), next.as_ref(), (value * 7 + round) % 1_000_003);
                nodes += 1;
            }
            at = next;
        }
        let mut at = up(list.last.as_ref());
        while let Some(node) = at {
            let node = node.borrow();
            sum = mix(sum, node.value.cast_unsigned());
            at = up(node.prev.as_ref());
        }
    }
    sum
}

#[derive(Trace)]
struct Entry {
    key: Gc<[u8]>,
    next: Option<Gc<RefCell<Entry>>>,
    hash: u32,
    count: u32,
}

struct Map {
    buckets: Vec<Option<Gc<RefCell<Entry>>>>,
    len: u32,
}

impl Map {
    fn new() -> Self {
        Self {
            buckets: vec![None; FIRST_BUCKETS as usize],
            len: 0,
        }
    }

    fn bucket(&mut self, hash: u32) -> &mut Option<Gc<RefCell<Entry>>> {
        let mask = self.buckets.len() - 1;
        self.buckets
            .get_mut(hash as usize & mask)
            .expect("a bucket for each masked hash")
    }

    #[expect(clippy::type_complexity, reason = "an entry and the one before it")]
    fn find(
        &mut self,
        word: &[u8],
        hash: u32,
    ) -> Option<(Option<Gc<RefCell<Entry>>>, Gc<RefCell<Entry>>)> {
        let mut before = None;
        let mut at = self.bucket(hash).clone();
        while let Some(entry) = at {
            let next = {
                let entry = entry.borrow();
                if entry.hash == hash && *entry.key == *word {
                    None
                } else {
                    Some(entry.next.clone())
                }
            };
            match next {
                None => return Some((before, entry)),
                Some(next) => at = next,
            }
            before = Some(entry);
        }
        None
    }

    fn add(&mut self, word: &[u8]) {
        let key = Gc::<[u8]>::from(word);
        let hash = hash(&key);
        if let Some((_, entry)) = self.find(word, hash) {
            entry.borrow_mut().count += 1;
            return;
        }
        if self.len as usize == self.buckets.len() {
            self.grow();
        }
        self.len += 1;
        let bucket = self.bucket(hash);
        let next = bucket.take();
        let count = 1;
        *bucket = Some(Gc::new(RefCell::new(Entry {
            key,
            next,
            hash,
            count,
        })));
    }

    fn grow(&mut self) {
        let double = vec![None; 2 * self.buckets.len()];
        for mut at in std::mem::replace(&mut self.buckets, double) {
            while let Some(entry) = at {
                at = entry.borrow_mut().next.take();
                let hash = entry.borrow().hash;
                let bucket = self.bucket(hash);
                entry.borrow_mut().next = bucket.take();
                *bucket = Some(entry);
            }
        }
    }

    fn remove(&mut self, word: &[u8]) {
        let hash = hash(word);
        let Some((before, entry)) = self.find(word, hash) else {
            return;
        };
        let next = entry.borrow_mut().next.take();
        match before {
            Some(before) => before.borrow_mut().next = next,
            None => *self.bucket(hash) = next,
        }
        self.len -= 1;
    }

    fn count(&mut self, word: &[u8]) -> u32 {
        let found = self.find(word, hash(word));
        found.map_or(0, |(_, entry)| entry.borrow().count)
    }
}

fn strings(size: &Size) -> u64 {
    let mut map = Map::new();
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
