//! Tests of the registry: churn, overlap, refusals, threads, and a list as the model.

use super::*;
use crate::code::{Handler, Safepoint, TrapCode};
use crate::location::Location;
use proptest::prelude::*;

fn trap_code(number: u8) -> TrapCode {
    TrapCode::new(number).unwrap()
}

fn point(return_offset: u32, frame_bytes: u32, slots: &[i32]) -> Safepoint {
    Safepoint {
        return_offset,
        frame_bytes: Some(frame_bytes),
        locations: slots.iter().copied().map(Location::slot).collect(),
    }
}

/// A range whose records can be told from those of any other `seed`.
fn module(start: usize, seed: u32) -> CodeRange {
    CodeRange {
        start,
        len: 256,
        safepoints: vec![
            point(256, 64, &[(seed % 16 * 4).cast_signed()]),
            point(16, 32 + seed % 7 * 16, &[8, 0]),
            point(40, 16, &[]),
        ],
        handlers: vec![Handler {
            return_offset: 40,
            handler_offset: 60 + seed % 40,
        }],
        traps: vec![
            TrapSite {
                offset: 100,
                code: trap_code(7),
            },
            TrapSite {
                offset: 3,
                code: trap_code(1 + (seed % 200) as u8),
            },
        ],
        functions: vec![
            FunctionRange {
                start: 128,
                len: 100,
                id: u64::from(seed) << 32,
            },
            FunctionRange {
                start: 0,
                len: 120,
                id: u64::from(seed),
            },
        ],
        eh_frame: Arc::default(),
    }
}

fn check_module(code: &CodeReader<'_>, start: usize, seed: u32) {
    let site = |offset: usize, frame_bytes, slots: &[i32]| {
        let locations: Vec<_> = slots.iter().copied().map(Location::slot).collect();
        let expected = CallSite {
            frame_bytes,
            locations: &locations,
        };
        assert_eq!(code.call_site(start + offset), Some(expected));
    };
    site(16, Some(32 + seed % 7 * 16), &[0, 8]);
    site(256, Some(64), &[(seed % 16 * 4).cast_signed()]);
    site(40, Some(16), &[]);
    site(41, None, &[]);
    assert_eq!(
        code.trap(start + 3).unwrap().number(),
        1 + (seed % 200) as u8
    );
    assert_eq!(code.trap(start + 100), Some(trap_code(7)));
    assert_eq!(
        code.handler(start + 40),
        Some(start + 60 + (seed % 40) as usize)
    );
    assert_eq!(code.handler(start + 16), None);
    assert_eq!(code.trap(start + 4), None);
    let function = |offset| {
        code.function(start + offset)
            .map(|place| (place.id, place.offset))
    };
    assert_eq!(function(0), Some((u64::from(seed), 0)));
    assert_eq!(function(119), Some((u64::from(seed), 119)));
    assert_eq!(function(120), None);
    assert_eq!(function(130), Some((u64::from(seed) << 32, 2)));
    assert_eq!(function(230), None);
}

fn check_absent(code: &CodeReader<'_>, start: usize) {
    for offset in [3, 16, 40, 100] {
        assert_eq!(code.call_site(start + offset), None);
        assert_eq!(code.trap(start + offset), None);
        assert_eq!(code.handler(start + offset), None);
        assert_eq!(code.function(start + offset), None);
    }
}

#[test]
fn churn_of_thousands_of_ranges_keeps_lookups_right_and_releases_memory() {
    let registry = CodeRegistry::new();
    // Ranges lie back to back, so one's end is the next one's start.
    let address = |index: u32| 0x10_0000 + index as usize * 256;
    let mut live: Vec<Option<CodeHandle>> = Vec::new();
    for round in 0..3 {
        for index in 0..2000_u32 {
            if live.len() <= index as usize {
                live.push(None);
            }
            if (index + round) % 3 == 0 {
                live[index as usize] = None;
            } else if live[index as usize].is_none() {
                live[index as usize] =
                    Some(registry.register(module(address(index), index)).unwrap());
            }
        }
        let code = registry.read();
        for (index, handle) in (0_u32..).zip(&live) {
            match handle {
                Some(handle) => {
                    assert_eq!((handle.start(), handle.len_bytes()), (address(index), 256));
                    check_module(&code, address(index), index);
                }
                None => check_absent(&code, address(index)),
            }
        }
    }
    let full = registry.size();
    assert_eq!(full.safepoints, full.ranges * 3);
    assert_eq!(full.location_lists, 16 + 1, "equal lists are shared");
    live.truncate(20);
    live.clear();
    assert_eq!(registry.size(), RegistrySize::default());
}

