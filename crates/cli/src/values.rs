//! Values as text: arguments read by the type they must have, results printed.

use windrow::jit::ShapeKind;
use windrow::{FunctionId, HeapType, Ref, RefType, Store, TypeId, TypeRegistry, Val, ValType};

/// What is wrong with the text of an argument.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(crate) enum ValueError {
    /// Not an integer of this width.
    #[error(
        "`{text}` is not an {ty}: write an integer from {min} to {max}, or in hexadecimal with 0x"
    )]
    Integer {
        /// The text.
        text: String,
        /// The type it should have.
        ty: &'static str,
        /// The least value of the type, read as signed.
        min: i128,
        /// The largest value of the type, read as unsigned.
        max: i128,
    },
    /// Not a float.
    #[error("`{text}` is not an {ty}: write a number such as 1.5 or -2e10, or inf, -inf or nan")]
    Float {
        /// The text.
        text: String,
        /// The type it should have.
        ty: &'static str,
    },
    /// A number too large for the float type.
    #[error(
        "`{text}` is too large for {ty}: its largest number is {max:e}; write inf for infinity"
    )]
    FloatRange {
        /// The text.
        text: String,
        /// The type it should have.
        ty: &'static str,
        /// The largest finite value of the type.
        max: f64,
    },
    /// Not a reference that can be written.
    #[error("`{text}` is not a {ty}: {accepted}")]
    Reference {
        /// The text.
        text: String,
        /// The type it should have.
        ty: String,
        /// What can be written for the type.
        accepted: &'static str,
    },
    /// Not a vector.
    #[error(
        "`{text}` is not a v128: write 0x and up to 32 hexadecimal digits, lane 0 in the last ones"
    )]
    Vector {
        /// The text.
        text: String,
    },
}

/// Reads a value of type `ty`; `types` knows the concrete types.
///
/// # Errors
/// A [`ValueError`] that says what the type accepts.
pub(crate) fn parse(text: &str, ty: ValType, types: &TypeRegistry) -> Result<Val, ValueError> {
    Ok(match ty {
        ValType::I32 => {
            let bits = integer(text, "i32", 32)? & u64::from(u32::MAX);
            Val::I32(u32::try_from(bits).expect("it was masked").cast_signed())
        }
        ValType::I64 => Val::I64(integer(text, "i64", 64)?.cast_signed()),
        ValType::F32 => {
            let value: f32 = float(text, "f32", f64::from(f32::MAX), |value: &f32| {
                value.is_infinite()
            })?;
            Val::F32(value.to_bits())
        }
        ValType::F64 => {
            let value: f64 = float(text, "f64", f64::MAX, |value: &f64| value.is_infinite())?;
            Val::F64(value.to_bits())
        }
        ValType::V128 => Val::V128(vector(text)?),
        ValType::Ref(ty) => reference(text, ty, types)?,
    })
}

