//! What modules of the J2CL compiler (Java) import: helpers for strings, numbers and errors.
//!
//! Where JavaScript would throw (a null string, a pattern that is none) the program is stopped.
//! The links from JavaScript's errors to Java's, and the benchmark's result, are not kept: nothing
//! that is imported reads them back, and host values are no roots.

use super::constants::define_j2cl_constants;
use super::numbers::{self, BINARY, UNARY};
use super::regexp::{self, RegExp};
use super::slots::{host_value, of_string, of_u32, string, too_long, u32_of};
use super::string::JsString;
use super::{NULLABLE, define_exception_tag, func};
use crate::enter::Slot;
use crate::error::Error;
use crate::func::{Func, HostBody};
use crate::global::low_double;
use crate::linker::Linker;
use crate::module::ExternType;
use crate::trap::TrapKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use windrow::{CollectionKind, FuncType, HostValue, Store, ValType};

/// The module name of the imports.
pub(super) const MODULE: &str = "imports";

/// An error object of JavaScript.
struct JsError {
    /// What it says; null may be all.
    _message: Option<JsString>,
}

/// What a helper does: arguments in, results out, in slots.
type Body = fn(&mut Store, &mut [Slot]) -> Result<(), Error>;

/// Defines J2CL's string constants and what its runtime imports as `imports`: `Math`,
/// `performance.now`, `Error`, `RegExp`, and helpers for strings and numbers.
pub fn define_j2cl(linker: &mut Linker) {
    use ValType::{F64, I32};
    define_j2cl_constants(linker);
    define_exception_tag(linker);
    define_numbers(linker);
    let find = func([NULLABLE, NULLABLE, I32], [I32]);
    let replace = func([NULLABLE, NULLABLE, NULLABLE], [NULLABLE]);
    let helpers: [(&str, FuncType, Body); 8] = [
        ("string.indexOf$2", find.clone(), string_index_of),
        ("string.lastIndexOf$2", find, string_last_index_of),
        ("string.replace$2", replace, string_replace),
        (
            "RegExp.constructor$2",
            func([NULLABLE, NULLABLE], [NULLABLE]),
            new_regexp,
        ),
        ("Error", func([NULLABLE], [NULLABLE]), new_error),
        (
            "j2wasm.ExceptionUtils.setJavaThrowable",
            func([NULLABLE, NULLABLE], []),
            ignore,
        ),
        (
            "set goog.global.__benchmarking_result",
            func([NULLABLE], []),
            ignore,
        ),
        ("gc", func([], []), collect),
    ];
    for (name, ty, body) in helpers {
        linker.define_raw(MODULE, name, ty, body);
    }
    let classes = AtomicU64::new(0);
    let name = "j2wasm.StringUtils.generateClassName";
    linker.define_raw(MODULE, name, func([], [NULLABLE]), move |store, slots| {
        let number = classes.fetch_add(1, Ordering::Relaxed);
        slots[0] = of_string(store, format!("Class${number}").as_str().into())?;
        Ok(())
    });
    let start = Instant::now();
    linker.define_raw(
        MODULE,
        "performance.now",
        func([], [F64]),
        move |_, slots| {
            slots[0] = of_f64(start.elapsed().as_secs_f64() * 1000.0);
            Ok(())
        },
    );
}

fn define_numbers(linker: &mut Linker) {
    use ValType::{F32, F64, I32};
    for (name, function) in UNARY {
        let (name, ty) = (format!("Math.{name}"), func([F64], [F64]));
        linker.define_raw(MODULE, &name, ty, move |_, slots| {
            slots[0] = of_f64(function(f64_of(slots[0])));
            Ok(())
        });
    }
    for (name, function) in BINARY {
        let (name, ty) = (format!("Math.{name}"), func([F64, F64], [F64]));
        linker.define_raw(MODULE, &name, ty, move |_, slots| {
            slots[0] = of_f64(function(f64_of(slots[0]), f64_of(slots[1])));
            Ok(())
        });
    }
    let (name, ty) = (
        "Number.prototype.toString.call$2",
        func([I32, I32], [NULLABLE]),
    );
    linker.define_raw(MODULE, name, ty, integer_to_string);
    // One name for both types of floats.
    linker.define_with(MODULE, |store, module, name, ty| {
        if name != "Number.prototype.toString.call$1" {
            return Ok(None);
        }
        let (ty, body): (_, Body) = match ty {
            ExternType::Func(ty) if ty.params[..] == [F32] => (F32, f32_to_string),
            _ => (F64, f64_to_string),
        };
        let (engine, ty) = (module.engine(), func([ty], [NULLABLE]));
        let function = Func::with_body(engine, store, &ty, HostBody::Raw(Arc::new(body)))?;
        Ok(Some(function.into()))
    });
}

