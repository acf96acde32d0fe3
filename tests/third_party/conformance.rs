//! The same tests of the contract as the built-in collectors have.

windrow_testkit::conformance!(std::sync::Arc::new(
    crate::sticky::StickyCollector::default()
));
