//! Opening, reading, writing and describing files.

use crate::harness::{APPEND, DATA, FOLLOW, OUT, READ, REGULAR, TempDir, WRITE, errno, how};
use std::fs;
use std::time::{Duration, SystemTime};

#[test]
fn a_file_is_written_and_read_back() {
    let dir = TempDir::new();
    let mut guest = dir.guest();
    let fd = guest.open("new", how::CREATE | how::EXCLUSIVE, READ | WRITE);
    assert_eq!(fd, 4);
    assert_eq!(guest.write(fd, b"0123456789"), 10);
    assert_eq!(fs::read(dir.path().join("new")).unwrap(), b"0123456789");
    guest.ok("fd_tell", &[fd, OUT]);
    assert_eq!(guest.u64(OUT), 10);
    for (offset, whence, position) in [(2, 0, 2), (3, 1, 5), (-1, 1, 4), (-3, 2, 7)] {
        guest.ok("fd_seek", &[fd, offset, whence, OUT]);
        assert_eq!(guest.u64(OUT), position);
    }
    assert_eq!(guest.read(fd, 100), b"789");
    assert_eq!(guest.read(fd, 100), b"");
    for (offset, whence) in [(-1, 0), (-11, 2), (0, 3)] {
        let args = [fd, offset, whence, OUT];
        assert_eq!(guest.call("fd_seek", &args), errno::INVAL);
    }
    guest.ok("fd_datasync", &[fd]);
    guest.ok("fd_sync", &[fd]);
    guest.ok("fd_close", &[fd]);
    assert_eq!(guest.call("fd_tell", &[fd, OUT]), errno::BADF);
}

#[test]
fn long_transfers_are_whole() {
    let dir = TempDir::new();
    let text: Vec<u8> = (0..150_000_u32).map(|byte| (byte % 251) as u8).collect();
    let mut guest = dir.guest();
    let fd = guest.open("long", how::CREATE, READ | WRITE);
    assert_eq!(guest.write(fd, &text), 150_000);
    assert_eq!(fs::read(dir.path().join("long")).unwrap(), text);
    guest.ok("fd_seek", &[fd, 0, 0, OUT]);
    guest.put(DATA, &vec![0; 160_000]);
    let [buffers, count] = guest.buffers(&[1, 0, 100_000, 59_999]);
    guest.ok("fd_read", &[fd, buffers, count, OUT]);
    assert_eq!(guest.u32(OUT), 150_000);
    assert_eq!(guest.bytes(DATA, 150_000), text);
}

#[test]
fn positioned_transfers_leave_the_position() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "abcdef").unwrap();
    let mut guest = dir.guest();
    let fd = guest.open("f", 0, READ | WRITE);
    let [buffers, count] = guest.buffers(&[2, 2]);
    guest.ok("fd_pread", &[fd, buffers, count, 3, OUT]);
    assert_eq!((guest.u32(OUT), guest.bytes(DATA, 3)), (3, b"def".to_vec()));
    guest.put(DATA, b"WXYZ");
    guest.ok("fd_pwrite", &[fd, buffers, count, 1, OUT]);
    assert_eq!(guest.u32(OUT), 4);
    assert_eq!(guest.read(fd, 9), b"aWXYZf");
    let beyond = guest.call("fd_pread", &[fd, buffers, count, i64::MIN, OUT]);
    assert_eq!(beyond, errno::INVAL);
}

#[test]
fn a_file_is_used_only_as_it_was_opened() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "abc").unwrap();
    let mut guest = dir.guest();
    let (reader, writer) = (guest.open("f", 0, READ), guest.open("f", 0, WRITE));
    let (neither, maker) = (guest.open("f", 0, 0), guest.open("g", how::CREATE, READ));
    let [buffers, count] = guest.buffers(&[1]);
    let calls: [(&str, &[i64]); 9] = [
        ("fd_write", &[reader, buffers, count, OUT]),
        ("fd_write", &[reader, buffers, 0, OUT]),
        ("fd_pwrite", &[reader, buffers, count, 0, OUT]),
        ("fd_allocate", &[reader, 0, 10]),
        ("fd_filestat_set_size", &[reader, 0]),
        ("fd_read", &[writer, buffers, count, OUT]),
        ("fd_pread", &[writer, buffers, count, 0, OUT]),
        ("fd_read", &[neither, buffers, count, OUT]),
        ("fd_write", &[maker, buffers, count, OUT]),
    ];
    for (name, args) in calls {
        assert_eq!(guest.call(name, args), errno::BADF, "{name} {args:?}");
    }
    for (fd, expected) in [(reader, READ), (writer, WRITE), (neither, 0), (maker, READ)] {
        guest.ok("fd_fdstat_get", &[fd, DATA]);
        assert_eq!(guest.bytes(DATA, 1), [REGULAR]);
        let rights = guest.u64(DATA + 8).cast_signed();
        assert_eq!(rights & (READ | WRITE), expected);
    }
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"abc");
}

