//! A hash map of strings, all of it in the heap: words are counted, looked up, taken out, counted on.
//!
//! A string is an array of bytes, the buckets an array of references, a chain structs of key, next,
//! hash and count. The map doubles its buckets when there are as many entries.

use super::{Declared, Door, declare};
use crate::size::{FIRST_BUCKETS, Random, Size, Word, hash, mix};
use windrow::{
    ArrayRef, ArrayType, Error, Field, FieldType, HeapType, RefField, RefType, Rooted, Scope,
    ScopedVal, StorageType, Store, StructRef, TypeId, TypeUse, Val, ValType,
};

type Entry<'s> = Rooted<'s, StructRef>;

/// How to get at a map.
struct Map {
    string: TypeId,
    buckets_type: TypeId,
    map: TypeId,
    entry: TypeId,
    buckets: RefField<ArrayRef>,
    len: Field<u32>,
    key: RefField<ArrayRef>,
    next: RefField<StructRef>,
    hash: Field<u32>,
    count: Field<u32>,
}

impl Map {
    fn declare(store: &Store) -> Result<Self, Error> {
        let to = |id| RefType::nullable(HeapType::Concrete(TypeUse::Id(id)));
        let string = ArrayType::new(FieldType::mutable(StorageType::I8));
        let string = store.types().register_array(string)?;
        let number = Declared::Of(ValType::I32);
        let key = Declared::Of(ValType::Ref(to(string)));
        let entry = declare(store, &[key, Declared::Own, number, number])?;
        let bucket = RefType::nullable(HeapType::Concrete(entry));
        let buckets = ArrayType::new(FieldType::mutable(ValType::Ref(bucket)));
        let buckets_type = store.types().register_array(buckets)?;
        let buckets = Declared::Of(ValType::Ref(to(buckets_type)));
        let map = declare(store, &[buckets, number])?;
        Ok(Self {
            string,
            buckets_type,
            map,
            entry,
            buckets: store.ref_field(map, 0)?,
            len: store.field(map, 1)?,
            key: store.ref_field(entry, 0)?,
            next: store.ref_field(entry, 1)?,
            hash: store.field(entry, 2)?,
            count: store.field(entry, 3)?,
        })
    }

