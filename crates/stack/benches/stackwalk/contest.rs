//! The stacks, the unwinders, and the rounds.

use crate::build::{Compiler, guest_signature};
use crate::guest::{Guest, World};
use cranelift_codegen::ir::InstBuilder;
use cranelift_module::FuncId;
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder as _};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use windrow_core::{Activation, GcRef, RootKind, RootVisitor};
use windrow_stack::{CodeReader, StackMemory, SuspendedStack, SystemFrames, Unwinder, Walker};

/// Frames of the stacks.
const DEPTHS: [u32; 3] = [10, 1000, 50_000];
/// Functions in the rings.
const RINGS: [usize; 2] = [1, 256];
/// Stack that the deepest takes, and more.
const STACK_BYTES: usize = 256 << 20;
/// Rounds, unless chosen otherwise.
const DEFAULT_ROUNDS: usize = 51;
/// The shortest time a contender's turn takes, so that the clock does not matter.
const MIN_TURN: Duration = Duration::from_micros(50);

/// Who walks.
const CONTENDERS: [&str; 8] = [
    "fp",
    "fp cold",
    "fp roots",
    "dwarf",
    "dwarf cold",
    "dwarf roots",
    "framehop",
    "system",
];

pub(crate) fn run() {
    let mut rounds = DEFAULT_ROUNDS;
    let mut only = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rounds" => rounds = words.next().unwrap_or_default().parse().unwrap(),
            "--only" => only = words.next(),
            _ => {}
        }
    }
    let race = std::thread::Builder::new()
        .stack_size(2 * STACK_BYTES)
        .spawn(move || {
            RINGS
                .iter()
                .for_each(|ring| race(*ring, rounds, only.as_deref()))
        });
    race.unwrap().join().unwrap();
}

/// Prints one table.
fn race(functions: usize, rounds: usize, only: Option<&str>) {
    println!("\n{functions} functions, ns a frame");
    print!("{:>7}", "frames");
    CONTENDERS.iter().for_each(|name| print!("{name:>13}"));
    println!();
    let (world, first) = World::with_more(true, |compiler, exit| ring(compiler, exit, functions));
    let tables = world.code.unwind_tables();
    // SAFETY: Cranelift's tables of code that is the world's alone and outlives them.
    let _known: Vec<_> = tables
        .map(|(_, table)| unsafe { SystemFrames::register(Arc::clone(table)) })
        .collect();
    let hop = framehop_of(&world);
    for depth in DEPTHS {
        let hook = |guest: &Guest<'_>, _, _| {
            let medians = measure(guest, &hop, rounds, only);
            print!("{depth:>7}");
            medians.iter().for_each(|ns| print!("{ns:>13.1}"));
            println!();
            Some(0)
        };
        let guest = Guest::with_stack(&world, STACK_BYTES, &hook);
        guest.call(first, depth - 1, 0x1000).unwrap();
    }
}

/// Functions of `(n, x)`, of which each calls the next with `(n - 1, x + 8)`, or the host at zero.
fn ring(compiler: &mut Compiler, exit: FuncId, functions: usize) -> FuncId {
    let ids: Vec<_> = (0..functions)
        .map(|_| compiler.declare(&guest_signature(2)))
        .collect();
    for (index, id) in ids.iter().enumerate() {
        let next = ids[(index + 1) % functions];
        compiler.define_guest(*id, 2, 1, |e| {
            let (home, next, exit) = (e.home(), e.function(next), e.function(exit));
            let [vmctx, n, x] = e.params[..] else {
                unreachable!()
            };
            let (more, done) = (e.b.create_block(), e.b.create_block());
            e.b.ins().brif(n, more, &[], done, &[]);
            for (block, callee) in [(more, next), (done, exit)] {
                e.b.switch_to_block(block);
                let (less, further) = (e.b.ins().iadd_imm_s(n, -1), e.b.ins().iadd_imm_s(x, 8));
                let (result, moved) =
                    e.call_with_roots(callee, &[vmctx, less, further], &[(home, x)]);
                let sum = e.b.ins().iadd(moved[0], result);
                e.b.ins().return_(&[sum]);
            }
        });
    }
    ids[0]
}

/// Framehop, told of the same unwind tables.
fn framehop_of(world: &World) -> UnwinderX86_64<Vec<u8>> {
    let mut unwinder = UnwinderX86_64::new();
    for (code, eh_frame) in world.code.unwind_tables() {
        let (start, end) = (code.start as u64, code.end as u64);
        let module = Module::new(
            format!("{start:x}"),
            start..end,
            start,
            ExplicitModuleSectionInfo {
                base_svma: start,
                text_svma: Some(start..end),
                // The addresses in it are absolute, so its own does not matter.
                eh_frame_svma: Some(0..eh_frame.len() as u64),
                eh_frame: Some(eh_frame.to_vec()),
                ..ExplicitModuleSectionInfo::default()
            },
        );
        unwinder.add_module(module);
    }
    unwinder
}

