//! Linear memories.
//!
//! A memory's reservation covers every `base + zext(address) + offset`, so an access is that sum
//! and nothing else: beyond the memory's length it faults, which the handler turns into the trap
//! named by the access. The base never changes, so its load may be hoisted and merged freely.

use super::{Translator, constant_load};
use crate::builtins::Builtin;
use crate::vmctx::VmMemory;
use cranelift_codegen::ir::immediates::Offset32;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, TrapCode, Type, Value, types};
use wasmparser::{MemArg, MemArgTarget, Operator};
use windrow_cranelift::Region;

/// All linear memories: an import may be one and the same as another.
const MEMORY: Region = Region::Client(1);

/// The words that describe memories.
const MEMORY_LENGTH: Region = Region::Client(2);

/// Bits of a page's size.
const PAGE_LOG2: i64 = 16;

/// How a load widens what it reads.
#[derive(Clone, Copy)]
enum Widen {
    Not,
    Signed,
    Unsigned,
}

impl Translator<'_> {
    /// Translates operators on memories. Whether `op` is one this engine knows.
    pub(super) fn memory_operator(&mut self, op: &Operator<'_>) -> bool {
        if let Some((memarg, from, to, widen)) = load_parts(op) {
            return self.memory_load(memarg, from, to, widen);
        }
        if let Some((memarg, ty)) = store_parts(op) {
            return self.memory_store(memarg, ty);
        }
        match *op {
            Operator::MemorySize { mem } => self.memory_size(mem),
            Operator::MemoryGrow { mem } => self.memory_builtin(Builtin::MemoryGrow, &[mem], 1),
            Operator::MemoryFill { mem } => self.memory_builtin(Builtin::MemoryFill, &[mem], 3),
            Operator::MemoryCopy { dst_mem, src_mem } => {
                self.memory_builtin(Builtin::MemoryCopy, &[dst_mem, src_mem], 3);
            }
            Operator::MemoryInit { data_index, mem } => {
                self.memory_builtin(Builtin::MemoryInit, &[mem, data_index], 3);
            }
            Operator::DataDrop { data_index } => {
                self.memory_builtin(Builtin::DataDrop, &[data_index], 0)
            }
            _ => return false,
        }
        true
    }

    /// Calls a builtin with these indices, then this many operands; `grow` has its result pushed.
    fn memory_builtin(&mut self, builtin: Builtin, indices: &[u32], operands: usize) {
        let operands = self.stack.pop_many(&mut self.b, operands);
        let result = self.call_builtin(builtin, indices, &operands);
        if builtin == Builtin::MemoryGrow {
            self.push(result.expect("growing has a result"));
        }
    }

    fn memory_description(&mut self, memory: u32) -> Value {
        self.load_context(types::I64, self.offsets.memory(memory))
    }

    fn memory_size(&mut self, memory: u32) {
        let description = self.memory_description(memory);
        let flags = MEMORY_LENGTH.trusted(self.b.func);
        let bytes = self
            .b
            .ins()
            .load(types::I64, flags, description, VmMemory::BYTES);
        let pages = self.b.ins().ushr_imm_u(bytes, PAGE_LOG2);
        let pages = self.b.ins().ireduce(types::I32, pages);
        self.push(pages);
    }

    /// The operand as an address: base and displacement.
    fn memory_address(&mut self, memory: u32, offset: u64) -> (Value, Offset32) {
        let index = self.pop();
        let description = self.memory_description(memory);
        let base = self
            .b
            .ins()
            .load(types::I64, constant_load(), description, VmMemory::BASE);
        let index = self.b.ins().uextend(types::I64, index);
        let address = self.b.ins().iadd(base, index);
        match i32::try_from(offset) {
            Ok(offset) => (address, offset.into()),
            Err(_) => {
                let offset = i64::try_from(offset).expect("a validated offset has 32 bits");
                (self.b.ins().iadd_imm_s(address, offset), 0.into())
            }
        }
    }

    /// Pops the address of an access: base, displacement and flags. `None` for an access that is
    /// not to a linear memory.
    pub(super) fn memory_operand(
        &mut self,
        memarg: &MemArg,
    ) -> Option<(Value, Offset32, MemFlagsData)> {
        let MemArgTarget::Memory(memory) = memarg.target else {
            return None;
        };
        let (base, offset) = self.memory_address(memory, memarg.offset);
        Some((base, offset, self.memory_flags()))
    }

    fn memory_flags(&mut self) -> MemFlagsData {
        let region = MEMORY.declare(self.b.func);
        MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_trap_code(Some(TrapCode::HEAP_OUT_OF_BOUNDS))
            .with_alias_region(Some(region))
    }

    fn memory_load(&mut self, memarg: &MemArg, from: Type, to: Type, widen: Widen) -> bool {
        let Some((base, offset, flags)) = self.memory_operand(memarg) else {
            return false;
        };
        let ins = self.b.ins();
        let value = match (from, widen) {
            (types::I8, Widen::Signed) => ins.sload8(to, flags, base, offset),
            (types::I8, _) => ins.uload8(to, flags, base, offset),
            (types::I16, Widen::Signed) => ins.sload16(to, flags, base, offset),
            (types::I16, _) => ins.uload16(to, flags, base, offset),
            (_, Widen::Signed) => ins.sload32(flags, base, offset),
            (_, Widen::Unsigned) => ins.uload32(flags, base, offset),
            (_, Widen::Not) => ins.load(from, flags, base, offset),
        };
        self.push(value);
        true
    }

    pub(super) fn memory_store(&mut self, memarg: &MemArg, ty: Type) -> bool {
        let value = self.pop();
        let Some((base, offset, flags)) = self.memory_operand(memarg) else {
            return false;
        };
        let is_narrowed = self.b.func.dfg.value_type(value) != ty;
        let ins = self.b.ins();
        match ty {
            types::I8 => ins.istore8(flags, value, base, offset),
            types::I16 => ins.istore16(flags, value, base, offset),
            _ if is_narrowed => ins.istore32(flags, value, base, offset),
            _ => ins.store(flags, value, base, offset),
        };
        true
    }
}

