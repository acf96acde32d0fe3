//! What can be seen of an engine, as plain data: two engines that agree leave equal observations.
//!
//! Objects are numbered in the order in which they are first met on a walk from the results, the
//! exported globals and the exported tables. So two graphs are equal as data exactly if they are
//! the same graph, identity included, as far as the walk goes.

use std::collections::HashMap;
use std::fmt;

/// How many objects a walk looks into.
const MAX_OBJECTS: usize = 4000;

/// How many elements of an array, or of a table, a walk looks at.
pub(crate) const MAX_ELEMENTS: u32 = 300;

/// A value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// A number, an integer's bits or a float's.
    I32(u32),
    I64(u64),
    F32(u32),
    F64(u64),
    V128(u128),
    Null,
    Function,
    I31(i32),
    /// An object, by its number; all of them zero where identity is not looked at.
    Object(usize),
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Struct,
    /// With its length, even if not all of its elements are looked at.
    Array(u32),
    /// A host value.
    Host(Option<u32>),
    Exception,
}

/// Values and what they lead to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) roots: Vec<Seen>,
    pub(crate) objects: Vec<(Shape, Vec<Seen>)>,
}

/// A value as an engine shows it: seen at once, or an object with a number that no other has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Plain(Seen),
    Object(u64),
}

/// Reads values of an engine.
pub(crate) trait Reader {
    /// A value of the engine's.
    type Value;

    /// Looks at a value.
    fn look(&mut self, value: &Self::Value) -> Look;

    /// Looks into an object.
    fn open(&mut self, value: &Self::Value) -> (Shape, Vec<Self::Value>);
}

impl Graph {
    /// Walks from `roots`, nearest objects first.
    pub(crate) fn walk<R: Reader>(reader: &mut R, roots: Vec<R::Value>) -> Self {
        let mut graph = Self::default();
        let mut numbers = HashMap::new();
        let mut found = Vec::new();
        let number = |reader: &mut R,
                      value: R::Value,
                      found: &mut Vec<R::Value>,
                      numbers: &mut HashMap<u64, usize>| {
            match reader.look(&value) {
                Look::Plain(seen) => seen,
                Look::Object(key) => {
                    let next = numbers.len();
                    let number = *numbers.entry(key).or_insert(next);
                    if number == next {
                        found.push(value);
                    }
                    Seen::Object(number)
                }
            }
        };
        for root in roots {
            graph
                .roots
                .push(number(reader, root, &mut found, &mut numbers));
        }
        let mut next = 0;
        while next < found.len().min(MAX_OBJECTS) {
            let (shape, children) = reader.open(&found[next]);
            let children = children
                .into_iter()
                .map(|child| number(reader, child, &mut found, &mut numbers))
                .collect();
            graph.objects.push((shape, children));
            next += 1;
        }
        graph
    }
}

/// Why a program was stopped, as far as engines tell the same reasons apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    Unreachable,
    DivisionByZero,
    IntegerOverflow,
    InvalidConversion,
    MemoryOutOfBounds,
    TableOutOfBounds,
    ArrayOutOfBounds,
    NullReference,
    UninitializedElement,
    IndirectCallType,
    CastFailure,
}

/// How a call or an instantiation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// With results.
    Returned,
    /// With a trap.
    Trapped(Stop),
    /// With an exception, of the exported tag of this name if it is of one.
    Threw(Option<String>),
    /// A host function refused.
    HostError,
    /// At a limit, which engines have in different places.
    Limit(String),
    /// With anything else, which nothing else is equal to.
    Failed(String),
}

/// A call of a host function: which import, and the arguments, without identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HostCall {
    pub(crate) import: usize,
    pub(crate) args: Vec<Seen>,
}

/// Everything that can be seen after a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Observation {
    pub(crate) ending: Ending,
    /// How many of the graph's roots are results, or arguments of the exception.
    pub(crate) results: usize,
    /// Length and hash of each exported memory.
    pub(crate) memories: Vec<(u64, u64)>,
    /// Length of each exported table.
    pub(crate) tables: Vec<u64>,
    /// What results, exported globals and exported tables lead to.
    pub(crate) graph: Graph,
    /// Calls of host functions so far.
    pub(crate) host_calls: Vec<HostCall>,
}

impl Observation {
    /// The observation of something of which nothing but the ending is known.
    pub(crate) fn of(ending: Ending) -> Self {
        Self {
            ending,
            results: 0,
            memories: Vec::new(),
            tables: Vec::new(),
            graph: Graph::default(),
            host_calls: Vec::new(),
        }
    }

    /// The first thing in which two observations differ: what it is, and each side's.
    pub(crate) fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        let say = |what: &str, a: &dyn fmt::Debug, b: &dyn fmt::Debug| {
            Some((what.to_owned(), format!("{a:?}"), format!("{b:?}")))
        };
        if self.ending != other.ending {
            return say("ending", &self.ending, &other.ending);
        }
        if self.host_calls != other.host_calls {
            return say("host calls", &self.host_calls, &other.host_calls);
        }
        let (a, b) = (&self.graph, &other.graph);
        if self.results != other.results || a.roots.len() != b.roots.len() {
            let counts = |it: &Self| (it.results, it.graph.roots.len());
            return say("number of roots", &counts(self), &counts(other));
        }
        for (index, (x, y)) in a.roots.iter().zip(&b.roots).enumerate() {
            if x != y {
                let what = match index.checked_sub(self.results) {
                    None => format!("result {index}"),
                    Some(index) => format!("global or element {index}"),
                };
                return say(&what, x, y);
            }
        }
        if self.memories != other.memories {
            return say("memories", &self.memories, &other.memories);
        }
        if self.tables != other.tables {
            return say("tables", &self.tables, &other.tables);
        }
        for (index, (x, y)) in a.objects.iter().zip(&b.objects).enumerate() {
            if x != y {
                return say(&format!("object {index}"), x, y);
            }
        }
        if self != other {
            return say("number of objects", &a.objects.len(), &b.objects.len());
        }
        None
    }
}

/// An argument to call a function with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Arg {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
    Null,
    NullFunction,
    I31(i32),
    /// A new host value.
    Host(u32),
    /// A reference that an earlier call returned, or that was exported.
    Earlier(usize),
}

/// The hash of a memory's bytes.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