fn f64_of(slot: Slot) -> f64 {
    f64::from_bits(low_double(slot.bits))
}

fn of_f64(number: f64) -> Slot {
    Slot::new(number.to_bits().into())
}

fn f64_to_string(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    slots[0] = of_string(store, numbers::to_string(f64_of(slots[0])))?;
    Ok(())
}

fn f32_to_string(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let number = f32::from_bits(u32_of(slots[0]));
    slots[0] = of_string(store, numbers::to_string(number.into()))?;
    Ok(())
}

fn integer_to_string(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let (number, radix) = (u32_of(slots[0]).cast_signed(), u32_of(slots[1]));
    let string = numbers::to_string_radix(number, radix).ok_or_else(|| {
        Error::host(format!(
            "a number cannot be written in base {radix}; give 2 to 36"
        ))
    })?;
    slots[0] = of_string(store, string)?;
    Ok(())
}

fn string_index_of(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let from = usize::try_from(u32_of(slots[2]).cast_signed()).unwrap_or(0);
    let (text, pattern) = (string(store, slots[0])?, string(store, slots[1])?);
    slots[0] = of_index(regexp::index_of(text, pattern, from));
    Ok(())
}

fn string_last_index_of(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let from = usize::try_from(u32_of(slots[2]).cast_signed()).unwrap_or(0);
    let (text, pattern) = (string(store, slots[0])?, string(store, slots[1])?);
    slots[0] = of_index(regexp::last_index_of(text, pattern, from));
    Ok(())
}

fn of_index(index: Option<usize>) -> Slot {
    let index = index.map(|index| u32::try_from(index).expect("a string is shorter than 2^29"));
    of_u32(index.unwrap_or(u32::MAX))
}

fn string_replace(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let (text, replacement) = (string(store, slots[0])?, string(store, slots[2])?);
    let replaced = match host_value::<RegExp>(store, slots[1])? {
        Some(regexp) => regexp.replace(text, replacement),
        None => regexp::replace(text, string(store, slots[1])?, replacement),
    };
    let replaced = replaced.ok_or_else(|| too_long(JsString::MAX_UNITS + 1))?;
    slots[0] = of_string(store, replaced)?;
    Ok(())
}

fn new_regexp(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let regexp = RegExp::new(string(store, slots[0])?, string(store, slots[1])?)?;
    slots[0] = of_host_value(store, regexp)?;
    Ok(())
}

fn new_error(store: &mut Store, slots: &mut [Slot]) -> Result<(), Error> {
    let message = match string(store, slots[0]) {
        Ok(message) => Some(message.clone()),
        Err(Error::Trap(trap)) if trap.kind == TrapKind::NullReference => None,
        Err(error) => return Err(error),
    };
    slots[0] = of_host_value(store, JsError { _message: message })?;
    Ok(())
}

fn of_host_value(
    store: &mut Store,
    value: impl std::any::Any + Send + Sync,
) -> Result<Slot, Error> {
    let object = store
        .isolate_mut()
        .alloc_extern(HostValue::new(value), &mut [])
        .map_err(|refused| Error::Heap(refused.error))?;
    Ok(Slot::new(object.to_ref().bits().into()))
}

fn ignore(_: &mut Store, _: &mut [Slot]) -> Result<(), Error> {
    Ok(())
}

fn collect(store: &mut Store, _: &mut [Slot]) -> Result<(), Error> {
    Ok(store.isolate_mut().collect(CollectionKind::Full)?)
}
