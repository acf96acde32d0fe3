//! Host values in the heap: made, reachable for a while, and dropped when they are found dead.

use crate::measure::{Group, operation, timed};
use windrow::{CollectorKind, Config, ExternRef, Store};

const VALUES: u32 = 1 << 18;
/// Values made in one scope of handles.
const SCOPE: u32 = 256;

pub(crate) fn bench(group: &mut Group<'_>) {
    for kind in CollectorKind::ALL {
        // Dropping the store, which drops what is left, is part of it.
        operation(group, "make and drop", *kind, VALUES, || {
            timed(|| {
                let mut store = Store::new(&Config::new().collector(*kind))?;
                for _ in 0..VALUES / SCOPE {
                    let mut scope = store.scope();
                    for number in 0..SCOPE {
                        ExternRef::new(&mut scope, u64::from(number))?;
                    }
                }
                drop(store);
                Ok(())
            })
        });
    }
}
