//! Function bodies in the text format, looked at as CLIF and compiled to code.

use super::*;
use crate::module::parse::parse;
use std::sync::Arc;
use windrow_core::{Addressing, AllocSpec, CodeAbi, MutatorAbi, TypeRegistry, WriteBarrier};
use windrow_cranelift::{IsaOptions, native_isa};

mod golden;
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
    mut compile: impl FnMut(
        &mut FunctionCompiler<'_>,
        FuncToValidate<ValidatorResources>,
        &FunctionBody<'_>,
    ) -> Result<T, TranslateError>,
) -> Result<Vec<T>, TranslateError> {
    let bytes = wat::parse_str(text).unwrap();
    let isa = native_isa(&IsaOptions {
        verify: true,
        ..IsaOptions::default()
    })
    .unwrap();
    let parsed = parse(&bytes, abi, Arc::new(TypeRegistry::new())).unwrap();
    let mut compiler = FunctionCompiler::new(&parsed.env, &*isa);
    parsed
        .bodies
        .into_iter()
        .map(|body| compile(&mut compiler, body.validate, &body.body))
        .collect()
}

/// The CLIF of each function, verified.
pub(super) fn clif(text: &str, abi: CodeAbi) -> Vec<String> {
    each_function(text, abi, |compiler, validate, body| {
        let clif = compiler.clif(validate, body)?;
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
    each_function(text, abi, |compiler, validate, body| {
        compiler.compile(validate, body)
    })
}
