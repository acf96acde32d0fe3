//! Cranelift and windrow, no WebAssembly: the whole road from CLIF to collected garbage.
//!
//! For a compiler author. The program below builds linked lists, drops most of them, and sums all
//! of them on the way:
//!
//! ```text
//! run(rounds, length):
//!     kept = null; total = 0
//!     repeat rounds times, with r:
//!         list = null
//!         repeat length times, with i:  list = Node { value: i, next: list }
//!         total += sum(list)            -- and the list is garbage
//!         kept = Node { value: r, next: kept }
//!     return total + sum(kept)
//! ```
//!
//! It is compiled once for each collector and memory, from the collector's data alone. Nodes are
//! allocated in line; when there is no room, the cold path calls the host, which collects, finding
//! `list` and `kept` in the program's own frame through its stack maps, and the program goes on
//! with references to where the nodes are now. Under zeal it does that at every allocation.
//!
//! `cargo run --example jit`
#![expect(unsafe_code, reason = "enters compiled code and is called by it")]
#![expect(clippy::print_stdout, reason = "an example prints what it did")]

use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, ArgumentPurpose, Function, InstBuilder, Signature, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, default_libcall_names};
use std::error::Error;
use std::sync::Arc;
use windrow::jit::{CodeAbi, Isolate};
use windrow::{
    CollectorKind, Config, FieldType, GrowthPolicy, HeapError, MemoryKind, Store, StructType,
    TypeId, TypeInfo, TypeRegistry, ValType, Zeal,
};
use windrow_cranelift::{
    Emitter, Extension, HostCalls, IsaOptions, Known, NewStruct, Place, RefFrame, RefVar, SlowPath,
    UnwindTables, check_stack, compile, entry_trampoline, exit_trampoline, native_isa,
};
use windrow_stack::{
    CodeHandle, CodeRange, CodeRegistry, CompiledFrames, EntryFn, EntryGate, Unwinder,
};

const ROUNDS: u32 = 50;
const LENGTH: u32 = 40;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    println!("collector  memory   zeal           sum  collections  frames walked");
    let growth = GrowthPolicy {
        min_free_bytes: 256 << 10,
        ..GrowthPolicy::default()
    };
    for collector in CollectorKind::ALL {
        for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
            // With zeal few rounds make thousands of collections; without, it takes many.
            for (zeal, rounds) in [(Zeal::OFF, 100 * ROUNDS), (Zeal::every(1), ROUNDS)] {
                let config = Config::new()
                    .collector(*collector)
                    .memory(memory)
                    .zeal(zeal);
                let config = config.heap_initial_bytes(256 << 10).growth(growth);
                let mut runtime = Runtime::new(&config)?;
                let sum = runtime.run(rounds, LENGTH)?;
                let expected = u64::from(rounds) * triangle(LENGTH) + triangle(rounds);
                assert_eq!(sum, expected, "{collector} {memory} {zeal:?}");

                let stats = runtime.store.stats();
                println!(
                    "{:9}  {:7}  {:4}  {sum:12}  {:11}  {:13}",
                    collector.to_string(),
                    memory.to_string(),
                    zeal.collect_every,
                    stats.collections(),
                    stats.frames
                );
                assert!(
                    stats.collections() > 0 || !config.chosen_collector().properties().collects
                );
            }
        }
    }
    Ok(())
}

/// 0 + 1 + ... + (n - 1).
fn triangle(n: u32) -> u64 {
    u64::from(n) * u64::from(n - 1) / 2
}

// ---- The runtime: an isolate, the code that runs in it, and the slow path. ----

/// What compiled code receives as its context and hands to its slow paths.
#[repr(C)]
struct VmContext {
    /// First, for the stack check of each function's prologue.
    state: *mut u8,
    isolate: *mut Isolate,
    error: Option<HeapError>,
}

struct Runtime {
    store: Store,
    gate: EntryGate,
    run: usize,
    entry: EntryFn,
    // Registered while the module's memory is mapped; fields are dropped in this order.
    _registered: Vec<CodeHandle>,
    _module: JITModule,
}

