//! The one list of built-in collectors.
//!
//! Adding one takes a line here, a line in the root manifest, and its own folder.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use windrow_core::Collector;

macro_rules! built_in {
    ($($(#[$doc:meta])* $variant:ident = $collector:expr;)*) => {
        /// A collector that comes with windrow.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum CollectorKind {
            $($(#[$doc])* $variant,)*
        }

        impl CollectorKind {
            /// Every built-in collector.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The algorithm itself.
            #[must_use]
            pub fn instance(self) -> Arc<dyn Collector> {
                match self {
                    $(Self::$variant => Arc::new($collector),)*
                }
            }
        }
    };
}

built_in! {
    /// Allocates and never collects: for measuring, and for programs that end first.
    Null = windrow_null::NullCollector;
    /// Deferred reference counting in place.
    Drc = windrow_drc::DrcCollector;
    /// Cheney's copying collector.
    Copying = windrow_copying::CopyingCollector;
}

impl From<CollectorKind> for Arc<dyn Collector> {
    fn from(kind: CollectorKind) -> Self {
        kind.instance()
    }
}

impl fmt::Display for CollectorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.instance().name())
    }
}

/// A name that is no built-in collector's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown collector `{name}`; known: {}", known())]
#[non_exhaustive]
pub struct UnknownCollector {
    /// The name.
    pub name: String,
}

fn known() -> String {
    CollectorKind::ALL
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl FromStr for CollectorKind {
    type Err = UnknownCollector;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = |kind: &&Self| kind.instance().name() == name;
        Self::ALL
            .iter()
            .find(named)
            .copied()
            .ok_or_else(|| UnknownCollector {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_collectors() {
        for kind in CollectorKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(*kind));
        }
        let error = "marksweep"
            .parse::<CollectorKind>()
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "unknown collector `marksweep`; known: null, drc, copying"
        );
    }
}
