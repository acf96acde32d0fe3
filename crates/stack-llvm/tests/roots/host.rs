//! The host's side of the fixture's calls: finds the references in every frame, moves all objects,
//! and replaces what refers to them.

use crate::code::CODE;
use crate::heap::Heap;
use std::cell::RefCell;
use std::collections::BTreeSet;
use windrow_core::{GcRef, RootKind, RootVisitor};
use windrow_stack::{Encoding, Location, Place, Registers, SuspendedStack, Unwinder, Walker};
use windrow_stack_llvm::ExitFrame;

/// A frame that a collection saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) function: String,
    /// How many references were null, how many not, how many pointers were derived from others.
    pub(crate) nulls: usize,
    pub(crate) references: usize,
    pub(crate) derived: usize,
}

/// How a collection gets from frame to frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Walk {
    /// In this file, by what another reader makes of the unwind tables.
    ByHand,
    /// As the crate does it.
    Walker,
}

pub(crate) struct Host {
    walk: Walk,
    pub(crate) heap: Heap,
    /// The frames of each collection, innermost first.
    pub(crate) seen: Vec<Vec<Seen>>,
}

thread_local! {
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Calls `run` with a heap made by `prepare`, as a host of compiled code. Returns what the code
/// returned and what the host saw.
pub(crate) fn run<T>(
    walk: Walk,
    prepare: impl FnOnce(&mut Heap) -> T,
    run: impl FnOnce(T) -> u64,
) -> (u64, Host) {
    let mut host = Host {
        walk,
        heap: Heap::new(),
        seen: Vec::new(),
    };
    let arguments = prepare(&mut host.heap);
    HOST.set(Some(host));
    let result = run(arguments);
    (result, HOST.take().unwrap())
}

fn with_host<T>(action: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with_borrow_mut(|host| action(host.as_mut().expect("only `run` calls compiled code")))
}

/// What `fixture/exit.s` calls.
#[unsafe(no_mangle)]
extern "C-unwind" fn windrow_fixture_on_collect(exit: *mut ExitFrame) {
    with_host(|host| host.collect(exit));
}

/// What `fixture/exit.s` calls. Every allocation collects first.
#[unsafe(no_mangle)]
extern "C-unwind" fn windrow_fixture_on_allocate(
    words: u64,
    references: u64,
    exit: *mut ExitFrame,
) -> u64 {
    with_host(|host| {
        host.collect(exit);
        let object = host.heap.allocate(words, references);
        host.heap.address(object)
    })
}

/// Shows the heap every reference.
struct Forward<'a>(&'a mut Heap);

impl RootVisitor for Forward<'_> {
    fn visit(&mut self, _kind: RootKind, slot: &mut GcRef) {
        if *slot != GcRef::NULL {
            *slot = GcRef::from_bits(self.0.forward(slot.bits()));
        }
    }
}

/// Where the mapping ends that an address of this thread's stack is in.
fn end_of_stack(address: usize) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut bounds = maps.lines().filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let parse = |number| usize::from_str_radix(number, 16).ok();
        Some((parse(start)?, parse(end)?))
    });
    bounds
        .find_map(|(start, end)| (start..end).contains(&address).then_some(end))
        .unwrap()
}

/// A word of a suspended frame.
fn read(address: usize) -> usize {
    // SAFETY: addresses come from registers of suspended frames by way of the compiler's own stack
    // maps and unwind tables, whose agreement the tests check first.
    unsafe { std::ptr::with_exposed_provenance::<usize>(address).read() }
}

fn write(address: usize, word: usize) {
    // SAFETY: as above; the compiler's stack map says that the frame expects it to be replaced.
    unsafe { std::ptr::with_exposed_provenance_mut::<usize>(address).write(word) }
}

/// Where the word at a location is in memory.
fn home(registers: &Registers, location: &Location) -> usize {
    match location.place() {
        Place::Memory(register, offset) => {
            let start = registers.get(register).expect("the register is known");
            start.checked_add_signed(offset as isize).unwrap()
        }
        Place::Register(register) => registers.home(register).expect("it was saved"),
    }
}

