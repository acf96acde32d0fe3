//! Walkers that know code which is no longer what it was.

use super::*;
use crate::code::{CodeRange, Safepoint};
use crate::made_up::Words;
use crate::registry::{CodeHandle, CodeRegistry};
use crate::walk::{LINK_BYTES, WORD_BYTES, WalkError};
use gimli::RunTimeEndian;
use gimli::write::{
    Address, CallFrameInstruction, CommonInformationEntry, EhFrame, EndianVec,
    FrameDescriptionEntry, FrameTable,
};
use smallvec::smallvec;
use std::sync::Arc;

const CODE: usize = 0x4000_0000;
const STACK: usize = 0x7000_0000;

/// Code with calls every sixteen bytes, each with a frame of its own size, and references there.
#[derive(Clone, Copy)]
struct Shape {
    calls: u32,
    /// Chooses the sizes.
    seed: u32,
    /// Whether the unwind table goes by the frame pointer.
    has_frame_pointer_rows: bool,
}

impl Shape {
    const fn new(seed: u32) -> Self {
        Self {
            calls: 64,
            seed,
            has_frame_pointer_rows: seed & 1 == 0,
        }
    }

    fn return_offset(self, call: u32) -> u32 {
        (call + 1) * 16
    }

    fn frame_bytes(self, call: u32) -> u32 {
        (call.wrapping_mul(7) + self.seed * 5) % 11 * 16 + 16
    }

    fn slot(self, call: u32) -> Location {
        Location::slot((self.frame_bytes(call) - 8).cast_signed())
    }

    fn register(self, registry: &Arc<CodeRegistry>) -> CodeHandle {
        let safepoints = (0..self.calls).map(|call| Safepoint {
            return_offset: self.return_offset(call),
            frame_bytes: Some(self.frame_bytes(call)),
            locations: smallvec![self.slot(call)],
        });
        let code = CodeRange {
            start: CODE,
            len: (self.calls as usize + 1) * 16,
            safepoints: safepoints.collect(),
            handlers: vec![],
            traps: vec![],
            functions: vec![],
            eh_frame: self.eh_frame().into(),
        };
        registry.register(code).unwrap()
    }

    /// An unwind table that has a row for each call.
    fn eh_frame(self) -> Vec<u8> {
        let number = |register: Register| gimli::Register(register.dwarf());
        let (sp, fp) = (Register::STACK_POINTER, Register::FRAME_POINTER);
        let return_address = gimli::Register(crate::registers::RETURN_ADDRESS);
        let encoding = gimli::Encoding {
            address_size: 8,
            format: gimli::Format::Dwarf32,
            version: 1,
        };
        let mut shared = CommonInformationEntry::new(encoding, 1, -8, return_address);
        shared.add_instruction(CallFrameInstruction::Cfa(number(fp), 16));
        shared.add_instruction(CallFrameInstruction::Offset(return_address, -8));
        shared.add_instruction(CallFrameInstruction::Offset(number(fp), -16));
        let mut table = FrameTable::default();
        let shared = table.add_cie(shared);
        let len = (self.calls + 1) * 16;
        let mut entry = FrameDescriptionEntry::new(Address::Constant(CODE as u64), len);
        for call in (0..self.calls).filter(|_| !self.has_frame_pointer_rows) {
            let end = i32::try_from(self.frame_bytes(call) + 16).unwrap();
            entry.add_instruction(
                self.return_offset(call) - 1,
                CallFrameInstruction::Cfa(number(sp), end),
            );
        }
        table.add_fde(shared, entry);
        let mut section = EhFrame::from(EndianVec::new(RunTimeEndian::default()));
        table.write_eh_frame(&mut section).unwrap();
        section.0.into_vec()
    }

    /// A stack of frames that wait for these calls, innermost first: the words, the innermost frame's
    /// registers, and of each frame the address it stands at and where it ends.
    fn stack(self, calls: &[u32]) -> (Words, Registers, Vec<(usize, usize)>) {
        let mut words = Vec::new();
        let mut frames = Vec::new();
        for &call in calls {
            words.resize(
                words.len() + self.frame_bytes(call) as usize / WORD_BYTES,
                0xdead,
            );
            words.extend([0, 0]);
            let end = STACK + words.len() * WORD_BYTES;
            frames.push((CODE + self.return_offset(call) as usize, end));
        }
        for two in frames.windows(2) {
            let link = (two[0].1 - STACK) / WORD_BYTES - 2;
            (words[link], words[link + 1]) = (two[1].1 - LINK_BYTES, two[1].0);
        }
        let mut registers = Registers::at(CodeAddress::Return(frames[0].0));
        registers.set(Register::STACK_POINTER, STACK);
        registers.set(Register::FRAME_POINTER, frames[0].1 - LINK_BYTES);
        (Words::new(STACK, words), registers, frames)
    }

    /// Walks a stack of these calls and checks what is seen of them.
    fn check(self, walker: &mut Walker, registry: &CodeRegistry, calls: &[u32]) {
        let (words, registers, expected) = self.stack(calls);
        let base = expected[expected.len() - 1].1;
        let code = registry.read();
        let mut frames = walker.stack_below(&words, &code, registers, base);
        for (&call, &(pc, end)) in calls.iter().zip(&expected) {
            let frame = frames.next().unwrap().unwrap();
            assert_eq!((frame.pc.address(), frame.cfa), (pc, end));
            assert_eq!(frame.frame_bytes, Some(self.frame_bytes(call)));
            assert_eq!(frame.locations, [self.slot(call)]);
        }
        assert_eq!(frames.next(), None);
    }
}

