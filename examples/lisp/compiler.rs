//! From forms to code: variables become places, calls in tail position become tail calls.
//!
//! Compiling makes nothing in the heap, so it runs in a scope without collections, and a form is a
//! reference of four bytes that stays what it is. What code needs of the heap, quoted data and the
//! symbols of global variables, is handed over as constants when the scope is left.

use super::code::{Code, Op, SYNTAX, Syntax};
use super::fault::{Fault, Place};
use super::heap::{Heap, NIL, NOTHING, index};
use super::types::{Kind, Types};
use std::collections::HashMap;
use std::rc::Rc;
use windrow::{ArrayRef, GcRef, NoGc, StructRef, Unrooted};

/// Forms in forms in forms: deeper ones are refused, since the host's stack is used for them.
const MAX_DEPTH: u32 = 250;

pub(super) type Form<'n> = Option<Unrooted<'n>>;

/// Compiles the form on top of the stack, which is popped. Appends to `codes`; returns the number of
/// the form's own.
pub(crate) fn compile(
    heap: &mut Heap,
    codes: &mut Vec<Rc<Code>>,
    file: &Rc<str>,
    place: Place,
) -> Result<u32, Fault> {
    let form = heap.pop();
    let nil = heap.constant(NIL);
    let first_constant = heap.add_constant(GcRef::NULL) + 1;
    let mut scope = heap.store.scope();
    let handles = [scope.root(form), scope.root(nil)];
    let store = scope.no_gc();
    let [form, nil] = handles.map(|handle| handle.map(|handle| store.unrooted(handle)));
    let mut compiler = Compiler {
        store: &store,
        types: heap.types,
        nil: nil.transpose()?,
        file: Rc::clone(file),
        place,
        depth: 0,
        first_constant,
        constants: Vec::new(),
        known: HashMap::new(),
        scopes: Vec::new(),
        open: vec![Procedure::new("top level")],
        first_code: codes.len(),
        done: Vec::new(),
    };
    compiler.form(form.transpose()?, true)?;
    compiler.emit(Op::Return);
    let number = compiler.finish(0, false, 1)?;
    let Compiler {
        constants, done, ..
    } = compiler;
    drop(store);
    drop(scope);
    // Nothing was allocated: these are still what they were.
    for constant in constants {
        heap.add_constant(constant);
    }
    codes.extend(done.into_iter().map(Rc::new));
    Ok(number)
}

/// A procedure that is being compiled.
struct Procedure {
    name: Rc<str>,
    ops: Vec<Op>,
    places: Vec<(u32, Place)>,
}

impl Procedure {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ops: Vec::new(),
            places: Vec::new(),
        }
    }
}

pub(super) struct Compiler<'h, 'n> {
    pub(super) store: &'h NoGc<'n>,
    types: Types,
    pub(super) nil: Form<'n>,
    file: Rc<str>,
    pub(super) place: Place,
    depth: u32,
    first_constant: usize,
    constants: Vec<GcRef>,
    /// Constants by what they are.
    known: HashMap<GcRef, u32>,
    /// The variables of each frame, the innermost last.
    pub(super) scopes: Vec<Vec<Form<'n>>>,
    open: Vec<Procedure>,
    first_code: usize,
    done: Vec<Code>,
}