#[test]
fn how_files_are_opened() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "abc").unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    let mut guest = dir.guest();
    let cases = [
        ("missing", 0, errno::NOENT),
        ("f", how::CREATE | how::EXCLUSIVE, errno::EXIST),
        ("f", how::DIRECTORY, errno::NOTDIR),
        ("f/", 0, errno::NOTDIR),
        ("f/x", 0, errno::NOTDIR),
        ("d", how::CREATE, errno::ISDIR),
        ("d", how::DIRECTORY | how::CREATE, errno::INVAL),
        ("f", 16, errno::INVAL),
        ("", 0, errno::NOENT),
        ("a\0b", 0, errno::INVAL),
    ];
    for (path, how, expected) in cases {
        assert_eq!(
            guest.try_open(path, how, READ, 0),
            expected,
            "{path:?} {how}"
        );
    }
    assert_eq!(guest.try_open("d", 0, READ | WRITE, 0), errno::ISDIR);
    assert_eq!(guest.try_open("f", 0, READ, 32), errno::INVAL);
    let args = [3, 2, 0, 0, 0, READ, 0, 0, OUT];
    assert_eq!(guest.call("path_open", &args), errno::INVAL);
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"abc");
    guest.open("f", how::TRUNCATE, WRITE);
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"");
}

#[test]
fn what_is_appended_goes_to_the_end() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "gone").unwrap();
    let mut guest = dir.guest();
    let truncated = guest.try_open("f", how::TRUNCATE, WRITE, APPEND);
    assert_eq!(truncated, errno::SUCCESS);
    let fd = i64::from(guest.u32(OUT));
    guest.write(fd, b"abc");
    guest.ok("fd_seek", &[fd, 0, 0, OUT]);
    guest.write(fd, b"def");
    guest.ok("fd_fdstat_get", &[fd, DATA]);
    assert_eq!(guest.bytes(DATA + 2, 2), [1, 0]);
    guest.ok("fd_fdstat_set_flags", &[fd, 0]);
    guest.ok("fd_seek", &[fd, 0, 0, OUT]);
    guest.write(fd, b"ABC");
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"ABCdef");
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 2]), errno::INVAL);
    assert_eq!(
        guest.call("fd_fdstat_set_rights", &[fd, 0, 0]),
        errno::NOTSUP
    );
}

#[test]
fn sizes_and_advice() {
    let dir = TempDir::new();
    let mut guest = dir.guest();
    let fd = guest.open("f", how::CREATE, READ | WRITE);
    let size = || fs::metadata(dir.path().join("f")).unwrap().len();
    guest.ok("fd_filestat_set_size", &[fd, 1000]);
    assert_eq!(size(), 1000);
    guest.ok("fd_allocate", &[fd, 500, 1000]);
    assert_eq!(size(), 1500);
    guest.ok("fd_allocate", &[fd, 0, 10]);
    assert_eq!(size(), 1500);
    assert_eq!(guest.call("fd_allocate", &[fd, 0, 0]), errno::INVAL);
    for advice in 0..6 {
        guest.ok("fd_advise", &[fd, 0, 0, advice]);
    }
    assert_eq!(guest.call("fd_advise", &[fd, 0, 0, 6]), errno::INVAL);
}

/// Size, then times of access and modification, of what `stat` wrote.
fn stat(bytes: &[u8]) -> (u8, u64, u64, u64, u64) {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    (bytes[16], word(24), word(32), word(40), word(48))
}

#[test]
fn attributes_and_times() {
    const SECONDS: i64 = 1_000_000_000;
    let dir = TempDir::new();
    let path = dir.path().join("f");
    fs::write(&path, "abc").unwrap();
    let mut guest = dir.guest();
    let fd = guest.open("f", 0, READ);
    let [name, bytes] = guest.path("f");
    // Both by the clock given, then the modification alone, now.
    guest.ok(
        "fd_filestat_set_times",
        &[fd, 5 * SECONDS, 7 * SECONDS + 9, 1 | 4],
    );
    guest.ok("fd_filestat_get", &[fd, DATA]);
    let by_descriptor = guest.bytes(DATA, 64);
    assert_eq!(
        stat(&by_descriptor),
        (REGULAR, 1, 3, 5_000_000_000, 7_000_000_009)
    );
    guest.ok("path_filestat_get", &[3, 0, name, bytes, DATA]);
    assert_eq!(guest.bytes(DATA, 64), by_descriptor);
    let args = [3, FOLLOW, name, bytes, 0, 0, 8];
    guest.ok("path_filestat_set_times", &args);
    let found = fs::metadata(&path).unwrap();
    let now = SystemTime::now();
    let age = now.duration_since(found.modified().unwrap());
    assert!(age.unwrap_or_default() < Duration::from_secs(60));
    let accessed = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
    assert_eq!(found.accessed().unwrap(), accessed);
    // Given and now at once, and flags there are not.
    for flags in [1 | 2, 4 | 8, 16] {
        let refused = guest.call("fd_filestat_set_times", &[fd, 0, 0, flags]);
        assert_eq!(refused, errno::INVAL);
        let args = [3, 0, name, bytes, 0, 0, flags];
        assert_eq!(guest.call("path_filestat_set_times", &args), errno::INVAL);
    }
}

#[test]
fn the_lowest_free_number_is_given_next() {
    let dir = TempDir::new();
    let mut guest = dir.guest();
    let first = guest.open("a", how::CREATE, WRITE);
    let second = guest.open("b", how::CREATE, WRITE);
    guest.write(second, b"b");
    guest.ok("fd_renumber", &[second, first]);
    guest.write(first, b"bb");
    assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"bbb");
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"");
    assert_eq!(guest.open("a", 0, READ), second);
}
