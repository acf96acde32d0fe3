//! From CLIF to registered code.

use cranelift_codegen::ir::{
    self, AbiParam, ArgumentPurpose, FuncRef, GlobalValueData, Inst, InstBuilder, MemFlagsData,
    Signature, StackSlot, StackSlotData, StackSlotKind, UserStackMapEntry, Value, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_codegen::isa::{self, unwind::systemv::UnwindInfo};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module};
use gimli::RunTimeEndian;
use gimli::write::{Address, EhFrame, EndianVec, FrameTable};
use std::ops::Range;
use std::sync::Arc;
use windrow_core::MutatorState;
use windrow_stack::{
    CodeHandle, CodeRange, CodeRegistry, FunctionRange, Location, Safepoint, TrapCode, TrapSite,
};

/// A trap whose reason the host knows.
pub(crate) const TRAP_HOST: u8 = 1;
/// A trap that a function asks for.
pub(crate) const TRAP_ASKED: u8 = 2;
/// A load through null.
pub(crate) const TRAP_NULL: u8 = 3;

/// Functions being compiled.
pub(crate) struct Compiler {
    module: JITModule,
    context: FunctionBuilderContext,
    pending: Vec<(FuncId, CodeRange, UnwindInfo)>,
}

/// Compiled and registered functions.
pub(crate) struct Code {
    pub(crate) registry: Arc<CodeRegistry>,
    handles: Vec<(FuncId, Option<CodeHandle>)>,
    /// What was said of each function, as registered.
    ranges: Vec<CodeRange>,
    module: Option<JITModule>,
}

// Nothing but addresses of immutable code is read from a finished module.
// SAFETY: `Code` offers no way to the module but its drop, which happens on one thread.
unsafe impl Sync for Code {}

/// A function while it is built.
pub(crate) struct Emit<'a, 'b> {
    pub(crate) b: &'a mut FunctionBuilder<'b>,
    pub(crate) params: Vec<Value>,
    module: &'a mut JITModule,
}

/// `(vmctx, i32 x params) -> i32`, in the convention of guest functions.
pub(crate) fn guest_signature(params: usize) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature
        .params
        .push(AbiParam::special(types::I64, ArgumentPurpose::VMContext));
    signature
        .params
        .extend(vec![AbiParam::new(types::I32); params]);
    signature.returns.push(AbiParam::new(types::I32));
    signature
}

fn c_signature(params: &[ir::Type], returns: &[ir::Type]) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature
        .params
        .extend(params.iter().map(|&ty| AbiParam::new(ty)));
    signature
        .returns
        .extend(returns.iter().map(|&ty| AbiParam::new(ty)));
    signature
}

impl Compiler {
    pub(crate) fn new(optimise: bool) -> Self {
        let mut flags = settings::builder();
        for (name, value) in [
            ("enable_pinned_reg", "true"),
            ("preserve_frame_pointers", "true"),
            ("is_pic", "false"),
            ("opt_level", if optimise { "speed" } else { "none" }),
        ] {
            flags.set(name, value).unwrap();
        }
        let isa = cranelift_native::builder()
            .unwrap()
            .finish(settings::Flags::new(flags))
            .unwrap();
        let module = JITModule::new(JITBuilder::with_isa(
            isa,
            cranelift_module::default_libcall_names(),
        ));
        Self {
            module,
            context: FunctionBuilderContext::new(),
            pending: Vec::new(),
        }
    }

    pub(crate) fn declare(&mut self, signature: &Signature) -> FuncId {
        self.module.declare_anonymous_function(signature).unwrap()
    }

    /// Defines a guest function of this many parameters, shown in backtraces as `name`.
    pub(crate) fn guest(
        &mut self,
        params: usize,
        name: u64,
        emit: impl FnOnce(&mut Emit<'_, '_>),
    ) -> FuncId {
        let id = self.declare(&guest_signature(params));
        self.define_guest(id, params, name, emit);
        id
    }

    pub(crate) fn define_guest(
        &mut self,
        id: FuncId,
        params: usize,
        name: u64,
        emit: impl FnOnce(&mut Emit<'_, '_>),
    ) {
        self.define(id, guest_signature(params), Some(name), emit);
    }

