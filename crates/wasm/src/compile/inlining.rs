//! Which calls are replaced by their callees.
//!
//! Small functions of the same module, and functions called in them; none with loops, handlers or tail
//! calls. A function's calls of itself, once. Of other functions that may return at once, the test: a
//! tree's recursion then makes no calls for what is null, which are most of them. Calls that many
//! references survive are left, for each is named at every safepoint of what would take their place. The
//! bytes of bodies stand for the size of the code; what a function may grow by is bounded, and so are
//! compile time and the functions kept.

use super::translate_body;
use crate::env::ModuleEnv;
use crate::module::parse::Body;
use crate::translate::{FUNCTION_NAMESPACE, function_name};
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use hashbrown::HashMap;
use std::rc::Rc;
use wasmparser::{FunctionBody, Operator};
use windrow_cranelift::{CallSite, Callees, early_exit, inlinable};

/// Bytes of the largest body that is inlined.
const CALLEE_BYTES: usize = 128;

/// Bytes of the largest body whose test is inlined.
const TESTED_BYTES: usize = 512;

/// Bytes that a test counts for.
const TEST_BYTES: usize = 16;

/// Bytes of bodies that are inlined in one function at most.
const INLINED_BYTES: usize = 1536;

/// References that may survive a call that is inlined.
const SURVIVORS: usize = 32;

/// Functions that are kept at most.
const KEPT: usize = 512;

/// Calls one within the other that are inlined.
const DEPTH: usize = 4;

/// The functions of a module that may be inlined, translated when they are first asked for.
pub(super) struct Inlining<'a> {
    env: &'a ModuleEnv,
    isa: &'a dyn TargetIsa,
    bodies: &'a [Body<'a>],
    builder: FunctionBuilderContext,
    functions: HashMap<u32, Forms>,
}

/// What may take the place of calls of a function.
#[derive(Clone, Default)]
struct Forms {
    whole: Option<Rc<Function>>,
    test: Option<Rc<Function>>,
}

impl<'a> Inlining<'a> {
    /// No function translated. `bodies` are those of the module, in order.
    pub(super) fn new(env: &'a ModuleEnv, isa: &'a dyn TargetIsa, bodies: &'a [Body<'a>]) -> Self {
        Self {
            env,
            isa,
            bodies,
            builder: FunctionBuilderContext::new(),
            functions: HashMap::new(),
        }
    }

    /// What may be inlined in one function.
    pub(super) fn of(&mut self, function: u32) -> Calls<'_, 'a> {
        Calls {
            inlining: self,
            function,
            inlined_bytes: 0,
            last: None,
        }
    }

    fn body(&self, function: u32) -> Option<&'a Body<'a>> {
        let position = function.checked_sub(self.env.imported_functions)?;
        self.bodies.get(position as usize)
    }

    fn forms(&mut self, function: u32) -> Forms {
        if let Some(known) = self.functions.get(&function) {
            return known.clone();
        }
        let forms = self.translate(function).unwrap_or_default();
        if self.functions.len() == KEPT {
            self.functions.clear();
        }
        self.functions.insert(function, forms.clone());
        forms
    }

    /// Translates a function. One that is wrong has no forms, and is told where it is compiled itself.
    fn translate(&mut self, function: u32) -> Option<Forms> {
        let body = self.body(function)?;
        let mut func = Function::new();
        let mut validator = body.validator(Default::default());
        let builder = &mut self.builder;
        let result = translate_body(self.env, self.isa, &mut validator, body, builder, &mut func);
        result.ok()?;
        let func = inlinable(&func);
        let test = early_exit(&func, &function_name(function)).map(Rc::new);
        let is_whole = bytes(body) <= CALLEE_BYTES && is_simple(&body.body);
        let whole = is_whole.then(|| Rc::new(func));
        Some(Forms { whole, test })
    }
}

/// Whether a body has neither loops nor handlers nor tail calls.
fn is_simple(body: &FunctionBody<'_>) -> bool {
    let Ok(operators) = body.get_operators_reader() else {
        return false;
    };
    let simple = |op: &Operator<'_>| {
        !matches!(
            op,
            Operator::Loop { .. }
                | Operator::TryTable { .. }
                | Operator::Try { .. }
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. }
        )
    };
    operators
        .into_iter()
        .all(|op| op.is_ok_and(|op| simple(&op)))
}

/// Bytes of a body.
fn bytes(body: &Body<'_>) -> usize {
    let range = body.body.range();
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

/// The calls of the function being compiled.
pub(super) struct Calls<'i, 'a> {
    inlining: &'i mut Inlining<'a>,
    function: u32,
    inlined_bytes: usize,
    last: Option<Rc<Function>>,
}

impl Calls<'_, '_> {
    /// Whether a function may be inlined as a whole.
    fn allows(&self, callee: u32, site: &CallSite<'_>) -> bool {
        if site.calls.depth() > DEPTH {
            return false;
        }
        let env = self.inlining.env;
        let mut callers = site.calls.iter().map(|call| env.function_at(call.into()));
        let recursive = callers.any(|caller| caller == Some(callee));
        let itself = callee == self.function && site.calls.depth() == 1;
        !recursive || itself
    }
}

impl Callees for Calls<'_, '_> {
    fn callee(&mut self, site: CallSite<'_>) -> Option<&Function> {
        if site.callee.namespace != FUNCTION_NAMESPACE {
            return None;
        }
        let callee = site.callee.index;
        let bytes = bytes(self.inlining.body(callee)?);
        let room = INLINED_BYTES - self.inlined_bytes;
        if bytes > TESTED_BYTES || room < TEST_BYTES || site.survivors > SURVIVORS {
            return None;
        }
        let Forms { whole, test } = self.inlining.forms(callee);
        let whole = whole.filter(|_| self.allows(callee, &site));
        let choices = [(whole, bytes), (test, TEST_BYTES)];
        let (function, bytes) = choices
            .into_iter()
            .find_map(|(form, bytes)| Some((form.filter(|_| bytes <= room)?, bytes)))?;
        self.inlined_bytes += bytes;
        Some(self.last.insert(function))
    }
}
