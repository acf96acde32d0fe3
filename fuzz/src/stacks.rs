//! Bytes as code and a stack of it: every walk ends, in frames that rise or in an error.
//!
//! Where the stack is as its code would have left it, both unwinders find the very frames that were
//! laid out.

mod case;

use case::{Case, Choices, Laid, WORD_BYTES, Words};
use windrow_stack::{
    Backtrace, CodeAddress, CodeReader, Frames, Place, Register, Registers, StackMemory, Unwinder,
    WalkError, Walker,
};

/// More than rules and offsets can make a walk leave the stack's words behind.
const SLACK: usize = 1024;

/// Where a walk ends.
#[derive(Clone, Copy, Debug)]
enum Until {
    Entry,
    Outermost,
}

/// What a walk found.
#[derive(PartialEq, Debug)]
struct Walked {
    frames: Vec<Laid>,
    /// Where references lie, by frame.
    places: Vec<Vec<Option<usize>>>,
    error: Option<WalkError>,
}

/// Walks a stack in every way there is.
///
/// # Panics
/// If a walk does not end after bounded work, its frames do not rise, a second one finds something
/// else, or frames that are there are not found.
pub fn run(bytes: &[u8]) {
    let case = Case::new(&mut Choices::new(bytes));
    let code = case.registry.read();
    let mut registers = Registers::at(CodeAddress::Return(case.pc));
    for (register, word) in Register::all().zip(&case.registers) {
        if let Some(word) = *word {
            registers.set(register, word);
        }
    }
    let mut sound = Vec::new();
    for unwinder in [Unwinder::FramePointers, Unwinder::Dwarf] {
        for until in [Until::Entry, Until::Outermost] {
            let walk = |registers| walk(&case, &code, unwinder, until, registers);
            let walked = walk(registers);
            assert_eq!(walked, walk(registers), "{unwinder:?}, {until:?}");
            let mut trapped = registers;
            trapped.pc = CodeAddress::Exact(case.pc.wrapping_sub(1));
            walk(trapped);
            let is_sound = match unwinder {
                Unwinder::FramePointers => case.is_sound_with_frame_pointers,
                Unwinder::Dwarf => case.is_sound_with_tables,
            };
            if is_sound && matches!(until, Until::Entry) && !case.laid.is_empty() {
                assert_eq!(walked.error, None, "{unwinder:?}");
                assert_eq!(walked.frames, case.laid, "{unwinder:?}");
                sound.push(walked);
            }
        }
    }
    if let [by_frame_pointers, by_tables] = &sound[..] {
        for (these, those) in by_frame_pointers.places.iter().zip(&by_tables.places) {
            assert_eq!(these.len(), those.len());
            // Other registers are known by unwind tables alone.
            let both = these.iter().zip(those).filter(|(this, _)| this.is_some());
            both.for_each(|(this, that)| assert_eq!(this, that));
        }
    }
}

/// Walks, and looks for every reference of every frame.
fn walk(
    case: &Case,
    code: &CodeReader<'_>,
    unwinder: Unwinder,
    until: Until,
    registers: Registers,
) -> Walked {
    let stack = &case.stack;
    stack.reads.set(0);
    let most = stack.words.len() * WORD_BYTES + SLACK;
    let start = |walker: &mut Walker, look: &mut dyn FnMut(Frames<'_, Words>)| match until {
        Until::Entry => look(walker.stretch(stack, code, registers, case.entry_fp)),
        Until::Outermost => look(walker.stack(stack, code, registers)),
    };
    let mut walked = Walked {
        frames: Vec::new(),
        places: Vec::new(),
        error: None,
    };
    Walker::of_thread(unwinder, |walker| {
        start(walker, &mut |mut frames| {
            while let Some(frame) = frames.next() {
                match frame {
                    Ok(frame) => {
                        let registers = frames.registers();
                        walked.add(&frame, registers);
                        let last = walked.frames.len().saturating_sub(6);
                        assert!(
                            last <= most,
                            "{unwinder:?}, {until:?}: {:x?}",
                            &walked.frames[last..]
                        );
                    }
                    Err(error) => walked.error = Some(error),
                }
            }
            assert_eq!(frames.walked(), walked.frames.len() as u64);
            assert!(frames.next().is_none(), "it has ended");
        });
        walked.check_rise();
        let reads = stack.reads.get();
        assert!(reads <= most * (1 + Register::COUNT), "{reads} reads");
        let places = walked.places.iter().flatten().flatten();
        for place in places {
            // Somewhere in the stack, or nowhere: never a panic.
            let _ = stack.word(place / WORD_BYTES * WORD_BYTES);
        }
        start(walker, &mut |frames| {
            let mut trace = Backtrace::default();
            trace.extend(frames, code);
            assert_eq!(trace.depth(), walked.frames.len() as u64);
            assert_eq!(trace.broken, walked.error);
        });
    });
    walked
}

impl Walked {
    fn add(&mut self, frame: &windrow_stack::WalkedFrame<'_>, registers: &Registers) {
        let places = frame.locations.iter().map(|location| {
            let address = location.address(registers);
            if let Place::Memory(Register::STACK_POINTER, offset) = location.place() {
                let expected = frame.sp.wrapping_add_signed(offset as isize);
                assert!(address.is_none_or(|address| address == expected));
            }
            address
        });
        self.places.push(places.collect());
        self.frames.push(Laid {
            pc: frame.pc.address(),
            fp: frame.fp,
            sp: frame.sp,
            cfa: frame.cfa,
        });
    }

    /// Each frame ends above the one it called; that the last one does not may be what is wrong with it.
    fn check_rise(&self) {
        let is_broken = |frame: usize| {
            let error = self.error.as_ref();
            error.is_some_and(|error| error.frame == frame as u64)
        };
        for (frame, two) in (1..).zip(self.frames.windows(2)) {
            let rises = two[1].cfa >= two[0].cfa;
            assert!(rises || is_broken(frame), "frame {frame}: {two:x?}");
        }
    }
}
