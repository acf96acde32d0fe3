//! Arrays: elements one by one and many at once, and plain data as slices.

use crate::everywhere;
use windrow::{
    ArrayRef, ArrayType, CollectionKind, Error, FieldType, I31, ScopedVal, StorageType, Store,
    TypeId, Val, ValType,
};

fn array(store: &Store, element: impl Into<StorageType>) -> TypeId {
    let of = ArrayType::new(FieldType::mutable(element));
    store.types().register_array(of).expect("a small type")
}

fn number(value: i32) -> ScopedVal<'static> {
    I31::wrapping(value).into()
}

#[test]
fn elements_are_read_and_written() {
    everywhere(|store| {
        let refs = array(store, ValType::ANYREF);
        let shorts = array(store, StorageType::I16);
        let mut scope = store.scope();
        let inner = ArrayRef::new(&mut scope, shorts, 3, Val::I32(-2)).unwrap();
        let outer = ArrayRef::new(&mut scope, refs, 4, inner.into()).unwrap();
        outer.set(&mut scope, 3, number(9)).unwrap();
        outer.set(&mut scope, 2, ScopedVal::NULL).unwrap();
        scope.gc(CollectionKind::Full).unwrap();
        assert_eq!((inner.len(&scope), outer.len(&scope)), (3, 4));
        for index in 0..2 {
            let element = outer.get(&mut scope, index).unwrap().as_ref().unwrap();
            assert!(element.ref_eq(&scope, inner));
        }
        assert!(outer.get(&mut scope, 2).unwrap().is_null());
        let last = outer.get(&mut scope, 3).unwrap().as_ref().unwrap();
        assert_eq!(last.as_i31(&scope).map(I31::value), Some(9));
        assert_eq!(inner.get(&mut scope, 0).unwrap().as_i32(), Some(0xfffe));
        assert_eq!(inner.get_signed(&mut scope, 2).unwrap().as_i32(), Some(-2));
        assert_eq!(inner.read::<i16>(&scope, 1), Ok(-2));
        inner.write::<u16>(&mut scope, 1, 5).unwrap();
        assert_eq!(inner.read::<i16>(&scope, 1), Ok(5));
        inner.write_unchecked::<i16>(&mut scope, 1, -9);
        assert_eq!(inner.read_unchecked::<i16>(&scope, 1), -9);
        let beyond = Error::OutOfBounds {
            start: 3,
            count: 1,
            length: 3,
        };
        assert_eq!(inner.read::<i16>(&scope, 3), Err(beyond.clone()));
        assert_eq!(inner.set(&mut scope, 3, Val::I32(0)), Err(beyond));
        assert!(inner.read::<i32>(&scope, 0).is_err());
        assert!(inner.set(&mut scope, 0, Val::I64(0)).is_err());
    });
}

#[test]
fn ranges_are_filled_and_copied_with_their_barriers() {
    everywhere(|store| {
        let refs = array(store, ValType::ANYREF);
        let mut scope = store.scope();
        let to = ArrayRef::new_default(&mut scope, refs, 10).unwrap();
        // Old by now, where a collector tells old from young.
        scope.gc(CollectionKind::Full).unwrap();
        let values: Vec<ScopedVal<'_>> = (0..10)
            .map(|n| {
                let made = ArrayRef::new(&mut scope, refs, 1, number(n)).unwrap();
                ScopedVal::from(made)
            })
            .collect();
        let from = ArrayRef::new_fixed(&mut scope, refs, &values).unwrap();
        to.copy_from(&mut scope, 2, from, 0, 8).unwrap();
        // Overlapping, both ways.
        to.copy_from(&mut scope, 0, to, 2, 8).unwrap();
        to.copy_from(&mut scope, 3, to, 0, 5).unwrap();
        to.fill(&mut scope, 8, 2, values[9]).unwrap();
        let owned = to.own(&mut scope);
        drop(scope);
        for kind in [CollectionKind::Automatic, CollectionKind::Full] {
            store.gc(kind).unwrap();
        }
        let mut scope = store.scope();
        let to = owned.root(&mut scope);
        let read: Vec<i32> = (0..10)
            .map(|index| {
                let element = to.get(&mut scope, index).unwrap().as_ref().unwrap();
                let element = element.cast::<ArrayRef>(&scope).unwrap();
                let inner = element.get(&mut scope, 0).unwrap().as_ref().unwrap();
                inner.as_i31(&scope).unwrap().value()
            })
            .collect();
        assert_eq!(read, [0, 1, 2, 0, 1, 2, 3, 4, 9, 9]);
        to.set_all(&mut scope, 8, &[number(1), ScopedVal::NULL])
            .unwrap();
        assert!(to.get(&mut scope, 9).unwrap().is_null());
        for (start, count) in [(9, 2), (11, 0), (u32::MAX, 2), (0, u32::MAX)] {
            let error = to.fill(&mut scope, start, count, ScopedVal::NULL);
            assert!(matches!(error, Err(Error::OutOfBounds { .. })));
            let error = to.copy_from(&mut scope, start, to, 0, count);
            assert!(matches!(error, Err(Error::OutOfBounds { .. })));
        }
        to.fill(&mut scope, 10, 0, ScopedVal::NULL).unwrap();
    });
}

