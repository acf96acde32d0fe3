//! Calls: direct, through imports, through references; and calls of builtins.

use super::{Translator, clif_signature, function_name};
use crate::builtins::{Builtin, Failure};
use crate::trap::CodeTrap;
use crate::vmctx::VmImport;
use cranelift_codegen::ir::{
    Block, ExtFuncData, ExternalName, FuncRef, Inst, InstBuilder, SigRef, Value, types,
};
use wasmparser::Operator;
use windrow_cranelift::{HeapTrap, RefVar, SignatureCheck};

/// Code to be called.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// A function of this module.
    Function(FuncRef),
    /// Code of a signature at an address.
    Code(SigRef, Value),
}

/// A function to be called: its type, its code, and the context the code expects.
#[derive(Clone, Copy, Debug)]
struct Callee {
    type_index: u32,
    target: Target,
    context: Value,
}

impl Translator<'_> {
    /// Translates calls and references to functions. Whether `op` is one.
    pub(super) fn call_operator(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                let callee = self.callee(op);
                self.call(callee);
            }
            Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => {
                let callee = self.callee(op);
                self.tail_call(callee);
            }
            Operator::RefFunc { function_index } => {
                let id = self.load_context(types::I32, self.offsets.function_id(function_index));
                self.push(id);
            }
            _ => return false,
        }
        true
    }

    /// What a call leads to, its index or reference popped.
    fn callee(&mut self, op: &Operator<'_>) -> Callee {
        match *op {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.named_callee(function_index)
            }
            Operator::CallIndirect {
                type_index,
                table_index,
            }
            | Operator::ReturnCallIndirect {
                type_index,
                table_index,
            } => {
                let index = self.pop();
                let id = self.table_load(table_index, index);
                let check = SignatureCheck::indirect(self.concrete(type_index));
                self.referenced_callee(type_index, id, check)
            }
            Operator::CallRef { type_index } | Operator::ReturnCallRef { type_index } => {
                let id = self.pop();
                let check = SignatureCheck::typed(self.concrete(type_index));
                let check = SignatureCheck {
                    null: CodeTrap::NullFunction.code(),
                    ..check
                };
                self.referenced_callee(type_index, id, check)
            }
            _ => unreachable!("only calls have callees"),
        }
    }

    fn named_callee(&mut self, function: u32) -> Callee {
        let type_index = self.env.function_type_index(function);
        if !self.env.is_imported_function(function) {
            return Callee {
                type_index,
                target: Target::Function(self.function_ref(function)),
                context: self.host.context(),
            };
        }
        let signature = self.signature_ref(type_index);
        let import = self.offsets.import(function);
        let code = self.load_context(types::I64, import + VmImport::CODE);
        Callee {
            type_index,
            target: Target::Code(signature, code),
            context: self.load_context(types::I64, import + VmImport::VMCTX),
        }
    }

    fn referenced_callee(&mut self, type_index: u32, id: Value, check: SignatureCheck) -> Callee {
        let signature = self.signature_ref(type_index);
        let callee = self
            .emitter
            .function(&mut self.b, &mut self.host, id, check);
        Callee {
            type_index,
            target: Target::Code(signature, callee.code),
            context: callee.context,
        }
    }

    /// Pops a call's arguments, the context before them.
    fn call_args(&mut self, callee: Callee) -> Vec<Value> {
        let params = self.env.signature(callee.type_index).params().len();
        let mut args = vec![callee.context];
        args.extend(self.stack.pop_many(&mut self.b, params));
        args
    }

    /// Pops the arguments, emits the call as a safepoint, pushes the results.
    fn call(&mut self, callee: Callee) {
        let args = self.call_args(callee);
        let live = self.live_refs();
        let results = match self.dispatch(self.control.len()) {
            Some(dispatch) => self.call_catching(callee, &args, &live, dispatch),
            None => {
                let call = self
                    .frame
                    .call(&mut self.b, &live, |b| match callee.target {
                        Target::Function(function) => b.ins().call(function, &args),
                        Target::Code(signature, code) => {
                            b.ins().call_indirect(signature, code, &args)
                        }
                    });
                self.b.inst_results(call).to_vec()
            }
        };
        self.emitter.after_call();
        for result in results {
            self.push(result);
        }
    }

    /// Emits a call whose exceptions lead to a block of this function, and yields its results.
    fn call_catching(
        &mut self,
        callee: Callee,
        args: &[Value],
        live: &[RefVar],
        dispatch: Block,
    ) -> Vec<Value> {
        let signature = self.signature_ref(callee.type_index);
        let (locals, liveness, safepoint) = (&mut self.locals, &self.liveness, self.safepoints);
        let truth = &mut self.truth;
        self.frame.try_call(
            &mut self.b,
            live,
            signature,
            |b, table| match callee.target {
                Target::Function(function) => b.ins().try_call(function, args, table),
                Target::Code(_, code) => b.ins().try_call_indirect(code, args, table),
            },
            |frame, b, exception| {
                truth.note_exception(exception);
                locals.kill_dead(b, frame, liveness, safepoint);
                b.ins().jump(dispatch, &[exception.into()]);
            },
        )
    }

    /// Pops the arguments and leaves the frame to the callee. No safepoint: the frame is gone by
    /// then, and the arguments are the callee's.
    fn tail_call(&mut self, callee: Callee) {
        let args = self.call_args(callee);
        match callee.target {
            Target::Function(function) => self.b.ins().return_call(function, &args),
            Target::Code(signature, code) => {
                self.b.ins().return_call_indirect(signature, code, &args)
            }
        };
        self.reachable = false;
    }

    fn signature_ref(&mut self, type_index: u32) -> SigRef {
        let (env, b) = (self.env, &mut self.b);
        let import = || b.import_signature(clif_signature(env, env.signature(type_index)));
        *self.signatures.entry(type_index).or_insert_with(import)
    }

    /// A function of this module, which lies in the same range of code.
    fn function_ref(&mut self, function: u32) -> FuncRef {
        if let Some(callee) = self.functions.get(&function) {
            return *callee;
        }
        let signature = self.signature_ref(self.env.function_type_index(function));
        let name = self
            .b
            .func
            .declare_imported_user_function(function_name(function));
        let name = ExternalName::User(name);
        let data = ExtFuncData {
            name,
            signature,
            colocated: true,
            patchable: false,
        };
        let callee = self.b.import_function(data);
        self.functions.insert(function, callee);
        callee
    }

    /// The arguments of a builtin: indices, then operands.
    fn builtin_args(&mut self, indices: &[u32], operands: &[Value]) -> Vec<Value> {
        let mut args = Vec::with_capacity(indices.len() + operands.len());
        for index in indices {
            args.push(self.b.ins().iconst(types::I32, i64::from(*index)));
        }
        args.extend_from_slice(operands);
        args
    }

    /// Calls a builtin that is no safepoint. Traps if it says that it failed.
    pub(super) fn call_builtin(
        &mut self,
        builtin: Builtin,
        indices: &[u32],
        operands: &[Value],
    ) -> Option<Value> {
        let args = self.builtin_args(indices, operands);
        let call = self.host.call_builtin(&mut self.b, builtin, &args);
        self.finish_builtin(builtin, call)
    }

    /// Calls a builtin that is a safepoint and returns a reference. Traps if it failed.
    pub(super) fn call_collecting_builtin(
        &mut self,
        builtin: Builtin,
        indices: &[u32],
        operands: &[Value],
    ) -> Value {
        let args = self.builtin_args(indices, operands);
        let live = self.live_refs();
        let host = &mut self.host;
        let call = self
            .frame
            .call(&mut self.b, &live, |b| host.call_builtin(b, builtin, &args));
        self.finish_builtin(builtin, call)
            .expect("builtins that allocate have a result")
    }

    fn finish_builtin(&mut self, builtin: Builtin, call: Inst) -> Option<Value> {
        self.emitter.after_call();
        let result = self.b.inst_results(call).first().copied();
        if let (Failure::Zero, Some(result)) = (builtin.failure(), result) {
            self.b.ins().trapz(result, HeapTrap::Host);
        }
        result
    }
}
