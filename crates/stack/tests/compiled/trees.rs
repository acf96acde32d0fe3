//! Random call trees of random functions: every way to walk them sees the same frames.
//!
//! A few hundred functions are compiled, of different frame sizes, calling conventions, numbers of live
//! values and references. A tree is a list of steps that they take one after another: call a function,
//! call the host, return. Where the host is called, it walks the stack by frame pointers, by unwind
//! tables, by unwind tables from where it stands itself, and with the system's unwinder.

use crate::build::{Compiler, Emit, guest_signature};
use crate::guest::{Guest, World};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, Inst, InstBuilder, MemFlagsData, Signature, StackSlot, StackSlotData,
    StackSlotKind, UserStackMapEntry, Value, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_module::FuncId;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use windrow_stack::{Registers, SuspendedStack, SystemFrames, Unwinder, Walker};

/// How a function is made.
#[derive(Clone, Copy, Debug)]
struct Shape {
    conv: CallConv,
    /// Bytes of a stack slot of its own.
    frame_bytes: u32,
    /// Values alive over its calls: more than there are registers, some of them.
    values: u32,
    /// References alive over its calls.
    references: u32,
}

/// The shapes, in the order of the functions.
fn shapes() -> impl Iterator<Item = Shape> {
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
const FUNCTIONS: usize = 4 * 4 * 3;

/// What a function does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Return,
    /// Calls the host, which walks the stack.
    Check,
    /// Calls the host, which calls the function of that convention and number.
    Nest(usize),
    Call(usize),
}

impl Step {
    fn encode(self) -> u32 {
        let code = match self {
            Self::Return => 0,
            Self::Check => 1,
            Self::Nest(function) => 2 + 2 * function,
            Self::Call(function) => 3 + 2 * function,
        };
        u32::try_from(code).unwrap()
    }
}

/// A tree of calls.
#[derive(Clone, Debug)]
enum Tree {
    Check,
    Call {
        function: usize,
        through_host: bool,
        children: Vec<Tree>,
    },
}

impl Tree {
    fn flatten(&self, steps: &mut Vec<Step>) {
        match self {
            Self::Check => steps.push(Step::Check),
            Self::Call {
                function,
                through_host,
                children,
            } => {
                steps.push(match through_host {
                    true => Step::Nest(function % FUNCTIONS),
                    false => Step::Call(*function),
                });
                children.iter().for_each(|child| child.flatten(steps));
                steps.push(Step::Return);
            }
        }
    }

    /// What the call returns, and how many checks there are in it.
    fn result(&self, argument: u32) -> (u32, u32) {
        let Self::Call {
            function,
            through_host,
            children,
        } = self
        else {
            return (0, 1);
        };
        let function = match through_host {
            true => function % FUNCTIONS,
            false => *function,
        };
        let shape = shapes().nth(function).unwrap();
        let values = (1..=shape.values).map(|factor| argument.wrapping_mul(factor));
        let mut sum = values.fold(0, u32::wrapping_add);
        let mut checks = 0;
        for child in children {
            let (result, more) = child.result(argument.wrapping_add(8));
            (sum, checks) = (sum.wrapping_add(result), checks + more);
        }
        for index in 0..shape.references {
            sum = sum.wrapping_add(argument + 8 * index + checks * DELTA);
        }
        (sum, checks)
    }
}

/// By how much references move at a check.
const DELTA: u32 = 0x100;

/// Compiled functions and the plan they follow.
struct Forest {
    /// Forgotten by the system before the code goes.
    _known: Vec<SystemFrames>,
    world: World,
    functions: Vec<FuncId>,
    /// Address of the next step.
    cursor: &'static AtomicUsize,
}

impl Forest {
    fn new(optimise: bool) -> Self {
        let cursor: &AtomicUsize = Box::leak(Box::default());
        let addresses: &[AtomicUsize] =
            Vec::leak((0..2 * FUNCTIONS).map(|_| AtomicUsize::new(0)).collect());
        let place = Place {
            cursor: cursor.as_ptr().expose_provenance(),
            addresses: addresses.as_ptr().expose_provenance(),
        };
        let (world, functions) = World::with_more(optimise, |compiler, exit| {
            shapes()
                .map(|shape| define(compiler, shape, exit, &place))
                .collect::<Vec<_>>()
        });
        for (function, address) in functions.iter().zip(addresses) {
            address.store(world.code.address(*function), Ordering::Relaxed);
        }
        let tables = world.code.unwind_tables();
        let known = tables
            .map(|(_, table)| {
                // SAFETY: Cranelift's table of code that is the world's alone and outlives this.
                unsafe { SystemFrames::register(Arc::clone(table)) }
            })
            .collect();
        Self {
            world,
            functions,
            cursor,
            _known: known,
        }
    }

