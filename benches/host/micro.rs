//! What single operations cost, on a struct of an `i32` and a reference: 16 bytes.
//!
//! A scope is opened for every 256 operations, which is part of the figure. Reads go round 256
//! objects; what is read is added up, or leads on.

use crate::args::Options;
use crate::heap::{Declared, declare};
use crate::table::median;
use std::hint::black_box;
use std::time::Instant;
use windrow::{
    CollectorKind, Config, Error, Field, RefField, Rooted, Scope, ScopedVal, Store, StructRef,
    TypeId, Val, ValType,
};

const STRETCH: usize = 256;

/// What is measured, and how: each call does `STRETCH` operations.
type Operation = (
    &'static str,
    fn(&mut Scope<'_>, &Pair, &[Rooted<'_, StructRef>]) -> Result<i32, Error>,
);

struct Pair {
    type_id: TypeId,
    number: Field<i32>,
    next: RefField<StructRef>,
}

const OPERATIONS: &[Operation] = &[
    ("allocate, `new`", |scope, pair, _| {
        for number in 0..256 {
            let fields = [Val::I32(number), ScopedVal::NULL];
            black_box(StructRef::new(scope, pair.type_id, &fields)?);
        }
        Ok(0)
    }),
    ("allocate, `new_default`", |scope, pair, _| {
        for _ in 0..STRETCH {
            black_box(StructRef::new_default(scope, pair.type_id)?);
        }
        Ok(0)
    }),
    ("allocate, `new_unchecked`", |scope, pair, _| {
        for _ in 0..STRETCH {
            black_box(StructRef::new_unchecked(scope, pair.type_id)?);
        }
        Ok(0)
    }),
    ("number, `get`", |scope, _, objects| {
        let mut sum = 0_i32;
        for object in objects {
            sum = sum.wrapping_add(object.get(scope, 0)?.as_i32().unwrap_or(0));
        }
        Ok(sum)
    }),
    ("number, `read`", |scope, pair, objects| {
        let mut sum = 0_i32;
        for object in objects {
            sum = sum.wrapping_add(object.read(scope, pair.number)?);
        }
        Ok(sum)
    }),
    ("number, `read_unchecked`", |scope, pair, objects| {
        let mut sum = 0_i32;
        for object in objects {
            sum = sum.wrapping_add(object.read_unchecked(scope, pair.number));
        }
        Ok(sum)
    }),
    ("number, `set`", |scope, _, objects| {
        for object in objects {
            object.set(scope, 0, Val::I32(1))?;
        }
        Ok(0)
    }),
    ("number, `write`", |scope, pair, objects| {
        for object in objects {
            object.write(scope, pair.number, 1)?;
        }
        Ok(0)
    }),
    ("number, `write_unchecked`", |scope, pair, objects| {
        for object in objects {
            object.write_unchecked(scope, pair.number, 1);
        }
        Ok(0)
    }),
    ("reference, `get`", |scope, _, objects| {
        for object in objects {
            black_box(object.get(scope, 1)?);
        }
        Ok(0)
    }),
    ("reference, `read_ref`", |scope, pair, objects| {
        for object in objects {
            black_box(object.read_ref(scope, pair.next)?);
        }
        Ok(0)
    }),
    ("reference, `read_ref_unchecked`", |scope, pair, objects| {
        for object in objects {
            black_box(object.read_ref_unchecked(scope, pair.next));
        }
        Ok(0)
    }),
    ("reference, `write_ref`", |scope, pair, objects| {
        for object in objects {
            object.write_ref(scope, pair.next, Some(object.to_any()))?;
        }
        Ok(0)
    }),
    (
        "reference, `write_ref_unchecked`",
        |scope, pair, objects| {
            for object in objects {
                object.write_ref_unchecked(scope, pair.next, Some(object.to_any()));
            }
            Ok(0)
        },
    ),
];

/// Nanoseconds an operation: the median of many rounds, each of which is too short to be
/// interrupted often.
pub(crate) fn measure(
    kind: CollectorKind,
    options: &Options,
) -> Result<Vec<(&'static str, f64)>, Error> {
    let (rounds, stretches) = if options.is_quick { (3, 4) } else { (2001, 20) };
    let mut figures = Vec::new();
    for (name, run) in OPERATIONS {
        let mut store = Store::new(&Config::new().collector(kind))?;
        let type_id = declare(&store, &[Declared::Of(ValType::I32), Declared::Own])?;
        let pair = Pair {
            type_id,
            number: store.field(type_id, 0)?,
            next: store.ref_field(type_id, 1)?,
        };
        let scope = &mut store.scope();
        let mut objects = Vec::new();
        for number in 0..256 {
            let next = objects.last().copied();
            let fields = [Val::I32(number), ScopedVal::from(next)];
            objects.push(StructRef::new(scope, type_id, &fields)?);
        }
        let mut times = Vec::new();
        for _ in 0..rounds {
            let start = Instant::now();
            for _ in 0..stretches {
                black_box(run(&mut scope.scope(), &pair, black_box(&objects))?);
            }
            let operations = f64::from(stretches) * 256.0;
            times.push(start.elapsed().as_secs_f64() * 1e9 / operations);
        }
        figures.push((*name, median(times)));
    }
    Ok(figures)
}
