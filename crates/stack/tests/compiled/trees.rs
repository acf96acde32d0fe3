//! Random call trees of random functions: every way to walk them sees the same frames.
//!
//! A few hundred functions are compiled, of different frame sizes, calling conventions, numbers of live
//! values and references. A tree is a list of steps that they take one after another: call a function,
//! call the host, return. Where the host is called, it walks the stack by frame pointers, by unwind
//! tables, by unwind tables from where it stands itself, and with the system's unwinder.

mod functions;

use crate::guest::{Guest, World};
use cranelift_module::FuncId;
use functions::{FUNCTIONS, Place, define, shapes};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use windrow_stack::{Registers, SuspendedStack, SystemFrames, Unwinder, Walker};

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
