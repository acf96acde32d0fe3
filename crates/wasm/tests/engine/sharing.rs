//! Several instances of one store that share tables, globals, memories, types and functions.

use crate::harness::engines;
use windrow::{Ref, Store, Val};
use windrow_wasm::{Engine, Error, Extern, Instance, Linker, Module, TrapKind};

/// Instances made one after the other in a store, each importing from those before.
struct Family {
    engine: Engine,
    store: Store,
    linker: Linker,
}

impl Family {
    fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            store: engine.new_store().unwrap(),
            linker: Linker::new(engine),
        }
    }

    fn try_add(&mut self, name: &str, text: &str) -> Result<Instance, Error> {
        let module = Module::new(&self.engine, text.as_bytes()).unwrap();
        let instance = self.linker.instantiate(&mut self.store, &module)?;
        self.linker
            .define_instance(&mut self.store, name, &instance);
        Ok(instance)
    }

    fn add(&mut self, name: &str, text: &str) -> Instance {
        self.try_add(name, text).unwrap()
    }

    fn try_call(&mut self, of: &Instance, name: &str, args: &[i32]) -> Result<Vec<i32>, Error> {
        let args: Vec<Val> = args.iter().map(|arg| Val::I32(*arg)).collect();
        let func = of.func(&mut self.store, name).unwrap();
        let results = func.call(&mut self.store, &args)?;
        let integer = |value: &Val| match value {
            Val::I32(value) => *value,
            other => panic!("an i32 expected, not {other:?}"),
        };
        Ok(results.iter().map(integer).collect())
    }

    fn call(&mut self, of: &Instance, name: &str, args: &[i32]) -> Vec<i32> {
        self.try_call(of, name, args).unwrap()
    }

    fn trap(&mut self, of: &Instance, name: &str, args: &[i32]) -> TrapKind {
        let error = self.try_call(of, name, args).unwrap_err();
        error.as_trap().expect("a trap").kind.clone()
    }
}

/// The types that the modules below declare alike, each on its own.
const TYPES: &str = r#"
    (rec
        (type $list (sub (struct (field i32) (field (mut (ref null $list))))))
        (type $long (sub final $list
            (struct (field i32) (field (mut (ref null $list))) (field i64)))))
    (type $map (func (param (ref null $list)) (result (ref null $list))))
"#;

const OWNER: &str = r#"
    (global $head (export "head") (mut (ref null $list)) (ref.null $list))
    (global (export "fixed") (ref $list) (struct.new $list (i32.const 7) (ref.null $list)))
    (table $lists (export "lists") 4 100 (ref null $list))
    (table $functions (export "functions") 8 funcref)
    (memory (export "memory") 1 4)
    (func (export "sum_head") (result i32)
        (local $node (ref null $list)) (local $sum i32)
        (local.set $node (global.get $head))
        (loop $l
            (if (ref.is_null (local.get $node)) (then (return (local.get $sum))))
            (local.set $sum (i32.add (local.get $sum) (struct.get $list 0 (local.get $node))))
            (local.set $node (struct.get $list 1 (local.get $node)))
            (br $l))
        (unreachable))
    (func (export "table_size") (result i32) (table.size $lists))
    (func (export "memory_size") (result i32) (memory.size))
    (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
    (func (export "apply") (param $at i32) (param $times i32) (result i32)
        (local $node (ref null $list)) (local $kept (ref null $list))
        (local.set $kept (struct.new $list (i32.const 1000) (ref.null $list)))
        (loop $l
            (local.set $node (call_indirect $functions (type $map)
                (local.get $node) (local.get $at)))
            (local.set $times (i32.sub (local.get $times) (i32.const 1)))
            (br_if $l (local.get $times)))
        (i32.add (struct.get $list 0 (local.get $kept))
            (struct.get $list 0 (local.get $node)))))
"#;