    /// Defines a function, shown in backtraces as `name`; without a name it is a trampoline.
    pub(crate) fn define(
        &mut self,
        id: FuncId,
        signature: Signature,
        name: Option<u64>,
        emit: impl FnOnce(&mut Emit<'_, '_>),
    ) {
        let mut context = self.module.make_context();
        context.func.signature = signature;
        if name.is_some() {
            set_stack_limit(&mut context.func);
        }
        let mut b = FunctionBuilder::new(&mut context.func, &mut self.context);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let params = b.block_params(entry).to_vec();
        emit(&mut Emit {
            b: &mut b,
            params,
            module: &mut self.module,
        });
        b.seal_all_blocks();
        b.finalize(self.module.target_config());
        self.module.define_function(id, &mut context).unwrap();
        let code = context.compiled_code().unwrap();
        let unwind_info = code.create_unwind_info(self.module.isa()).unwrap();
        let Some(isa::unwind::UnwindInfo::SystemV(unwind_info)) = unwind_info else {
            panic!("no unwind information");
        };
        self.pending.push((id, records(code, name), unwind_info));
    }

    /// A trampoline with which a guest calls the host function at `address`, which takes the
    /// context and two integers, and returns `u64::MAX` for a trap.
    pub(crate) fn exit(&mut self, address: usize) -> FuncId {
        let id = self.declare(&guest_signature(2));
        self.define(id, guest_signature(2), None, |e| {
            let flags = MemFlagsData::trusted();
            let fp = e.b.ins().get_frame_pointer(types::I64);
            let caller_fp = e.b.ins().load(types::I64, flags, fp, 0);
            let caller_pc = e.b.ins().get_return_address(types::I64);
            let state = e.b.ins().get_pinned_reg(types::I64);
            e.b.ins()
                .store(flags, caller_fp, state, MutatorState::EXIT_FP);
            e.b.ins()
                .store(flags, caller_pc, state, MutatorState::EXIT_PC);
            let signature = c_signature(&[types::I64, types::I32, types::I32], &[types::I64]);
            let signature = e.b.import_signature(signature);
            let target =
                e.b.ins()
                    .iconst(types::I64, i64::try_from(address).unwrap());
            let params = e.params.clone();
            let call = e.b.ins().call_indirect(signature, target, &params);
            let result = e.b.inst_results(call)[0];
            let succeeded =
                e.b.ins()
                    .icmp_imm_s(ir::condcodes::IntCC::NotEqual, result, -1);
            e.b.ins()
                .trapz(succeeded, ir::TrapCode::unwrap_user(TRAP_HOST));
            let result = e.b.ins().ireduce(types::I32, result);
            e.b.ins().return_(&[result]);
        });
        id
    }

    /// The trampoline of entries: `(code, vmctx, args)` for guests of two parameters.
    pub(crate) fn array_entry(&mut self) -> FuncId {
        let signature = c_signature(&[types::I64; 3], &[]);
        let id = self.declare(&signature);
        self.define(id, signature, None, |e| {
            let flags = MemFlagsData::trusted();
            let [code, vmctx, args] = e.params[..] else {
                unreachable!("three parameters")
            };
            let a = e.b.ins().load(types::I32, flags, args, 0);
            let b = e.b.ins().load(types::I32, flags, args, 8);
            let signature = e.b.import_signature(guest_signature(2));
            let call = e.b.ins().call_indirect(signature, code, &[vmctx, a, b]);
            let result = e.b.inst_results(call)[0];
            e.b.ins().store(flags, result, args, 0);
            e.b.ins().return_(&[]);
        });
        id
    }

    pub(crate) fn finish(mut self, registry: Arc<CodeRegistry>) -> Code {
        self.module.finalize_definitions().unwrap();
        let module = self.module;
        let mut ranges = Vec::new();
        let register = |(id, mut range, unwind_info): (FuncId, CodeRange, UnwindInfo)| {
            range.start = module.get_finalized_function(id).addr();
            range.eh_frame = eh_frame(&module, range.start, &unwind_info).into();
            ranges.push(range.clone());
            (id, Some(registry.register(range).unwrap()))
        };
        let handles = self.pending.into_iter().map(register).collect();
        Code {
            registry,
            handles,
            ranges,
            module: Some(module),
        }
    }
}

/// Compares the stack pointer with the state's limit, found through the context's first word.
fn set_stack_limit(func: &mut ir::Function) {
    let vmctx = func.create_global_value(GlobalValueData::VMContext);
    let flags = func.dfg.mem_flags.insert(MemFlagsData::trusted()).unwrap();
    let state = func.create_global_value(GlobalValueData::Load {
        base: vmctx,
        offset: 0.into(),
        global_type: types::I64,
        flags,
    });
    let limit = func.create_global_value(GlobalValueData::Load {
        base: state,
        offset: MutatorState::STACK_LIMIT.into(),
        global_type: types::I64,
        flags,
    });
    func.stack_limit = Some(limit);
}