    /// Grows a tree, and counts how many frames were compared.
    fn grow(&self, tree: &Tree) -> usize {
        let mut steps = Vec::new();
        tree.flatten(&mut steps);
        let mut steps = steps.into_iter().map(Step::encode).collect::<Vec<_>>();
        let first = steps.remove(0);
        self.cursor
            .store(steps.as_ptr().expose_provenance(), Ordering::Relaxed);
        let frames = std::cell::Cell::new(0);
        let hook = |guest: &Guest<'_>, argument: u32, step: u32| {
            if step == Step::Check.encode() {
                frames.set(frames.get() + self.compare(guest));
                guest.collect(DELTA).unwrap();
                return Some(0);
            }
            let function = self.functions[(step as usize - 2) / 2];
            Some(guest.call(function, argument, 0).unwrap())
        };
        let guest = Guest::with_stack(&self.world, 64 << 20, &hook);
        let function = self.functions[(first as usize - 2) / 2];
        let expected = tree.result(0x1000).0;
        assert_eq!(guest.call(function, 0x1000, 0), Ok(expected));
        frames.get()
    }

    /// Walks the stack in every way. How many frames there are.
    fn compare(&self, guest: &Guest<'_>) -> usize {
        let code = guest.registry().read();
        let activations: Vec<_> = guest.isolate().activations().iter().collect();
        let outermost = activations.last().unwrap().entry_fp;
        let here = Registers::capture();
        // SAFETY: all of this lies in this thread's stack, above this function's frame.
        let stack = unsafe { SuspendedStack::new(here.sp()..outermost + 16) };
        let walk = |unwinder| {
            let mut walker = Walker::new(unwinder);
            let mut all = Vec::new();
            for activation in &activations {
                let mut frames = walker.activation(&stack, &code, *activation);
                while let Some(frame) = frames.next() {
                    let frame = frame.unwrap();
                    let slots: Vec<_> = frame
                        .locations
                        .iter()
                        .map(|location| location.address(frames.registers()).unwrap())
                        .collect();
                    all.push((frame.pc.address(), frame.fp, frame.sp, frame.cfa, slots));
                }
            }
            all
        };
        let frames = walk(Unwinder::FramePointers);
        assert_eq!(frames, walk(Unwinder::Dwarf));
        let exit = self.world.code.bounds(self.world.shapes.exit);
        let is_shown = |pc: &usize| code.call_site(*pc).is_some() && !exit.contains(&(pc - 1));
        let pcs: Vec<_> = frames.iter().map(|frame| frame.0).collect();
        let mut walker = Walker::new(Unwinder::Dwarf);
        let from_here: Vec<_> = walker
            .stretch(&stack, &code, here, outermost)
            .map(|frame| frame.unwrap().pc.address())
            .filter(is_shown)
            .collect();
        assert_eq!(pcs, from_here);
        let mut of_system = Vec::new();
        backtrace::trace(|frame| {
            of_system.push(frame.ip().addr());
            true
        });
        of_system.retain(is_shown);
        assert_eq!(pcs, of_system);
        pcs.len()
    }
}

/// Where the plan is, for the code.
struct Place {
    cursor: usize,
    addresses: usize,
}

/// A function that holds what its shape says and follows the plan until it says to return.
fn define(compiler: &mut Compiler, shape: Shape, exit: FuncId, place: &Place) -> FuncId {
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

/// Trees of a few dozen calls.
fn trees() -> impl Strategy<Value = Tree> {
    let check = Just(Tree::Check);
    let tree = check.prop_recursive(12, 60, 4, |child| {
        let children = prop::collection::vec(child, 1..4);
        (0..2 * FUNCTIONS, prop::bool::weighted(0.2), children).prop_map(
            |(function, through_host, children)| Tree::Call {
                function,
                through_host,
                children,
            },
        )
    });
    (0..FUNCTIONS, prop::collection::vec(tree, 1..4)).prop_map(|(function, children)| Tree::Call {
        function,
        through_host: true,
        children,
    })
}

/// Trees of each forest, unless `WINDROW_PROPTEST_CASES` says otherwise.
const CASES: u32 = 1000;

#[test]
fn every_walk_sees_the_same_frames() {
    let cases = std::env::var("WINDROW_PROPTEST_CASES").ok();
    let cases = cases.map_or(CASES, |cases| cases.parse().unwrap());
    for optimise in [false, true] {
        let forest = Forest::new(optimise);
        let frames = std::cell::Cell::new(0);
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let mut runner = TestRunner::new(config);
        runner
            .run(&trees(), |tree| {
                frames.set(frames.get() + forest.grow(&tree));
                Ok(())
            })
            .unwrap();
        println!("{cases} trees, {} frames compared", frames.get());
    }
}
