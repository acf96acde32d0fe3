//! References across safepoints: variables with homes, spills around calls, stack maps.
//!
//! Every reference that may live across a safepoint is a [`RefVar`]: a frontend variable plus a
//! *home*, a four-byte stack slot made when first needed. At a safepoint the live variables are
//! stored to their homes, the homes are named in the call's stack map, and afterwards the
//! variables are loaded back (only where a collection may change references). Nothing is spilled
//! anywhere else, so a slow path in a cold block takes its spills with it.
//!
//! Within a block the frame remembers what each home holds and leaves out stores of a value that
//! is there already: a reference that lives across ten calls and is not otherwise used is stored
//! once.

use crate::Region;
use crate::emitter::constant;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, ExceptionTable, ExceptionTableData, ExceptionTableItem, Inst,
    InstBuilder, MemFlagsData, SigRef, StackSlot, StackSlotData, StackSlotKind, UserStackMapEntry,
    Value, types,
};
use cranelift_frontend::{FunctionBuilder, Variable};
use windrow_core::CodeAbi;

/// A variable that holds a reference and survives safepoints at which it is named live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefVar {
    index: u32,
    variable: Variable,
}

impl RefVar {
    /// The frontend variable, of type `i32`. Define it through [`RefFrame::set`] or directly.
    #[must_use]
    pub const fn variable(self) -> Variable {
        self.variable
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Home {
    slot: Option<StackSlot>,
    /// The value the slot holds, as far as known in the current block.
    holds: Option<Value>,
}

/// Variables with their homes.
type Spilled = smallvec::SmallVec<[(RefVar, StackSlot); 8]>;

/// The reference variables of one function.
#[derive(Debug)]
pub struct RefFrame {
    moves_objects: bool,
    homes: Vec<Home>,
    /// The block in which the contents of homes are known.
    block: Option<Block>,
}

impl RefFrame {
    /// A frame with no variables.
    #[must_use]
    pub const fn new(abi: &CodeAbi) -> Self {
        Self {
            moves_objects: abi.mutator.moves_objects,
            homes: Vec::new(),
            block: None,
        }
    }

    /// Declares a variable. It has no value until [`Self::set`].
    ///
    /// # Panics
    /// After 2^32 variables.
    pub fn declare(&mut self, b: &mut FunctionBuilder<'_>) -> RefVar {
        let index = u32::try_from(self.homes.len()).expect("fewer than 2^32 variables");
        self.homes.push(Home::default());
        RefVar {
            index,
            variable: b.declare_var(types::I32),
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, b: &mut FunctionBuilder<'_>, var: RefVar, value: Value) {
        b.def_var(var.variable, value);
    }

    /// Sets a variable that is dead to null, so that a wrong answer about liveness shows as a
    /// null, the same one each time, and never as a reference to an object that has moved.
    pub fn kill(&mut self, b: &mut FunctionBuilder<'_>, var: RefVar) {
        let null = b.ins().iconst(types::I32, 0);
        b.def_var(var.variable, null);
    }

    /// The variable's value. Until the next safepoint: after it, ask again.
    pub fn value(&self, b: &mut FunctionBuilder<'_>, var: RefVar) -> Value {
        b.use_var(var.variable)
    }

    /// Emits a call that is a safepoint, at which exactly `live` (each named once) survive.
    ///
    /// `emit` appends the call and nothing after it. Values of `live` taken before are stale
    /// afterwards. Costs a store, and for a moving collector a load, per live variable; a
    /// variable known to hold null or an `i31` costs nothing.
    pub fn call(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        live: &[RefVar],
        emit: impl FnOnce(&mut FunctionBuilder<'_>) -> Inst,
    ) -> Inst {
        let spilled = self.spill_all(b, live);
        let call = emit(b);
        name_slots(b, call, &spilled);
        self.reload_all(b, &spilled);
        call
    }

    /// Emits a call as [`Self::call`] does, whose exceptions are handled in this function, and
    /// returns its results.
    ///
    /// `emit` appends a `try_call` or `try_call_indirect` with the exception table it is given, of
    /// the callee's `signature`. `catch` is called in the block that handles its exceptions, with
    /// the exception as an `i32`, and must end that block; `live` have their values there too. The
    /// builder is left in the block of the ordinary return.
    pub fn try_call(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        live: &[RefVar],
        signature: SigRef,
        emit: impl FnOnce(&mut FunctionBuilder<'_>, ExceptionTable) -> Inst,
        catch: impl FnOnce(&mut Self, &mut FunctionBuilder<'_>, Value),
    ) -> Vec<Value> {
        let spilled = self.spill_all(b, live);
        let (normal, landing) = (b.create_block(), b.create_block());
        b.set_cold_block(landing);
        let exception = b.append_block_param(landing, types::I64);
        let returns = b.func.dfg.signatures[signature].returns.len();
        let mut results = Vec::with_capacity(returns);
        for index in 0..returns {
            let ty = b.func.dfg.signatures[signature].returns[index].value_type;
            results.push(b.append_block_param(normal, ty));
        }
        let returned = (0..).take(returns).map(BlockArg::TryCallRet);
        let pool = &mut b.func.dfg.value_lists;
        let normal_call = BlockCall::new(normal, returned, pool);
        let landing_call = BlockCall::new(landing, [BlockArg::TryCallExn(0)], pool);
        let items = [ExceptionTableItem::Default(landing_call)];
        let table = ExceptionTableData::new(signature, normal_call, items);
        let table = b.func.dfg.exception_tables.push(table);
        let call = emit(b, table);
        name_slots(b, call, &spilled);

        b.switch_to_block(landing);
        b.seal_block(landing);
        self.notice_block(b);
        self.reload_all(b, &spilled);
        let exception = b.ins().ireduce(types::I32, exception);
        catch(self, b, exception);

        b.switch_to_block(normal);
        b.seal_block(normal);
        self.notice_block(b);
        self.reload_all(b, &spilled);
        results
    }

    fn spill_all(&mut self, b: &mut FunctionBuilder<'_>, live: &[RefVar]) -> Spilled {
        self.notice_block(b);
        live.iter()
            .filter_map(|var| Some((*var, self.spill(b, *var)?)))
            .collect()
    }

    /// Gives variables the values their homes hold after a safepoint.
    fn reload_all(&mut self, b: &mut FunctionBuilder<'_>, spilled: &Spilled) {
        if self.moves_objects {
            for &(var, slot) in spilled {
                self.reload(b, var, slot);
            }
        }
    }

    /// Forgets what homes hold once the builder is in another block.
    fn notice_block(&mut self, b: &FunctionBuilder<'_>) {
        let block = b.current_block();
        if self.block != block {
            self.block = block;
            for home in &mut self.homes {
                home.holds = None;
            }
        }
    }

    /// Makes the variable's home hold its value, unless it needs none.
    fn spill(&mut self, b: &mut FunctionBuilder<'_>, var: RefVar) -> Option<StackSlot> {
        let value = b.use_var(var.variable);
        if constant(b, value).is_some_and(|bits| bits == 0 || bits & 1 == 1) {
            return None;
        }
        let home = self
            .homes
            .get_mut(var.index as usize)
            .expect("a variable of this frame");
        let slot = *home.slot.get_or_insert_with(|| {
            b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 4, 2))
        });
        if home.holds.replace(value) != Some(value) {
            let (flags, address) = home_address(b, var, slot);
            b.ins().store(flags, value, address, 0);
        }
        Some(slot)
    }

    fn reload(&mut self, b: &mut FunctionBuilder<'_>, var: RefVar, slot: StackSlot) {
        let (flags, address) = home_address(b, var, slot);
        let value = b.ins().load(types::I32, flags, address, 0);
        b.def_var(var.variable, value);
        if let Some(home) = self.homes.get_mut(var.index as usize) {
            home.holds = Some(value);
        }
    }
}

/// Names homes in a call's stack map.
fn name_slots(b: &mut FunctionBuilder<'_>, call: Inst, spilled: &Spilled) {
    for &(_, slot) in spilled {
        let entry = UserStackMapEntry {
            ty: types::I32,
            slot,
            offset: 0,
        };
        b.func.dfg.append_user_stack_map_entry(call, entry);
    }
}

fn home_address(
    b: &mut FunctionBuilder<'_>,
    var: RefVar,
    slot: StackSlot,
) -> (MemFlagsData, Value) {
    let flags = Region::Home(var.index).trusted(b.func);
    (flags, b.ins().stack_addr(types::I64, slot, 0))
}
