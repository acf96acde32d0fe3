//! The functions of random call trees: what each holds over its calls, and the code that follows the
//! plan.

use crate::build::{Compiler, Emit, guest_signature};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, Inst, InstBuilder, MemFlagsData, Signature, StackSlot, StackSlotData,
    StackSlotKind, UserStackMapEntry, Value, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_module::FuncId;

/// How a function is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    conv: CallConv,
    /// Bytes of a stack slot of its own.
    frame_bytes: u32,
    /// Values alive over its calls: more than there are registers, some of them.
    pub(super) values: u32,
    /// References alive over its calls.
    pub(super) references: u32,
}

/// The shapes, in the order of the functions.
pub(super) fn shapes() -> impl Iterator<Item = Shape> {
    let product = |conv| {
        [0, 24, 200, 5000].into_iter().flat_map(move |frame_bytes| {
            [0, 1, 5, 30].into_iter().flat_map(move |values| {
                [0, 1, 4].into_iter().map(move |references| Shape {
                    conv,
                    frame_bytes,
                    values,
                    references,
                })
            })
        })
    };
    product(CallConv::Tail).chain(product(CallConv::SystemV))
}

/// Functions of each convention.
pub(super) const FUNCTIONS: usize = 4 * 4 * 3;

/// Where the plan is, for the code.
pub(super) struct Place {
    /// Address of the cell with the address of the next step.
    pub(super) cursor: usize,
    /// Address of the list of the functions' addresses.
    pub(super) addresses: usize,
}

/// A function that holds what its shape says and follows the plan until it says to return.
pub(super) fn define(compiler: &mut Compiler, shape: Shape, exit: FuncId, place: &Place) -> FuncId {
    let signature = signature(shape.conv);
    let id = compiler.declare(&signature);
    compiler.define(id, signature, Some(1), |e| {
        let exit = e.function(exit);
        let flags = MemFlagsData::trusted();
        let [vmctx, argument, _] = e.params[..] else {
            unreachable!()
        };
        if shape.frame_bytes > 0 {
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, shape.frame_bytes, 3);
            let slot = e.b.create_sized_stack_slot(data);
            let address = e.b.ins().stack_addr(types::I64, slot, 0);
            e.b.ins().store(flags, argument, address, 0);
        }
        let values: Vec<_> = (1..=shape.values)
            .map(|factor| e.b.ins().imul_imm_s(argument, i64::from(factor)))
            .collect();
        let references: Vec<_> = (0..shape.references)
            .map(|index| {
                let home = e.home();
                let reference = e.b.ins().iadd_imm_s(argument, 8 * i64::from(index));
                let address = e.b.ins().stack_addr(types::I64, home, 0);
                e.b.ins().store(flags, reference, address, 0);
                home
            })
            .collect();
        let [head, act, host, call, tail, system, done] = [(); 7].map(|()| e.b.create_block());
        let zero = e.b.ins().iconst(types::I32, 0);
        let sum = e.b.append_block_param(head, types::I32);
        e.b.ins().jump(head, &[BlockArg::Value(zero)]);

        e.b.switch_to_block(head);
        let cell =
            e.b.ins()
                .iconst(types::I64, place.cursor.cast_signed() as i64);
        let cursor = e.b.ins().load(types::I64, flags, cell, 0);
        let step = e.b.ins().load(types::I32, flags, cursor, 0);
        let next = e.b.ins().iadd_imm_s(cursor, 4);
        e.b.ins().store(flags, next, cell, 0);
        e.b.ins().brif(step, act, &[], done, &[]);

        e.b.switch_to_block(act);
        let below = e.b.ins().iadd_imm_s(argument, 8);
        let is_check = e.b.ins().icmp_imm_s(IntCC::Equal, step, 1);
        let is_odd = e.b.ins().band_imm_s(step, 1);
        let is_even = e.b.ins().icmp_imm_s(IntCC::Equal, is_odd, 0);
        let is_host = e.b.ins().bor(is_check, is_even);
        e.b.ins().brif(is_host, host, &[], call, &[]);

        e.b.switch_to_block(call);
        let index = e.b.ins().iadd_imm_s(step, -3);
        let index = e.b.ins().ushr_imm_s(index, 1);
        let offset = e.b.ins().uextend(types::I64, index);
        let offset = e.b.ins().ishl_imm_s(offset, 3);
        let table =
            e.b.ins()
                .iconst(types::I64, place.addresses.cast_signed() as i64);
        let entry = e.b.ins().iadd(table, offset);
        let target = e.b.ins().load(types::I64, flags, entry, 0);
        let functions = i64::try_from(FUNCTIONS).unwrap();
        let is_tail =
            e.b.ins()
                .icmp_imm_s(IntCC::UnsignedLessThan, index, functions);
        e.b.ins().brif(is_tail, tail, &[], system, &[]);

        for (block, conv) in [(tail, CallConv::Tail), (system, CallConv::SystemV)] {
            e.b.switch_to_block(block);
            let callee = e.b.import_signature(self::signature(conv));
            let args = [vmctx, below, step];
            let call = e.b.ins().call_indirect(callee, target, &args);
            go_on(e, call, &references, sum, head);
        }
        e.b.switch_to_block(host);
        let call = e.b.ins().call(exit, &[vmctx, below, step]);
        go_on(e, call, &references, sum, head);

        e.b.switch_to_block(done);
        let mut total = sum;
        for value in values {
            total = e.b.ins().iadd(total, value);
        }
        for home in references {
            let address = e.b.ins().stack_addr(types::I64, home, 0);
            let reference = e.b.ins().load(types::I32, flags, address, 0);
            total = e.b.ins().iadd(total, reference);
        }
        e.b.ins().return_(&[total]);
    });
    id
}

/// Goes on after a call with its result added to the sum.
fn go_on(e: &mut Emit<'_, '_>, call: Inst, references: &[StackSlot], sum: Value, head: Block) {
    for slot in references {
        let entry = UserStackMapEntry {
            ty: types::I32,
            slot: *slot,
            offset: 0,
        };
        e.b.func.dfg.append_user_stack_map_entry(call, entry);
    }
    let result = e.b.inst_results(call)[0];
    let sum = e.b.ins().iadd(sum, result);
    e.b.ins().jump(head, &[BlockArg::Value(sum)]);
}

fn signature(conv: CallConv) -> Signature {
    Signature {
        call_conv: conv,
        ..guest_signature(2)
    }
}