impl Runtime {
    fn new(config: &Config) -> Result<Self, Box<dyn Error>> {
        let node = node_type(config.types())?;
        // All that the compiler is told of collector and memory.
        let abi = config.code_abi();
        let mut store = Store::new(config)?;

        let isa = native_isa(&IsaOptions::default())?;
        let mut code = Code {
            registry: CodeRegistry::new(),
            module: JITModule::new(JITBuilder::with_isa(
                Arc::clone(&isa),
                default_libcall_names(),
            )),
            registered: Vec::new(),
            isa: Arc::clone(&isa),
        };
        // The slow path is called through a trampoline that notes where compiled code was left:
        // from there the collection walks up.
        let allocate = exit_trampoline(
            &*isa,
            &SlowPath::AllocateStruct.call_signature(),
            allocate_struct as *const () as usize,
        );
        let allocate = code.add(allocate)?;
        let program = program(&isa, abi, &node, allocate);
        let entry = code.add(entry_trampoline(&*isa, &program.signature))?;
        let run = code.add(program)?;

        // SAFETY: activations of this isolate are entered through the gate below; all code is in
        // the registry, with the records Cranelift made, and keeps frame pointers.
        let frames =
            unsafe { CompiledFrames::new(Arc::clone(&code.registry), Unwinder::FramePointers) };
        store.isolate_mut().add_root_source(Box::new(frames));
        let gate = EntryGate::new(code.registry, 1 << 20)?;
        // SAFETY: the code at `entry` was compiled from an entry trampoline.
        let entry = unsafe { std::mem::transmute::<usize, EntryFn>(entry) };
        Ok(Self {
            store,
            gate,
            run,
            entry,
            _registered: code.registered,
            _module: code.module,
        })
    }

    fn run(&mut self, rounds: u32, length: u32) -> Result<u64, Box<dyn Error>> {
        let isolate: *mut Isolate = self.store.isolate_mut();
        // SAFETY: `isolate` points to a live isolate.
        let state = unsafe { (*isolate).state_pointer() };
        let mut context = VmContext {
            state,
            isolate,
            error: None,
        };
        // One slot an argument; results come back in the same place.
        let mut slots = [u128::from(rounds), u128::from(length)];
        let context_address = (&raw mut context).expose_provenance();
        // SAFETY: `self` is borrowed exclusively; the code is `run`'s, compiled for this isolate's
        // ABI, and fits the entry trampoline; only `allocate_struct` uses the isolate meanwhile.
        let result = unsafe {
            self.gate.enter(
                isolate,
                self.entry,
                self.run,
                context_address,
                slots.as_mut_ptr().cast(),
            )
        };
        match (result, context.error) {
            (Ok(()), _) => Ok(u64::try_from(slots[0] & u128::from(u64::MAX))?),
            (Err(_), Some(error)) => Err(error.into()),
            (Err(trap), None) => Err(trap.into()),
        }
    }
}

/// The slow path: allocates after whatever it takes. 0 makes compiled code trap.
extern "C" fn allocate_struct(context: &mut VmContext, type_id: u32, bytes: u32) -> u32 {
    // SAFETY: `Runtime::run` made the context, and holds no reference to the isolate in use.
    let isolate = unsafe { &mut *context.isolate };
    match isolate.alloc_structs_uninit(TypeId::from_bits(type_id), bytes, &mut []) {
        Ok(object) => object.offset(),
        Err(error) => {
            context.error = Some(error);
            0
        }
    }
}

// ---- Code: compiled, placed in memory, made known to walker and fault handler. ----

struct Code {
    registry: Arc<CodeRegistry>,
    module: JITModule,
    registered: Vec<CodeHandle>,
    isa: OwnedTargetIsa,
}

impl Code {
    /// Compiles, places and registers a function; returns its address.
    fn add(&mut self, function: Function) -> Result<usize, Box<dyn Error>> {
        let id = self
            .module
            .declare_anonymous_function(&function.signature)?;
        let mut context = Context::for_function(function);
        let compiled = compile(&mut context, &*self.isa)?;
        assert!(
            compiled.relocations.is_empty(),
            "this code calls by address"
        );
        self.module
            .define_function_bytes(id, compiled.alignment.into(), &compiled.code, &[])?;
        self.module.finalize_definitions()?;
        let start = self.module.get_finalized_function(id).expose_provenance();
        let eh_frame = UnwindTables::new(&*self.isa).eh_frame([(start, &compiled)])?;
        self.registered.push(self.registry.register(CodeRange {
            start,
            len: compiled.code.len(),
            safepoints: compiled.safepoints,
            handlers: compiled.handlers,
            traps: compiled.traps,
            functions: Vec::new(),
            eh_frame: eh_frame.into(),
        })?);
        Ok(start)
    }
}

// ---- The compiler. ----

/// `Node = struct { value: i32, next: (ref null Node) }`: 16 bytes with its header.
fn node_type(types: &TypeRegistry) -> Result<Arc<TypeInfo>, Box<dyn Error>> {
    let fields = [ValType::I32, ValType::member(0)];
    let node = StructType::new(fields.map(FieldType::immutable));
    Ok(types.sub_type(types.register_group(&[node.into()])?[0]))
}

