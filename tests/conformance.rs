//! The contract, part by part, for every built-in collector.

use std::sync::Arc;
use windrow::{Collector, CollectorKind};

fn instance(kind: CollectorKind) -> Arc<dyn Collector> {
    kind.instance()
}

macro_rules! built_in {
    ($($name:ident $kind:ident)*) => {
        $(mod $name {
            use windrow::CollectorKind;
            windrow_testkit::conformance!(super::instance(CollectorKind::$kind));
        })*

        #[test]
        fn every_built_in_collector_is_here() {
            assert_eq!(CollectorKind::ALL, [$(CollectorKind::$kind),*]);
        }
    };
}

built_in! {
    null Null
    drc Drc
    copying Copying
}
