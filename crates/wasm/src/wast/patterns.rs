//! Results as scripts expect them.

use super::arguments::HostNumber;
use super::{Stop, fail};
use wast::WastRet;
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastRetCore};
use windrow::jit::ShapeKind;
use windrow::{Ref, Store, TypeId, Val};

/// Checks the results of a call.
pub(super) fn check_results(
    store: &Store,
    values: &[Val],
    expected: &[WastRet<'_>],
) -> Result<(), Stop> {
    if values.len() != expected.len() {
        return fail(format!(
            "{} results expected, {} returned",
            expected.len(),
            values.len()
        ));
    }
    for (index, (value, expected)) in values.iter().zip(expected).enumerate() {
        let WastRet::Core(expected) = expected else {
            return fail("results of components are not core values");
        };
        if !matches(store, value, expected)? {
            let found = describe(store, value);
            return fail(format!("result {index} is {found}, expected {expected:?}"));
        }
    }
    Ok(())
}

fn matches(store: &Store, value: &Val, expected: &WastRetCore<'_>) -> Result<bool, Stop> {
    Ok(match (expected, value) {
        (WastRetCore::I32(expected), Val::I32(value)) => expected == value,
        (WastRetCore::I64(expected), Val::I64(value)) => expected == value,
        (WastRetCore::F32(expected), Val::F32(bits)) => f32_matches(*bits, expected),
        (WastRetCore::F64(expected), Val::F64(bits)) => f64_matches(*bits, expected),
        (WastRetCore::V128(expected), Val::V128(bits)) => v128_matches(*bits, expected),
        (WastRetCore::RefNull(ty), Val::Func(id)) => {
            id.is_null() && ty.as_ref().is_none_or(may_be_func)
        }
        (WastRetCore::RefNull(ty), Val::Ref(Ref::Null)) => {
            ty.as_ref().is_none_or(|ty| !must_be_func(ty))
        }
        (WastRetCore::RefFunc(None), Val::Func(id)) => !id.is_null(),
        (WastRetCore::RefFunc(Some(index)), _) => {
            return fail(format!(
                "the script names function {index:?}, but instances number functions apart"
            ));
        }
        (WastRetCore::RefExtern(None), Val::Ref(reference)) => !reference.is_null(),
        (
            WastRetCore::RefExtern(Some(number)) | WastRetCore::RefHost(number),
            Val::Ref(reference),
        ) => host_number(store, reference)? == Some(HostNumber(*number)),
        (WastRetCore::RefI31, Val::Ref(reference)) => matches!(reference, Ref::I31(_)),
        (WastRetCore::RefAny, Val::Ref(reference)) => !reference.is_null(),
        (WastRetCore::RefEq, Val::Ref(reference)) => {
            matches!(reference, Ref::I31(_)) || object_kind(store, reference).is_some()
        }
        (WastRetCore::RefStruct, Val::Ref(reference)) => {
            object_kind(store, reference) == Some(ShapeKind::Struct)
        }
        (WastRetCore::RefArray, Val::Ref(reference)) => {
            object_kind(store, reference) == Some(ShapeKind::Array)
        }
        (WastRetCore::Either(cases), value) => {
            for case in cases {
                if matches(store, value, case)? {
                    return Ok(true);
                }
            }
            false
        }
        _ => false,
    })
}

/// Whether a null of this heap type may be in the function hierarchy.
fn may_be_func(ty: &HeapType<'_>) -> bool {
    must_be_func(ty) || matches!(ty, HeapType::Concrete(_) | HeapType::Exact(_))
}

/// Whether a null of this heap type is in the function hierarchy for sure.
fn must_be_func(ty: &HeapType<'_>) -> bool {
    matches!(
        ty,
        HeapType::Abstract {
            ty: AbstractHeapType::Func | AbstractHeapType::NoFunc,
            ..
        }
    )
}

/// What kind of declared object a reference leads to.
fn object_kind(store: &Store, reference: &Ref) -> Option<ShapeKind> {
    let id = store.type_of(reference)?;
    let declared = id.bits() >= TypeId::FIRST_DECLARED;
    declared.then(|| store.isolate().tables().shape(id).kind)
}

fn host_number(store: &Store, reference: &Ref) -> Result<Option<HostNumber>, Stop> {
    if store.type_of(reference) != Some(TypeId::EXTERN) {
        return Ok(None);
    }
    match reference.host_value(store) {
        Ok(value) => Ok(value.and_then(|value| value.downcast_ref().copied())),
        Err(error) => fail(error.to_string()),
    }
}

const F32_INFINITY: u32 = f32::INFINITY.to_bits();
const F32_QUIET: u32 = 1 << 22;
const F64_INFINITY: u64 = f64::INFINITY.to_bits();
const F64_QUIET: u64 = 1 << 51;

const fn f32_matches(bits: u32, expected: &NanPattern<wast::token::F32>) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & !(1 << 31) == F32_INFINITY | F32_QUIET,
        NanPattern::ArithmeticNan => bits & (F32_INFINITY | F32_QUIET) == F32_INFINITY | F32_QUIET,
        NanPattern::Value(value) => bits == value.bits,
    }
}

