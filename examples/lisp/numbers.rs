//! Numbers: integers of 64 bits, of which 31 need no object, and floats.

use super::builtins::Args;
use super::fault::Fault;
use super::machine::Lisp;
use super::types::Kind;
use windrow::GcRef;

type Answer = Result<GcRef, Fault>;

#[derive(Clone, Copy, Debug)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }
}

impl Lisp {
    #[inline]
    fn number(&mut self, args: Args, at: usize) -> Result<Number, Fault> {
        let value = args.get(self, at);
        if let Some(small) = value.as_i31() {
            return Ok(Number::Int(small.into()));
        }
        let types = &self.heap.types;
        let isolate = self.heap.store.isolate();
        match (self.heap.kind(value), value.as_object()) {
            (Kind::Long, Some(long)) => {
                let bits = isolate.load_u64(long, types.long.offset());
                Ok(Number::Int(bits.cast_signed()))
            }
            (Kind::Float, Some(float)) => {
                let bits = isolate.load_u64(float, types.float.offset());
                Ok(Number::Float(f64::from_bits(bits)))
            }
            _ => Err(self.wrong("a number", value)),
        }
    }

    #[inline]
    fn make(&mut self, number: Number) -> Answer {
        match number {
            Number::Int(int) => self.heap.int(int),
            Number::Float(float) => self.heap.float(float),
        }
    }

    fn int(&mut self, args: Args, at: usize) -> Result<i64, Fault> {
        match self.number(args, at)? {
            Number::Int(int) => Ok(int),
            Number::Float(_) => Err(self.wrong("an integer", args.get(self, at))),
        }
    }
}

type Ints = fn(i64, i64) -> Option<i64>;
type Floats = fn(f64, f64) -> f64;

fn combine(one: Number, two: Number, ints: Ints, floats: Floats) -> Result<Number, Fault> {
    match (one, two) {
        (Number::Int(one), Number::Int(two)) => {
            let result = ints(one, two).map(Number::Int);
            result.ok_or_else(|| Fault::new("the result has more than 64 bits"))
        }
        _ => Ok(Number::Float(floats(one.float(), two.float()))),
    }
}

#[inline]
fn fold(lisp: &mut Lisp, args: Args, unit: i64, ints: Ints, floats: Floats) -> Answer {
    let mut total = match args.count {
        0 => return lisp.heap.int(unit),
        1 => Number::Int(unit),
        _ => lisp.number(args, 0)?,
    };
    for at in usize::from(args.count > 1)..args.count {
        total = combine(total, lisp.number(args, at)?, ints, floats)?;
    }
    lisp.make(total)
}

pub(crate) fn add(lisp: &mut Lisp, args: Args) -> Answer {
    fold(lisp, args, 0, i64::checked_add, |one, two| one + two)
}

pub(crate) fn subtract(lisp: &mut Lisp, args: Args) -> Answer {
    fold(lisp, args, 0, i64::checked_sub, |one, two| one - two)
}

pub(crate) fn multiply(lisp: &mut Lisp, args: Args) -> Answer {
    fold(lisp, args, 1, i64::checked_mul, |one, two| one * two)
}

/// Exact where it comes out even.
pub(crate) fn divide(lisp: &mut Lisp, args: Args) -> Answer {
    let mut total = match args.count {
        1 => Number::Int(1),
        _ => lisp.number(args, 0)?,
    };
    for at in usize::from(args.count > 1)..args.count {
        let by = lisp.number(args, at)?;
        total = match (total, by) {
            (_, Number::Int(0)) => return Err(Fault::new("division by zero")),
            (Number::Int(one), Number::Int(two)) if one.checked_rem(two) == Some(0) => {
                Number::Int(one / two)
            }
            (one, two) => Number::Float(one.float() / two.float()),
        };
    }
    lisp.make(total)
}

