//! The contract of a collector as tests: [`conformance!`](mod@crate::conformance) makes them all.
//!
//! Each test is a function of the collector that panics where the contract is broken, saying how.
//! They go from what a collector says of itself through single objects and single roots to random
//! programs under a recorder; a collector that fails several is best mended from the top. Every
//! test runs on both memories unless it is about one of them.

mod accounts;
mod contract;
mod limits;
mod roots;
mod scene;
mod traced;
mod weak;

pub use accounts::{dead_objects_are_not_touched, host_values_drop_once, statistics_add_up};
pub use contract::{
    a_corrupt_heap_is_poisoned, allocation_is_aligned_and_apart, barriers_are_owed_and_paid,
    collections_can_be_forbidden, describes_itself, every_shape_survives, moves_as_declared,
    random_programs_agree_with_the_model, structs_allocated_at_once_live_apart,
};
pub use limits::{
    cycles_die_as_declared, deep_structures_are_collected, every_allocation_may_fail,
    limits_are_kept, out_of_memory_is_an_answer,
};
pub use roots::{
    a_panicking_root_source_poisons, every_root_kind_keeps_alive, stray_roots_are_told,
};
pub use traced::{a_panicking_host_value_poisons, traced_host_values_are_part_of_the_graph};
pub use weak::{
    finalizers_are_handed_out_once, weak_maps_hold_ephemerons, weak_references_lead_to_the_living,
};

/// Makes a test of each part of the contract.
///
/// The collector is an expression for anything that makes an `Arc<dyn Collector>`, evaluated in
/// each test.
///
/// ```
/// use windrow_null::NullCollector as MyCollector;
///
/// windrow_testkit::conformance!(std::sync::Arc::new(MyCollector));
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($collector:expr) => {
        $crate::conformance! { $collector;
            describes_itself
            allocation_is_aligned_and_apart
            every_shape_survives
            structs_allocated_at_once_live_apart
            moves_as_declared
            every_root_kind_keeps_alive
            a_panicking_root_source_poisons
            stray_roots_are_told
            barriers_are_owed_and_paid
            host_values_drop_once
            weak_references_lead_to_the_living
            weak_maps_hold_ephemerons
            finalizers_are_handed_out_once
            traced_host_values_are_part_of_the_graph
            a_panicking_host_value_poisons
            statistics_add_up
            dead_objects_are_not_touched
            limits_are_kept
            out_of_memory_is_an_answer
            every_allocation_may_fail
            cycles_die_as_declared
            deep_structures_are_collected
            collections_can_be_forbidden
            a_corrupt_heap_is_poisoned
            random_programs_agree_with_the_model
        }
    };
    ($collector:expr; $($test:ident)*) => {$(
        #[test]
        fn $test() {
            $crate::conformance::$test(&{ $collector });
        }
    )*};
}
