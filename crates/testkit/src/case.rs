//! Test cases: what a random mutator does, as plain data.
//!
//! A case means something whatever numbers it holds: each number that picks something (a type, a
//! variable, a field) is taken modulo how many there are to pick from at that moment, and a step
//! with nothing to pick from does nothing. So a case stays a case while it shrinks, and a fuzzer
//! may make one from any bytes. Nothing here names a type of windrow.

mod weak;

pub use weak::WeakStep;

/// Picks one of what there is: taken modulo how many there are.
pub type Pick = u16;

/// How many variables a mutator has: roots it reads and writes without a barrier.
pub const VARIABLES: usize = 8;

/// How many calls may be open at once.
pub const MAX_CALLS: usize = 12;

/// How many cells a traced host value has.
pub const CELLS: usize = 2;

/// How many slots the value stack has.
pub const MAX_VALUES: usize = 40;

/// How many globals, table elements and items of a passive element segment there are together:
/// roots written with a barrier.
pub const STATICS: usize = 12;

/// A heap, its types, and what is done to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestCase {
    /// The heap.
    pub config: CaseConfig,
    /// Its types, one recursion group. There may be none.
    pub types: Vec<TypeDecl>,
    /// What the mutator does, in order.
    pub steps: Vec<Step>,
}

/// Which memory the heap lives in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MemoryChoice {
    /// The reservation with guards.
    Guarded,
    /// The bounds-checked bytes.
    Checked,
}

/// Sizes and zeal of the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaseConfig {
    /// Where the heap lives.
    pub memory: MemoryChoice,
    /// Bytes that may be allocated before the first collection.
    pub initial_bytes: u64,
    /// The hard limit on committed bytes.
    pub max_bytes: u64,
    /// Bytes that may be allocated after a collection, at least.
    pub min_free_bytes: u64,
    /// Bytes that may be allocated after a collection, as a percentage of the live ones.
    pub free_percent_of_live: u32,
    /// Collect at every this-many-th allocation; zero for never.
    pub zeal_every: u32,
    /// Whether the heap checks itself after each collection, beside being checked by the kit.
    pub zeal_verify: bool,
    /// Whether the dead are overwritten.
    pub zeal_poison: bool,
}

/// A type of the case.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TypeDecl {
    /// Picks the supertype among the earlier types of the same kind; none where there is none.
    pub supertype: Option<Pick>,
    /// What the type is.
    pub body: Body,
}

/// What a type is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Body {
    /// A struct with these fields after those of its supertype.
    Struct(Vec<Field>),
    /// An array of such elements; with a supertype, of that one's elements.
    Array(Field),
}

/// What a field or an element holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Field {
    /// A byte.
    I8,
    /// Two bytes.
    I16,
    /// Four bytes.
    I32,
    /// Eight bytes.
    I64,
    /// The eight bytes of a float.
    F64,
    /// Sixteen bytes.
    V128,
    /// A nullable reference.
    Ref(Target),
}

/// What a reference field may refer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Target {
    /// Anything.
    Any,
    /// Anything, seen from outside.
    Extern,
    /// Objects of a type of the case, and of its subtypes.
    Type(Pick),
}

/// Which collection a step asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Kind {
    /// Whatever the collector thinks best.
    Automatic,
    /// Everything unreachable is reclaimed.
    Full,
}

/// What a new object holds at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Init {
    /// Zeros and nulls, written by the heap.
    Default,
    /// Numbers made from this one, and references taken from the variables.
    Mixed(u64),
    /// As `Mixed`, but every reference is the one in this variable, which is set to null before:
    /// while the heap makes room the reference is in flight and nowhere else.
    InFlight(Pick),
}

