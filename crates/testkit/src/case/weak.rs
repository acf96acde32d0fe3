//! Steps with what hangs on whether objects are alive.

use super::Pick;

/// One thing a mutator does with traced host values, weak references, weak maps and finalizers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum WeakStep {
    /// Allocates an object that stands for a host value with cells, all null.
    AllocTraced {
        /// The variable it goes to.
        into: Pick,
    },
    /// Stores into a cell.
    WriteCell {
        /// Picks a variable that holds a traced host value.
        holder: Pick,
        /// Picks the cell.
        cell: Pick,
        /// The variable the reference is taken from.
        value: Pick,
    },
    /// Reads a cell.
    ReadCell {
        /// Picks a variable that holds a traced host value.
        holder: Pick,
        /// Picks the cell.
        cell: Pick,
        /// The variable the reference goes to.
        into: Pick,
    },
    /// Makes a weak reference.
    Refer {
        /// Picks a variable that holds an object.
        object: Pick,
    },
    /// Reads a weak reference, of an object that may be dead for long and found by no collection.
    Follow {
        /// Picks the weak reference.
        weak: Pick,
        /// The variable the object goes to, or null.
        into: Pick,
    },
    /// Drops a weak reference.
    DropWeak {
        /// Picks the weak reference.
        weak: Pick,
    },
    /// Makes a weak map.
    NewMap,
    /// Sets an entry of a weak map.
    MapInsert {
        /// Picks the map.
        map: Pick,
        /// Picks a variable that holds the key.
        key: Pick,
        /// The variable the value is taken from.
        value: Pick,
    },
    /// Reads an entry of a weak map; one that is not there as null.
    MapGet {
        /// Picks the map.
        map: Pick,
        /// Picks a variable that holds the key.
        key: Pick,
        /// The variable the value goes to.
        into: Pick,
    },
    /// Removes an entry of a weak map.
    MapRemove {
        /// Picks the map.
        map: Pick,
        /// Picks a variable that holds the key.
        key: Pick,
    },
    /// Drops a weak map.
    DropMap {
        /// Picks the map.
        map: Pick,
    },
    /// Registers an object for finalization.
    Register {
        /// Picks a variable that holds the object.
        object: Pick,
    },
    /// Takes the next object that was found dead.
    Finalize {
        /// The variable it goes to; null where there is none.
        into: Pick,
    },
}
