//! Arguments that mean nothing: error numbers, never a panic.

use crate::harness::{
    BUFFERS, DATA, FUNCTIONS, MEMORY_BYTES, OUT, PATH, READ, TempDir, WRITE, errno, how,
};
use std::fs;

/// Numbers a program may come up with.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: i64) -> i64 {
        (self.next() % end.cast_unsigned()).cast_signed()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.next() % choices.len() as u64).unwrap()]
    }
}

#[test]
fn every_pointer_may_be_wrong() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "abc").unwrap();
    let mut guest = dir.guest();
    guest.open("f", 0, READ | WRITE);
    for (name, params) in FUNCTIONS {
        let pointers = params.char_indices().filter(|(_, param)| *param == 'p');
        for (wrong, _) in pointers {
            // Sockets are refused before, and there are no strings to write.
            if name.starts_with("sock_") || matches!(name, "args_get" | "environ_get") {
                continue;
            }
            // Descriptors of the right kind, lengths that matter, all else right.
            let is_path = name.starts_with("path_");
            let directory = is_path || name.starts_with("fd_prestat") || name == "fd_readdir";
            let value = |(index, param): (usize, char)| match param {
                // What is written there is shorter than the room for it.
                'p' if index == wrong && name == "fd_prestat_dir_name" => MEMORY_BYTES,
                'p' if index == wrong => MEMORY_BYTES - 3,
                'p' if name == "poll_oneoff" || !is_path => BUFFERS,
                'p' => PATH,
                'I' => 0,
                _ if index == 0 && directory => 3,
                _ if index == 0 && name.starts_with("fd_") => 4,
                _ if index == 0 && name.starts_with("clock_") => 0,
                _ if name == "fd_seek" => 0,
                _ if is_path && (index == 1 && params.starts_with("iip")) => 0,
                _ if is_path && params.as_bytes()[index - 1] != b'p' => 3,
                _ => 4,
            };
            let mut args: Vec<i64> = params.chars().enumerate().map(value).collect();
            if name == "path_open" {
                (args[4], args[7]) = (0, 0);
            }
            if name == "poll_oneoff" {
                args[2] = 1;
            }
            guest.put(BUFFERS, &[0; 64]);
            guest.put(PATH, b"./fx");
            let errno = guest.call(name, &args);
            assert_eq!(errno, errno::FAULT, "{name} {args:?}, pointer {wrong}");
        }
    }
}

#[test]
fn buffers_may_be_wrong() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "abcdef").unwrap();
    let mut guest = dir.guest();
    let fd = guest.open("f", 0, READ | WRITE);
    let describe = |address: i64, bytes: i64| {
        let word = |value: i64| u32::try_from(value).unwrap().to_le_bytes();
        [word(address), word(bytes)].concat()
    };
    // The second buffer is wrong: nothing is transferred, and the position stays.
    guest.put(BUFFERS, &describe(DATA, 2));
    let wrong = [
        (MEMORY_BYTES - 1, 2),
        (0, MEMORY_BYTES + 1),
        (0xffff_ffff, 0xffff_ffff),
    ];
    for (address, bytes) in wrong {
        guest.put(BUFFERS + 8, &describe(address, bytes));
        for name in ["fd_read", "fd_write"] {
            assert_eq!(guest.call(name, &[fd, BUFFERS, 2, OUT]), errno::FAULT);
        }
    }
    assert_eq!(guest.call("fd_read", &[fd, BUFFERS, -1, OUT]), errno::INVAL);
    assert_eq!(
        guest.call("fd_read", &[fd, BUFFERS, 1025, OUT]),
        errno::INVAL
    );
    guest.ok("fd_tell", &[fd, OUT]);
    assert_eq!(guest.u64(OUT), 0);
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"abcdef");
}

#[test]
fn paths_may_be_wrong() {
    let dir = TempDir::new();
    let mut guest = dir.guest();
    guest.put(PATH, b"\xff\xfe");
    let make = "path_create_directory";
    assert_eq!(guest.call(make, &[3, PATH, 2]), errno::ILSEQ);
    guest.put(PATH, &vec![b'x'; 6000]);
    assert_eq!(guest.call(make, &[3, PATH, 5000]), errno::NAMETOOLONG);
    assert_eq!(guest.call(make, &[3, PATH, 300]), errno::NAMETOOLONG);
    assert_eq!(guest.call(make, &[3, PATH, MEMORY_BYTES]), errno::FAULT);
    assert_eq!(guest.call(make, &[3, PATH, -1]), errno::FAULT);
}

#[test]
fn random_calls_return() {
    let dir = TempDir::new();
    fs::write(dir.path().join("f"), "abc").unwrap();
    let mut guest = dir.guest();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let names = ["f", "g", "d/..", ".", "..", "d", "d/x", "\0", ""];
    for round in 0..20_000 {
        if round % 500 == 0 {
            // What was closed or moved is there again; opened files are few.
            guest = dir.guest();
            guest.open("h", how::CREATE, READ | WRITE);
        }
        let (name, params) = numbers.one_of(&FUNCTIONS);
        // Those could wait, or fill a disk, for ever.
        if matches!(name, "poll_oneoff" | "fd_allocate" | "fd_filestat_set_size") {
            continue;
        }
        let path = numbers.one_of(&names);
        guest.put(PATH, path.as_bytes());
        guest.buffers(&[3, 70_000, 0, 5]);
        let mut value = |param: char| match param {
            'p' => {
                let anywhere = numbers.below(MEMORY_BYTES + 100);
                numbers.one_of(&[PATH, BUFFERS, DATA, OUT, anywhere, -8])
            }
            'I' => numbers.one_of(&[0, 1, 100, READ | WRITE, READ, i64::MAX, i64::MIN, -1]),
            _ => {
                let small = numbers.below(8);
                let length = i64::try_from(path.len()).unwrap();
                numbers.one_of(&[small, small, length, length, 3, 4, 0xffff, -1])
            }
        };
        let args: Vec<i64> = params.chars().map(&mut value).collect();
        let errno = guest.call(name, &args);
        assert!((0..77).contains(&errno), "{name} {args:?}: {errno}");
    }
}