/// The unwind table of one function, with absolute addresses.
fn eh_frame(module: &JITModule, start: usize, unwind_info: &UnwindInfo) -> Vec<u8> {
    let mut table = FrameTable::default();
    let cie = table.add_cie(module.isa().create_systemv_cie().unwrap());
    table.add_fde(cie, unwind_info.to_fde(Address::Constant(start as u64)));
    let mut section = EhFrame::from(EndianVec::new(RunTimeEndian::default()));
    table.write_eh_frame(&mut section).unwrap();
    let mut bytes = section.0.into_vec();
    bytes.extend([0; 4]);
    bytes
}

/// Cranelift's records as the registry takes them.
fn records(code: &cranelift_codegen::CompiledCode, name: Option<u64>) -> CodeRange {
    let len = code.code_buffer().len();
    let safepoints = code
        .buffer
        .user_stack_maps()
        .iter()
        .map(|(return_offset, span, map)| {
            let slot = |(_, offset)| Location::slot(i32::try_from(offset).unwrap());
            Safepoint {
                return_offset: *return_offset,
                frame_bytes: Some(*span),
                locations: map.entries().map(slot).collect(),
            }
        });
    let traps = code.buffer.traps().iter().map(|trap| TrapSite {
        offset: trap.offset,
        code: TrapCode(trap.code.as_raw()),
    });
    let function = name.map(|id| FunctionRange {
        start: 0,
        len: u32::try_from(len).unwrap(),
        id,
    });
    CodeRange {
        start: 0,
        len,
        safepoints: safepoints.collect(),
        handlers: Vec::new(),
        traps: traps.collect(),
        functions: function.into_iter().collect(),
        eh_frame: Arc::default(),
    }
}

impl Code {
    pub(crate) fn address(&self, id: FuncId) -> usize {
        self.handles
            .iter()
            .find(|(other, _)| *other == id)
            .unwrap()
            .1
            .as_ref()
            .unwrap()
            .start()
    }

    /// Bounds of a function's code.
    pub(crate) fn bounds(&self, id: FuncId) -> Range<usize> {
        let handle = self
            .handles
            .iter()
            .find(|(other, _)| *other == id)
            .unwrap()
            .1
            .as_ref()
            .unwrap();
        handle.start()..handle.start() + handle.len_bytes()
    }

    /// The unwind table of each function, with the function's bounds.
    pub(crate) fn unwind_tables(&self) -> impl Iterator<Item = (Range<usize>, &Arc<[u8]>)> {
        let ranges = self.ranges.iter();
        ranges.map(|range| (range.start..range.start + range.len, &range.eh_frame))
    }

    /// Registers a function anew, with something else said of it.
    pub(crate) fn say(&mut self, id: FuncId, change: impl FnOnce(&mut CodeRange)) {
        let index = self.handles.iter().position(|(other, _)| *other == id);
        let range = &mut self.ranges[index.unwrap()];
        change(range);
        let range = range.clone();
        drop(self.take_handle(id));
        self.handles[index.unwrap()].1 = Some(self.registry.register(range).unwrap());
    }

    /// Takes the handle of a function: its code stays, unknown once the handle is dropped.
    pub(crate) fn take_handle(&mut self, id: FuncId) -> CodeHandle {
        self.handles
            .iter_mut()
            .find(|(other, _)| *other == id)
            .unwrap()
            .1
            .take()
            .unwrap()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.handles.clear();
        // SAFETY: tests end their calls before they drop the code.
        unsafe { self.module.take().unwrap().free_memory() };
    }
}

impl Emit<'_, '_> {
    pub(crate) fn function(&mut self, id: FuncId) -> FuncRef {
        self.module.declare_func_in_func(id, self.b.func)
    }

    /// A stack slot for one reference.
    pub(crate) fn home(&mut self) -> StackSlot {
        self.b
            .create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 4, 2))
    }

    /// Stores these references in their homes, calls, and loads them again.
    pub(crate) fn call_with_roots(
        &mut self,
        callee: FuncRef,
        args: &[Value],
        roots: &[(StackSlot, Value)],
    ) -> (Value, Vec<Value>) {
        for &(slot, value) in roots {
            let address = self.b.ins().stack_addr(types::I64, slot, 0);
            self.b
                .ins()
                .store(MemFlagsData::trusted(), value, address, 0);
        }
        let call: Inst = self.b.ins().call(callee, args);
        for &(slot, _) in roots {
            let entry = UserStackMapEntry {
                ty: types::I32,
                slot,
                offset: 0,
            };
            self.b.func.dfg.append_user_stack_map_entry(call, entry);
        }
        let result = self.b.inst_results(call)[0];
        let reload = |&(slot, _): &(StackSlot, Value)| {
            let address = self.b.ins().stack_addr(types::I64, slot, 0);
            self.b
                .ins()
                .load(types::I32, MemFlagsData::trusted(), address, 0)
        };
        (result, roots.iter().map(reload).collect())
    }
}