#[test]
fn overlap_is_refused_and_changes_nothing() {
    let registry = CodeRegistry::new();
    let handle = registry.register(module(0x2000, 1)).unwrap();
    for start in [0x2000, 0x2001, 0x20ff, 0x1f01] {
        let error = registry.register(module(start, 2)).unwrap_err();
        let expected = StackError::Overlap {
            start,
            len: 256,
            other_start: 0x2000,
            other_len: 256,
        };
        assert_eq!(error, expected);
    }
    let inner = CodeRange {
        start: 0x2080,
        len: 1,
        ..CodeRange::default()
    };
    assert!(matches!(
        registry.register(inner),
        Err(StackError::Overlap { .. })
    ));
    let outer = CodeRange {
        start: 0x1000,
        len: 0x4000,
        ..CodeRange::default()
    };
    assert!(matches!(
        registry.register(outer),
        Err(StackError::Overlap { .. })
    ));
    check_module(&registry.read(), 0x2000, 1);
    let before = registry.register(module(0x1f00, 3)).unwrap();
    let after = registry.register(module(0x2100, 4)).unwrap();
    drop(handle);
    let code = registry.read();
    check_module(&code, 0x1f00, 3);
    check_module(&code, 0x2100, 4);
    assert_eq!(code.trap(0x2003), None);
    drop(code);
    drop((before, after));
}

#[test]
fn a_return_address_at_the_end_belongs_to_the_call_before_it() {
    let registry = CodeRegistry::new();
    let plain = CodeRange {
        start: 0x1000,
        len: 16,
        ..CodeRange::default()
    };
    let _plain = registry.register(plain).unwrap();
    let code = registry.read();
    assert!(code.call_site(0x1010).is_some());
    assert!(code.call_site(0x1011).is_none());
    assert!(
        code.call_site(0x1000).is_none(),
        "no call lies before the first instruction"
    );
    assert!(code.call_site(0).is_none());
}

/// A collector that saw such a reference twice would move it twice.
#[test]
fn a_repeated_reference_with_a_pointer_derived_from_it_is_one() {
    let [low, high, pointer] = [8, 16, 24].map(Location::slot);
    let derived = |base| pointer.derived_from(base).unwrap();
    let mut range = module(0x1000, 5);
    range.safepoints.push(Safepoint {
        locations: [high, high, low, high, derived(2), derived(2)]
            .into_iter()
            .collect(),
        ..point(80, 32, &[])
    });
    let registry = CodeRegistry::new();
    let _handle = registry.register(range).unwrap();
    let code = registry.read();
    let site = code.call_site(0x1050).unwrap();
    assert_eq!(site.locations, [high, low, derived(1)]);
}

