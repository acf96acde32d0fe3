//! A cache of host values that keeps nothing alive: decoded images, by name.
//!
//! For who puts things of the host's into a heap. An image is a Rust value behind an [`ExternRef`]. The
//! cache holds weak references, so an image is found as long as the program still has it somewhere, and
//! is decoded again otherwise. Three parts of the API meet here:
//!
//! - [`ExternRef::from_host_value`] says what an image takes outside the heap. Sixteen bytes in the heap
//!   would never cause a collection; four megabytes outside do.
//! - [`WeakRef`](windrow::WeakRef) leads to the image or, after the collection that found it dead, to
//!   nothing.
//! - Finalizers say *that* one died: each collection queues the dead, and the cache, when it has time,
//!   takes its own entries out and reports. The image is still whole then, and is dropped afterwards.
//!
//! `cargo run --example externref_cache`
#![expect(clippy::print_stdout, reason = "an example prints what it did")]

use std::collections::HashMap;
use windrow::{
    CollectionKind, CollectorKind, Config, Error, ExternRef, HostValue, OwnedRooted, Rooted, Scope,
    Store, WeakRef,
};

/// What an image takes: each is a square.
const SIDE: usize = 1024;
const IMAGE_BYTES: u32 = 1024 * 1024 * 4;

/// A decoded image.
struct Image {
    name: String,
    pixels: Vec<u32>,
}

impl Image {
    /// Stands for the work that a cache saves.
    fn decode(name: &str) -> Self {
        let seed = name.bytes().map(u32::from).sum::<u32>();
        Self {
            name: name.to_owned(),
            pixels: vec![seed; SIDE * SIDE],
        }
    }
}

struct Entry {
    /// Tells this decoding from the next one of the same name.
    tag: u64,
    image: WeakRef<ExternRef>,
}

/// Images by name, as long as somebody else has them.
#[derive(Default)]
struct ImageCache {
    entries: HashMap<String, Entry>,
    hits: u64,
    /// How many were decoded; the last one's tag.
    decoded: u64,
    evicted: u64,
}

impl ImageCache {
    /// The image of a name: the one that is there, or one decoded now.
    fn image<'s>(
        &mut self,
        scope: &mut Scope<'s>,
        name: &str,
    ) -> Result<Rooted<'s, ExternRef>, Error> {
        if let Some(entry) = self.entries.get(name)
            && let Some(image) = entry.image.get(scope)?
        {
            self.hits += 1;
            return Ok(image);
        }
        // May collect, since the heap is told of the megabytes.
        let value = HostValue::new(Image::decode(name));
        let image = ExternRef::from_host_value(scope, value, IMAGE_BYTES)
            .map_err(|refused| refused.error)?;
        self.decoded += 1;
        image.register_finalizer(scope, self.decoded)?;
        let entry = Entry {
            tag: self.decoded,
            image: image.downgrade(scope)?,
        };
        // What was there is dead, and its finalizer may still be to come.
        self.entries.insert(name.to_owned(), entry);
        Ok(image)
    }

    /// Takes out what collections found dead; how many images. To be called now and then.
    fn evict(&mut self, store: &mut Store) -> Result<u64, Error> {
        let before = self.evicted;
        loop {
            // A scope for each, so that none lives longer than it is looked at.
            let mut scope = store.scope();
            let Some((object, tag)) = scope.next_finalizable()? else {
                return Ok(self.evicted - before);
            };
            let image = object.try_cast::<ExternRef>(&scope)?;
            let Some(Image { name, pixels }) = image.data(&scope)? else {
                continue;
            };
            println!("  evicted {name} (decoding {tag}, {} pixels)", pixels.len());
            self.evicted += 1;
            if self.entries.get(name).is_some_and(|entry| entry.tag == tag) {
                self.entries.remove(name);
            }
        }
    }
}

/// What a program shows, and so keeps: handles that belong to no scope.
struct Page {
    images: Vec<OwnedRooted<ExternRef>>,
}

fn open(cache: &mut ImageCache, store: &mut Store, names: &[&str]) -> Result<Page, Error> {
    let mut images = Vec::new();
    for name in names {
        let mut scope = store.scope();
        let image = cache.image(&mut scope, name)?;
        let pixels = image.data::<Image>(&scope)?.map(|image| image.pixels.len());
        assert_eq!(pixels, Some(SIDE * SIDE));
        images.push(image.own(&mut scope));
    }
    println!(
        "  open {names:?}: {} found, {} decoded so far; {} MiB of images",
        cache.hits,
        cache.decoded,
        store.isolate().host_value_bytes() >> 20
    );
    Ok(Page { images })
}

pub(crate) fn main() -> Result<(), Error> {
    for collector in CollectorKind::ALL {
        println!("{collector}");
        let config = Config::new().collector(*collector);
        let collects = config.chosen_collector().properties().collects;
        let mut store = Store::new(&config)?;
        let mut cache = ImageCache::default();

        let first = open(&mut cache, &mut store, &["barn", "field", "sky"])?;
        let second = open(&mut cache, &mut store, &["field", "brook"])?;
        assert_eq!((cache.hits, cache.decoded), (1, 4));

        // The field is on the second page as well.
        drop(first);
        store.gc(CollectionKind::Full)?;
        let evicted = cache.evict(&mut store)?;
        assert_eq!(evicted, if collects { 2 } else { 0 });
        let third = open(&mut cache, &mut store, &["sky", "field"])?;
        assert_eq!(cache.decoded, if collects { 5 } else { 4 });
        assert_eq!(second.images.len() + third.images.len(), 4);

        // Nobody asks for a collection here: the megabytes do.
        for number in 0..20 {
            let mut scope = store.scope();
            cache.image(&mut scope, &format!("thumbnail {number}"))?;
        }
        let evicted = cache.evict(&mut store)?;
        assert_eq!(evicted > 0, collects);
        println!(
            "  {evicted} evicted without asking; {} entries, {} images dropped",
            cache.entries.len(),
            store.stats().host_values_dropped
        );
    }
    Ok(())
}
