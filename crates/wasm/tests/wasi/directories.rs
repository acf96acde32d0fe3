//! Directories, links, names; and that no path leads out.

use crate::harness::{
    DATA, DIRECTORY, FOLLOW, Guest, OUT, READ, REGULAR, SYMBOLIC_LINK, TempDir, WRITE, errno, how,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use windrow_wasm::wasi::WasiBuilder;

#[test]
fn directories_are_given_by_name() {
    let (first, second) = (TempDir::new(), TempDir::new());
    fs::write(second.path().join("f"), "second").unwrap();
    let builder = WasiBuilder::new()
        .directory(first.path(), "/")
        .directory(second.path(), "other");
    let mut guest = Guest::new(builder);
    for (fd, name) in [(3, "/"), (4, "other")] {
        guest.ok("fd_prestat_get", &[fd, OUT]);
        assert_eq!(
            (guest.u32(OUT), guest.u32(OUT + 4) as usize),
            (0, name.len())
        );
        let bytes = i64::from(guest.u32(OUT + 4));
        guest.put(DATA, &[0xff; 16]);
        guest.ok("fd_prestat_dir_name", &[fd, DATA, bytes]);
        assert_eq!(guest.bytes(DATA, name.len()), name.as_bytes());
        assert_eq!(
            guest.bytes(DATA + bytes, 1),
            [0xff],
            "no more than the name"
        );
        let short = guest.call("fd_prestat_dir_name", &[fd, DATA, bytes - 1]);
        assert_eq!(short, errno::NAMETOOLONG);
        guest.ok("fd_fdstat_get", &[fd, DATA]);
        assert_eq!(guest.bytes(DATA, 1), [DIRECTORY]);
        let inheriting = guest.u64(DATA + 16).cast_signed();
        assert_eq!(inheriting & (READ | WRITE), READ | WRITE);
    }
    assert_eq!(guest.call("fd_prestat_get", &[5, OUT]), errno::BADF);
    let [path, bytes] = guest.path("f");
    guest.ok("path_open", &[4, 0, path, bytes, 0, READ, 0, 0, OUT]);
    let fd = guest.u32(OUT).into();
    assert_eq!(guest.read(fd, 10), b"second");
}

#[test]
fn directories_are_no_files() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "").unwrap();
    let mut guest = dir.guest();
    let file = guest.open("f", 0, READ);
    let [buffers, count] = guest.buffers(&[1]);
    let [path, bytes] = guest.path("x");
    let calls: [(&str, &[i64], i32); 12] = [
        ("fd_read", &[3, buffers, count, OUT], errno::BADF),
        ("fd_pread", &[3, buffers, count, 0, OUT], errno::BADF),
        ("fd_write", &[3, buffers, count, OUT], errno::BADF),
        ("fd_pwrite", &[3, buffers, count, 0, OUT], errno::BADF),
        ("fd_seek", &[3, 0, 0, OUT], errno::BADF),
        ("fd_tell", &[3, OUT], errno::BADF),
        ("fd_advise", &[3, 0, 0, 0], errno::BADF),
        ("fd_allocate", &[3, 0, 1], errno::BADF),
        ("fd_filestat_set_size", &[3, 0], errno::BADF),
        ("fd_readdir", &[file, DATA, 100, 0, OUT], errno::NOTDIR),
        ("path_create_directory", &[file, path, bytes], errno::NOTDIR),
        ("path_unlink_file", &[9, path, bytes], errno::BADF),
    ];
    for (name, args, expected) in calls {
        assert_eq!(guest.call(name, args), expected, "{name} {args:?}");
    }
    for name in ["fd_sync", "fd_datasync"] {
        guest.ok(name, &[3]);
    }
    guest.ok("fd_filestat_set_times", &[3, 0, 1_000_000_000, 4]);
    assert_eq!(fs::metadata(dir.path()).unwrap().mtime(), 1);
}

