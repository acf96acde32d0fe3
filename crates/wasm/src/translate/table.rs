//! Tables: inline access, builtins for the bulk operations.
//!
//! Elements are 32 bits, references or function ids. A table may move when it grows, so address
//! and length are loaded at each access.

use super::Translator;
use crate::builtins::Builtin;
use crate::env::Repr;
use crate::trap::CodeTrap;
use crate::vmctx::VmTable;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;
use windrow_cranelift::Region;

/// The words that describe tables.
const TABLE_WORDS: Region = Region::Client(3);

/// The elements of all tables: an import may be one and the same as another.
const TABLE_ELEMENTS: Region = Region::Client(4);

impl Translator<'_> {
    /// Translates operators on tables. Whether `op` is one.
    pub(super) fn table_operator(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::TableGet { table } => {
                let index = self.pop();
                let value = self.table_load(table, index);
                self.push(value);
            }
            Operator::TableSet { table } => self.table_set(table),
            Operator::TableSize { table } => {
                let len = self.table_len(table);
                self.push(len);
            }
            Operator::TableGrow { table } => self.table_builtin(Builtin::TableGrow, &[table], 2),
            Operator::TableFill { table } => self.table_builtin(Builtin::TableFill, &[table], 3),
            Operator::TableCopy {
                dst_table,
                src_table,
            } => {
                self.table_builtin(Builtin::TableCopy, &[dst_table, src_table], 3);
            }
            Operator::TableInit { elem_index, table } => {
                self.table_builtin(Builtin::TableInit, &[table, elem_index], 3);
            }
            Operator::ElemDrop { elem_index } => {
                self.table_builtin(Builtin::ElemDrop, &[elem_index], 0)
            }
            _ => return false,
        }
        true
    }

    /// Calls a builtin with these indices, then this many operands; `grow` has its result pushed.
    fn table_builtin(&mut self, builtin: Builtin, indices: &[u32], operands: usize) {
        let operands = self.stack.pop_many(&mut self.b, operands);
        let result = self.call_builtin(builtin, indices, &operands);
        if builtin == Builtin::TableGrow {
            self.push(result.expect("growing has a result"));
        }
    }

    fn table_len(&mut self, table: u32) -> Value {
        let description = self.load_context(types::I64, self.offsets.table(table));
        let flags = TABLE_WORDS.trusted(self.b.func);
        self.b
            .ins()
            .load(types::I32, flags, description, VmTable::LEN)
    }

    /// The address of an element, whose index is checked.
    fn table_element(&mut self, table: u32, index: Value) -> Value {
        let len = self.table_len(table);
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, len);
        self.b
            .ins()
            .trapz(inside, CodeTrap::TableOutOfBounds.code());
        let description = self.load_context(types::I64, self.offsets.table(table));
        let flags = TABLE_WORDS.trusted(self.b.func);
        let elements = self
            .b
            .ins()
            .load(types::I64, flags, description, VmTable::ELEMENTS);
        let index = self.b.ins().uextend(types::I64, index);
        let distance = self.b.ins().ishl_imm_u(index, 2);
        self.b.ins().iadd(elements, distance)
    }

    /// Loads an element, whose index is checked.
    pub(super) fn table_load(&mut self, table: u32, index: Value) -> Value {
        let element = self.table_element(table, index);
        let flags = TABLE_ELEMENTS.trusted(self.b.func);
        self.b.ins().load(types::I32, flags, element, 0)
    }

    fn table_set(&mut self, table: u32) {
        let (value, index) = (self.pop(), self.pop());
        let element = self.table_element(table, index);
        let ty = self
            .env
            .tables
            .get(table as usize)
            .expect("a validated table index is in range")
            .element_type;
        if self.env.ref_repr(ty) == Repr::Gc {
            self.emitter
                .store_barrier(&mut self.b, &mut self.host, value);
        }
        let flags = TABLE_ELEMENTS.trusted(self.b.func);
        self.b.ins().store(flags, value, element, 0);
    }
}
