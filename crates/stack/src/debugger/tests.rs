//! Images as readers of object files see them, and the list as a debugger does.

use super::*;
use object::{Object, ObjectKind, ObjectSection, ObjectSymbol, SymbolKind};

const START: usize = 0x7f12_3456_7000;
const TABLE: [u8; 12] = [4, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0];

fn image() -> DebuggerImage {
    let functions = [
        (START..START + 0x20, "shop!till".to_owned()),
        (START + 0x20..START + 0x25, "two\n\0names".to_owned()),
        (START + 0x30..START + 0x40, "shop!till".to_owned()),
    ];
    DebuggerImage::new(START..START + 0x40, &TABLE, functions).unwrap()
}

#[test]
fn an_image_has_the_addresses_of_the_code() {
    let image = image();
    let file = object::File::parse(image.bytes()).unwrap();
    assert_eq!(file.kind(), ObjectKind::Executable);
    assert!(file.is_64());
    let text = file.section_by_name(".text").unwrap();
    assert_eq!((text.address(), text.size()), (START as u64, 0x40));
    assert_eq!(text.file_range(), None);
    let table = file.section_by_name(".eh_frame").unwrap();
    assert_eq!(table.data().unwrap(), TABLE);
    assert_eq!(
        table.address(),
        table.data().unwrap().as_ptr().addr() as u64
    );
    let symbols: Vec<_> = file
        .symbols()
        .map(|symbol| {
            assert_eq!(symbol.kind(), SymbolKind::Text);
            assert_eq!(symbol.section_index(), Some(text.index()));
            let offset = symbol.address() - START as u64;
            (symbol.name().unwrap(), offset, symbol.size())
        })
        .collect();
    let expected = [
        ("shop!till", 0, 0x20),
        ("two??names", 0x20, 5),
        ("shop!till", 0x30, 0x10),
    ];
    assert_eq!(symbols, expected);
}

#[test]
fn an_image_may_be_of_code_without_functions_and_table() {
    let image = DebuggerImage::new(START..START + 1, &[], []).unwrap();
    let file = object::File::parse(image.bytes()).unwrap();
    assert_eq!(file.section_by_name(".text").unwrap().size(), 1);
    assert_eq!(file.section_by_name(".eh_frame").unwrap().size(), 0);
    assert_eq!(file.symbols().count(), 0);
}

/// The addresses of the listed images, newest first.
fn listed() -> Vec<usize> {
    let _changes = CHANGES.lock().unwrap();
    let mut images = Vec::new();
    // SAFETY: the lock is held; entries are in the list as long as they live.
    unsafe {
        let list = LIST.0.get();
        assert_eq!((*list).version, 1);
        let (mut previous, mut entry) = (ptr::null_mut(), (*list).first);
        while !entry.is_null() {
            assert_eq!((*entry).previous, previous);
            images.push((*entry).image.addr());
            (previous, entry) = (entry, (*entry).next);
        }
    }
    images
}

// The only test that registers: the list is the process's.
#[test]
fn entries_are_listed_until_dropped_in_any_order() {
    let mut entries: Vec<_> = (0..4).map(|_| DebuggerEntry::register(image())).collect();
    entries.reverse();
    let addresses = |entries: &[DebuggerEntry]| -> Vec<_> {
        let address = |entry: &DebuggerEntry| entry.image().bytes().as_ptr().addr();
        entries.iter().map(address).collect()
    };
    assert_eq!(listed(), addresses(&entries));
    for index in [1, 0, 1, 0] {
        drop(entries.remove(index));
        assert_eq!(listed(), addresses(&entries));
    }
}

#[test]
fn entries_may_be_dropped_by_another_thread() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<DebuggerEntry>();
}