#[test]
fn directories_are_made_and_removed() {
    let dir = TempDir::new();
    let mut guest = dir.guest();
    let [path, bytes] = guest.path("d");
    guest.ok("path_create_directory", &[3, path, bytes]);
    assert_eq!(
        guest.call("path_create_directory", &[3, path, bytes]),
        errno::EXIST
    );
    let inner = guest.open("d", how::DIRECTORY, READ);
    let [path, bytes] = guest.path("f");
    let args = [inner, 0, path, bytes, how::CREATE, WRITE, 0, 0, OUT];
    guest.ok("path_open", &args);
    assert!(dir.path().join("d/f").is_file());
    let [path, bytes] = guest.path("d");
    let remove = ["path_remove_directory", "path_unlink_file"];
    assert_eq!(guest.call(remove[0], &[3, path, bytes]), errno::NOTEMPTY);
    assert_eq!(guest.call(remove[1], &[3, path, bytes]), errno::ISDIR);
    let [path, bytes] = guest.path("d/f");
    assert_eq!(guest.call(remove[0], &[3, path, bytes]), errno::NOTDIR);
    guest.ok(remove[1], &[3, path, bytes]);
    assert_eq!(guest.call(remove[1], &[3, path, bytes]), errno::NOENT);
    let [path, bytes] = guest.path("d");
    guest.ok(remove[0], &[3, path, bytes]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Reads a directory in steps of so many bytes: names, with inode and kind.
fn list(guest: &mut Guest, fd: i64, step: usize) -> BTreeMap<String, (u64, u8)> {
    let (mut found, mut cookie) = (BTreeMap::new(), 0);
    loop {
        let room = i64::try_from(step).unwrap();
        guest.ok("fd_readdir", &[fd, DATA, room, cookie, OUT]);
        let used = guest.u32(OUT) as usize;
        let bytes = guest.bytes(DATA, used);
        let mut rest = &bytes[..];
        while rest.len() >= 24 {
            let word = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap());
            let name_bytes = (word(16) & 0xffff_ffff) as usize;
            let Some(name) = rest.get(24..24 + name_bytes) else {
                break;
            };
            let name = String::from_utf8(name.to_vec()).unwrap();
            assert!(found.insert(name, (word(8), rest[20])).is_none());
            cookie = word(0).cast_signed();
            rest = &rest[24 + name_bytes..];
        }
        if used < step {
            return found;
        }
    }
}

#[test]
fn a_directory_is_listed_in_steps() {
    let dir = TempDir::new();
    let mut guest = dir.guest();
    let empty = list(&mut guest, 3, 4096);
    assert_eq!(empty.keys().collect::<Vec<_>>(), [".", ".."]);
    for index in 0..40 {
        fs::write(dir.path().join(format!("file-{index}")), "").unwrap();
    }
    fs::create_dir(dir.path().join("d")).unwrap();
    symlink("d", dir.path().join("l")).unwrap();
    for step in [64, 100, 4096] {
        let found = list(&mut guest, 3, step);
        assert_eq!(found.len(), 44);
        let inode = |name: &str| fs::symlink_metadata(dir.path().join(name)).unwrap().ino();
        assert_eq!(found["."], (inode("."), DIRECTORY));
        assert_eq!(found[".."], (0, DIRECTORY));
        assert_eq!(found["d"], (inode("d"), DIRECTORY));
        assert_eq!(found["l"], (inode("l"), SYMBOLIC_LINK));
        assert_eq!(found["file-7"], (inode("file-7"), REGULAR));
    }
    guest.ok("fd_readdir", &[3, DATA, 100, -1, OUT]);
    assert_eq!(guest.u32(OUT), 0, "beyond the end there is nothing");
}

#[test]
fn removing_entries_while_listing_skips_none() {
    let dir = TempDir::new();
    for index in 0..100 {
        fs::write(dir.path().join(format!("{index}")), "").unwrap();
    }
    let mut guest = dir.guest();
    let mut cookie = 0;
    loop {
        guest.ok("fd_readdir", &[3, DATA, 26, cookie, OUT]);
        if guest.u32(OUT) < 24 {
            break;
        }
        cookie = guest.u64(DATA).cast_signed();
        let bytes = guest.u32(DATA + 16) as usize;
        // The room may end in the name; that read goes on at the same entry.
        let room = i64::try_from(bytes).unwrap() + 24;
        guest.ok("fd_readdir", &[3, DATA, room, cookie - 1, OUT]);
        let name = String::from_utf8(guest.bytes(DATA + 24, bytes)).unwrap();
        if !name.starts_with('.') {
            let [path, bytes] = guest.path(&name);
            guest.ok("path_unlink_file", &[3, path, bytes]);
        }
        // Reading from the start would list anew.
        assert!(cookie > 0);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn links_of_both_kinds() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "abc").unwrap();
    let mut guest = dir.guest();
    let ([old, old_bytes], [new, new_bytes]) = (guest.path("f"), guest.other_path("hard"));
    guest.ok("path_link", &[3, 0, old, old_bytes, 3, new, new_bytes]);
    assert_eq!(fs::metadata(dir.path().join("f")).unwrap().nlink(), 2);
    let args = [3, FOLLOW, old, old_bytes, 3, new, new_bytes];
    assert_eq!(guest.call("path_link", &args), errno::INVAL);
    let args = [3, 0, old, old_bytes, 3, new, new_bytes];
    assert_eq!(guest.call("path_link", &args), errno::EXIST);

    let [new, new_bytes] = guest.other_path("soft");
    guest.ok("path_symlink", &[old, old_bytes, 3, new, new_bytes]);
    guest.ok("path_readlink", &[3, new, new_bytes, DATA, 100, OUT]);
    assert_eq!((guest.u32(OUT), guest.bytes(DATA, 1)), (1, b"f".to_vec()));
    guest.ok("path_readlink", &[3, new, new_bytes, DATA, 0, OUT]);
    assert_eq!(guest.u32(OUT), 0);
    let no_link = guest.call("path_readlink", &[3, old, old_bytes, DATA, 100, OUT]);
    assert_eq!(no_link, errno::INVAL);
    guest.ok("path_filestat_get", &[3, 0, new, new_bytes, DATA]);
    assert_eq!(guest.bytes(DATA + 16, 1), [SYMBOLIC_LINK]);
    guest.ok("path_filestat_get", &[3, FOLLOW, new, new_bytes, DATA]);
    assert_eq!(guest.bytes(DATA + 16, 1), [REGULAR]);

    let fd = guest.open("soft", 0, READ);
    assert_eq!(guest.read(fd, 9), b"abc");
    let args = [3, 0, new, new_bytes, 0, READ, 0, 0, OUT];
    assert_eq!(guest.call("path_open", &args), errno::LOOP);
}

#[test]
fn names_change() {
    let (dir, other) = (TempDir::new(), TempDir::new());
    fs::write(dir.path().join("f"), "abc").unwrap();
    let builder = WasiBuilder::new()
        .directory(dir.path(), "/")
        .directory(other.path(), "/other");
    let mut guest = Guest::new(builder);
    let ([old, old_bytes], [new, new_bytes]) = (guest.path("f"), guest.other_path("g"));
    guest.ok("path_rename", &[3, old, old_bytes, 4, new, new_bytes]);
    assert_eq!(fs::read(other.path().join("g")).unwrap(), b"abc");
    let args = [3, old, old_bytes, 4, new, new_bytes];
    assert_eq!(guest.call("path_rename", &args), errno::NOENT);
}

#[test]
fn no_path_leads_out() {
    let dir = TempDir::new();
    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(inside.join("f"), "abc").unwrap();
    symlink("..", inside.join("up")).unwrap();
    symlink("/etc", inside.join("away")).unwrap();
    let mut guest = Guest::new(WasiBuilder::new().directory(&inside, "/"));
    for path in [
        "..",
        "../secret",
        "/etc/passwd",
        "/",
        "up",
        "up/secret",
        "away/passwd",
    ] {
        for how in [0, how::CREATE, how::DIRECTORY] {
            let refused = guest.try_open(path, how, READ, 0);
            assert_eq!(refused, errno::PERM, "{path} {how}");
        }
        let [path, bytes] = guest.path(path);
        let stat = [3, FOLLOW, path, bytes, DATA];
        assert_eq!(guest.call("path_filestat_get", &stat), errno::PERM);
    }
    let ([f, f_bytes], [out, out_bytes]) = (guest.path("f"), guest.other_path("../f"));
    let calls: [(&str, &[i64]); 7] = [
        ("path_rename", &[3, f, f_bytes, 3, out, out_bytes]),
        ("path_rename", &[3, out, out_bytes, 3, f, f_bytes]),
        ("path_link", &[3, 0, f, f_bytes, 3, out, out_bytes]),
        ("path_symlink", &[f, f_bytes, 3, out, out_bytes]),
        ("path_create_directory", &[3, out, out_bytes]),
        ("path_remove_directory", &[3, out, out_bytes]),
        ("path_unlink_file", &[3, out, out_bytes]),
    ];
    for (name, args) in calls {
        assert_eq!(guest.call(name, args), errno::PERM, "{name}");
    }
    let ([target, bytes], [link, link_bytes]) = (guest.path("/etc"), guest.other_path("link"));
    let args = [target, bytes, 3, link, link_bytes];
    assert_eq!(guest.call("path_symlink", &args), errno::PERM);
    assert_eq!(fs::read(inside.join("f")).unwrap(), b"abc");
    let inner = guest.open("./f", 0, READ);
    assert_eq!(guest.read(inner, 9), b"abc");
}
