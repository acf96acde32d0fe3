//! The functions, run while the host moves every object at every call.

#![expect(unsafe_code, reason = "calls the fixture's functions")]

use crate::heap::Heap;
use crate::host::{Host, Walk, run};
use windrow_stack_llvm::{Functions, REGISTERS, SPILLED};

/// Both versions, with both ways to walk.
const CASES: [(Functions, Walk); 4] = [
    (SPILLED, Walk::ByHand),
    (SPILLED, Walk::Walker),
    (REGISTERS, Walk::ByHand),
    (REGISTERS, Walk::Walker),
];

/// Of each collection how many references and derived pointers the innermost frame had.
fn innermost(host: &Host) -> Vec<(usize, usize)> {
    (host.seen.iter())
        .map(|frames| (frames[0].references, frames[0].derived))
        .collect()
}

/// A cell of a list that ends there.
fn cell(heap: &mut Heap, value: u64) -> u64 {
    heap.array(&[value, 0])
}

#[test]
fn one_reference() {
    for (version, walk) in CASES {
        // SAFETY: the list is made by the code that then sums it, on the same heap.
        let (sum, host) = run(
            walk,
            |_| (),
            |()| unsafe { (version.sum_list)((version.make_list)(10)) },
        );
        assert_eq!(sum, 55);
        assert_eq!(host.heap.collections, 11);
        assert_eq!(innermost(&host)[10], (1, 0));
    }
}

#[test]
fn a_reference_that_is_null() {
    for (version, walk) in CASES {
        // SAFETY: null is a list.
        let (sum, host) = run(walk, |_| (), |()| unsafe { (version.sum_list)(0) });
        assert_eq!(sum, 0);
        assert_eq!((innermost(&host), host.seen[0][0].nulls), (vec![(0, 0)], 1));
    }
}

#[test]
fn several_references() {
    for (version, walk) in CASES {
        let cells = |heap: &mut Heap| [1, 2, 3, 4].map(|value| cell(heap, value));
        // SAFETY: the arguments are cells.
        let call = |[a, b, c, d]: [u64; 4]| unsafe { (version.several)(a, b, c, d) };
        let (digits, host) = run(walk, cells, call);
        assert_eq!(digits, 4321);
        assert_eq!(innermost(&host), [(4, 0), (3, 0), (2, 0), (1, 0)]);
    }
}

#[test]
fn a_pointer_that_moves_along_an_array() {
    for (version, walk) in CASES {
        let values: Vec<u64> = (1..=100).collect();
        // SAFETY: the argument is an array.
        let (sum, host) = run(
            walk,
            |heap| heap.array(&values),
            |array| unsafe { (version.sum_array)(array) },
        );
        assert_eq!(sum, 5050);
        assert_eq!(innermost(&host), [(1, 1); 100]);
    }
}

#[test]
fn pointers_into_one_of_two_arrays() {
    for (version, walk) in CASES {
        for (which, expected) in [(true, 931), (false, 331)] {
            let arrays = |heap: &mut Heap| (heap.array(&[1, 2, 3]), heap.array(&[7, 8, 9]));
            // SAFETY: the arguments are arrays.
            let call = |(one, other)| unsafe { (version.interior)(one, other, which) };
            let (digits, host) = run(walk, arrays, call);
            assert_eq!(digits, expected);
            assert_eq!(innermost(&host), [(2, 2), (1, 1)]);
        }
    }
}

#[test]
fn recursion_with_a_reference_in_each_frame() {
    for (version, walk) in CASES {
        // SAFETY: the list is made by the code that then sums it, on the same heap.
        let (sum, host) = run(
            walk,
            |_| (),
            |()| unsafe { (version.sum_list)((version.make_list)(60)) },
        );
        assert_eq!(sum, 1830);
        let deepest = host.seen.iter().max_by_key(|frames| frames.len()).unwrap();
        assert_eq!(deepest.len(), 60);
        let references: usize = deepest.iter().map(|frame| frame.references).sum();
        assert_eq!(references, 59);
    }
}

#[test]
fn recursion_in_two_directions() {
    for (version, walk) in CASES {
        // SAFETY: the tree is made by the code that then sums it, on the same heap.
        let (sum, host) = run(
            walk,
            |_| (),
            |()| unsafe { (version.sum_tree)((version.make_tree)(6)) },
        );
        // 32 nodes of height 1, 16 of height 2, and so on.
        assert_eq!(sum, 32 + 16 * 2 + 8 * 3 + 4 * 4 + 2 * 5 + 6);
        assert_eq!(host.heap.collections, 63 + 63);
    }
}

#[test]
fn values_for_deoptimisation() {
    for (version, walk) in CASES {
        // SAFETY: the first argument is a cell.
        let call = |list| unsafe { (version.deoptimise)(list, 30) };
        let (sum, host) = run(walk, |heap| cell(heap, 12), call);
        assert_eq!(sum, 42);
        assert_eq!(innermost(&host), [(1, 0)]);
    }
}

#[test]
fn a_variable_on_the_stack() {
    for (version, walk) in CASES {
        // SAFETY: the argument is a cell.
        let call = |list| unsafe { (version.variable)(list) };
        let (value, host) = run(walk, |heap| cell(heap, 12), call);
        assert_eq!(value, 12);
        assert_eq!(innermost(&host), [(1, 0)]);
    }
}

#[test]
fn a_stack_map_that_is_no_safepoint() {
    for (version, walk) in CASES {
        // SAFETY: it takes a number.
        let (number, host) = run(walk, |_| (), |()| unsafe { (version.observed)(5) });
        assert_eq!((number, host.heap.collections), (5, 0));
    }
}