/// Sees roots and leaves them alone.
struct Watcher(u64);

impl RootVisitor for Watcher {
    fn visit(&mut self, _: RootKind, slot: &mut GcRef) {
        self.0 = self.0.wrapping_add(slot.bits().into());
    }
}

/// The median time of each contender in ns a frame.
fn measure(
    guest: &Guest<'_>,
    hop: &UnwinderX86_64<Vec<u8>>,
    rounds: usize,
    only: Option<&str>,
) -> [f64; CONTENDERS.len()] {
    let code = guest.registry().read();
    let activation = guest.isolate().activations().iter().next().unwrap();
    let here = 0_u8;
    // SAFETY: from this frame to the entry's all frames wait for this function.
    let stack = unsafe { SuspendedStack::new((&raw const here).addr()..activation.entry_fp + 16) };
    let mut frame_pointers = Walker::new(Unwinder::FramePointers);
    let mut tables = Walker::new(Unwinder::Dwarf);
    let mut cache = CacheX86_64::new();
    let roots = |walker: &mut Walker| {
        let mut watcher = Watcher(0);
        let frames = walker.activation(&stack, &code, activation);
        let walked = frames.visit_roots(0, &mut watcher).unwrap();
        black_box(watcher.0);
        walked
    };
    let frames = count(&mut frame_pointers, &stack, &code, activation);
    let mut times = [const { Vec::new() }; CONTENDERS.len()];
    for _ in 0..rounds {
        for (contender, times) in times.iter_mut().enumerate() {
            if only.is_some_and(|only| only != CONTENDERS[contender]) {
                continue;
            }
            let mut turn = || match contender {
                0 => count(&mut frame_pointers, &stack, &code, activation),
                1 => count(
                    &mut Walker::new(Unwinder::FramePointers),
                    &stack,
                    &code,
                    activation,
                ),
                2 => roots(&mut frame_pointers),
                3 => count(&mut tables, &stack, &code, activation),
                4 => count(&mut Walker::new(Unwinder::Dwarf), &stack, &code, activation),
                5 => roots(&mut tables),
                6 => count_by_framehop(hop, &mut cache, &stack, &code, activation),
                _ => count_by_system(),
            };
            let (mut turns, start) = (0, Instant::now());
            let mut walked;
            loop {
                walked = turn();
                turns += 1;
                if start.elapsed() >= MIN_TURN {
                    break;
                }
            }
            assert!(walked >= frames, "{} saw {walked}", CONTENDERS[contender]);
            let ns = start.elapsed().as_secs_f64() * 1e9;
            times.push(ns / f64::from(turns) / walked as f64);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    })
}

fn count(
    walker: &mut Walker,
    stack: &SuspendedStack,
    code: &CodeReader<'_>,
    activation: Activation,
) -> u64 {
    let mut frames = walker.activation(stack, code, activation);
    while let Some(frame) = frames.next_frame().unwrap() {
        black_box(frame.pc);
    }
    frames.walked()
}

fn count_by_framehop(
    unwinder: &UnwinderX86_64<Vec<u8>>,
    cache: &mut CacheX86_64,
    stack: &SuspendedStack,
    code: &CodeReader<'_>,
    activation: Activation,
) -> u64 {
    let Activation {
        entry_fp,
        exit_fp,
        exit_pc,
    } = activation;
    let below = code.call_site(exit_pc).and_then(|site| site.frame_bytes);
    let sp = exit_fp - below.unwrap_or(0) as usize;
    let mut registers = UnwindRegsX86_64::new(exit_pc as u64, sp as u64, exit_fp as u64);
    let mut read = |address: u64| {
        let word = usize::try_from(address).ok().and_then(|at| stack.word(at));
        word.map(|word| word as u64).ok_or(())
    };
    let mut pc = FrameAddress::from_return_address(exit_pc as u64).unwrap();
    let mut frames = 0;
    while registers.bp() != entry_fp as u64 {
        let caller = unwinder.unwind_frame(pc, &mut registers, cache, &mut read);
        let caller = caller.unwrap().unwrap();
        pc = FrameAddress::from_return_address(caller).unwrap();
        black_box(pc);
        frames += 1;
    }
    frames
}

fn count_by_system() -> u64 {
    let mut frames = 0;
    backtrace::trace(|frame| {
        black_box(frame.ip());
        frames += 1;
        true
    });
    frames
}
