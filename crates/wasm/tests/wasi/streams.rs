//! Standard input, output and error.

use crate::harness::{BUFFERS, DATA, Guest, OUT, READ, WRITE, errno};
use windrow_wasm::wasi::{Captured, WasiBuilder};

#[test]
fn input_is_read_to_its_end() {
    let mut guest = Guest::new(WasiBuilder::new().stdin("hello"));
    assert_eq!(guest.read(0, 2), b"he");
    assert_eq!(guest.read(0, 0), b"");
    assert_eq!(guest.read(0, 10), b"llo");
    assert_eq!(guest.read(0, 10), b"");
}

#[test]
fn input_is_spread_over_buffers() {
    let text = vec![b'x'; 70_000];
    let mut guest = Guest::new(WasiBuilder::new().stdin(text));
    let [buffers, count] = guest.buffers(&[3, 0, 100]);
    guest.ok("fd_read", &[0, buffers, count, OUT]);
    let read = guest.u32(OUT);
    assert!((1..=103).contains(&read), "{read}");
}

#[test]
fn output_is_gathered_and_kept_apart() {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let builder = WasiBuilder::new().stdout(&stdout).stderr(&stderr);
    let mut guest = Guest::new(builder);
    guest.put(DATA, b"onetwothree");
    let [buffers, count] = guest.buffers(&[3, 0, 3, 5]);
    guest.ok("fd_write", &[1, buffers, count, OUT]);
    assert_eq!(guest.u32(OUT), 11);
    assert_eq!(guest.write(2, b"oops"), 4);
    let long = vec![b'y'; 150_000];
    assert_eq!(guest.write(1, &long), 150_000);
    let written = stdout.contents();
    assert_eq!(&written[..11], b"onetwothree");
    assert_eq!(&written[11..], long);
    assert_eq!(stderr.contents(), b"oops");
    let mut silent = Guest::new(WasiBuilder::new());
    assert_eq!(silent.write(1, b"lost"), 4);
}

#[test]
fn a_full_buffer_is_a_full_disk() {
    let stdout = Captured::new(5);
    let mut guest = Guest::new(WasiBuilder::new().stdout(&stdout));
    assert_eq!(guest.write(1, b"abc"), 3);
    assert_eq!(guest.write(1, b"def"), 2);
    let [buffers, count] = guest.buffers(&[1]);
    let full = guest.call("fd_write", &[1, buffers, count, OUT]);
    assert_eq!(full, errno::NOSPC);
    assert_eq!(stdout.contents(), b"abcde");
}

#[test]
fn streams_have_a_direction_and_no_position() {
    let mut guest = Guest::new(WasiBuilder::new());
    let [buffers, count] = guest.buffers(&[1]);
    let calls: [(&str, &[i64], i32); 16] = [
        ("fd_write", &[0, buffers, count, OUT], errno::BADF),
        ("fd_read", &[1, buffers, count, OUT], errno::BADF),
        ("fd_read", &[1, BUFFERS, 0, OUT], errno::BADF),
        ("fd_seek", &[0, 0, 0, OUT], errno::SPIPE),
        ("fd_tell", &[1, OUT], errno::SPIPE),
        ("fd_pread", &[0, buffers, count, 0, OUT], errno::SPIPE),
        ("fd_pwrite", &[1, buffers, count, 0, OUT], errno::SPIPE),
        ("fd_advise", &[0, 0, 0, 0], errno::SPIPE),
        ("fd_allocate", &[1, 0, 1], errno::SPIPE),
        ("fd_sync", &[1], errno::INVAL),
        ("fd_datasync", &[1], errno::INVAL),
        ("fd_filestat_set_size", &[1, 0], errno::SPIPE),
        ("fd_filestat_set_times", &[1, 0, 0, 0], errno::BADF),
        ("fd_readdir", &[0, DATA, 100, 0, OUT], errno::NOTDIR),
        ("fd_prestat_get", &[0, OUT], errno::BADF),
        ("fd_prestat_get", &[3, OUT], errno::BADF),
    ];
    for (name, args, expected) in calls {
        assert_eq!(guest.call(name, args), expected, "{name} {args:?}");
    }
}

#[test]
fn streams_say_what_they_are() {
    let mut guest = Guest::new(WasiBuilder::new());
    for (fd, right, other) in [(0, READ, WRITE), (1, WRITE, READ), (2, WRITE, READ)] {
        guest.ok("fd_fdstat_get", &[fd, DATA]);
        let rights = guest.u64(DATA + 8).cast_signed();
        assert_eq!(rights & (right | other), right);
        assert_eq!(guest.bytes(DATA, 4), [0; 4], "of no known kind, no flags");
        guest.put(DATA, &[0xff; 64]);
        guest.ok("fd_filestat_get", &[fd, DATA]);
        assert_eq!(guest.bytes(DATA, 64), [0; 64]);
    }
}

#[test]
fn descriptors_close_and_move() {
    let stdout = Captured::default();
    let mut guest = Guest::new(WasiBuilder::new().stdout(&stdout));
    guest.ok("fd_close", &[0]);
    assert_eq!(guest.call("fd_close", &[0]), errno::BADF);
    assert_eq!(guest.call("fd_renumber", &[1, 0]), errno::BADF);
    assert_eq!(guest.call("fd_renumber", &[0, 1]), errno::BADF);
    assert_eq!(guest.call("fd_renumber", &[-1, 1]), errno::BADF);
    guest.ok("fd_renumber", &[1, 1]);
    guest.ok("fd_renumber", &[1, 2]);
    assert_eq!(guest.call("fd_close", &[1]), errno::BADF);
    guest.write(2, b"moved");
    assert_eq!(stdout.contents(), b"moved");
}