#[test]
fn impossible_records_are_refused() {
    let registry = CodeRegistry::new();
    let refuse = |change: &dyn Fn(&mut CodeRange)| {
        let mut range = module(0x1000, 5);
        change(&mut range);
        registry.register(range).unwrap_err().to_string()
    };
    assert!(refuse(&|range| range.len = 0).contains("empty"));
    assert!(refuse(&|range| range.start = 0).contains("at no address"));
    assert!(refuse(&|range| range.len = usize::MAX).contains("too large"));
    assert!(refuse(&|range| range.start = usize::MAX - 10).contains("too large"));
    let outside = "outside the code";
    assert!(refuse(&|range| range.safepoints.push(point(257, 0, &[]))).contains(outside));
    assert!(refuse(&|range| range.safepoints.push(point(0, 0, &[]))).contains(outside));
    assert!(refuse(&|range| range.safepoints.push(point(16, 0, &[]))).contains("two stack maps"));
    assert!(refuse(&|range| range.safepoints.push(point(20, 8, &[2]))).contains("multiple"));
    assert!(
        refuse(&|range| range.safepoints.push(point(20, 8, &[8]))).contains("outside the frame")
    );
    assert!(
        refuse(&|range| range.safepoints.push(point(20, 8, &[i32::MAX - 3]))).contains("outside")
    );
    let handler = |return_offset, handler_offset| Handler {
        return_offset,
        handler_offset,
    };
    assert!(refuse(&|range| range.handlers.push(handler(40, 8))).contains("two handlers"));
    assert!(refuse(&|range| range.handlers.push(handler(16, 256))).contains(outside));
    assert!(refuse(&|range| range.handlers.push(handler(17, 8))).contains("no stack map"));
    let twin = TrapSite {
        offset: 3,
        code: trap_code(255),
    };
    assert!(refuse(&|range| range.traps.push(twin)).contains("two trap codes"));
    let far = TrapSite {
        offset: 256,
        code: trap_code(1),
    };
    assert!(refuse(&|range| range.traps.push(far)).contains(outside));
    let clash = FunctionRange {
        start: 227,
        len: 2,
        id: 99,
    };
    assert!(refuse(&|range| range.functions.push(clash)).contains("overlaps another"));
    let long = FunctionRange {
        start: 230,
        len: 27,
        id: 99,
    };
    assert!(refuse(&|range| range.functions.push(long)).contains(outside));
    assert_eq!(registry.size(), RegistrySize::default());
}

#[test]
fn readers_and_registration_on_many_threads_agree() {
    let registry = CodeRegistry::new();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let registry = &registry;
            scope.spawn(move || {
                for round in 0..200 {
                    let start = 0x10_0000 * (thread as usize + 1) + round as usize % 5 * 512;
                    let handle = registry.register(module(start, round)).unwrap();
                    check_module(&registry.read(), start, round);
                    drop(handle);
                    check_absent(&registry.read(), start);
                }
            });
        }
    });
    assert_eq!(registry.size(), RegistrySize::default());
}

proptest! {
    /// Against a plain list: any order of registering and dropping, on colliding places.
    #[test]
    fn agrees_with_a_list(steps in prop::collection::vec((0_usize..24, any::<bool>()), 1..80)) {
        let registry = CodeRegistry::new();
        let mut model: Vec<(usize, u32, CodeHandle)> = Vec::new();
        for (step, (place, add)) in (0_u32..).zip(steps) {
            let start = 0x1000 + place * 128;
            if add {
                let clash = model.iter().any(|(other, ..)| other.abs_diff(start) < 256);
                match registry.register(module(start, step)) {
                    Ok(handle) => {
                        prop_assert!(!clash);
                        model.push((start, step, handle));
                    }
                    Err(error) => {
                        let is_overlap = matches!(error, StackError::Overlap { .. });
                        prop_assert!(clash && is_overlap);
                    }
                }
            } else {
                model.retain(|(other, ..)| *other != start);
            }
        }
        let code = registry.read();
        for (start, seed, _) in &model {
            check_module(&code, *start, *seed);
        }
        drop(code);
        prop_assert_eq!(registry.size().ranges, model.len());
    }
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[test]
fn a_thread_knows_whether_it_holds_a_lock() {
    let registry = CodeRegistry::new();
    assert!(!thread_holds_a_lock());
    let reader = registry.read();
    let other = registry.read();
    drop(reader);
    assert!(thread_holds_a_lock());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(!thread_holds_a_lock()));
    });
    drop(other);
    let handle = registry.register(module(0x1000, 1)).unwrap();
    registry.register(module(0x1000, 1)).unwrap_err();
    drop(handle);
    assert!(!thread_holds_a_lock());
}