impl Host {
    fn collect(&mut self, exit: *mut ExitFrame) {
        // SAFETY: `fixture/exit.s` passes the address of the frame it has just made.
        let registers = unsafe { exit.as_ref() }.unwrap().registers();
        let from_end = self.check_and_flip(&registers);
        match self.walk {
            Walk::ByHand => self.replace_by_hand(registers),
            Walk::Walker => self.replace_by_walker(exit.addr(), registers),
        }
        self.heap.finish(from_end);
    }

    fn replace_by_hand(&mut self, mut registers: Registers) {
        let mut homes = BTreeSet::new();
        while CODE.function(registers.pc.address()).is_some() {
            let pc = registers.pc.address();
            let locations = CODE.safepoints[&pc].clone();
            self.replace(&registers, &locations, &mut homes);
            registers = CODE.unwinding(pc).step(&registers, read);
        }
    }

    /// Walks all of the thread's stack, of which the fixture's frames are a few.
    fn replace_by_walker(&mut self, low: usize, registers: Registers) {
        let high = end_of_stack(low);
        // SAFETY: from the exit frame on the stack holds frames that wait for this call.
        let stack = unsafe { SuspendedStack::new(low..high) };
        let base = usize::try_from(self.heap.base()).unwrap();
        let code = CODE.registry.read();
        let walked = Walker::of_thread(Unwinder::Dwarf, |walker| {
            let frames = walker.stack(&stack, &code, registers);
            frames.visit_roots(base, &mut Forward(&mut self.heap))
        });
        let ours = self.seen.last().map_or(0, Vec::len) as u64;
        assert!(walked.unwrap() > ours);
    }

    /// Looks at every frame before anything moves. Returns where fromspace ends.
    fn check_and_flip(&mut self, innermost: &Registers) -> usize {
        let mut registers = *innermost;
        let mut frames = Vec::new();
        while let Some(function) = CODE.function(registers.pc.address()) {
            let pc = registers.pc.address();
            let locations = &CODE.safepoints[&pc];
            let mut seen = self.look(&registers, locations);
            seen.function = function.to_owned();
            frames.push(seen);
            registers = CODE.unwinding(pc).step(&registers, read);
        }
        self.seen.push(frames);
        self.heap.flip()
    }

    /// Every reference is an object's address, every derived pointer lies in its base's object or
    /// directly behind it.
    fn look(&self, registers: &Registers, locations: &[Location]) -> Seen {
        let mut seen = Seen {
            function: String::new(),
            nulls: 0,
            references: 0,
            derived: 0,
        };
        for location in locations {
            assert_eq!(location.encoding(), Encoding::BasePlusOffset64);
            let address = read(home(registers, location)) as u64;
            let Some(base) = location.base() else {
                match self.heap.reference(address) {
                    0 => seen.nulls += 1,
                    _ => seen.references += 1,
                }
                continue;
            };
            let base = read(home(registers, &locations[base])) as u64;
            let object = self.heap.reference(base);
            assert!((base..=base + self.heap.bytes(object)).contains(&address));
            seen.derived += 1;
        }
        seen
    }

    /// Moves the objects that one frame refers to, and tells the frame.
    fn replace(
        &mut self,
        registers: &Registers,
        locations: &[Location],
        homes: &mut BTreeSet<usize>,
    ) {
        let old: Vec<u64> = (locations.iter())
            .map(|location| read(home(registers, location)) as u64)
            .collect();
        let mut new = old.clone();
        for (position, location) in locations.iter().enumerate() {
            if location.base().is_none() && old[position] != 0 {
                new[position] = self.heap.forward_address(old[position]);
            }
        }
        for (position, location) in locations.iter().enumerate() {
            if let Some(base) = location.base() {
                new[position] = new[base] + (old[position] - old[base]);
            }
            let home = home(registers, location);
            assert!(homes.insert(home), "two frames share the place {home:#x}");
            write(home, usize::try_from(new[position]).unwrap());
        }
    }
}
