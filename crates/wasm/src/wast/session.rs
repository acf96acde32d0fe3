//! A script being run: its store, its modules and instances by name, and its directives.

use super::arguments::arguments;
use super::patterns::check_results;
use super::{Stop, fail, spectest};
use crate::engine::Engine;
use crate::error::Error;
use crate::func::Results;
use crate::instance::Instance;
use crate::linker::{Extern, Linker};
use crate::module::Module;
use crate::trap::TrapKind;
use hashbrown::HashMap;
use smallvec::smallvec;
use wast::token::Id;
use wast::{QuoteWat, WastDirective, WastExecute, WastInvoke, Wat};
use windrow::Store;

/// Something a script made, or why it could not be made.
type Made<T> = Result<T, Stop>;

/// What a running script has.
pub(super) struct Session {
    engine: Engine,
    store: Store,
    linker: Linker,
    definition: Option<Made<Module>>,
    definitions: HashMap<String, Made<Module>>,
    instance: Option<Made<Instance>>,
    instances: HashMap<String, Made<Instance>>,
    /// Names that could not be registered, and why.
    unregistered: HashMap<String, Stop>,
}

/// What follows from something that could not be made: nothing to fail for a second time.
fn dependent(stop: &Stop) -> Stop {
    Stop::Skipped(match stop {
        Stop::Failed(message) => format!("the module it needs failed: {message}"),
        Stop::Skipped(reason) => reason.clone(),
    })
}

/// What a call or an instantiation ended with, where both values and traps are of interest.
type Ended = Result<Results, Error>;

impl Session {
    pub(super) fn new(engine: Engine) -> Result<Self, Error> {
        let mut store = engine.new_store().map_err(Error::host)?;
        let mut linker = Linker::new(&engine);
        spectest::define(&mut linker, &mut store)?;
        Ok(Self {
            engine,
            store,
            linker,
            definition: None,
            definitions: HashMap::new(),
            instance: None,
            instances: HashMap::new(),
            unregistered: HashMap::new(),
        })
    }

    /// How often the script's heap was collected.
    pub(super) fn collections(&mut self) -> u64 {
        self.store.stats().collections()
    }

