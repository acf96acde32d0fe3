//! JavaScript's numbers: `Math`'s functions and how numbers are written.

use super::string::JsString;

/// A function of one number.
pub(super) type Unary = fn(f64) -> f64;

/// A function of two numbers.
pub(super) type Binary = fn(f64, f64) -> f64;

/// `Math`'s functions of one number that WebAssembly has no instruction for.
pub(super) const UNARY: [(&str, Unary); 21] = [
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cbrt", f64::cbrt),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("exp", f64::exp),
    ("expm1", f64::exp_m1),
    ("log", f64::ln),
    ("log10", f64::log10),
    ("log1p", f64::ln_1p),
    ("log2", f64::log2),
    ("round", round),
    ("sign", sign),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

/// `Math`'s functions of two numbers.
pub(super) const BINARY: [(&str, Binary); 3] =
    [("atan2", f64::atan2), ("hypot", f64::hypot), ("pow", pow)];

/// To the nearest integer, halves up.
fn round(number: f64) -> f64 {
    let below = number.floor();
    let rounded = if number - below < 0.5 {
        below
    } else {
        below + 1.0
    };
    rounded.copysign(number)
}

/// The sign; zeros and NaN are their own.
fn sign(number: f64) -> f64 {
    if number == 0.0 || number.is_nan() {
        number
    } else {
        number.signum()
    }
}

/// A power. Unlike in C, one to the power of NaN or an infinity, and minus one to that of an
/// infinity, are NaN.
fn pow(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) {
        return f64::NAN;
    }
    base.powf(exponent)
}

/// A number as `Number.prototype.toString` writes it.
pub(super) fn to_string(number: f64) -> JsString {
    ryu_js::Buffer::new().format(number).into()
}

/// An integer in a base from 2 to 36, or `None` for another base.
pub(super) fn to_string_radix(number: i32, radix: u32) -> Option<JsString> {
    if !(2..=36).contains(&radix) {
        return None;
    }
    let mut rest = number.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit(rest % radix, radix).expect("a remainder is a digit");
        digits.push(digit);
        rest /= radix;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        digits.push('-');
    }
    let text: String = digits.iter().rev().collect();
    Some(text.as_str().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_does() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e21, "1e+21"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e-7, "1e-7"),
            (0.000_001, "0.000001"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
            (f64::from(0.1_f32), "0.10000000149011612"),
        ];
        for (number, text) in cases {
            assert_eq!(to_string(number), text.into());
        }
    }

    #[test]
    fn integers_are_written_in_a_base() {
        let cases = [
            (0, 10, "0"),
            (255, 16, "ff"),
            (-255, 2, "-11111111"),
            (i32::MIN, 10, "-2147483648"),
            (35, 36, "z"),
        ];
        for (number, radix, text) in cases {
            assert_eq!(to_string_radix(number, radix), Some(text.into()));
        }
        assert_eq!(to_string_radix(1, 1), None);
        assert_eq!(to_string_radix(1, 37), None);
    }

    #[test]
    fn math_differs_from_c_where_javascript_does() {
        assert_eq!(round(2.5), 3.0);
        assert_eq!(round(-2.5), -2.0);
        assert_eq!(round(0.499_999_999_999_999_94), 0.0);
        assert!(round(-0.2).is_sign_negative());
        assert_eq!(round(4_503_599_627_370_497.0), 4_503_599_627_370_497.0);
        assert!(round(f64::NAN).is_nan());
        assert_eq!(round(f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(pow(1.0, f64::NAN).is_nan());
        assert!(pow(-1.0, f64::INFINITY).is_nan());
        assert_eq!(pow(f64::NAN, 0.0), 1.0);
        assert_eq!(pow(2.0, 10.0), 1024.0);
        assert!(sign(-0.0).is_sign_negative() && sign(-0.0) == 0.0);
        assert_eq!(sign(-3.0), -1.0);
    }
}
