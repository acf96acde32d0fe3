//! Calls of builtins: the context's table, and the slow paths of `windrow-cranelift`.

use super::{bytes, constant_load};
use crate::builtins::Builtin;
use crate::vmctx::VmOffsets;
use cranelift_codegen::ir::{
    AbiParam, ArgumentPurpose, Inst, InstBuilder, MemFlagsData, SigRef, Signature, Type, Value,
    types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use hashbrown::HashMap;
use smallvec::SmallVec;
use windrow_cranelift::{SlowPath, SlowPaths};

/// The signature of a builtin as compiled code calls it.
pub(crate) fn builtin_signature(builtin: Builtin) -> Signature {
    match builtin {
        Builtin::AllocStruct => return SlowPath::AllocateStruct.call_signature(),
        Builtin::AllocArray => return SlowPath::AllocateArray.call_signature(),
        _ => {}
    }
    let mut signature = Signature::new(CallConv::SystemV);
    signature
        .params
        .push(AbiParam::special(types::I64, ArgumentPurpose::VMContext));
    signature
        .params
        .extend((0..builtin.params()).map(|_| AbiParam::new(types::I32)));
    signature
        .returns
        .extend(builtin.has_result().then(|| AbiParam::new(types::I32)));
    signature
}

/// Reaches the host from one function.
#[derive(Debug, Default)]
pub(crate) struct Host {
    context: Option<Value>,
    signatures: HashMap<Builtin, SigRef>,
    move_signature: Option<SigRef>,
    set_signature: Option<SigRef>,
}

impl Host {
    /// Tells the function's context, its first parameter.
    pub(crate) fn set_context(&mut self, context: Value) {
        self.context = Some(context);
    }

    /// The function's context.
    ///
    /// # Panics
    /// Before [`Self::set_context`].
    pub(crate) fn context(&self) -> Value {
        self.context.expect("the entry block was begun")
    }

    /// Loads a word of the context, which never changes.
    pub(crate) fn load_context(&self, b: &mut FunctionBuilder<'_>, ty: Type, offset: i32) -> Value {
        b.ins().load(ty, constant_load(), self.context(), offset)
    }

    /// Calls a builtin with arguments after the context.
    pub(crate) fn call_builtin(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        builtin: Builtin,
        args: &[Value],
    ) -> Inst {
        let signature = *self
            .signatures
            .entry(builtin)
            .or_insert_with(|| b.import_signature(builtin_signature(builtin)));
        // These loads stay where they are: the call is in a cold block as a rule, and an address
        // hoisted out of a loop would take a register from the hot path.
        let flags = MemFlagsData::trusted().with_readonly();
        let table = b
            .ins()
            .load(types::I64, flags, self.context(), VmOffsets::BUILTINS);
        let code = b
            .ins()
            .load(types::I64, flags, table, builtin.table_offset());
        let mut all = SmallVec::<[Value; 8]>::from_elem(self.context(), 1);
        all.extend_from_slice(args);
        b.ins().call_indirect(signature, code, &all)
    }
}

/// The signature of a function that gets no context.
fn plain_signature(b: &mut FunctionBuilder<'_>, params: [Type; 3]) -> SigRef {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend(params.map(AbiParam::new));
    b.import_signature(signature)
}

impl SlowPaths for Host {
    fn call(&mut self, b: &mut FunctionBuilder<'_>, path: SlowPath, arguments: &[Value]) -> Inst {
        let builtin = match path {
            SlowPath::AllocateStruct => Builtin::AllocStruct,
            SlowPath::AllocateArray => Builtin::AllocArray,
            SlowPath::WriteBarrier => Builtin::WriteBarrier,
            SlowPath::RangeBarrier => Builtin::RangeBarrier,
            SlowPath::IsSubtype => Builtin::IsSubtype,
            SlowPath::MoveBytes => {
                let signature = *self
                    .move_signature
                    .get_or_insert_with(|| plain_signature(b, [types::I64; 3]));
                return call_address(b, signature, bytes::move_bytes_address(), arguments);
            }
            SlowPath::SetBytes => {
                let params = [types::I64, types::I32, types::I64];
                let signature = *self
                    .set_signature
                    .get_or_insert_with(|| plain_signature(b, params));
                return call_address(b, signature, bytes::set_bytes_address(), arguments);
            }
        };
        self.call_builtin(b, builtin, arguments)
    }
}

/// Calls a host function by its address.
fn call_address(
    b: &mut FunctionBuilder<'_>,
    signature: SigRef,
    address: usize,
    args: &[Value],
) -> Inst {
    let address = i64::try_from(address).expect("host code lies in the lower half");
    let address = b.ins().iconst(types::I64, address);
    b.ins().call_indirect(signature, address, args)
}
