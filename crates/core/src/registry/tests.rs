//! Canonicalisation, validation and matching.

use super::*;
use crate::layout::MAX_STRUCT_FIELDS;
use crate::types::{RefType, TypeUse};
use proptest::prelude::*;

fn open_struct(supertype: Option<TypeUse>, fields: Vec<FieldType<TypeUse>>) -> SubTypeDef {
    SubTypeDef {
        is_final: false,
        supertype,
        composite: CompositeType::Struct(StructType::new(fields)),
    }
}

fn reference(to: TypeUse) -> FieldType<TypeUse> {
    FieldType::mutable(ValType::Ref(RefType::nullable(HeapType::Concrete(to))))
}

/// Groups of structs that refer to each other at random, some extending earlier members.
fn group() -> impl Strategy<Value = Vec<SubTypeDef>> {
    let member = (
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec((any::<u32>(), any::<bool>()), 0..5),
    );
    prop::collection::vec(member, 1..6).prop_map(|members| {
        let len = u32::try_from(members.len()).unwrap();
        let mut defs: Vec<SubTypeDef> = Vec::new();
        for (is_final, extends, fields) in members {
            let fields = fields.into_iter().map(|(to, is_ref)| match is_ref {
                true => reference(TypeUse::Member(to % len)),
                false => FieldType::immutable(
                    [StorageType::I8, ValType::I32.into(), ValType::F64.into()][to as usize % 3],
                ),
            });
            let previous = defs.last().filter(|def| extends && !def.is_final);
            let inherited = previous.map(|def| match &def.composite {
                CompositeType::Struct(of) => of.fields.to_vec(),
                _ => unreachable!("only structs here"),
            });
            let supertype =
                previous.map(|_| TypeUse::Member(u32::try_from(defs.len() - 1).unwrap()));
            let all = inherited.into_iter().flatten().chain(fields).collect();
            defs.push(SubTypeDef {
                is_final,
                ..open_struct(supertype, all)
            });
        }
        defs
    })
}

proptest! {
    #[test]
    fn alike_groups_share_ids_and_others_do_not(groups in prop::collection::vec(group(), 1..6)) {
        let registry = TypeRegistry::new();
        let ids: Vec<_> = groups.iter().map(|g| registry.register_group(g).unwrap()).collect();
        let again: Vec<_> = groups.iter().rev().map(|g| registry.register_group(g).unwrap()).collect();
        prop_assert!(ids.iter().eq(again.iter().rev()));
        for (a, ids_a) in groups.iter().zip(&ids) {
            for (b, ids_b) in groups.iter().zip(&ids) {
                prop_assert_eq!(a == b, ids_a == ids_b);
            }
        }
    }

    #[test]
    fn displays_agree_with_the_chain_of_supertypes(groups in prop::collection::vec(group(), 1..4)) {
        let registry = TypeRegistry::new();
        let ids: Vec<TypeId> = groups.iter().flat_map(|g| registry.register_group(g).unwrap()).collect();
        let tables = registry.tables();
        for sub in &ids {
            let mut chain = vec![*sub];
            while let Some(up) = registry.sub_type(*chain.last().unwrap()).supertype {
                chain.push(up);
            }
            for sup in &ids {
                let depth = registry.sub_type(*sup).depth() as usize;
                prop_assert_eq!(registry.is_subtype(*sub, *sup), chain.contains(sup));
                if depth < DISPLAY_DEPTH {
                    prop_assert_eq!(tables.display(*sub)[depth] == sup.bits(), chain.contains(sup));
                }
            }
        }
    }
}