/// The low `bits` of an integer in the signed or the unsigned range, in two's complement.
fn integer(text: &str, ty: &'static str, bits: u32) -> Result<u64, ValueError> {
    let (min, max) = (-(1_i128 << (bits - 1)), (1_i128 << bits) - 1);
    let (is_negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match magnitude
        .strip_prefix("0x")
        .or_else(|| magnitude.strip_prefix("0X"))
    {
        Some(digits) => (digits, 16),
        None => (magnitude, 10),
    };
    // `from_str_radix` would take a second sign.
    let magnitude = if digits.starts_with(['+', '-']) {
        None
    } else {
        i128::from_str_radix(digits, radix).ok()
    };
    magnitude
        .map(|magnitude| if is_negative { -magnitude } else { magnitude })
        .filter(|value| (min..=max).contains(value))
        .and_then(|value| {
            i64::try_from(value)
                .map(i64::cast_unsigned)
                .or_else(|_| u64::try_from(value))
                .ok()
        })
        .ok_or_else(|| ValueError::Integer {
            text: text.to_owned(),
            ty,
            min,
            max,
        })
}

/// The bits of a vector, as [`display`] writes them.
fn vector(text: &str) -> Result<u128, ValueError> {
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .filter(|digits| digits.starts_with(|first: char| first.is_ascii_hexdigit()))
        .and_then(|digits| u128::from_str_radix(digits, 16).ok())
        .ok_or_else(|| ValueError::Vector {
            text: text.to_owned(),
        })
}

/// A float; infinite only where the text says so.
fn float<F: std::str::FromStr>(
    text: &str,
    ty: &'static str,
    max: f64,
    is_infinite: impl Fn(&F) -> bool,
) -> Result<F, ValueError> {
    let value: F = text.parse().map_err(|_| ValueError::Float {
        text: text.to_owned(),
        ty,
    })?;
    if is_infinite(&value) && text.contains(|c: char| c.is_ascii_digit()) {
        return Err(ValueError::FloatRange {
            text: text.to_owned(),
            ty,
            max,
        });
    }
    Ok(value)
}

/// Null where the type has it, and integers where it has those.
fn reference(text: &str, ty: RefType, types: &TypeRegistry) -> Result<Val, ValueError> {
    let has_i31 = matches!(ty.heap_type, HeapType::Any | HeapType::Eq | HeapType::I31);
    let refused = || ValueError::Reference {
        text: text.to_owned(),
        ty: ty.to_string(),
        accepted: match (ty.nullable, has_i31) {
            (true, true) => "write null or an integer from -1073741824 to 1073741823",
            (true, false) => "write null; other references cannot be given on the command line",
            (false, true) => "write an integer from -1073741824 to 1073741823",
            (false, false) => "such references cannot be given on the command line",
        },
    };
    if text == "null" && ty.nullable {
        let top = ty
            .heap_type
            .top(|id| types.sub_type(id).as_func().is_some());
        return Ok(if top == HeapType::Func {
            Val::Func(FunctionId::NULL)
        } else {
            Val::Ref(Ref::Null)
        });
    }
    let fits = |value: &i32| (-(1 << 30)..1 << 30).contains(value);
    match text.parse::<i32>().ok().filter(fits) {
        Some(value) if has_i31 => Ok(Val::Ref(Ref::I31(value))),
        _ => Err(refused()),
    }
}

/// A value as a line of output: integers in decimal, floats in the fewest digits that read back
/// as the same, references by what they lead to.
pub(crate) fn display(value: &Val, store: &Store) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => {
            let value = f32::from_bits(*bits);
            float_text(f64::from(value), &value, &|| format!("{value:e}"))
        }
        Val::F64(bits) => {
            let value = f64::from_bits(*bits);
            float_text(value, &value, &|| format!("{value:e}"))
        }
        Val::V128(bits) => format!("{bits:#034x}"),
        Val::Func(FunctionId::NULL) | Val::Ref(Ref::Null) => "null".to_owned(),
        Val::Func(_) => "func".to_owned(),
        Val::Ref(Ref::I31(value)) => format!("i31 {value}"),
        Val::Ref(reference @ Ref::Object(_)) => kind(reference, store).to_owned(),
    }
}

/// Very large and very small numbers are written with an exponent, as in JavaScript.
fn float_text(
    value: f64,
    plain: &dyn std::fmt::Display,
    scientific: &dyn Fn() -> String,
) -> String {
    let magnitude = value.abs();
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_finite() && magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        scientific()
    } else {
        plain.to_string()
    }
}