const fn f64_matches(bits: u64, expected: &NanPattern<wast::token::F64>) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & !(1 << 63) == F64_INFINITY | F64_QUIET,
        NanPattern::ArithmeticNan => bits & (F64_INFINITY | F64_QUIET) == F64_INFINITY | F64_QUIET,
        NanPattern::Value(value) => bits == value.bits,
    }
}

/// The lanes of a vector, lowest first.
fn lanes<const WIDTH_BYTES: usize>(bits: u128) -> impl Iterator<Item = [u8; WIDTH_BYTES]> {
    let bytes = bits.to_le_bytes();
    let lanes = bytes.as_chunks::<WIDTH_BYTES>().0.to_vec();
    lanes.into_iter()
}

fn v128_matches(bits: u128, expected: &V128Pattern) -> bool {
    match expected {
        V128Pattern::I8x16(expected) => lanes(bits).map(i8::from_le_bytes).eq(*expected),
        V128Pattern::I16x8(expected) => lanes(bits).map(i16::from_le_bytes).eq(*expected),
        V128Pattern::I32x4(expected) => lanes(bits).map(i32::from_le_bytes).eq(*expected),
        V128Pattern::I64x2(expected) => lanes(bits).map(i64::from_le_bytes).eq(*expected),
        V128Pattern::F32x4(expected) => lanes(bits)
            .map(u32::from_le_bytes)
            .zip(expected)
            .all(|(lane, expected)| f32_matches(lane, expected)),
        V128Pattern::F64x2(expected) => lanes(bits)
            .map(u64::from_le_bytes)
            .zip(expected)
            .all(|(lane, expected)| f64_matches(lane, expected)),
    }
}

/// A value as a failure shows it.
fn describe(store: &Store, value: &Val) -> String {
    match value {
        Val::F32(bits) => format!("the f32 {} ({bits:#x})", f32::from_bits(*bits)),
        Val::F64(bits) => format!("the f64 {} ({bits:#x})", f64::from_bits(*bits)),
        Val::Ref(reference @ Ref::Object(_)) => match host_number(store, reference) {
            Ok(Some(HostNumber(number))) => format!("the host value {number}"),
            _ => format!("an object of type {:?}", store.type_of(reference)),
        },
        value => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_patterns_look_at_payload_but_not_at_sign() {
        let canonical = [0x7fc0_0000, 0xffc0_0000];
        let arithmetic = [0x7fc0_0001, 0xffff_ffff];
        let others = [0x7fa0_0000, 0x7f80_0000, 0, 0x3f80_0000];
        for bits in canonical {
            assert!(f32_matches(bits, &NanPattern::CanonicalNan));
            assert!(f32_matches(bits, &NanPattern::ArithmeticNan));
        }
        for bits in arithmetic {
            assert!(!f32_matches(bits, &NanPattern::CanonicalNan));
            assert!(f32_matches(bits, &NanPattern::ArithmeticNan));
        }
        for bits in others {
            assert!(!f32_matches(bits, &NanPattern::CanonicalNan));
            assert!(!f32_matches(bits, &NanPattern::ArithmeticNan));
        }
        assert!(f64_matches(
            0xfff8_0000_0000_0000,
            &NanPattern::CanonicalNan
        ));
        assert!(!f64_matches(
            0x7ff4_0000_0000_0000,
            &NanPattern::ArithmeticNan
        ));
    }

    #[test]
    fn vectors_are_compared_by_lane() {
        let bits = u128::from_le_bytes(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        assert!(v128_matches(
            bits,
            &V128Pattern::I8x16(std::array::from_fn(|index| i8::try_from(index).unwrap()))
        ));
        assert!(v128_matches(
            bits,
            &V128Pattern::I64x2([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908])
        ));
        assert!(!v128_matches(bits, &V128Pattern::I32x4([0x0302_0100; 4])));
    }
}
