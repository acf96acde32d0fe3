//! Which arguments to call a function with.

use super::Theirs;
use crate::observe::Arg;
use crate::random::Random;
use wasmtime::{FuncType, HeapType, RefType, Val, ValType};

/// Integers that programs treat specially.
const INTEGERS: [i64; 10] = [
    0,
    1,
    -1,
    2,
    8,
    0x7fff_ffff,
    -0x8000_0000,
    i64::MAX,
    i64::MIN,
    0x3fff_ffff,
];

impl Theirs {
    /// Arguments for a function, or `None` where there is no value of a type it wants.
    pub(crate) fn arguments(&mut self, name: &str, random: &mut Random) -> Option<Vec<Arg>> {
        let ty = self.func(name)?.ty(&self.store);
        ty.params().map(|ty| self.argument(&ty, random)).collect()
    }

    fn argument(&mut self, ty: &ValType, random: &mut Random) -> Option<Arg> {
        Some(match ty {
            ValType::I32 => {
                let [a, b, c, d, ..] = integer(random).to_le_bytes();
                Arg::I32(i32::from_le_bytes([a, b, c, d]))
            }
            ValType::I64 => Arg::I64(integer(random)),
            ValType::F32 => Arg::F32(float(random).to_bits()),
            ValType::F64 => Arg::F64(f64::from(float(random)).to_bits()),
            ValType::V128 => Arg::V128(u128::from(random.bits()) << 64 | u128::from(random.bits())),
            ValType::Ref(ty) => return self.reference(ty, random),
        })
    }

    /// Whether a value is of a type. Where the engine takes functions of other types with the same
    /// parameters and results, the specification does not: only those of the very type count.
    fn fits(&self, value: &Val, expected: &ValType) -> bool {
        if let (Val::FuncRef(Some(func)), ValType::Ref(ty)) = (value, expected)
            && let HeapType::ConcreteFunc(ty) = ty.heap_type()
        {
            return FuncType::eq(&func.ty(&self.store), ty);
        }
        value.matches_ty(&self.store, expected).unwrap_or(false)
    }

    fn reference(&mut self, ty: &RefType, random: &mut Random) -> Option<Arg> {
        let expected = ValType::Ref(ty.clone());
        let fits = |value: &Val| self.fits(value, &expected);
        let mut choices: Vec<Arg> = (self.earlier.iter().enumerate())
            .filter(|(_, value)| fits(value))
            .map(|(index, _)| Arg::Earlier(index))
            .collect();
        let heap_type = ty.heap_type();
        if ty.is_nullable() {
            let is_function = matches!(heap_type.top(), HeapType::Func);
            choices.push(if is_function {
                Arg::NullFunction
            } else {
                Arg::Null
            });
        }
        match heap_type {
            HeapType::Any | HeapType::Eq | HeapType::I31 => {
                choices.push(Arg::I31(random.half().cast_signed() >> 1));
            }
            HeapType::Extern => choices.push(Arg::Host(random.half())),
            _ => {}
        }
        random.pick(&choices).cloned()
    }
}

fn integer(random: &mut Random) -> i64 {
    match random.below(3) {
        0 => random.pick(&INTEGERS).copied().unwrap_or(0),
        1 => i64::try_from(random.below(400)).unwrap_or(0),
        _ => random.bits().cast_signed(),
    }
}

/// A float; no number only if it is the canonical one, as what becomes of another's payload is not
/// specified.
fn float(random: &mut Random) -> f32 {
    let value = f32::from_bits(random.half());
    if value.is_nan() { f32::NAN } else { value }
}