fn kind(reference: &Ref, store: &Store) -> &'static str {
    match store.type_of(reference) {
        Some(TypeId::EXTERN) => "extern",
        Some(TypeId::EXN) => "exn",
        Some(id) => match store.types().tables().shape(id).kind {
            ShapeKind::Struct => "struct",
            ShapeKind::Array => "array",
            ShapeKind::Function | ShapeKind::Invalid => "object",
        },
        None => "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windrow::{Config, FuncType};

    fn i32(text: &str) -> Option<i32> {
        match parse(text, ValType::I32, &TypeRegistry::new()) {
            Ok(Val::I32(value)) => Some(value),
            _ => None,
        }
    }

    fn i64(text: &str) -> Option<i64> {
        match parse(text, ValType::I64, &TypeRegistry::new()) {
            Ok(Val::I64(value)) => Some(value),
            _ => None,
        }
    }

    /// What an argument of a float type prints as.
    fn round_trip(text: &str, ty: ValType) -> Result<String, ValueError> {
        let store = Store::new(&Config::new()).unwrap();
        parse(text, ty, store.types()).map(|value| display(&value, &store))
    }

    #[test]
    fn integers_span_the_signed_and_the_unsigned_range() {
        assert_eq!(i32("-2147483648"), Some(i32::MIN));
        assert_eq!(i32("4294967295"), Some(-1));
        assert_eq!(i32("0xffffffff"), Some(-1));
        assert_eq!(i32("-0x80000000"), Some(i32::MIN));
        assert_eq!(i32("+7"), Some(7));
        assert_eq!(i64("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(i64("18446744073709551615"), Some(-1));
        assert_eq!(i64("0xFFFFFFFFFFFFFFFE"), Some(-2));
    }

    #[test]
    fn what_is_no_integer_is_refused_with_the_range() {
        for text in [
            "",
            "-",
            "+",
            "0x",
            "--1",
            "+-1",
            "0x-1",
            "1.0",
            "1e3",
            "ten",
            "4294967296",
            "-2147483649",
            " 1",
        ] {
            assert_eq!(i32(text), None, "{text:?}");
        }
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "-0x8000000000000001",
        ] {
            assert_eq!(i64(text), None, "{text:?}");
        }
        let huge = "9".repeat(100);
        let error = round_trip(&huge, ValType::I32).unwrap_err().to_string();
        assert!(error.contains("from -2147483648 to 4294967295"), "{error}");
    }

    #[test]
    fn floats_print_in_the_fewest_digits_that_read_back() {
        let cases = [
            ("0.1", "0.1"),
            ("1", "1"),
            ("-0", "-0"),
            ("2219778900", "2219778900"),
            ("1e300", "1e300"),
            ("-1.5e-9", "-1.5e-9"),
            ("100000000000000000000", "100000000000000000000"),
            ("inf", "inf"),
            ("-inf", "-inf"),
            ("nan", "nan"),
        ];
        for (text, printed) in cases {
            assert_eq!(round_trip(text, ValType::F64).as_deref(), Ok(printed));
        }
        assert_eq!(round_trip("0.1", ValType::F32).as_deref(), Ok("0.1"));
        assert_eq!(
            round_trip("16777217", ValType::F32).as_deref(),
            Ok("16777216")
        );
    }

    #[test]
    fn vectors_are_hexadecimal_both_ways() {
        let whole = "0x0f0e0d0c0b0a09080706050403020100";
        assert_eq!(round_trip(whole, ValType::V128).as_deref(), Ok(whole));
        assert_eq!(
            round_trip("0xFF", ValType::V128).as_deref(),
            Ok("0x000000000000000000000000000000ff")
        );
        let long = format!("0x1{}", "0".repeat(32));
        for text in ["", "0x", "12", "0x+1", "-0x1", "0xg", &long] {
            assert!(
                matches!(
                    round_trip(text, ValType::V128),
                    Err(ValueError::Vector { .. })
                ),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_is_no_float_is_refused() {
        for text in ["", "one", "1,5", "0x1p3", "1e"] {
            assert!(
                matches!(
                    round_trip(text, ValType::F64),
                    Err(ValueError::Float { .. })
                ),
                "{text:?}"
            );
        }
        assert!(matches!(
            round_trip("1e400", ValType::F64),
            Err(ValueError::FloatRange { .. })
        ));
        let error = round_trip("1e39", ValType::F32).unwrap_err().to_string();
        assert!(error.contains("too large for f32"), "{error}");
    }

    #[test]
    fn references_are_null_or_small_integers() {
        assert_eq!(round_trip("null", ValType::ANYREF).as_deref(), Ok("null"));
        assert_eq!(round_trip("null", ValType::FUNCREF).as_deref(), Ok("null"));
        assert_eq!(
            round_trip("-1073741824", ValType::ANYREF).as_deref(),
            Ok("i31 -1073741824")
        );
        for (text, ty) in [
            ("1073741824", ValType::ANYREF),
            ("1", ValType::EXTERNREF),
            ("x", ValType::FUNCREF),
        ] {
            assert!(
                matches!(round_trip(text, ty), Err(ValueError::Reference { .. })),
                "{text} as {ty}"
            );
        }
        let types = TypeRegistry::new();
        let function = types.register_func(FuncType::new([], [])).unwrap();
        let ty = ValType::Ref(RefType::nullable(HeapType::Concrete(function)));
        assert!(matches!(
            parse("null", ty, &types),
            Ok(Val::Func(FunctionId::NULL))
        ));
        let ty = ValType::Ref(RefType::non_null(HeapType::Struct));
        let error = round_trip("null", ty).unwrap_err().to_string();
        assert_eq!(
            error,
            "`null` is not a (ref struct): such references cannot be given on the command line"
        );
    }
}