/// One thing a mutator does. Variables are picked by number; where a step needs a struct, an array
/// or an object, it picks among the variables that hold one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Step {
    /// Allocates a struct of a picked struct type.
    AllocStruct {
        /// Picks the type.
        ty: Pick,
        /// The variable it goes to.
        into: Pick,
        /// What it holds.
        init: Init,
    },
    /// Allocates an array of a picked array type.
    AllocArray {
        /// Picks the type.
        ty: Pick,
        /// Its length in elements, as it is: absurd ones must be refused.
        length: u32,
        /// The variable it goes to.
        into: Pick,
        /// What it holds.
        init: Init,
    },
    /// Allocates an object that stands for a host value.
    AllocExtern {
        /// The variable it goes to.
        into: Pick,
    },
    /// Allocates structs that nothing holds.
    Garbage {
        /// Picks the type.
        ty: Pick,
        /// How many.
        count: u16,
    },
    /// Allocates structs one by one and writes each into an element of an array: old objects that
    /// lead to new ones, and live data that grows.
    Populate {
        /// Picks a variable that holds an array.
        array: Pick,
        /// Picks the first element written.
        index: u32,
        /// How many, as far as the array reaches.
        count: u16,
        /// Picks the type.
        ty: Pick,
        /// What the structs hold, as [`Init::Mixed`].
        seed: u64,
    },
    /// Allocates a struct and sets a run of elements to it, with one barrier for the run: an old
    /// object that alone leads to a new one.
    Bury {
        /// Picks a variable that holds an array.
        array: Pick,
        /// Picks the first element written.
        index: u32,
        /// How many, as far as the array reaches.
        count: u16,
        /// Picks the type.
        ty: Pick,
        /// What the struct holds, as [`Init::Mixed`].
        seed: u64,
    },
    /// Reads a field; a reference goes to a variable.
    ReadField {
        /// Picks a variable that holds a struct.
        object: Pick,
        /// Picks the field.
        field: Pick,
        /// The variable a reference goes to.
        into: Pick,
    },
    /// Writes a field: a reference from a variable, or null where it may not refer to that.
    WriteField {
        /// Picks a variable that holds a struct.
        object: Pick,
        /// Picks the field.
        field: Pick,
        /// The variable a reference is taken from.
        value: Pick,
        /// What an integer is made from.
        bits: u64,
    },
    /// Reads an element.
    ReadElement {
        /// Picks a variable that holds an array.
        array: Pick,
        /// Picks the element.
        index: u32,
        /// The variable a reference goes to.
        into: Pick,
    },
    /// Writes an element.
    WriteElement {
        /// Picks a variable that holds an array.
        array: Pick,
        /// Picks the element.
        index: u32,
        /// The variable a reference is taken from.
        value: Pick,
        /// What an integer is made from.
        bits: u64,
    },
    /// Copies elements between arrays with equal elements, or inside one, overlapping or not.
    CopyElements {
        /// Picks a variable that holds an array.
        from: Pick,
        /// Picks the first element read.
        from_index: u32,
        /// Picks a variable that holds an array with the same elements.
        to: Pick,
        /// Picks the first element written.
        to_index: u32,
        /// How many elements, as far as both arrays reach.
        count: u32,
    },
    /// Sets a run of elements to one value.
    FillElements {
        /// Picks a variable that holds an array.
        array: Pick,
        /// Picks the first element.
        index: u32,
        /// How many, as far as the array reaches.
        count: u32,
        /// The variable a reference is taken from.
        value: Pick,
        /// What an integer is made from.
        bits: u64,
    },
    /// Sets a variable to null.
    SetNull {
        /// The variable.
        variable: Pick,
    },
    /// Sets a variable to an integer.
    SetI31 {
        /// The variable.
        variable: Pick,
        /// The integer; its low 31 bits count.
        value: i32,
    },
    /// Copies a variable.
    Assign {
        /// The variable read.
        from: Pick,
        /// The variable written.
        into: Pick,
    },
    /// Sets a global, a table element or an item of an element segment.
    SetStatic {
        /// Which.
        place: Pick,
        /// The variable the reference is taken from.
        from: Pick,
    },
    /// Reads a global, a table element or an item of an element segment.
    LoadStatic {
        /// Which.
        place: Pick,
        /// The variable the reference goes to.
        into: Pick,
    },
    /// Calls a function: the variables stay behind in the caller's frame, where they are roots,
    /// and the callee has two of them as arguments and the rest null.
    Call {
        /// The variables passed on, which become the first ones.
        args: (Pick, Pick),
    },
    /// Returns from the innermost call; one variable is the result.
    Return {
        /// The variable returned.
        from: Pick,
        /// The caller's variable it goes to.
        into: Pick,
    },
    /// Opens a scope of handles.
    OpenScope,
    /// Closes the innermost scope.
    CloseScope,
    /// Pushes a handle in the innermost scope.
    PushHandle {
        /// The variable the reference is taken from.
        from: Pick,
    },
    /// Reads a scoped handle.
    LoadHandle {
        /// Picks the handle.
        handle: Pick,
        /// The variable the reference goes to.
        into: Pick,
    },
    /// Makes an owned handle.
    Own {
        /// The variable the reference is taken from.
        from: Pick,
    },
    /// Reads an owned handle.
    LoadOwned {
        /// Picks the handle.
        handle: Pick,
        /// The variable the reference goes to.
        into: Pick,
    },
    /// Drops an owned handle.
    DropOwned {
        /// Picks the handle.
        handle: Pick,
    },
    /// Pushes a reference on the embedder's value stack, which holds so many at most.
    PushValue {
        /// The variable the reference is taken from.
        from: Pick,
    },
    /// Pops a reference from the value stack.
    PopValue {
        /// The variable it goes to.
        into: Pick,
    },
    /// Overwrites a slot of the value stack.
    SetValue {
        /// Picks the slot.
        slot: Pick,
        /// The variable the reference is taken from.
        from: Pick,
    },
    /// Does something with what hangs on whether objects are alive.
    Weak(WeakStep),
    /// Asks for a collection.
    Collect(Kind),
}

impl Field {
    /// Bytes of the field.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::Ref(_) => 4,
            Self::I64 | Self::F64 => 8,
            Self::V128 => 16,
        }
    }

    /// Whether it holds references.
    #[must_use]
    pub const fn is_ref(self) -> bool {
        matches!(self, Self::Ref(_))
    }
}

/// The index `pick` stands for among `count`, if there are any.
pub(crate) fn choose(pick: impl Into<u64>, count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    usize::try_from(pick.into() % count).ok()
}
