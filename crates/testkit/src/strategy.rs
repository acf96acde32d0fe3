//! Strategies: random cases that shrink towards small heaps, few types and short programs.

mod damage;

pub use damage::{corrupt_cases, damage};

use crate::case::{
    Body, CaseConfig, Field, Init, Kind, MemoryChoice, Pick, Step, Target, TestCase, TypeDecl,
    WeakStep,
};
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

/// Cases of every kind, on both memories.
pub fn cases() -> impl Strategy<Value = TestCase> {
    // Steps first: a shrinking case loses its steps before anything else, and is quick from then on.
    let steps = prop_oneof![3 => vec(step(), 1..100), 1 => vec(weak_program_step(), 1..100)];
    (steps, vec(type_decl(), 1..8), config()).prop_map(|(steps, types, config)| TestCase {
        config,
        types,
        steps,
    })
}

/// Sizes and zeal: limits that are hit and limits that are not, collections rare and at every turn.
pub fn config() -> impl Strategy<Value = CaseConfig> {
    let max_bytes = prop_oneof![
        5 => (64u64 << 10)..(256 << 10),
        2 => (256u64 << 10)..(1 << 20),
        1 => 0u64..(64 << 10),
        2 => Just(4u64 << 20),
    ];
    let zeal_every = prop_oneof![4 => Just(0u32), 1 => Just(1), 5 => 2u32..40];
    (
        memory(),
        0u64..(64 << 10),
        max_bytes,
        0u64..(64 << 10),
        0u32..200,
        zeal_every,
        any::<(bool, bool)>(),
    )
        .prop_map(
            |(
                memory,
                initial_bytes,
                max_bytes,
                min_free_bytes,
                free_percent_of_live,
                zeal_every,
                (verify, poison),
            )| {
                CaseConfig {
                    memory,
                    initial_bytes,
                    max_bytes,
                    min_free_bytes,
                    free_percent_of_live,
                    zeal_every,
                    zeal_verify: verify,
                    zeal_poison: poison,
                }
            },
        )
}

fn memory() -> impl Strategy<Value = MemoryChoice> {
    prop_oneof![Just(MemoryChoice::Checked), Just(MemoryChoice::Guarded)]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![4 => Just(Target::Any), 1 => Just(Target::Extern), 2 => any::<Pick>().prop_map(Target::Type)]
}

/// A field or an element.
pub fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        1 => Just(Field::I8),
        1 => Just(Field::I16),
        2 => Just(Field::I32),
        1 => Just(Field::I64),
        1 => Just(Field::F64),
        1 => Just(Field::V128),
        6 => target().prop_map(Field::Ref),
    ]
}

/// A type: structs narrow and wide (more words than one word of a reference map has bits), arrays.
pub fn type_decl() -> impl Strategy<Value = TypeDecl> {
    let body = prop_oneof![
        6 => vec(field(), 0..8).prop_map(Body::Struct),
        1 => vec(field(), 60..150).prop_map(Body::Struct),
        5 => field().prop_map(Body::Array),
    ];
    (proptest::option::weighted(0.3, any::<Pick>()), body)
        .prop_map(|(supertype, body)| TypeDecl { supertype, body })
}

fn init() -> impl Strategy<Value = Init> {
    prop_oneof![
        1 => Just(Init::Default),
        3 => any::<u64>().prop_map(Init::Mixed),
        1 => any::<Pick>().prop_map(Init::InFlight),
    ]
}

/// Array lengths: mostly small, some for objects of their own pages, a few absurd.
fn length() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0u32..20, 4 => 20u32..700, 2 => 700u32..6000, 1 => (1u32 << 28)..=u32::MAX]
}

/// Any step.
pub fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        10 => allocation(),
        8 => access(),
        6 => reference_move(),
        6 => weak_step().prop_map(Step::Weak),
        1 => prop_oneof![Just(Step::Collect(Kind::Automatic)), Just(Step::Collect(Kind::Full))],
    ]
    .boxed()
}

/// A step of a program that does little but hang things on objects, and collects often.
fn weak_program_step() -> BoxedStrategy<Step> {
    let pick = any::<Pick>;
    prop_oneof![
        3 => (pick(), pick(), init())
            .prop_map(|(ty, into, init)| Step::AllocStruct { ty, into, init }),
        1 => pick().prop_map(|into| Step::AllocExtern { into }),
        2 => (pick(), pick(), pick(), any::<u64>())
            .prop_map(|(object, field, value, bits)| Step::WriteField { object, field, value, bits }),
        5 => reference_move(),
        10 => weak_step().prop_map(Step::Weak),
        2 => Just(Step::Collect(Kind::Automatic)),
        1 => Just(Step::Collect(Kind::Full)),
        1 => (pick(), 0u16..50).prop_map(|(ty, count)| Step::Garbage { ty, count }),
    ]
    .boxed()
}

