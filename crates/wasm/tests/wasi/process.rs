//! Arguments, environment, clocks, waiting, random bytes, and what is refused.

use crate::harness::{BUFFERS, DATA, Guest, OUT, errno};
use std::time::{Duration, Instant, SystemTime};
use windrow_wasm::Error;
use windrow_wasm::wasi::WasiBuilder;

/// Reads strings that `get` writes, their number and size being what `sizes_get` says.
fn strings(guest: &mut Guest, what: &str) -> Vec<String> {
    guest.ok(&format!("{what}_sizes_get"), &[OUT, OUT + 4]);
    let (count, bytes) = (guest.u32(OUT), guest.u32(OUT + 4));
    guest.ok(&format!("{what}_get"), &[BUFFERS, DATA]);
    let text = guest.bytes(DATA, bytes as usize);
    let string = |index: u32| {
        let address = i64::from(guest.u32(BUFFERS + 4 * i64::from(index)));
        let rest = &text[usize::try_from(address - DATA).unwrap()..];
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(rest[..end].to_vec()).unwrap()
    };
    (0..count).map(string).collect()
}

#[test]
fn arguments_and_environment() {
    let builder = WasiBuilder::new()
        .args(["name", "", "drei Ä"])
        .env("A", "1")
        .env("LONG", "x=y");
    let mut guest = Guest::new(builder);
    assert_eq!(strings(&mut guest, "args"), ["name", "", "drei Ä"]);
    assert_eq!(strings(&mut guest, "environ"), ["A=1", "LONG=x=y"]);
    let mut nothing = Guest::new(WasiBuilder::new());
    assert!(strings(&mut nothing, "args").is_empty());
    assert!(strings(&mut nothing, "environ").is_empty());
}

#[test]
fn strings_that_no_program_can_be_given_are_refused() {
    let builder = WasiBuilder::new;
    let refused = [
        builder().args(["a\0b"]),
        builder().env("", "x"),
        builder().env("a=b", "x"),
        builder().env("a", "\0"),
        builder().directory(".", ""),
        builder().directory(".", "a\0"),
    ];
    for builder in refused {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, Error::Environment { .. }), "{error}");
    }
    let error = builder().directory("/no/such", "/").build().unwrap_err();
    assert!(matches!(error, Error::Directory { .. }), "{error}");
    assert!(error.to_string().contains("/no/such"), "{error}");
}

#[test]
fn clocks() {
    let mut guest = Guest::new(WasiBuilder::new());
    for clock in 0..4 {
        guest.ok("clock_res_get", &[clock, OUT]);
        assert!((1..1_000_000_000).contains(&guest.u64(OUT)));
    }
    guest.ok("clock_time_get", &[0, 0, OUT]);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seen = Duration::from_nanos(guest.u64(OUT));
    assert!(now.unwrap().abs_diff(seen) < Duration::from_secs(60));
    for clock in 1..4 {
        guest.ok("clock_time_get", &[clock, 1, OUT]);
        let first = guest.u64(OUT);
        guest.ok("clock_time_get", &[clock, 1, OUT]);
        assert!(guest.u64(OUT) >= first);
    }
    assert_eq!(guest.call("clock_time_get", &[4, 0, OUT]), errno::INVAL);
    assert_eq!(guest.call("clock_res_get", &[-1, OUT]), errno::INVAL);
}

/// Puts a subscription into memory, as number `index`.
fn subscribe(guest: &mut Guest, index: i64, userdata: u64, kind: u8, subject: u32) -> i64 {
    let at = DATA + 48 * index;
    guest.put(at, &[0; 48]);
    guest.put(at, &userdata.to_le_bytes());
    guest.put(at + 8, &[kind]);
    guest.put(at + 16, &subject.to_le_bytes());
    at
}

fn subscribe_clock(guest: &mut Guest, index: i64, clock: u32, time: u64, flags: u16) {
    let at = subscribe(guest, index, u64::try_from(index).unwrap(), 0, clock);
    guest.put(at + 24, &time.to_le_bytes());
    guest.put(at + 40, &flags.to_le_bytes());
}

const EVENTS: i64 = 0x20000;

/// An event: userdata, error number, kind and bytes ready.
fn event(guest: &Guest, index: i64) -> (u64, u16, u8, u64) {
    let bytes = guest.bytes(EVENTS + 32 * index, 32);
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let errno = u16::from_le_bytes([bytes[8], bytes[9]]);
    (word(0), errno, bytes[10], word(16))
}

