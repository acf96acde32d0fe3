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
use windrow_core::TypeId;
use windrow_cranelift::SlowPaths;

/// The signature of a builtin as compiled code calls it.
pub(crate) fn builtin_signature(builtin: Builtin) -> Signature {
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
    pub(crate) fn call(
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
        let mut all = vec![self.context()];
        all.extend_from_slice(args);
        b.ins().call_indirect(signature, code, &all)
    }
}

fn type_id_value(b: &mut FunctionBuilder<'_>, type_id: TypeId) -> Value {
    b.ins().iconst(types::I32, i64::from(type_id.bits()))
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

fn plain_signature(b: &mut FunctionBuilder<'_>, params: [Type; 3]) -> SigRef {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend(params.map(AbiParam::new));
    b.import_signature(signature)
}

impl SlowPaths for Host {
    fn allocate_struct(&mut self, b: &mut FunctionBuilder<'_>, type_id: TypeId) -> Inst {
        let type_id = type_id_value(b, type_id);
        self.call(b, Builtin::AllocStruct, &[type_id])
    }

    fn allocate_array(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        type_id: TypeId,
        length: Value,
    ) -> Inst {
        let type_id = type_id_value(b, type_id);
        self.call(b, Builtin::AllocArray, &[type_id, length])
    }

    fn write_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        slot: Value,
        value: Value,
    ) -> Inst {
        self.call(b, Builtin::WriteBarrier, &[owner, slot, value])
    }

    fn range_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        first_slot: Value,
        count: Value,
    ) -> Inst {
        self.call(b, Builtin::RangeBarrier, &[owner, first_slot, count])
    }

    fn is_subtype(&mut self, b: &mut FunctionBuilder<'_>, actual: Value, target: TypeId) -> Inst {
        let target = type_id_value(b, target);
        self.call(b, Builtin::IsSubtype, &[actual, target])
    }

    fn move_bytes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        destination: Value,
        source: Value,
        bytes: Value,
    ) -> Inst {
        let signature = *self
            .move_signature
            .get_or_insert_with(|| plain_signature(b, [types::I64; 3]));
        call_address(
            b,
            signature,
            bytes::move_bytes_address(),
            &[destination, source, bytes],
        )
    }

    fn set_bytes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        destination: Value,
        byte: Value,
        bytes: Value,
    ) -> Inst {
        let signature = *self
            .set_signature
            .get_or_insert_with(|| plain_signature(b, [types::I64, types::I32, types::I64]));
        call_address(
            b,
            signature,
            bytes::set_bytes_address(),
            &[destination, byte, bytes],
        )
    }
}