impl<'n> Compiler<'_, 'n> {
    // ---- Looking at forms. ----

    pub(super) fn kind(&self, form: Form<'n>) -> Kind {
        let form = form.map_or(GcRef::NULL, Unrooted::gc_ref);
        self.types.kind(self.store, form)
    }

    /// The parts of a pair.
    pub(super) fn pair(&self, form: Form<'n>) -> Result<Option<[Form<'n>; 2]>, Fault> {
        match (form, self.kind(form)) {
            (Some(pair), Kind::Pair | Kind::SourcePair) => {
                let pair = pair.cast::<StructRef>(self.store).expect("a pair");
                let car = pair.read_ref(self.store, self.types.car)?;
                Ok(Some([car, pair.read_ref(self.store, self.types.cdr)?]))
            }
            _ => Ok(None),
        }
    }

    /// The items of a list, and what follows the last.
    pub(super) fn spine(&self, mut form: Form<'n>) -> Result<(Vec<Form<'n>>, Form<'n>), Fault> {
        let (mut items, mut mark) = (Vec::new(), None);
        while let Some([car, cdr]) = self.pair(form)? {
            if mark == form {
                return Err(self.fault("this list has no end"));
            }
            items.push(car);
            // A list that comes back does so to some mark (Brent 1980).
            if items.len().is_power_of_two() {
                mark = form;
            }
            form = cdr;
        }
        Ok((items, form))
    }

    pub(super) fn items(&self, form: Form<'n>) -> Result<Vec<Form<'n>>, Fault> {
        match self.spine(form)? {
            (items, end) if end == self.nil => Ok(items),
            _ => Err(self.fault("this list ends in a `.`")),
        }
    }

    pub(super) fn elements(&self, vector: Form<'n>) -> Result<Vec<Form<'n>>, Fault> {
        let vector = vector.and_then(|vector| vector.cast::<ArrayRef>(self.store));
        let vector = vector.expect("a vector is an array");
        let indices = 0..vector.len(self.store);
        let elements = indices.map(|at| vector.read_ref(self.store, at));
        Ok(elements.collect::<Result<_, _>>()?)
    }

    /// The keyword a form is, unless it is a variable here.
    pub(super) fn syntax(&self, form: Form<'n>) -> Result<Option<Syntax>, Fault> {
        let Some(symbol) = form.filter(|_| self.kind(form) == Kind::Symbol) else {
            return Ok(None);
        };
        let symbol = symbol.cast::<StructRef>(self.store).expect("a symbol");
        let number = symbol.read(self.store, self.types.syntax)?;
        let known = usize::try_from(number - 1)
            .ok()
            .and_then(|at| SYNTAX.get(at));
        Ok(known
            .filter(|_| self.variable(form).is_none())
            .map(|(_, syntax)| *syntax))
    }

    pub(super) fn name(&self, symbol: Form<'n>) -> String {
        let symbol = symbol.and_then(|symbol| symbol.cast::<StructRef>(self.store));
        let name = symbol.and_then(|symbol| symbol.read_ref_unchecked(self.store, self.types.name));
        let name = name.map_or(GcRef::NULL, Unrooted::gc_ref);
        super::text::text_of(self.store, &self.types, name)
    }

    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(message).at(&self.file, self.place)
    }

    // ---- Writing code. ----

    pub(super) fn emit(&mut self, op: Op) {
        let place = self.place;
        let procedure = self.open.last_mut().expect("one is open");
        if procedure
            .places
            .last()
            .is_none_or(|(_, last)| *last != place)
        {
            procedure.places.push((index(procedure.ops.len()), place));
        }
        procedure.ops.push(op);
    }

    /// Emits a jump whose target [`Self::land`] sets.
    pub(super) fn jump(&mut self, op: fn(u32) -> Op) -> (usize, fn(u32) -> Op) {
        self.emit(op(0));
        (self.here() as usize - 1, op)
    }

    pub(super) fn here(&self) -> u32 {
        index(self.open.last().expect("one is open").ops.len())
    }

    /// Has a jump lead here.
    pub(super) fn land(&mut self, (at, op): (usize, fn(u32) -> Op)) {
        let here = self.here();
        self.open.last_mut().expect("one is open").ops[at] = op(here);
    }

    pub(super) fn constant(&mut self, value: Form<'n>) -> u32 {
        let value = value.map_or(GcRef::NULL, Unrooted::gc_ref);
        *self.known.entry(value).or_insert_with(|| {
            self.constants.push(value);
            index(self.first_constant + self.constants.len() - 1)
        })
    }

    pub(super) fn quote(&mut self, value: Form<'n>) {
        let op = match value.map(Unrooted::gc_ref) {
            None => Op::False,
            Some(value) if value.is_i31() => Op::Int(value.as_i31().unwrap_or(0)),
            Some(_) => Op::Constant(self.constant(value)),
        };
        self.emit(op);
    }

    pub(super) fn nothing(&mut self) {
        self.emit(Op::Constant(index(NOTHING)));
    }

    /// Where a variable is: how many frames out, and which element.
    pub(super) fn variable(&self, name: Form<'n>) -> Option<(usize, usize)> {
        let mut frames = self.scopes.iter().rev().enumerate();
        frames.find_map(|(depth, names)| {
            let at = names.iter().rposition(|other| *other == name)?;
            Some((depth, at + 1))
        })
    }

    /// Starts a procedure; [`Self::finish`] ends it.
    pub(super) fn start(&mut self, name: &str) {
        self.open.push(Procedure::new(name));
    }

    pub(super) fn finish(&mut self, params: u16, has_rest: bool, size: u16) -> Result<u32, Fault> {
        let procedure = self.open.pop().expect("one is open");
        self.done.push(Code {
            name: procedure.name,
            file: Rc::clone(&self.file),
            params,
            has_rest,
            frame_size: size,
            ops: procedure.ops,
            places: procedure.places,
        });
        Ok(index(self.first_code + self.done.len() - 1))
    }

    /// A count that an instruction can hold.
    pub(super) fn count(&self, count: usize) -> Result<u16, Fault> {
        u16::try_from(count).map_err(|_| self.fault("too many variables or arguments"))
    }

    // ---- Forms. ----

    /// Compiles a form, which leaves one value.
    pub(super) fn form(&mut self, form: Form<'n>, is_tail: bool) -> Result<(), Fault> {
        match self.kind(form) {
            Kind::Symbol => self.read_variable(form),
            Kind::Pair | Kind::SourcePair => {
                let outer = self.place;
                if let Some(place) = self.place_of(form)? {
                    self.place = place;
                }
                self.descend()?;
                self.compound(form, is_tail)?;
                self.ascend();
                self.place = outer;
                Ok(())
            }
            Kind::Constant if form == self.nil => Err(self.fault("`()` calls nothing")),
            _ => {
                self.quote(form);
                Ok(())
            }
        }
    }

    pub(super) fn descend(&mut self) -> Result<(), Fault> {
        if self.depth > MAX_DEPTH {
            return Err(self.fault("forms are nested too deeply"));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) const fn ascend(&mut self) {
        self.depth -= 1;
    }

    fn place_of(&self, form: Form<'n>) -> Result<Option<Place>, Fault> {
        let Some(pair) = form.filter(|_| self.kind(form) == Kind::SourcePair) else {
            return Ok(None);
        };
        let pair = pair.cast::<StructRef>(self.store).expect("a pair");
        let bits = pair.read(self.store, self.types.place)?;
        Ok(Some(Place::from_bits(bits)))
    }

    fn read_variable(&mut self, name: Form<'n>) -> Result<(), Fault> {
        if self.syntax(name)?.is_some() {
            return Err(self.fault(format!("`{}` is no variable", self.name(name))));
        }
        let op = match self.variable(name) {
            Some((depth, slot)) => Op::Local {
                depth: self.count(depth)?,
                slot: self.count(slot)?,
            },
            None => Op::Global(self.constant(name)),
        };
        self.emit(op);
        Ok(())
    }

    fn compound(&mut self, form: Form<'n>, is_tail: bool) -> Result<(), Fault> {
        let items = self.items(form)?;
        let (head, args) = items.split_first().expect("a pair has an item");
        if let Some(syntax) = self.syntax(*head)? {
            return self.special(syntax, args, is_tail);
        }
        let count = self.count(args.len())?;
        let is_global = self.kind(*head) == Kind::Symbol && self.variable(*head).is_none();
        if !is_global {
            self.form(*head, false)?;
        }
        for arg in args {
            self.form(*arg, false)?;
        }
        let op = match (is_global, is_tail) {
            (false, false) => Op::Call(count),
            (false, true) => Op::TailCall(count),
            (true, _) => {
                let symbol = self.constant(*head);
                if is_tail {
                    Op::TailCallGlobal { symbol, count }
                } else {
                    Op::CallGlobal { symbol, count }
                }
            }
        };
        self.emit(op);
        Ok(())
    }

    /// Compiles forms one after the other; the last one's value is left.
    pub(super) fn sequence(&mut self, forms: &[Form<'n>], is_tail: bool) -> Result<(), Fault> {
        let Some((last, others)) = forms.split_last() else {
            self.nothing();
            return Ok(());
        };
        for form in others {
            self.form(*form, false)?;
            self.emit(Op::Pop);
        }
        self.form(*last, is_tail)
    }
}
