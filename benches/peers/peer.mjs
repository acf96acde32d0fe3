// Runs one program in Node (V8) or Bun (JavaScriptCore), and prints one line of JSON about it.
//
//   peer.mjs '{"file": "a.wasm", "work": {"call": {"export": "run", "args": [1]}}}'
//   peer.mjs --probe
//
// The job and the report are those of src/job.rs. Time is that of the call, or between the markers
// `bench.start` and `bench.end`; compiling and instantiating are not in it.

import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";

/** `(module (type (struct)))`: valid where there is garbage collection. */
const GC_MODULE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 3, 1, 0x5f, 0]);

/** A line of `/proc/self/status`, in bytes. */
function memory(name) {
  const found = new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  return found && Number(found[1]) * 1024;
}

function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** What one part of a run took, and what was resident before it. */
class Timer {
  start() {
    this.before_bytes = memory("VmRSS");
    this.processor = processorSeconds();
    this.started = performance.now();
  }

  end() {
    this.seconds = (performance.now() - this.started) / 1000;
    this.processor_seconds = processorSeconds() - this.processor;
  }

  report(result) {
    const { seconds, processor_seconds, before_bytes } = this;
    if (seconds === undefined) throw new Error("the program marked no part of its run");
    return { seconds, processor_seconds, before_bytes, peak_bytes: memory("VmHWM"), result };
  }
}

const errno = { badf: 8, noent: 44 };

/** As much of WASI preview 1 as the programs import: one directory to read from, and standard output. */
function preview1(directory, exports) {
  const view = () => new DataView(exports().memory.buffer);
  const bytes = (start, length) => new Uint8Array(exports().memory.buffer, start, length);
  const files = new Map();
  const printed = [];
  let next = 4;

  /** Calls `each` with the bytes of every buffer of a list; the sum of what it returns is stored. */
  function vectors(list, count, sum, each) {
    let total = 0;
    for (let index = 0; index < count; index++) {
      const at = list + 8 * index;
      total += each(bytes(view().getUint32(at, true), view().getUint32(at + 4, true)));
    }
    view().setUint32(sum, total, true);
    return 0;
  }

  const functions = {
    path_open(fd, _flags, path, length, _open, _rights, _inheriting, _fdflags, opened) {
      if (fd !== 3) return errno.badf;
      try {
        const name = new TextDecoder().decode(bytes(path, length));
        files.set(next, openSync(join(directory, name), "r"));
      } catch {
        return errno.noent;
      }
      view().setUint32(opened, next++, true);
      return 0;
    },
    fd_read(fd, list, count, sum) {
      if (!files.has(fd)) return errno.badf;
      return vectors(list, count, sum, (buffer) => readSync(files.get(fd), buffer));
    },
    fd_write(fd, list, count, sum) {
      if (fd !== 1 && fd !== 2) return errno.badf;
      return vectors(list, count, sum, (buffer) => {
        if (fd === 1) printed.push(...buffer);
        return buffer.length;
      });
    },
    fd_close(fd) {
      if (!files.has(fd)) return errno.badf;
      closeSync(files.get(fd));
      files.delete(fd);
      return 0;
    },
    random_get(start, length) {
      crypto.getRandomValues(bytes(start, length));
      return 0;
    },
  };
  return { functions, printed: () => new TextDecoder().decode(new Uint8Array(printed)) };
}

/** What the J2CL compiler's modules import. */
function j2cl(module) {
  const [section] = WebAssembly.Module.customSections(module, "string.consts");
  const texts = section ? JSON.parse(new TextDecoder().decode(section)) : [];
  const imports = {
    "string.indexOf$2": (text, pattern, from) => text.indexOf(pattern, from),
    "string.lastIndexOf$2": (text, pattern, from) => text.lastIndexOf(pattern, from),
    "string.replace$2": (text, pattern, replacement) => text.replace(pattern, replacement),
    "performance.now": () => performance.now(),
    "Error": (message) => new Error(message),
    "RegExp.constructor$2": (pattern, flags) => new RegExp(pattern, flags),
    "j2wasm.StringUtils.generateClassName": () => "Class$",
    "Number.prototype.toString.call$1": (number) => number.toString(),
    "Number.prototype.toString.call$2": (number, radix) => number.toString(radix),
    "j2wasm.ExceptionUtils.setJavaThrowable": () => {},
    "set goog.global.__benchmarking_result": () => {},
    "gc": () => {},
  };
  for (const name of Object.getOwnPropertyNames(Math)) imports[`Math.${name}`] = Math[name];
  return { imports, "string.const": { ...texts }, WebAssembly: { JSTag: WebAssembly.JSTag } };
}

async function call(bytes, { export: name, args, javascript }) {
  const options = javascript ? { builtins: ["js-string"] } : undefined;
  const module = await WebAssembly.compile(bytes, options);
  const instance = await WebAssembly.instantiate(module, javascript ? j2cl(module) : {});
  const func = instance.exports[name];
  const timer = new Timer();
  timer.start();
  const result = func(...args);
  timer.end();
  return timer.report(result === undefined ? "" : String(result));
}

async function command(bytes, { directory }) {
  const timer = new Timer();
  let instance;
  const { functions, printed } = preview1(directory, () => instance.exports);
  const bench = { start: () => timer.start(), end: () => timer.end() };
  const imports = { wasi_snapshot_preview1: functions, bench };
  instance = await WebAssembly.instantiate(await WebAssembly.compile(bytes), imports);
  instance.exports._start();
  return timer.report(printed());
}

async function run({ file, work }) {
  const bytes = readFileSync(file);
  try {
    return { done: await (work.call ? call(bytes, work.call) : command(bytes, work.command)) };
  } catch (error) {
    const stopped = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
    return { failed: { kind: stopped ? "trap" : "refused", message: String(error) } };
  }
}

function probe() {
  const { bun, node } = process.versions;
  const version = bun ? `Bun ${bun}` : `Node ${node} (V8 ${process.versions.v8})`;
  return { version, garbage_collection: WebAssembly.validate(GC_MODULE) };
}

const [argument] = process.argv.slice(2);
const answer = argument === "--probe" ? probe() : await run(JSON.parse(argument));
writeSync(1, JSON.stringify(answer) + "\n");
