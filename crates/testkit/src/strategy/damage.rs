//! Random damage, which shrinks towards little of it, early.

use super::{cases, config, step, type_decl};
use crate::case::{Body, Field, Init, Kind, Pick, Step, Target, TestCase, TypeDecl};
use crate::damage::{CorruptCase, Damage, Forged, Harm, Look};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// Cases with a little damage or much.
pub fn corrupt_cases() -> impl Strategy<Value = CorruptCase> {
    let few = || vec(damage(), 1..4);
    prop_oneof![
        2 => (cases(), prop_oneof![4 => few(), 1 => vec(damage(), 4..30)])
            .prop_map(|(case, damage)| CorruptCase { case, damage }),
        3 => (short_cases(), few()).prop_map(|(case, damage)| CorruptCase { case, damage }),
    ]
}

/// Short cases in which there is something to harm from the start: host values, structs, and arrays
/// of references, large ones too. Much of it is tried in little time.
fn short_cases() -> impl Strategy<Value = TestCase> {
    let any_array = || Just(Body::Array(Field::Ref(Target::Any)));
    let types = (any_array(), vec(type_decl(), 1..4)).prop_map(|(body, mut types)| {
        types.push(TypeDecl {
            supertype: None,
            body,
        });
        types
    });
    let first = prop_oneof![
        2 => any::<Pick>().prop_map(|into| Step::AllocExtern { into }),
        1 => (any::<Pick>(), any::<Pick>(), any::<u64>()).prop_map(|(ty, into, seed)| {
            Step::AllocStruct { ty, into, init: Init::Mixed(seed) }
        }),
        3 => (any::<Pick>(), prop_oneof![0u32..20, 1000u32..6000], any::<Pick>()).prop_map(
            |(ty, length, into)| Step::AllocArray { ty, length, into, init: Init::Default }
        ),
    ];
    (vec(step(), 1..30), vec(first, 3..12), types, config()).prop_map(
        |(steps, mut all, types, config)| {
            all.extend(steps);
            TestCase {
                config,
                types,
                steps: all,
            }
        },
    )
}

/// Any damage.
pub fn damage() -> impl Strategy<Value = Damage> {
    let look = prop_oneof![
        4 => Just(Look::Away),
        2 => Just(Look::Read),
        1 => Just(Look::Verify),
        1 => Just(Look::Collect(Kind::Automatic)),
        2 => Just(Look::Collect(Kind::Full)),
    ];
    (any::<Pick>(), any::<Pick>(), harm(), look).prop_map(|(before, victim, harm, look)| Damage {
        before,
        victim,
        harm,
        look,
    })
}

fn harm() -> impl Strategy<Value = Harm> {
    let mask = prop_oneof![
        4 => (0u32..64).prop_map(|bit| 1u64 << bit),
        1 => any::<u64>(),
    ];
    prop_oneof![
        3 => mask.prop_map(|mask| Harm::HeaderBits { mask }),
        2 => prop_oneof![0u32..20, any::<u32>()].prop_map(|id| Harm::TypeId { id }),
        2 => any::<Pick>().prop_map(|like| Harm::OtherType { like }),
        3 => forged().prop_map(|forged| Harm::CollectorWord { forged }),
        4 => length().prop_map(|length| Harm::Length { length }),
        5 => (any::<Pick>(), forged()).prop_map(|(cell, forged)| Harm::Slot { cell, forged }),
        2 => (any::<Pick>(), forged()).prop_map(|(variable, forged)| Harm::Root { variable, forged }),
        2 => prop_oneof![0u32..20, any::<u32>()].prop_map(|id| Harm::HostId { id }),
        3 => any::<Pick>().prop_map(|from| Harm::CopiedHostId { from }),
        3 => (any::<u32>(), prop_oneof![any::<u64>(), any::<u32>().prop_map(u64::from)])
            .prop_map(|(at, bits)| Harm::Bytes { at, bits }),
    ]
}

/// Lengths a little wrong, wrong by a heap, and those at which sizes overflow.
fn length() -> impl Strategy<Value = u32> {
    let near_overflow =
        (0u32..5, -8i32..8).prop_map(|(log2, more)| (u32::MAX >> log2).wrapping_add_signed(more));
    prop_oneof![
        0u32..50,
        50u32..100_000,
        (16u32..30).prop_map(|log2| 1 << log2),
        near_overflow,
        any::<u32>()
    ]
}

fn forged() -> impl Strategy<Value = Forged> {
    prop_oneof![
        1 => Just(Forged::Itself),
        3 => any::<Pick>().prop_map(Forged::Object),
        3 => (any::<Pick>(), any::<u8>()).prop_map(|(object, words)| Forged::Inside { object, words }),
        1 => (any::<Pick>(), any::<u8>())
            .prop_map(|(object, bits)| Forged::Misaligned { object, bits }),
        2 => prop_oneof![-64i32..64, -300_000i32..5000].prop_map(|distance| Forged::Edge { distance }),
        1 => Just(Forged::Poison),
        2 => any::<u32>().prop_map(Forged::Bits),
        1 => (0xfffb_0000..=u32::MAX).prop_map(Forged::Bits),
    ]
}