#[test]
fn waiting_for_time() {
    const MILLISECONDS: u64 = 1_000_000;
    let mut guest = Guest::new(WasiBuilder::new());
    // The first of two times, both from now and both by the clock.
    subscribe_clock(&mut guest, 0, 1, 60_000 * MILLISECONDS, 0);
    subscribe_clock(&mut guest, 1, 1, 20 * MILLISECONDS, 0);
    let started = Instant::now();
    guest.ok("poll_oneoff", &[DATA, EVENTS, 2, OUT]);
    assert!(started.elapsed() >= Duration::from_millis(20));
    assert_eq!(guest.u32(OUT), 1);
    assert_eq!(event(&guest, 0), (1, 0, 0, 0));

    guest.ok("clock_time_get", &[1, 0, OUT]);
    let soon = guest.u64(OUT) + 20 * MILLISECONDS;
    let started = Instant::now();
    subscribe_clock(&mut guest, 0, 1, soon, 1);
    subscribe_clock(&mut guest, 1, 0, u64::MAX, 1);
    guest.ok("poll_oneoff", &[DATA, EVENTS, 2, OUT]);
    assert!(started.elapsed() >= Duration::from_millis(15));
    assert_eq!((guest.u32(OUT), event(&guest, 0)), (1, (0, 0, 0, 0)));

    // A time that is over, and clocks that cannot be waited for.
    for (clock, flags, expected) in [(0, 1, 0), (2, 0, errno::NOTSUP), (9, 0, errno::INVAL)] {
        subscribe_clock(&mut guest, 0, clock, 1, flags);
        guest.ok("poll_oneoff", &[DATA, EVENTS, 1, OUT]);
        let (_, found, _, _) = event(&guest, 0);
        assert_eq!((guest.u32(OUT), i32::from(found)), (1, expected));
    }
}

#[test]
fn streams_are_ready_at_once() {
    let mut guest = Guest::new(WasiBuilder::new().stdin("abc"));
    subscribe(&mut guest, 0, 10, 1, 0);
    subscribe(&mut guest, 1, 11, 2, 1);
    subscribe(&mut guest, 2, 12, 1, 99);
    subscribe_clock(&mut guest, 3, 1, u64::MAX, 0);
    guest.ok("poll_oneoff", &[DATA, EVENTS, 4, OUT]);
    assert_eq!(guest.u32(OUT), 3);
    assert_eq!(event(&guest, 0), (10, 0, 1, 1));
    assert_eq!(event(&guest, 1), (11, 0, 2, 0));
    let badf = u16::try_from(errno::BADF).unwrap();
    assert_eq!(event(&guest, 2), (12, badf, 1, 0));
}

#[test]
fn waiting_for_nothing_or_for_what_there_is_not() {
    let mut guest = Guest::new(WasiBuilder::new());
    let mut poll = |count| guest.call("poll_oneoff", &[DATA, EVENTS, count, OUT]);
    assert_eq!(poll(0), errno::INVAL);
    assert_eq!(poll(-1), errno::INVAL);
    subscribe(&mut guest, 0, 1, 3, 0);
    assert_eq!(
        guest.call("poll_oneoff", &[DATA, EVENTS, 1, OUT]),
        errno::INVAL
    );
}

#[test]
fn random_bytes() {
    let mut guest = Guest::new(WasiBuilder::new());
    const BYTES: usize = 10_000;
    guest.ok("random_get", &[DATA, 10_000]);
    let first = guest.bytes(DATA, BYTES);
    guest.ok("random_get", &[DATA, 10_000]);
    assert_ne!(first, guest.bytes(DATA, BYTES));
    let mut seen = [false; 256];
    for byte in &first {
        seen[usize::from(*byte)] = true;
    }
    assert!(seen.iter().filter(|seen| **seen).count() > 200);
    assert_eq!(guest.bytes(DATA + 10_000, 8), [0; 8], "no more than asked");
    guest.ok("random_get", &[0, 0]);
}

#[test]
fn signals_and_sockets_are_not_supported() {
    let mut guest = Guest::new(WasiBuilder::new());
    guest.ok("sched_yield", &[]);
    let calls: [(&str, &[i64]); 5] = [
        ("proc_raise", &[6]),
        ("sock_accept", &[0, 0, OUT]),
        ("sock_recv", &[0, BUFFERS, 0, 0, OUT, OUT]),
        ("sock_send", &[1, BUFFERS, 0, 0, OUT]),
        ("sock_shutdown", &[0, 1]),
    ];
    for (name, args) in calls {
        assert_eq!(guest.call(name, args), errno::NOTSUP, "{name}");
    }
}
