//! Quick.
use std::sync::Arc;
use windrow_drc::DrcCollector;
windrow_testkit::conformance!(Arc::new(DrcCollector));