fn allocation() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<Pick>(), any::<Pick>(), init())
            .prop_map(|(ty, into, init)| Step::AllocStruct { ty, into, init }),
        4 => (any::<Pick>(), length(), any::<Pick>(), init())
            .prop_map(|(ty, length, into, init)| Step::AllocArray { ty, length, into, init }),
        1 => any::<Pick>().prop_map(|into| Step::AllocExtern { into }),
        1 => (any::<Pick>(), 0u16..150).prop_map(|(ty, count)| Step::Garbage { ty, count }),
        2 => (any::<Pick>(), any::<u32>(), prop_oneof![3 => 0u16..60, 1 => 60u16..600], any::<Pick>(), any::<u64>())
            .prop_map(|(array, index, count, ty, seed)| Step::Populate { array, index, count, ty, seed }),
        1 => (any::<Pick>(), any::<u32>(), 1u16..20, any::<Pick>(), any::<u64>())
            .prop_map(|(array, index, count, ty, seed)| Step::Bury { array, index, count, ty, seed }),
    ]
}

fn access() -> impl Strategy<Value = Step> {
    let picks = || (any::<Pick>(), any::<Pick>(), any::<Pick>());
    let count = || prop_oneof![4 => 0u32..20, 1 => 20u32..5000];
    prop_oneof![
        2 => picks().prop_map(|(object, field, into)| Step::ReadField { object, field, into }),
        4 => (picks(), any::<u64>())
            .prop_map(|((object, field, value), bits)| Step::WriteField { object, field, value, bits }),
        1 => (any::<Pick>(), any::<u32>(), any::<Pick>())
            .prop_map(|(array, index, into)| Step::ReadElement { array, index, into }),
        2 => (any::<Pick>(), any::<u32>(), any::<Pick>(), any::<u64>())
            .prop_map(|(array, index, value, bits)| Step::WriteElement { array, index, value, bits }),
        2 => (any::<Pick>(), any::<u32>(), any::<Pick>(), any::<u32>(), count()).prop_map(
            |(from, from_index, to, to_index, count)| Step::CopyElements { from, from_index, to, to_index, count }
        ),
        1 => (any::<Pick>(), any::<u32>(), count(), any::<Pick>(), any::<u64>()).prop_map(
            |(array, index, count, value, bits)| Step::FillElements { array, index, count, value, bits }
        ),
    ]
}

fn reference_move() -> impl Strategy<Value = Step> {
    let pick = any::<Pick>;
    prop_oneof![
        2 => pick().prop_map(|variable| Step::SetNull { variable }),
        1 => (pick(), any::<i32>()).prop_map(|(variable, value)| Step::SetI31 { variable, value }),
        1 => (pick(), pick()).prop_map(|(from, into)| Step::Assign { from, into }),
        2 => (pick(), pick()).prop_map(|(place, from)| Step::SetStatic { place, from }),
        1 => (pick(), pick()).prop_map(|(place, into)| Step::LoadStatic { place, into }),
        2 => (pick(), pick()).prop_map(|args| Step::Call { args }),
        1 => (pick(), pick()).prop_map(|(from, into)| Step::Return { from, into }),
        1 => Just(Step::OpenScope),
        1 => Just(Step::CloseScope),
        1 => pick().prop_map(|from| Step::PushHandle { from }),
        1 => (pick(), pick()).prop_map(|(handle, into)| Step::LoadHandle { handle, into }),
        1 => pick().prop_map(|from| Step::Own { from }),
        1 => (pick(), pick()).prop_map(|(handle, into)| Step::LoadOwned { handle, into }),
        1 => pick().prop_map(|handle| Step::DropOwned { handle }),
        2 => pick().prop_map(|from| Step::PushValue { from }),
        1 => pick().prop_map(|into| Step::PopValue { into }),
        1 => (pick(), pick()).prop_map(|(slot, from)| Step::SetValue { slot, from }),
    ]
}

/// A step with traced host values, weak references, weak maps or finalizers.
pub fn weak_step() -> impl Strategy<Value = WeakStep> {
    let pick = any::<Pick>;
    let picks = || (any::<Pick>(), any::<Pick>(), any::<Pick>());
    prop_oneof![
        3 => pick().prop_map(|into| WeakStep::AllocTraced { into }),
        4 => picks().prop_map(|(holder, cell, value)| WeakStep::WriteCell { holder, cell, value }),
        2 => picks().prop_map(|(holder, cell, into)| WeakStep::ReadCell { holder, cell, into }),
        3 => pick().prop_map(|object| WeakStep::Refer { object }),
        2 => (pick(), pick()).prop_map(|(weak, into)| WeakStep::Follow { weak, into }),
        1 => pick().prop_map(|weak| WeakStep::DropWeak { weak }),
        2 => Just(WeakStep::NewMap),
        6 => picks().prop_map(|(map, key, value)| WeakStep::MapInsert { map, key, value }),
        2 => picks().prop_map(|(map, key, into)| WeakStep::MapGet { map, key, into }),
        1 => (pick(), pick()).prop_map(|(map, key)| WeakStep::MapRemove { map, key }),
        1 => pick().prop_map(|map| WeakStep::DropMap { map }),
        3 => pick().prop_map(|object| WeakStep::Register { object }),
        2 => pick().prop_map(|into| WeakStep::Finalize { into }),
    ]
}