/// What a load reads, what it yields, and how it widens.
fn load_parts<'op>(op: &'op Operator<'_>) -> Option<(&'op MemArg, Type, Type, Widen)> {
    use Widen::{Not, Signed, Unsigned};
    use types::{F32, F64, I8, I16, I32, I64};
    Some(match op {
        Operator::I32Load { memarg } => (memarg, I32, I32, Not),
        Operator::I64Load { memarg } => (memarg, I64, I64, Not),
        Operator::F32Load { memarg } => (memarg, F32, F32, Not),
        Operator::F64Load { memarg } => (memarg, F64, F64, Not),
        Operator::I32Load8S { memarg } => (memarg, I8, I32, Signed),
        Operator::I32Load8U { memarg } => (memarg, I8, I32, Unsigned),
        Operator::I32Load16S { memarg } => (memarg, I16, I32, Signed),
        Operator::I32Load16U { memarg } => (memarg, I16, I32, Unsigned),
        Operator::I64Load8S { memarg } => (memarg, I8, I64, Signed),
        Operator::I64Load8U { memarg } => (memarg, I8, I64, Unsigned),
        Operator::I64Load16S { memarg } => (memarg, I16, I64, Signed),
        Operator::I64Load16U { memarg } => (memarg, I16, I64, Unsigned),
        Operator::I64Load32S { memarg } => (memarg, I32, I64, Signed),
        Operator::I64Load32U { memarg } => (memarg, I32, I64, Unsigned),
        _ => return None,
    })
}

/// What a store writes.
fn store_parts<'op>(op: &'op Operator<'_>) -> Option<(&'op MemArg, Type)> {
    use types::{F32, F64, I8, I16, I32, I64};
    Some(match op {
        Operator::I32Store { memarg } | Operator::I64Store32 { memarg } => (memarg, I32),
        Operator::I64Store { memarg } => (memarg, I64),
        Operator::F32Store { memarg } => (memarg, F32),
        Operator::F64Store { memarg } => (memarg, F64),
        Operator::I32Store8 { memarg } | Operator::I64Store8 { memarg } => (memarg, I8),
        Operator::I32Store16 { memarg } | Operator::I64Store16 { memarg } => (memarg, I16),
        _ => return None,
    })
}