/// Emits the program at the top of this file.
fn program(isa: &OwnedTargetIsa, abi: CodeAbi, node: &TypeInfo, allocate: usize) -> Function {
    let mut signature = Signature::new(CallConv::Tail);
    signature
        .params
        .push(AbiParam::special(types::I64, ArgumentPurpose::VMContext));
    signature.params.extend([AbiParam::new(types::I32); 2]);
    signature.returns.push(AbiParam::new(types::I64));
    let mut function = Function::with_name_signature(UserFuncName::default(), signature);
    check_stack(&mut function, 0);

    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut function, &mut context);
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.seal_block(block);
    let &[context, rounds, length] = b.block_params(block) else {
        unreachable!("three parameters")
    };

    let total = b.declare_var(types::I64);
    let mut c = Compiler {
        b,
        emitter: Emitter::new(abi),
        frame: RefFrame::new(&abi),
        // The other slow paths are for arrays and for collectors with write barriers.
        calls: HostCalls::new(context, |path| {
            (path == SlowPath::AllocateStruct).then_some(allocate)
        }),
        node,
        value: Place::field(node.field_offset(0), types::I32),
        next: Place::reference(node.field_offset(1)),
    };
    // References that live across a safepoint are declared; each gets a home in the frame.
    let (list, kept) = (c.frame.declare(&mut c.b), c.frame.declare(&mut c.b));
    let zero = c.b.ins().iconst(types::I64, 0);
    c.b.def_var(total, zero);
    c.frame.kill(&mut c.b, kept);
    c.repeat(rounds, |c, round| {
        c.frame.kill(&mut c.b, list);
        c.repeat(length, |c, i| c.push(list, i, &[list, kept]));
        c.add_sum(total, list);
        // The list is not named live here: from now on it is garbage.
        c.push(kept, round, &[kept]);
    });
    c.add_sum(total, kept);
    let result = c.b.use_var(total);
    c.b.ins().return_(&[result]);
    c.b.finalize(isa.frontend_config());
    function
}

struct Compiler<'a> {
    b: FunctionBuilder<'a>,
    emitter: Emitter,
    frame: RefFrame,
    calls: HostCalls,
    node: &'a TypeInfo,
    value: Place,
    next: Place,
}

impl Compiler<'_> {
    /// `list = Node { value, next: list }`, a safepoint that `live` survive.
    fn push(&mut self, list: RefVar, value: Value, live: &[RefVar]) {
        let Self {
            b,
            emitter,
            frame,
            calls,
            node,
            ..
        } = self;
        let node = NewStruct::from(*node);
        let new = emitter.struct_new(b, frame, live, calls, node);
        // Read after the allocation, which may have moved what it refers to.
        let next = frame.value(b, list);
        // Stores to a fresh object are not checked and owe no barrier.
        emitter.store(b, new, Known::Fresh, self.value, value);
        emitter.store_ref(b, calls, new, Known::Fresh, self.next, next);
        frame.set(b, list, new);
    }

    /// `total += ` the values of `list`.
    fn add_sum(&mut self, total: Variable, list: RefVar) {
        // No safepoint in this loop, so its reference is an ordinary variable.
        let at = self.b.declare_var(types::I32);
        let first = self.frame.value(&mut self.b, list);
        self.b.def_var(at, first);
        self.loop_while(
            |c| c.b.use_var(at),
            |c| {
                let value = c.load(at, c.value);
                let value = c.b.ins().uextend(types::I64, value);
                let sum = c.b.use_var(total);
                let sum = c.b.ins().iadd(sum, value);
                c.b.def_var(total, sum);
                let next = c.load(at, c.next);
                c.b.def_var(at, next);
            },
        );
    }

    /// A field of the node in `node`, which is not null.
    fn load(&mut self, node: Variable, field: Place) -> Value {
        let node = self.b.use_var(node);
        self.emitter
            .load(&mut self.b, node, Known::NonNull, field, Extension::None)
    }

    /// Runs `body` with 0, 1, ... `times - 1`.
    fn repeat(&mut self, times: Value, body: impl FnOnce(&mut Self, Value)) {
        let count = self.b.declare_var(types::I32);
        let zero = self.b.ins().iconst(types::I32, 0);
        self.b.def_var(count, zero);
        self.loop_while(
            |c| {
                let count = c.b.use_var(count);
                c.b.ins().icmp(IntCC::UnsignedLessThan, count, times)
            },
            |c| {
                let now = c.b.use_var(count);
                body(c, now);
                let next = c.b.ins().iadd_imm_u(now, 1);
                c.b.def_var(count, next);
            },
        );
    }

    fn loop_while(
        &mut self,
        condition: impl FnOnce(&mut Self) -> Value,
        body: impl FnOnce(&mut Self),
    ) {
        let [head, inside, done] = [(); 3].map(|()| self.b.create_block());
        self.b.ins().jump(head, &[]);
        self.b.switch_to_block(head);
        let goes_on = condition(self);
        self.b.ins().brif(goes_on, inside, &[], done, &[]);
        self.b.switch_to_block(inside);
        self.b.seal_block(inside);
        body(self);
        self.b.ins().jump(head, &[]);
        self.b.seal_block(head);
        self.b.switch_to_block(done);
        self.b.seal_block(done);
    }
}
