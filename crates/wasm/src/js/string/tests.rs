//! UTF-16 semantics, and the sharing of long strings' units.

use super::*;
use proptest::prelude::*;

fn js(text: &str) -> JsString {
    text.into()
}

fn long(unit: u16, len: usize) -> JsString {
    JsString::from_units(&vec![unit; len])
}

#[test]
fn code_points_beyond_the_first_plane_are_two_units() {
    let string = js("a\u{1f600}b");
    assert_eq!(string.units(), [0x61, 0xd83d, 0xde00, 0x62]);
    let code_points: Vec<_> = (0..5).map(|index| string.code_point(index)).collect();
    let expected = [Some(0x61), Some(0x1_f600), Some(0xde00), Some(0x62), None];
    assert_eq!(code_points, expected);
    assert_eq!(string.unit(1), Some(0xd83d));
    assert_eq!(string.unit(4), None);
    assert_eq!(JsString::from_code_point(0x1_f600), Some(js("\u{1f600}")));
    assert_eq!(JsString::from_code_point(0x11_0000), None);
}

#[test]
fn surrogates_without_partners_are_kept() {
    let high = JsString::from_code_point(0xd83d).unwrap();
    let low = JsString::from_code_point(0xde00).unwrap();
    assert_eq!(high.code_point(0), Some(0xd83d));
    assert_eq!(low.concat(&high).unwrap().code_point(0), Some(0xde00));
    assert_eq!(high.concat(&low), Some(js("\u{1f600}")));
    assert_eq!(high.to_string(), "\u{fffd}");
    assert_eq!(js("\u{1f600}").substring(0, 1), high);
}

#[test]
fn strings_are_ordered_by_units() {
    // By code points it would be the other way round.
    assert!(js("\u{1f600}") < js("\u{ff5e}"));
    assert!(js("") < js("a"));
    assert!(js("a") < js("ab"));
    assert!(js("ab") < js("b"));
    assert_eq!(js("ab").cmp(&js("ab")), Ordering::Equal);
    let string = long(7, 100);
    assert!(string < string.concat(&js("x")).unwrap());
    assert_eq!(string.cmp(&long(7, 100)), Ordering::Equal);
}

#[test]
fn bounds_of_substrings_are_brought_into_range() {
    for string in [js("abc"), js(&"abc".repeat(100))] {
        let len = string.len();
        assert_eq!(string.substring(0, usize::MAX), string);
        assert!(string.substring(2, 1).is_empty());
        assert!(string.substring(len, len + 1).is_empty());
        assert!(string.substring(usize::MAX, usize::MAX).is_empty());
        assert_eq!(string.substring(1, 3), js("bc"));
    }
}

#[test]
fn a_long_string_is_appended_to_in_place_by_one_only() {
    let start = long(1, 100).concat(&long(2, 100)).unwrap();
    let (first, second) = (
        start.concat(&js("x")).unwrap(),
        start.concat(&js("y")).unwrap(),
    );
    assert_eq!(start, long(1, 100).concat(&long(2, 100)).unwrap());
    assert_eq!((first.unit(200), second.unit(200)), (Some(120), Some(121)));
    assert_eq!(first.substring(0, 200), second.substring(0, 200));
    let shared = |a: &JsString, b: &JsString| match (&a.0, &b.0) {
        (Repr::Long(a), Repr::Long(b)) => Arc::ptr_eq(&a.buffer, &b.buffer),
        _ => false,
    };
    assert!(shared(&start, &first));
    assert!(!shared(&start, &second));
    let doubled = first.concat(&first).unwrap();
    assert_eq!(doubled.substring(201, 402), first);
}

#[test]
fn what_is_kept_alive_is_bounded_by_the_length() {
    let string = long(1, 100_000);
    match string.substring(10, 110).0 {
        Repr::Long(part) => assert!(part.lock().capacity() <= 8 * part.len),
        Repr::Short(_) => panic!("100 units are long"),
    }
    // A window that slides over what is appended never fills a buffer up.
    let mut window = long(1, 100);
    for _ in 0..10_000 {
        window = window.concat(&js("x")).unwrap().substring(1, 101);
        match &window.0 {
            Repr::Long(part) => assert!(part.lock().capacity() <= 1000),
            Repr::Short(_) => panic!("100 units are long"),
        }
    }
}

#[test]
fn strings_longer_than_the_limit_are_refused() {
    // Zeros the system hands out: nothing here touches them.
    let string = JsString::in_buffer(vec![0; 1 << 28]);
    assert_eq!(string.concat(&string), None);
    const { assert!(JsString::MAX_UNITS < 1 << 29) };
}

/// A string made in some way, and the units it must have.
fn made() -> impl Strategy<Value = (JsString, Vec<u16>)> {
    let leaf = prop::collection::vec(0_u16..4, 0..150)
        .prop_map(|units| (JsString::from_units(&units), units));
    leaf.prop_recursive(6, 40, 2, |inner| {
        let concat = (inner.clone(), inner.clone()).prop_map(|((a, units), (b, more))| {
            let both = a.concat(&b).unwrap();
            (both, [units, more].concat())
        });
        let substring = (inner, any::<(u8, u8)>()).prop_map(|((string, units), (a, b))| {
            let at = |part: u8| units.len() * usize::from(part) / 255;
            let range = at(a.min(b))..at(a.max(b));
            (
                string.substring(range.start, range.end),
                units[range].to_vec(),
            )
        });
        prop_oneof![concat, substring]
    })
}

proptest! {
    #[test]
    fn strings_are_their_units((a, units) in made(), (b, others) in made()) {
        prop_assert_eq!(a.units(), &*units);
        prop_assert_eq!(a.len(), units.len());
        prop_assert_eq!(a.cmp(&b), units.cmp(&others));
        prop_assert_eq!(a == b, units == others);
        let (ab, aab) = (a.concat(&b).unwrap(), a.concat(&a).unwrap().concat(&b).unwrap());
        prop_assert_eq!(ab.units(), [&*units, &*others].concat());
        prop_assert_eq!(aab.units(), [&*units, &*units, &*others].concat());
        prop_assert_eq!(a.units(), units);
    }
}