const USER: &str = r#"
    (import "owner" "head" (global $head (mut (ref null $list))))
    (import "owner" "fixed" (global $fixed (ref $list)))
    (import "owner" "lists" (table $lists 4 100 (ref null $list)))
    (import "owner" "functions" (table $functions 8 funcref))
    (import "owner" "memory" (memory 1 4))
    (global $calls (export "calls") (mut i32) (i32.const 0))
    (global $map (export "map") (mut (ref null $map)) (ref.func $increment))
    (elem (table $functions) (i32.const 2) func $increment)
    (elem declare func $increment $wrong)
    (func $increment (type $map)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (result (ref null $list)) (ref.is_null (local.get 0))
            (then (struct.new $list (i32.const 1) (ref.null $list)))
            (else (struct.new $list
                (i32.add (struct.get $list 0 (local.get 0)) (i32.const 1)) (local.get 0)))))
    (func $wrong (param i32))
    (func (export "store_wrong") (table.set $functions (i32.const 3) (ref.func $wrong)))
    (func (export "push") (param $n i32)
        (loop $l
            (global.set $head (struct.new $long
                (local.get $n) (global.get $head) (i64.const 5)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $l (local.get $n))))
    (func (export "longs") (result i32)
        (local $node (ref null $list)) (local $count i32)
        (local.set $node (global.get $head))
        (loop $l
            (if (ref.is_null (local.get $node)) (then (return (local.get $count))))
            (local.set $count (i32.add (local.get $count)
                (ref.test (ref $long) (local.get $node))))
            (local.set $node (struct.get $list 1 (local.get $node)))
            (br $l))
        (unreachable))
    (func (export "fixed") (result i32) (struct.get $list 0 (global.get $fixed)))
    (func (export "fill_lists") (param $n i32)
        (drop (table.grow $lists (global.get $fixed) (local.get $n)))
        (table.fill $lists (i32.const 0)
            (struct.new $list (i32.const 3) (global.get $head)) (i32.const 4)))
    (func (export "sum_lists") (result i32)
        (local $i i32) (local $sum i32)
        (loop $l
            (local.set $sum (i32.add (local.get $sum)
                (struct.get $list 0 (table.get $lists (local.get $i)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (table.size $lists))))
        (local.get $sum))
    (func (export "grow_memory") (result i32) (memory.grow (i32.const 2)))
    (func (export "peek") (param i32) (result i32) (i32.load (local.get 0))))
"#;

fn owner() -> String {
    format!("(module $owner {TYPES} {OWNER}")
}

fn user() -> String {
    format!("(module $user {TYPES} {USER}")
}

#[test]
fn globals_tables_and_memories_are_one_and_the_same() {
    for engine in engines() {
        let mut family = Family::new(&engine);
        let owner = family.add("owner", &owner());
        let user = family.add("user", &user());
        assert_eq!(family.call(&user, "fixed", &[]), [7]);
        family.call(&user, "push", &[50]);
        assert_eq!(family.call(&owner, "sum_head", &[]), [1275]);
        assert_eq!(family.call(&user, "longs", &[]), [50]);
        family.call(&user, "fill_lists", &[10]);
        assert_eq!(family.call(&owner, "table_size", &[]), [14]);
        assert_eq!(family.call(&user, "sum_lists", &[]), [4 * 3 + 10 * 7]);
        assert_eq!(family.call(&user, "grow_memory", &[]), [1]);
        assert_eq!(family.call(&owner, "memory_size", &[]), [3]);
        family.call(&owner, "poke", &[0x2_0000, 77]);
        assert_eq!(family.call(&user, "peek", &[0x2_0000]), [77]);
        family.store.verify().unwrap();
    }
}

#[test]
fn functions_are_called_across_instances_with_references_alive() {
    for engine in engines() {
        let mut family = Family::new(&engine);
        let owner = family.add("owner", &owner());
        let user = family.add("user", &user());
        assert_eq!(family.call(&owner, "apply", &[2, 40]), [1040]);
        let Some(Extern::Global(calls)) = user.export(&mut family.store, "calls") else {
            panic!("it is exported")
        };
        let count = calls.value(&mut family.store).unwrap();
        assert!(matches!(count, Val::I32(40)), "the callee's own globals");
        family.call(&user, "store_wrong", &[]);
        let kind = family.trap(&owner, "apply", &[3, 1]);
        assert_eq!(kind, TrapKind::IndirectCallType);
        let kind = family.trap(&owner, "apply", &[0, 1]);
        assert_eq!(kind, TrapKind::UninitializedElement);
        assert_eq!(
            family.trap(&owner, "apply", &[8, 1]),
            TrapKind::TableOutOfBounds
        );
        // A third instance calls through the second one's global, and the functions of an instance
        // that only the table holds on to stay callable.
        let third = format!(
            r#"(module $third {TYPES}
            (import "user" "map" (global $map (mut (ref null $map))))
            (import "owner" "apply" (func $apply (param i32 i32) (result i32)))
            (func (export "twice") (result i32)
                (struct.get $list 0 (call_ref $map
                    (call_ref $map (ref.null $list) (global.get $map)) (global.get $map))))
            (func (export "forward") (param i32) (result i32)
                (call $apply (i32.const 2) (local.get 0)))
            (func (export "forget") (global.set $map (ref.null $map))))"#
        );
        let third = family.add("third", &third);
        drop(user);
        assert_eq!(family.call(&third, "twice", &[]), [2]);
        assert_eq!(family.call(&third, "forward", &[5]), [1005]);
        family.call(&third, "forget", &[]);
        assert_eq!(family.trap(&third, "twice", &[]), TrapKind::NullFunction);
        family.store.verify().unwrap();
    }
}

#[test]
fn the_host_shares_too() {
    for engine in engines() {
        let mut family = Family::new(&engine);
        let owner = family.add("owner", &owner());
        let user = family.add("user", &user());
        family.call(&user, "push", &[3]);
        let store = &mut family.store;
        let Some(Extern::Global(head)) = owner.export(store, "head") else {
            panic!("it is exported")
        };
        let Some(Extern::Table(lists)) = owner.export(store, "lists") else {
            panic!("it is exported")
        };
        let value = head.value(store).unwrap();
        for index in 0..4 {
            lists.set(store, index, &value).unwrap();
        }
        head.set(store, &Val::Ref(Ref::Null)).unwrap();
        store.gc(windrow::CollectionKind::Full).unwrap();
        assert_eq!(family.call(&owner, "sum_head", &[]), [0]);
        assert_eq!(family.call(&user, "sum_lists", &[]), [4]);
        let error = head.set(&mut family.store, &Val::I32(1)).unwrap_err();
        assert!(matches!(error, Error::ValueType { .. }), "{error}");
    }
}

#[test]
fn types_are_equal_by_structure_and_group_only() {
    for engine in engines() {
        let mut family = Family::new(&engine);
        family.add("owner", &owner());
        // As `$list`, but a group of its own.
        let other = r#"(module
            (type $list (sub (struct (field i32) (field (mut (ref null $list))))))
            (import "owner" "head" (global (mut (ref null $list)))))"#;
        let error = family.try_add("other", other).unwrap_err();
        assert!(matches!(error, Error::ImportType { .. }), "{error}");
        // Seen through `any` the objects are there, and casts tell them apart.
        let caster = format!(
            r#"(module {TYPES}
            (type $lone (sub (struct (field i32) (field (mut (ref null $lone))))))
            (import "owner" "fixed" (global $fixed (ref any)))
            (func (export "test") (result i32 i32 i32)
                (ref.test (ref $list) (global.get $fixed))
                (ref.test (ref $lone) (global.get $fixed))
                (ref.test (ref $long) (global.get $fixed)))
            (func (export "cast") (result i32)
                (struct.get $lone 0 (ref.cast (ref $lone) (global.get $fixed)))))"#
        );
        let caster = family.add("caster", &caster);
        assert_eq!(family.call(&caster, "test", &[]), [1, 0, 0]);
        assert_eq!(family.trap(&caster, "cast", &[]), TrapKind::CastFailure);
        // A mutable global is invariant, a table's element type too.
        let wider =
            format!(r#"(module {TYPES} (import "owner" "lists" (table 4 100 (ref null any))))"#);
        let error = family.try_add("wider", &wider).unwrap_err();
        assert!(matches!(error, Error::ImportType { .. }), "{error}");
    }
}

