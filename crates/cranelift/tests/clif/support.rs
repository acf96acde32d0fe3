//! Building one function around one operation.

use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, Function, Inst, InstBuilder, Signature, Type,
    UserExternalName, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use windrow_core::{Addressing, AllocSpec, CodeAbi, MutatorAbi, WriteBarrier};
use windrow_cranelift::{Emitter, IsaOptions, RefFrame, SlowPath, SlowPaths, native_isa};

/// An ABI with a name for snapshots.
#[derive(Clone, Copy)]
pub(crate) struct NamedAbi {
    pub(crate) name: &'static str,
    pub(crate) abi: CodeAbi,
}

const BUMP: MutatorAbi = MutatorAbi {
    alloc: AllocSpec::bump(4096),
    header_template: 0,
    write_barrier: WriteBarrier::None,
    moves_objects: true,
};

const CALL: MutatorAbi = MutatorAbi {
    alloc: AllocSpec::Call,
    header_template: 1 << 24,
    write_barrier: WriteBarrier::Call,
    moves_objects: false,
};

const LOG: MutatorAbi = MutatorAbi {
    write_barrier: WriteBarrier::LOG,
    moves_objects: false,
    ..BUMP
};

pub(crate) const ABIS: [NamedAbi; 6] = [
    NamedAbi {
        name: "sandbox_bump",
        abi: CodeAbi {
            mutator: BUMP,
            addressing: Addressing::Sandbox32,
        },
    },
    NamedAbi {
        name: "bounded_bump",
        abi: CodeAbi {
            mutator: BUMP,
            addressing: Addressing::BOUNDED,
        },
    },
    NamedAbi {
        name: "sandbox_call",
        abi: CodeAbi {
            mutator: CALL,
            addressing: Addressing::Sandbox32,
        },
    },
    NamedAbi {
        name: "bounded_call",
        abi: CodeAbi {
            mutator: CALL,
            addressing: Addressing::BOUNDED,
        },
    },
    NamedAbi {
        name: "sandbox_log",
        abi: CodeAbi {
            mutator: LOG,
            addressing: Addressing::Sandbox32,
        },
    },
    NamedAbi {
        name: "bounded_log",
        abi: CodeAbi {
            mutator: LOG,
            addressing: Addressing::BOUNDED,
        },
    },
];

/// Calls functions that exist by name only.
pub(crate) struct Imports;

/// The number of an import that is no slow path; those have the numbers of their variants.
pub(crate) const CALLEE: u32 = 7;

pub(crate) fn call(
    b: &mut FunctionBuilder<'_>,
    index: u32,
    arguments: &[Value],
    result: Option<Type>,
) -> Inst {
    let mut signature = Signature::new(CallConv::SystemV);
    for argument in arguments {
        signature
            .params
            .push(AbiParam::new(b.func.dfg.value_type(*argument)));
    }
    signature.returns.extend(result.map(AbiParam::new));
    let signature = b.import_signature(signature);
    let name = b
        .func
        .declare_imported_user_function(UserExternalName::new(0, index));
    let name = ExternalName::user(name);
    let callee = b.import_function(ExtFuncData {
        name,
        signature,
        colocated: false,
        patchable: false,
    });
    b.ins().call(callee, arguments)
}

impl SlowPaths for Imports {
    fn call(&mut self, b: &mut FunctionBuilder<'_>, path: SlowPath, arguments: &[Value]) -> Inst {
        let result = path
            .call_signature()
            .returns
            .first()
            .map(|result| result.value_type);
        call(b, path as u32, arguments, result)
    }
}

/// What an operation is emitted with.
pub(crate) struct Scene<'a, 'f> {
    pub(crate) b: &'a mut FunctionBuilder<'f>,
    pub(crate) emitter: Emitter,
    pub(crate) frame: RefFrame,
    pub(crate) slow: Imports,
    pub(crate) params: Vec<Value>,
}

pub(crate) type Operation = fn(&mut Scene<'_, '_>) -> Vec<Value>;

/// The function of `params` (all `i32`) that runs `operation` and returns what it yields.
pub(crate) fn function(abi: CodeAbi, params: usize, operation: Operation) -> Function {
    let mut signature = Signature::new(CallConv::Tail);
    signature
        .params
        .extend(vec![AbiParam::new(types::I32); params]);
    let mut function = Function::with_name_signature(UserFuncName::default(), signature);
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut function, &mut context);
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.seal_block(block);
    let params = b.block_params(block).to_vec();
    let (emitter, frame) = (Emitter::new(abi), RefFrame::new(&abi));
    let mut scene = Scene {
        b: &mut b,
        emitter,
        frame,
        slow: Imports,
        params,
    };
    let results = operation(&mut scene);
    let returns: Vec<_> = results
        .iter()
        .map(|v| AbiParam::new(b.func.dfg.value_type(*v)))
        .collect();
    b.func.signature.returns = returns;
    b.ins().return_(&results);
    let isa = isa();
    b.finalize(isa.frontend_config());
    cranelift_codegen::verify_function(&function, &*isa)
        .unwrap_or_else(|e| panic!("{e}\n{function}"));
    function
}

pub(crate) fn isa() -> OwnedTargetIsa {
    native_isa(&IsaOptions {
        verify: true,
        ..IsaOptions::default()
    })
    .unwrap()
}
