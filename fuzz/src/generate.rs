//! Modules at random, of what both engines have, that end after a while.

use crate::random::Random;
use arbitrary::Unstructured;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};

/// Function entries, loop iterations and elements of bulk operations a module has, all calls of an
/// instance together.
const FUEL: u32 = 2000;

/// A module made from `bytes`; `None` where they are too few.
///
/// Which features and instructions it may have differs from module to module, as one that may
/// have all of them has little of each. When its fuel is used up, it traps with `unreachable`: that
/// is part of its code, so that it stops at the same place on every engine.
pub(crate) fn module(bytes: &mut Unstructured<'_>, random: &mut Random) -> Option<Vec<u8>> {
    let config = config(random);
    let mut module = Module::new(config, bytes).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

fn config(random: &mut Random) -> Config {
    let choices = random.bits();
    let chosen = |bit: u32| choices >> bit & 1 == 1;
    let simd = chosen(0) && chosen(1);
    Config {
        // What differs from engine to engine, or that one of them lacks.
        compact_imports_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        canonicalize_nans: true,
        // Limits that both keep to.
        memory_max_size_required: true,
        table_max_size_required: true,
        limit_arrays_in_const_exprs: true,
        max_memory32_bytes: 3 << 16,
        max_table_elements: 500,
        // Sizes.
        max_memories: if chosen(2) { 1 } else { 3 },
        max_tables: 3,
        max_globals: 16,
        max_funcs: 12,
        min_funcs: 1,
        max_imports: 6,
        available_imports: chosen(3).then(available_imports),
        min_types: 6,
        max_types: 24,
        min_tags: if chosen(5) { 1 } else { 0 },
        max_tags: 6,
        min_globals: 3,
        max_data_segments: 6,
        max_element_segments: 6,
        max_elements: 20,
        max_instructions: if chosen(4) { 60 } else { 250 },
        export_everything: true,
        // What there is in it. A module that avoids traps gets further.
        disallow_traps: chosen(9),
        simd_enabled: simd,
        exceptions_enabled: chosen(5),
        tail_call_enabled: chosen(6),
        allow_floats: chosen(7) || chosen(8),
        allowed_instructions: instructions(choices >> 16),
        ..Config::default()
    }
}

/// Imports that any engine can make: of types that no module declares in a group.
fn available_imports() -> Vec<u8> {
    const TEXT: &str = r#"(module
        (import "" "nothing" (func))
        (import "" "numbers" (func (param i32 i64 f32 f64) (result i64)))
        (import "" "pair" (func (param i32) (result i32 f64)))
        (import "" "any" (func (param anyref) (result anyref)))
        (import "" "all" (func (param eqref structref arrayref externref funcref) (result eqref)))
        (import "" "extern" (func (param externref) (result externref i31ref)))
        (import "" "number" (global (mut i32)))
        (import "" "reference" (global (mut anyref)))
        (import "" "table" (table 5 20 anyref))
        (import "" "functions" (table 5 20 funcref))
        (import "" "memory" (memory 1 2)))"#;
    wat::parse_str(TEXT).expect("the text is a module")
}

/// All kinds of instructions, or all but some of those that are not about references.
fn instructions(choices: u64) -> InstructionKinds {
    if choices & 3 == 0 {
        return InstructionKinds::all();
    }
    let mut kinds = vec![
        InstructionKind::Reference,
        InstructionKind::Parametric,
        InstructionKind::Variable,
        InstructionKind::Control,
        InstructionKind::Aggregate,
    ];
    let others = [
        InstructionKind::Numeric,
        InstructionKind::Vector,
        InstructionKind::Table,
        InstructionKind::Memory,
    ];
    for (kind, bit) in others.into_iter().zip(2..) {
        if choices >> bit & 1 == 1 {
            kinds.push(kind);
        }
    }
    InstructionKinds::new(&kinds)
}