fn whole(lisp: &mut Lisp, args: Args, ints: Ints) -> Answer {
    let (one, two) = (lisp.int(args, 0)?, lisp.int(args, 1)?);
    match ints(one, two) {
        Some(result) => lisp.heap.int(result),
        None if two == 0 => Err(Fault::new("division by zero")),
        None => Err(Fault::new("the result has more than 64 bits")),
    }
}

pub(crate) fn quotient(lisp: &mut Lisp, args: Args) -> Answer {
    whole(lisp, args, i64::checked_div)
}

pub(crate) fn remainder(lisp: &mut Lisp, args: Args) -> Answer {
    whole(lisp, args, i64::checked_rem)
}

/// With the sign of the divisor.
pub(crate) fn modulo(lisp: &mut Lisp, args: Args) -> Answer {
    whole(lisp, args, |one, two| {
        let rest = one.checked_rem(two)?;
        let is_off = rest != 0 && (rest < 0) != (two < 0);
        Some(if is_off { rest + two } else { rest })
    })
}

#[inline]
fn compare(
    lisp: &mut Lisp,
    args: Args,
    ints: fn(&i64, &i64) -> bool,
    floats: fn(&f64, &f64) -> bool,
) -> Answer {
    let mut last = lisp.number(args, 0)?;
    let mut holds = true;
    for at in 1..args.count {
        let next = lisp.number(args, at)?;
        holds &= match (last, next) {
            (Number::Int(one), Number::Int(two)) => ints(&one, &two),
            (one, two) => floats(&one.float(), &two.float()),
        };
        last = next;
    }
    Ok(lisp.heap.bool(holds))
}

pub(crate) fn equal(lisp: &mut Lisp, args: Args) -> Answer {
    compare(lisp, args, i64::eq, f64::eq)
}

pub(crate) fn less(lisp: &mut Lisp, args: Args) -> Answer {
    compare(lisp, args, i64::lt, f64::lt)
}

pub(crate) fn greater(lisp: &mut Lisp, args: Args) -> Answer {
    compare(lisp, args, i64::gt, f64::gt)
}

pub(crate) fn at_most(lisp: &mut Lisp, args: Args) -> Answer {
    compare(lisp, args, i64::le, f64::le)
}

pub(crate) fn at_least(lisp: &mut Lisp, args: Args) -> Answer {
    compare(lisp, args, i64::ge, f64::ge)
}

fn of_float(lisp: &mut Lisp, args: Args, with: fn(f64) -> f64) -> Answer {
    match lisp.number(args, 0)? {
        Number::Int(_) => Ok(args.get(lisp, 0)),
        Number::Float(float) => lisp.heap.float(with(float)),
    }
}

pub(crate) fn floor(lisp: &mut Lisp, args: Args) -> Answer {
    of_float(lisp, args, f64::floor)
}

pub(crate) fn round(lisp: &mut Lisp, args: Args) -> Answer {
    of_float(lisp, args, f64::round_ties_even)
}

/// Exact for squares.
pub(crate) fn sqrt(lisp: &mut Lisp, args: Args) -> Answer {
    let number = lisp.number(args, 0)?;
    if let Number::Int(int) = number
        && int >= 0
        && int.isqrt().pow(2) == int
    {
        return lisp.heap.int(int.isqrt());
    }
    lisp.heap.float(number.float().sqrt())
}

pub(crate) fn exact(lisp: &mut Lisp, args: Args) -> Answer {
    match lisp.number(args, 0)? {
        Number::Int(_) => Ok(args.get(lisp, 0)),
        Number::Float(float) if float.fract() == 0.0 && float.abs() < 9e18 => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a whole number of less than 64 bits"
            )]
            let int = float as i64;
            lisp.heap.int(int)
        }
        Number::Float(_) => Err(lisp.wrong("a whole number", args.get(lisp, 0))),
    }
}

pub(crate) fn inexact(lisp: &mut Lisp, args: Args) -> Answer {
    let float = lisp.number(args, 0)?.float();
    lisp.heap.float(float)
}