    /// Runs a directive.
    pub(super) fn run(&mut self, directive: WastDirective<'_>) -> Result<(), Stop> {
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.define(module),
            WastDirective::ModuleInstance {
                instance, module, ..
            } => self.instantiate_definition(instance, module),
            WastDirective::Register { name, module, .. } => self.register(name, module),
            WastDirective::Invoke(invoke) => match self.invoke(&invoke)? {
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            },
            WastDirective::AssertReturn { exec, results, .. } => {
                let values = self.execute(exec)??;
                check_results(&self.store, &values, &results)
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                expect_trap(self.execute(exec)?, message)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                expect_trap(self.invoke(&call)?, message)
            }
            WastDirective::AssertMalformed {
                module, message, ..
            }
            | WastDirective::AssertMalformedCustom {
                module, message, ..
            }
            | WastDirective::AssertInvalid {
                module, message, ..
            }
            | WastDirective::AssertInvalidCustom {
                module, message, ..
            } => self.expect_refusal(module, message),
            WastDirective::AssertUnlinkable {
                module, message, ..
            } => self.expect_unlinkable(module, message),
            WastDirective::AssertException { exec, .. } => match self.execute(exec)? {
                Ok(values) => fail(format!("no exception but {values:?}")),
                Err(Error::Exception(_)) => Ok(()),
                Err(error) => Err(error.into()),
            },
            WastDirective::AssertSuspension { .. } => {
                Err(Stop::Skipped("stack switching".to_owned()))
            }
            WastDirective::Thread(_) | WastDirective::Wait { .. } => {
                Err(Stop::Skipped("threads (atomics, shared memory)".to_owned()))
            }
        }
    }

    fn compile(&self, mut module: QuoteWat<'_>) -> Made<Module> {
        Ok(Module::new(&self.engine, &module.encode()?)?)
    }

    /// Instantiates, unless what the module imports could not be made.
    fn instantiate(&mut self, module: &Module) -> Result<Result<Instance, Error>, Stop> {
        let result = self.linker.instantiate(&mut self.store, module);
        if let Err(Error::MissingImport { module, .. }) = &result
            && let Some(stop) = self.unregistered.get(module)
        {
            return Err(dependent(stop));
        }
        Ok(result)
    }

    fn module(&mut self, module: QuoteWat<'_>) -> Result<(), Stop> {
        let id = module.name();
        let definition = self.compile(module);
        self.keep_definition(id, definition.clone());
        let instance = match definition {
            Ok(module) => self.instantiate(&module).and_then(|result| Ok(result?)),
            Err(stop) => Err(stop),
        };
        self.keep_instance(id, instance)
    }

    fn define(&mut self, module: QuoteWat<'_>) -> Result<(), Stop> {
        let id = module.name();
        let definition = self.compile(module);
        self.keep_definition(id, definition.clone());
        definition.map(drop)
    }

    fn keep_definition(&mut self, id: Option<Id<'_>>, definition: Made<Module>) {
        if let Some(id) = id {
            self.definitions
                .insert(id.name().to_owned(), definition.clone());
        }
        self.definition = Some(definition);
    }

    fn keep_instance(&mut self, id: Option<Id<'_>>, instance: Made<Instance>) -> Result<(), Stop> {
        if let Some(id) = id {
            self.instances
                .insert(id.name().to_owned(), instance.clone());
        }
        self.instance = Some(instance.clone());
        instance.map(drop)
    }

    fn instantiate_definition(
        &mut self,
        id: Option<Id<'_>>,
        module: Option<Id<'_>>,
    ) -> Result<(), Stop> {
        let module = named(&self.definitions, self.definition.as_ref(), module);
        let instance = match module {
            Ok(module) => self.instantiate(&module).and_then(|result| Ok(result?)),
            Err(stop) => Err(stop),
        };
        self.keep_instance(id, instance)
    }

    fn instance(&self, id: Option<Id<'_>>) -> Result<Instance, Stop> {
        named(&self.instances, self.instance.as_ref(), id)
    }

    fn register(&mut self, name: &str, id: Option<Id<'_>>) -> Result<(), Stop> {
        match self.instance(id) {
            Ok(instance) => {
                self.unregistered.remove(name);
                self.linker
                    .define_instance(&mut self.store, name, &instance);
                Ok(())
            }
            Err(stop) => {
                self.unregistered.insert(name.to_owned(), stop.clone());
                Err(stop)
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Ended, Stop> {
        let instance = self.instance(invoke.module)?;
        let Some(func) = instance.func(&mut self.store, invoke.name) else {
            return fail(format!(
                "the instance exports no function {:?}",
                invoke.name
            ));
        };
        let args = arguments(&mut self.store, &func, &invoke.args)?;
        Ok(func.call(&mut self.store, &args))
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Ended, Stop> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(QuoteWat::Wat(module))?;
                Ok(self.instantiate(&module)?.map(|_| Results::new()))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module)?;
                match instance.export(&mut self.store, global) {
                    Some(Extern::Global(global)) => {
                        Ok(global.value(&mut self.store).map(|value| smallvec![value]))
                    }
                    _ => fail(format!("the instance exports no global {global:?}")),
                }
            }
        }
    }

    /// Passes if the text cannot be parsed, or the binary is malformed or not valid. A module
    /// refused for a feature that the engine has not is refused for the script's reason only if it
    /// is in the script's words.
    fn expect_refusal(&self, mut module: QuoteWat<'_>, expected: &str) -> Result<(), Stop> {
        let Ok(bytes) = module.encode() else {
            return Ok(());
        };
        match Module::new(&self.engine, &bytes) {
            Ok(_) => fail("the module was accepted"),
            Err(Error::Empty | Error::Text { .. } | Error::Invalid { .. }) => Ok(()),
            Err(Error::Unsupported { message, .. }) if message.starts_with(expected) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn expect_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Result<(), Stop> {
        let module = self.compile(QuoteWat::Wat(module))?;
        let found = match self.instantiate(&module)? {
            Ok(_) => return fail("the module was linked"),
            Err(Error::MissingImport { .. }) => "unknown import",
            Err(Error::ImportType { .. }) => "incompatible import type",
            Err(error) => return Err(error.into()),
        };
        if found.starts_with(message) {
            Ok(())
        } else {
            fail(format!("{found}, expected {message}"))
        }
    }
}

/// Something by its name in the script, or the last one made.
fn named<T: Clone>(
    all: &HashMap<String, Made<T>>,
    last: Option<&Made<T>>,
    id: Option<Id<'_>>,
) -> Made<T> {
    let made = match id {
        Some(id) => all.get(id.name()),
        None => last,
    };
    match made {
        Some(Ok(made)) => Ok(made.clone()),
        Some(Err(stop)) => Err(dependent(stop)),
        None => fail("the script names nothing that exists"),
    }
}

fn expect_trap(ended: Ended, message: &str) -> Result<(), Stop> {
    match ended {
        Ok(values) => fail(format!("no trap but {values:?}, expected: {message}")),
        Err(Error::Trap(trap)) if is_called(&trap.kind, message) => Ok(()),
        Err(Error::Trap(trap)) => fail(format!("trap: {}, expected: {message}", trap.kind)),
        Err(error) => Err(error.into()),
    }
}

/// Whether the suite's scripts call a trap so. What they expect is the beginning of a message.
///
/// A call through an index beyond a table is an "undefined element" there, and a message may end in
/// an element's index, which a [`TrapKind`] does not keep.
fn is_called(kind: &TrapKind, message: &str) -> bool {
    let message = message
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end();
    let is_undefined =
        *kind == TrapKind::TableOutOfBounds && "undefined element".starts_with(message);
    is_undefined || kind.to_string().starts_with(message)
}