#[test]
fn a_failed_instantiation_leaves_what_it_wrote() {
    for engine in engines() {
        let mut family = Family::new(&engine);
        let owner = family.add("owner", &owner());
        let failing = format!(
            r#"(module $failing {TYPES}
            (import "owner" "functions" (table $functions 8 funcref))
            (import "owner" "memory" (memory 1))
            (elem (table $functions) (i32.const 0) func $constant)
            (data (i32.const 8) "\2a")
            (data (i32.const 0x10000) "beyond")
            (func $constant (type $map)
                (struct.new $list (i32.const 5) (local.get 0))))"#
        );
        let error = family.try_add("failing", &failing).unwrap_err();
        assert_eq!(error.as_trap().unwrap().kind, TrapKind::MemoryOutOfBounds);
        assert_eq!(family.call(&owner, "apply", &[0, 3]), [1005]);
        let user = family.add("user", &user());
        assert_eq!(family.call(&user, "peek", &[8]), [42]);
    }
}

#[test]
fn instances_of_one_module_have_their_own_state() {
    for engine in engines() {
        let text = r#"(module
            (type $box (struct (field (mut i32))))
            (global $box (ref $box) (struct.new $box (i32.const 0)))
            (table $t 1 (ref null $box)) (memory 1)
            (func (export "next") (result i32)
                (struct.set $box 0 (global.get $box)
                    (i32.add (struct.get $box 0 (global.get $box)) (i32.const 1)))
                (struct.get $box 0 (global.get $box))))"#;
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut family = Family::new(&engine);
        let instances: Vec<Instance> = (0..20)
            .map(|_| {
                family
                    .linker
                    .instantiate(&mut family.store, &module)
                    .unwrap()
            })
            .collect();
        for round in 1..4 {
            for instance in &instances {
                assert_eq!(family.call(instance, "next", &[]), [round]);
            }
        }
    }
}