#[test]
fn plain_data_goes_by_slices() {
    everywhere(|store| {
        let bytes = array(store, StorageType::I8);
        let doubles = array(store, ValType::F64);
        let vectors = array(store, ValType::V128);
        let refs = array(store, ValType::ANYREF);
        let mut scope = store.scope();
        let text = ArrayRef::from_slice(&mut scope, bytes, b"windrow").unwrap();
        let numbers = ArrayRef::from_slice(&mut scope, doubles, &[0.5, -1.0]).unwrap();
        let wide = ArrayRef::from_slice(&mut scope, vectors, &[u128::MAX, 7]).unwrap();
        scope.gc(CollectionKind::Full).unwrap();
        assert_eq!(text.as_slice::<u8>(&mut scope).unwrap(), b"windrow");
        text.as_mut_slice::<u8>(&mut scope).unwrap()[0] = b'W';
        let mut read = [0; 4];
        text.read_slice::<u8>(&scope, 3, &mut read).unwrap();
        assert_eq!(&read, b"drow");
        text.write_slice(&mut scope, 5, b"OW").unwrap();
        assert_eq!(text.as_slice::<u8>(&mut scope).unwrap(), b"WindrOW");
        assert!(text.write_slice(&mut scope, 6, b"OW").is_err());
        assert!(text.read_slice::<u8>(&scope, 5, &mut read).is_err());
        assert_eq!(numbers.as_slice::<f64>(&mut scope).unwrap(), [0.5, -1.0]);
        assert_eq!(
            numbers.read_unchecked::<f64>(&scope, 1).to_bits(),
            (-1.0_f64).to_bits()
        );
        assert_eq!(wide.read_unchecked::<u128>(&scope, 1), 7);
        let mut read = [0; 2];
        wide.read_slice::<u128>(&scope, 0, &mut read).unwrap();
        assert_eq!(read, [u128::MAX, 7]);
        let objects = ArrayRef::new_default(&mut scope, refs, 4).unwrap();
        assert!(objects.as_slice::<u32>(&mut scope).is_err());
        assert!(ArrayRef::from_slice(&mut scope, refs, &[1_u32]).is_err());
        let empty = ArrayRef::from_slice::<u8>(&mut scope, bytes, &[]).unwrap();
        assert_eq!(empty.as_slice::<u8>(&mut scope).unwrap(), b"");
    });
}

#[test]
fn immutable_elements_are_written_once() {
    everywhere(|store| {
        let constant = ArrayType::new(FieldType::immutable(StorageType::I8));
        let constant = store.types().register_array(constant).unwrap();
        let mut scope = store.scope();
        let array = ArrayRef::from_slice(&mut scope, constant, &[1_u8, 2]).unwrap();
        let refused = [
            array.set(&mut scope, 0, Val::I32(0)),
            array.write::<u8>(&mut scope, 0, 0),
            array.write_slice(&mut scope, 0, &[0_u8]),
            array.fill(&mut scope, 0, 1, Val::I32(0)),
            array.copy_from(&mut scope, 0, array, 1, 1),
            array.as_mut_slice::<u8>(&mut scope).map(|_| ()),
        ];
        for result in refused {
            assert!(matches!(result, Err(Error::Immutable { .. })));
        }
        assert_eq!(array.as_slice::<u8>(&mut scope).unwrap(), [1, 2]);
    });
}

#[test]
fn a_length_no_heap_has_is_an_error() {
    everywhere(|store| {
        let doubles = array(store, ValType::F64);
        let mut scope = store.scope();
        let error = ArrayRef::new_default(&mut scope, doubles, u32::MAX).unwrap_err();
        assert!(matches!(
            error,
            Error::Heap(windrow::HeapError::HeapFull { .. })
        ));
    });
}