const UNWINDERS: [Unwinder; 2] = [Unwinder::FramePointers, Unwinder::Dwarf];

#[test]
fn new_code_at_the_addresses_of_old_is_seen() {
    for unwinder in UNWINDERS {
        let registry = CodeRegistry::new();
        let mut walker = Walker::new(unwinder);
        for seed in 0..20 {
            let shape = Shape::new(seed);
            let handle = shape.register(&registry);
            let calls: Vec<_> = (0..100).map(|index| index * 13 % shape.calls).collect();
            shape.check(&mut walker, &registry, &calls);
            shape.check(&mut walker, &registry, &calls[50..]);
            drop(handle);
            let (words, registers, _) = shape.stack(&calls);
            let code = registry.read();
            let mut frames = walker.stretch(&words, &code, registers, usize::MAX / 2);
            assert!(matches!(frames.next(), Some(Err(_))));
        }
    }
}

#[test]
fn walks_of_two_registries_in_turn_see_the_code_of_each() {
    for unwinder in UNWINDERS {
        let shapes = [Shape::new(2), Shape::new(7)];
        let registries = [CodeRegistry::new(), CodeRegistry::new()];
        let mut handles = [0, 1].map(|index| Some(shapes[index].register(&registries[index])));
        let mut walker = Walker::new(unwinder);
        for round in 0..6 {
            let index = round % 2;
            shapes[index].check(&mut walker, &registries[index], &[3, 9, 3, 40, 12]);
            if round == 3 {
                // A registry that is gone is no one's.
                drop(handles[0].take());
                handles[0] = Some(shapes[0].register(&registries[0]));
            }
        }
    }
}

#[test]
fn more_return_addresses_than_are_kept_are_seen_right() {
    let shape = Shape {
        calls: 66_000,
        seed: 3,
        has_frame_pointer_rows: true,
    };
    let registry = CodeRegistry::new();
    let _handle = shape.register(&registry);
    let calls: Vec<_> = (0..shape.calls).collect();
    let backward: Vec<_> = (0..shape.calls).rev().collect();
    for unwinder in UNWINDERS {
        let mut walker = Walker::new(unwinder);
        for calls in [&calls, &backward] {
            shape.check(&mut walker, &registry, calls);
        }
        assert!(walker.cache.ways.len() <= 1, "the one row");
    }
}

#[test]
fn ways_are_kept_once_however_often_they_are_learnt() {
    let mut cache = WalkCache::default();
    let ways = [Way::Registered(8), Way::Registered(16), Way::None];
    let ids = ways.map(|way| cache.add_way(way));
    for _ in 0..3 {
        assert_eq!(ways.map(|way| cache.add_way(way)), ids);
    }
    assert_eq!(ids.map(|id| *cache.way(id)), ways);
    assert_eq!(cache.ways.len(), 2);
}

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod of_host_frames {
    use super::*;
    use crate::SuspendedStack;

    /// The frames of this thread from the caller's out, with their references.
    #[inline(never)]
    #[expect(unsafe_code, reason = "walks its own stack")]
    fn frames(
        walker: &mut Walker,
        registry: &CodeRegistry,
    ) -> Result<Vec<(usize, Vec<Location>)>, WalkError> {
        let registers = Registers::capture();
        // SAFETY: this function waits for the walk.
        let stack = unsafe { SuspendedStack::of_thread(registers.sp()) }.unwrap();
        let code = registry.read();
        walker
            .stack(&stack, &code, registers)
            .skip(1)
            .map(|frame| frame.map(|frame| (frame.pc.address(), frame.locations.to_vec())))
            .collect()
    }

    #[test]
    fn code_of_an_image_that_is_registered_after_a_walk_met_it_is_seen() {
        let registry = CodeRegistry::new();
        let slots = [Location::slot(8), Location::slot(16)];
        let mut depth = 1;
        let mut index = 0;
        // Each frame in turn, since some push others out of what is kept.
        while index < depth {
            let mut walker = Walker::new(Unwinder::Dwarf);
            let mut handle = None;
            for round in 0..4 {
                let found = frames(&mut walker, &registry).unwrap();
                depth = found.len();
                let (pc, locations) = found[index].clone();
                match round {
                    0 | 3 => assert!(locations.is_empty()),
                    _ => assert_eq!(locations, slots),
                }
                if round == 0 {
                    let code = CodeRange {
                        start: pc - 16,
                        len: 32,
                        safepoints: vec![Safepoint {
                            return_offset: 16,
                            frame_bytes: None,
                            locations: slots.into_iter().collect(),
                        }],
                        handlers: vec![],
                        traps: vec![],
                        functions: vec![],
                        eh_frame: Arc::default(),
                    };
                    handle = Some(registry.register(code).unwrap());
                } else if round == 2 {
                    drop(handle.take());
                }
            }
            index += 1;
        }
    }
}
