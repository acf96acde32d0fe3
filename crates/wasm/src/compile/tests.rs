//! Function bodies in the text format, looked at as CLIF and compiled to code.

use super::*;
use crate::module::parse::parse;
use std::sync::Arc;
use windrow::TypeRegistry;
use windrow::jit::{Addressing, AllocSpec, CodeAbi, MutatorAbi, WriteBarrier};
use windrow_cranelift::{IsaOptions, native_isa};

mod golden;
mod mutations;
mod operators;
mod safepoints;

/// What a moving bump allocator without barriers asks for.
pub(super) fn bump_abi() -> CodeAbi {
    let mutator = MutatorAbi {
        alloc: AllocSpec::bump(8 << 10),
        header_template: 0,
        write_barrier: WriteBarrier::None,
        moves_objects: true,
    };
    CodeAbi {
        mutator,
        addressing: Addressing::Sandbox32,
    }
}

/// Everything by calls, on checked memory.
pub(super) fn call_abi() -> CodeAbi {
    let mutator = MutatorAbi {
        alloc: AllocSpec::Call,
        header_template: 0,
        write_barrier: WriteBarrier::Call,
        moves_objects: false,
    };
    CodeAbi {
        mutator,
        addressing: Addressing::BOUNDED,
    }
}

fn each_function<T>(
    text: &str,
    abi: CodeAbi,
    compile: impl FnMut(&mut FunctionCompiler<'_>, &Body<'_>) -> Result<T, TranslateError>,
) -> Result<Vec<T>, TranslateError> {
    let isa = native_isa(&IsaOptions {
        verify: true,
        ..IsaOptions::default()
    })
    .unwrap();
    each_function_for(&*isa, text, abi, compile)
}

fn each_function_for<T>(
    isa: &dyn TargetIsa,
    text: &str,
    abi: CodeAbi,
    mut compile: impl FnMut(&mut FunctionCompiler<'_>, &Body<'_>) -> Result<T, TranslateError>,
) -> Result<Vec<T>, TranslateError> {
    let bytes = wat::parse_str(text).unwrap();
    let parsed = parse(&bytes, abi, Arc::new(TypeRegistry::new())).unwrap();
    let mut compiler = FunctionCompiler::new(&parsed.env, isa, &parsed.bodies);
    let bodies = parsed.bodies.iter();
    bodies.map(|body| compile(&mut compiler, body)).collect()
}

/// The CLIF of each function, verified.
pub(super) fn clif(text: &str, abi: CodeAbi) -> Vec<String> {
    each_function(text, abi, |compiler, body| {
        let clif = compiler.clif(body)?;
        compile(&mut compiler.context, compiler.isa)?;
        Ok(clif)
    })
    .unwrap()
}

/// The compiled functions.
pub(super) fn compile_all(
    text: &str,
    abi: CodeAbi,
) -> Result<Vec<CompiledFunction>, TranslateError> {
    each_function(text, abi, |compiler, body| Ok(compiler.compile(body)?.code))
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_processor_without_vector_instructions_is_named_instead_of_miscompiled_for() {
    use cranelift_codegen::isa::lookup_by_name;
    use cranelift_codegen::settings::{self, Configurable, Flags};
    let refused = |extensions: &[&str], body: &str| {
        let mut isa = lookup_by_name("x86_64").unwrap();
        for extension in extensions {
            isa.enable(extension).unwrap();
        }
        let mut flags = settings::builder();
        flags.set("enable_pinned_reg", "true").unwrap();
        let isa = isa.finish(Flags::new(flags)).unwrap();
        let text = format!("(module (func (param v128) (result v128) {body}))");
        let compiled = each_function_for(&*isa, &text, bump_abi(), |compiler, body| {
            compiler.compile(body)
        });
        compiled.err().map(|error| error.to_string())
    };
    let negate = "(i8x16.neg (local.get 0))";
    let fused = "(f32x4.relaxed_nmadd (local.get 0) (local.get 0) (local.get 0))";
    let vectors = ["has_sse3", "has_ssse3", "has_sse41"];
    for extensions in [&[][..], &vectors[..2]] {
        let message = refused(extensions, negate).unwrap();
        assert!(message.contains("a processor with SSE4.1"), "{message}");
        assert_eq!(refused(extensions, "(local.get 0)"), None);
    }
    assert_eq!(refused(&vectors, negate), None);
    let message = refused(&vectors, fused).unwrap();
    assert!(message.contains("a processor with FMA"), "{message}");
    let all = ["has_sse3", "has_ssse3", "has_sse41", "has_avx", "has_fma"];
    assert_eq!(refused(&all, fused), None);
}