    fn make<'s, D: Door>(&self, scope: &mut Scope<'s>) -> Result<Rooted<'s, StructRef>, Error> {
        let map = D::make_default(scope, self.map)?;
        let scope = &mut scope.scope();
        let buckets = ArrayRef::new_default(scope, self.buckets_type, FIRST_BUCKETS)?;
        D::write_ref(map, scope, self.buckets, Some(buckets))?;
        Ok(map)
    }

    fn buckets<'s, D: Door>(
        &self,
        scope: &mut Scope<'s>,
        map: Rooted<'_, StructRef>,
    ) -> Result<Rooted<'s, ArrayRef>, Error> {
        let buckets = D::read_ref(map, scope, self.buckets)?;
        Ok(buckets.expect("a map has buckets"))
    }

    fn first<'s>(
        scope: &mut Scope<'s>,
        buckets: Rooted<'_, ArrayRef>,
        bucket: u32,
    ) -> Result<Option<Entry<'s>>, Error> {
        match buckets.get(scope, bucket)?.as_ref() {
            Some(entry) => entry.try_cast(scope).map(Some),
            None => Ok(None),
        }
    }

    /// The entry of a word, and the one before it in its chain.
    fn find<'s, D: Door>(
        &self,
        scope: &mut Scope<'s>,
        (buckets, bucket): (Rooted<'_, ArrayRef>, u32),
        (word, hash): (&[u8], u32),
    ) -> Result<Option<(Option<Entry<'s>>, Entry<'s>)>, Error> {
        let mut before = None;
        let mut at = Self::first(scope, buckets, bucket)?;
        while let Some(entry) = at {
            if D::read(entry, scope, self.hash)? == hash {
                let key = D::read_ref(entry, scope, self.key)?;
                let key = key.expect("an entry has a key");
                if key.as_slice::<u8>(scope)? == word {
                    return Ok(Some((before, entry)));
                }
            }
            before = at;
            at = D::read_ref(entry, scope, self.next)?;
        }
        Ok(None)
    }

    /// Counts a word.
    fn add<D: Door>(
        &self,
        scope: &mut Scope<'_>,
        map: Rooted<'_, StructRef>,
        word: &[u8],
    ) -> Result<(), Error> {
        let scope = &mut scope.scope();
        let key = ArrayRef::from_slice(scope, self.string, word)?;
        let hash = hash(key.as_slice(scope)?);
        let mut buckets = self.buckets::<D>(scope, map)?;
        let mut bucket = hash & (buckets.try_len(scope)? - 1);
        let found = self.find::<D>(scope, (buckets, bucket), (word, hash))?;
        if let Some((_, entry)) = found {
            let count = D::read(entry, scope, self.count)?;
            return D::write(entry, scope, self.count, count + 1);
        }
        let len = D::read(map, scope, self.len)?;
        if len == buckets.try_len(scope)? {
            buckets = self.grow::<D>(scope, map, buckets)?;
            bucket = hash & (buckets.try_len(scope)? - 1);
        }
        let next = Self::first(scope, buckets, bucket)?;
        let fields = [
            key.into(),
            ScopedVal::from(next),
            Val::I32(hash.cast_signed()),
            Val::I32(1),
        ];
        let entry = D::make(scope, self.entry, &fields, |scope, entry| {
            entry.write_ref_unchecked(scope, self.key, Some(key.to_any()));
            entry.write_ref_unchecked(scope, self.next, next.map(Rooted::to_any));
            entry.write_unchecked(scope, self.hash, hash);
            entry.write_unchecked(scope, self.count, 1);
        })?;
        buckets.set(scope, bucket, entry.into())?;
        D::write(map, scope, self.len, len + 1)
    }

    fn grow<'s, D: Door>(
        &self,
        scope: &mut Scope<'s>,
        map: Rooted<'_, StructRef>,
        old: Rooted<'_, ArrayRef>,
    ) -> Result<Rooted<'s, ArrayRef>, Error> {
        let old_len = old.try_len(scope)?;
        let new = ArrayRef::new_default(scope, self.buckets_type, 2 * old_len)?;
        for bucket in 0..old_len {
            let scope = &mut scope.scope();
            let mut at = Self::first(scope, old, bucket)?;
            while let Some(entry) = at {
                at = D::read_ref(entry, scope, self.next)?;
                let bucket = D::read(entry, scope, self.hash)? & (2 * old_len - 1);
                let next = Self::first(scope, new, bucket)?;
                D::write_ref(entry, scope, self.next, next)?;
                new.set(scope, bucket, entry.into())?;
            }
        }
        D::write_ref(map, scope, self.buckets, Some(new))?;
        Ok(new)
    }

    /// How often a word was counted.
    fn count<D: Door>(
        &self,
        scope: &mut Scope<'_>,
        map: Rooted<'_, StructRef>,
        word: &[u8],
    ) -> Result<u32, Error> {
        let scope = &mut scope.scope();
        let hash = hash(word);
        let buckets = self.buckets::<D>(scope, map)?;
        let bucket = hash & (buckets.try_len(scope)? - 1);
        match self.find::<D>(scope, (buckets, bucket), (word, hash))? {
            Some((_, entry)) => D::read(entry, scope, self.count),
            None => Ok(0),
        }
    }

    /// Forgets a word.
    fn remove<D: Door>(
        &self,
        scope: &mut Scope<'_>,
        map: Rooted<'_, StructRef>,
        word: &[u8],
    ) -> Result<(), Error> {
        let scope = &mut scope.scope();
        let hash = hash(word);
        let buckets = self.buckets::<D>(scope, map)?;
        let bucket = hash & (buckets.try_len(scope)? - 1);
        let found = self.find::<D>(scope, (buckets, bucket), (word, hash))?;
        let Some((before, entry)) = found else {
            return Ok(());
        };
        let next = D::read_ref(entry, scope, self.next)?;
        match before {
            Some(before) => D::write_ref(before, scope, self.next, next)?,
            None => buckets.set(scope, bucket, next.into())?,
        }
        let len = D::read(map, scope, self.len)?;
        D::write(map, scope, self.len, len - 1)
    }
}

pub(super) fn run<D: Door>(store: &mut Store, size: &Size) -> Result<u64, Error> {
    let access = Map::declare(store)?;
    let scope = &mut store.scope();
    let map = access.make::<D>(scope)?;
    let mut random = Random::new(2);
    for _ in 0..size.words {
        let word = Word::new(random.below(size.distinct));
        access.add::<D>(scope, map, &word)?;
    }
    for number in (0..size.distinct).step_by(3) {
        access.remove::<D>(scope, map, &Word::new(number))?;
    }
    for _ in 0..size.words / 2 {
        let word = Word::new(random.below(size.distinct));
        access.add::<D>(scope, map, &word)?;
    }
    let mut sum = 0;
    for number in 0..size.distinct + size.distinct / 2 {
        let count = access.count::<D>(scope, map, &Word::new(number))?;
        sum = mix(sum, count.into());
    }
    let len = D::read(map, scope, access.len)?;
    Ok(mix(sum, len.into()))
}