#[test]
fn wrong_definitions_are_refused_and_leave_nothing_behind() {
    let registry = TypeRegistry::new();
    let id = registry
        .register_struct(StructType::new([FieldType::mutable(ValType::I32)]))
        .unwrap();
    let before = registry.len();
    let cases = [
        (vec![open_struct(Some(TypeUse::Id(id)), vec![])], "final"),
        (
            vec![open_struct(Some(TypeUse::Member(0)), vec![])],
            "not defined",
        ),
        (
            vec![open_struct(None, vec![reference(TypeUse::Member(1))])],
            "not defined",
        ),
        (
            vec![open_struct(
                None,
                vec![reference(TypeUse::Id(TypeId::from_bits(99)))],
            )],
            "not defined",
        ),
        (
            vec![
                open_struct(None, vec![reference(TypeUse::Member(0))]),
                open_struct(Some(TypeUse::Member(0)), vec![]),
            ],
            "fewer fields",
        ),
        (
            vec![open_struct(
                None,
                vec![FieldType::mutable(ValType::I32); MAX_STRUCT_FIELDS + 1],
            )],
            "10001 fields",
        ),
    ];
    for (group, text) in cases {
        let error = registry.register_group(&group).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(registry.len(), before);
}

#[test]
fn ids_run_out_with_an_error() {
    let registry = TypeRegistry::with_limit(4);
    let of = |n: usize| StructType::new(vec![FieldType::mutable(ValType::I32); n]);
    assert_eq!(
        registry.register_struct(of(1)).unwrap(),
        TypeId::from_bits(3)
    );
    assert_eq!(
        registry.register_struct(of(2)).unwrap(),
        TypeId::from_bits(4)
    );
    let error = registry.register_struct(of(3)).unwrap_err();
    assert_eq!(
        error,
        TypeError::Exhausted(HeapError::TypesExhausted { limit: 4 })
    );
    assert_eq!(
        registry.register_struct(of(2)).unwrap(),
        TypeId::from_bits(4),
        "known types are still found"
    );
}

#[test]
fn subtypes_may_be_deep_but_not_too_deep() {
    let registry = TypeRegistry::new();
    let mut group = vec![open_struct(None, vec![])];
    for depth in 0..MAX_SUBTYPE_DEPTH {
        group.push(open_struct(Some(TypeUse::Member(depth)), vec![]));
    }
    assert!(registry.register_group(&group).is_ok());
    group.push(open_struct(
        Some(TypeUse::Member(MAX_SUBTYPE_DEPTH)),
        vec![],
    ));
    assert_eq!(
        registry.register_group(&group),
        Err(TypeError::TooDeep {
            member: MAX_SUBTYPE_DEPTH + 1
        })
    );
}

#[test]
fn snapshots_are_shared_until_types_are_added() {
    let registry = TypeRegistry::new();
    let first = registry.tables();
    assert!(Arc::ptr_eq(&first, &registry.tables()));
    let id = registry
        .register_func(FuncType::new([ValType::I32], []))
        .unwrap();
    let second = registry.tables();
    assert_eq!((first.len(), second.len()), (3, 4));
    assert_eq!(second.shape(id).kind, ShapeKind::Function);
    assert_eq!(
        second.shape(TypeId::from_bits(0xff_ffff)).kind,
        ShapeKind::Function,
        "masked into the table"
    );
}

#[test]
fn abstract_types_form_their_hierarchies() {
    let registry = TypeRegistry::new();
    let func = registry.register_func(FuncType::new([], [])).unwrap();
    let array = registry
        .register_array(ArrayType::new(FieldType::mutable(StorageType::I8)))
        .unwrap();
    let matches = |a, b| registry.heap_type_matches(a, b);
    assert!(
        matches(HeapType::None, HeapType::Concrete(array))
            && !matches(HeapType::None, HeapType::Concrete(func))
    );
    assert!(
        matches(HeapType::NoFunc, HeapType::Concrete(func))
            && matches(HeapType::Concrete(func), HeapType::Func)
    );
    assert!(
        matches(HeapType::Concrete(array), HeapType::Eq)
            && !matches(HeapType::Concrete(array), HeapType::Struct)
    );
    assert!(
        !matches(HeapType::Any, HeapType::Extern) && !registry.is_traced(HeapType::Concrete(func))
    );
    assert!(
        registry.is_instance(TypeId::EXTERN, HeapType::Any)
            && !registry.is_instance(TypeId::EXTERN, HeapType::Eq)
    );
}

#[test]
fn an_id_of_no_type_is_an_instance_of_nothing() {
    let registry = TypeRegistry::new();
    let func = registry.register_func(FuncType::new([], [])).unwrap();
    let unknown = [0, func.bits() + 1, TypeId::MAX].map(TypeId::from_bits);
    for id in unknown {
        let concrete = unknown.map(HeapType::Concrete);
        let abstracts = [
            HeapType::Any,
            HeapType::Eq,
            HeapType::Extern,
            HeapType::Exn,
            HeapType::Func,
        ];
        for heap_type in concrete.into_iter().chain(abstracts) {
            assert!(!registry.is_instance(id, heap_type), "{id} in {heap_type}");
        }
    }
    assert!(registry.is_instance(TypeId::EXN, HeapType::Exn));
    assert!(!registry.is_instance(TypeId::EXN, HeapType::Extern));
    assert!(!registry.is_instance(func, HeapType::Extern));
}

#[test]
fn references_to_functions_are_not_in_the_reference_map() {
    let registry = TypeRegistry::new();
    let func = registry.register_func(FuncType::new([], [])).unwrap();
    let to_func = ValType::Ref(RefType::nullable(HeapType::Concrete(func)));
    let fields = [
        ValType::FUNCREF,
        ValType::ANYREF,
        to_func,
        ValType::EXTERNREF,
        ValType::I32,
    ];
    let id = registry
        .register_struct(StructType::new(fields.map(FieldType::mutable)))
        .unwrap();
    let info = registry.sub_type(id);
    let expected = [1, 3].map(|field| 1_u64 << ((info.field_offset(field) - HEADER_BYTES) / 4));
    assert_eq!(info.shape.ref_words, expected[0] | expected[1]);
    assert_eq!(info.shape.size_bytes, 32);
    let array = |element| {
        registry
            .register_array(ArrayType::new(FieldType::mutable(element)))
            .unwrap()
    };
    assert!(!registry.sub_type(array(to_func)).shape.element_is_ref);
    assert!(
        registry
            .sub_type(array(ValType::ANYREF))
            .shape
            .element_is_ref
    );
}

#[test]
fn elements_start_where_they_are_aligned() {
    let registry = TypeRegistry::new();
    let elements = [
        (StorageType::I8, 12, 0),
        (StorageType::I16, 12, 1),
        (ValType::F32.into(), 12, 2),
        (ValType::I64.into(), 16, 3),
        (ValType::V128.into(), 16, 4),
    ];
    for (element, first_bytes, log2) in elements {
        let id = registry
            .register_array(ArrayType::new(FieldType::mutable(element)))
            .unwrap();
        let shape = registry.tables().shape(id).to_owned();
        assert_eq!(
            (shape.size_bytes, shape.element_log2),
            (first_bytes, log2),
            "{element}"
        );
        assert_eq!(element.bytes(), 1 << log2);
    }
}

#[test]
fn mutable_fields_are_invariant_and_the_others_covariant() {
    let registry = TypeRegistry::new();
    let eq = ValType::Ref(RefType::nullable(HeapType::Eq));
    let any = ValType::ANYREF;
    let extends = |sup: FieldType<TypeUse>, sub: FieldType<TypeUse>| {
        let group = [
            open_struct(None, vec![sup]),
            open_struct(Some(TypeUse::Member(0)), vec![sub]),
        ];
        registry.register_group(&group).is_ok()
    };
    assert!(extends(FieldType::immutable(any), FieldType::immutable(eq)));
    assert!(!extends(
        FieldType::immutable(eq),
        FieldType::immutable(any)
    ));
    assert!(extends(FieldType::mutable(any), FieldType::mutable(any)));
    assert!(!extends(FieldType::mutable(any), FieldType::mutable(eq)));
    assert!(!extends(FieldType::immutable(any), FieldType::mutable(any)));
    assert!(!extends(
        FieldType::immutable(StorageType::I8),
        FieldType::immutable(StorageType::I16)
    ));
}

proptest! {
    #[test]
    fn the_order_of_registration_does_not_matter(
        (groups, order) in prop::collection::vec(group(), 1..6)
            .prop_flat_map(|groups| (Just(groups.clone()), Just((0..groups.len()).collect::<Vec<_>>()).prop_shuffle()))
    ) {
        let (forward, shuffled) = (TypeRegistry::new(), TypeRegistry::new());
        let ids: Vec<_> = groups.iter().map(|g| forward.register_group(g).unwrap()).collect();
        for index in &order {
            shuffled.register_group(&groups[*index]).unwrap();
        }
        prop_assert_eq!(forward.len(), shuffled.len());
        for (a, ids_a) in groups.iter().zip(&ids) {
            for (b, ids_b) in groups.iter().zip(&ids) {
                let again = |g| shuffled.register_group(g).unwrap();
                prop_assert_eq!(ids_a == ids_b, again(a) == again(b));
            }
        }
    }
}
