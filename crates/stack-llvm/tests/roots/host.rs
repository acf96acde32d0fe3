//! The host's side of the fixture's calls: finds the references in every frame, moves all objects,
//! and replaces what refers to them.

use crate::code::CODE;
use crate::heap::Heap;
use std::cell::RefCell;
use std::collections::BTreeSet;
use windrow_stack::{Encoding, Location, Place, Registers};
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

pub(crate) struct Host {
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
    prepare: impl FnOnce(&mut Heap) -> T,
    run: impl FnOnce(T) -> u64,
) -> (u64, Host) {
    let mut host = Host {
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
        let mut registers = unsafe { exit.as_ref() }.unwrap().registers();
        let from_end = self.check_and_flip(&registers);
        let mut homes = BTreeSet::new();
        while CODE.function(registers.pc.address()).is_some() {
            let pc = registers.pc.address();
            let locations = CODE.safepoints[&pc].clone();
            self.replace(&registers, &locations, &mut homes);
            registers = CODE.unwinding(pc).step(&registers, read);
        }
        self.heap.finish(from_end);
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
