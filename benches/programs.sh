#!/usr/bin/env bash
# Times programs on each collector, interleaved, and prints medians with each ratio to null.
# usage: benches/programs.sh [RUNS] ["PROGRAM N" ...]
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-5}
shift || true
programs=("$@")
[ ${#programs[@]} -gt 0 ] || programs=("alloc 100000000" "churn 20000000" "binary-trees 18")

cargo build --release --quiet --package windrow-cli
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

field() { sed -n "s/^ *\"$1\": *\([0-9.e+-]*\),\{0,1\}$/\1/p" "$2" | head -1; }
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

printf '%-22s %-8s %10s %10s %10s %8s %14s %12s\n' program collector median_s min_s max_s 'x null' copied/alloc max_pause_ms
for program in "${programs[@]}"; do
    read -r name n <<<"$program"
    for _ in $(seq "$runs"); do
        for collector in null drc copying; do
            target/release/windrow run "crates/wasm/programs/$name.wat" --invoke run "$n" \
                --collector "$collector" --stats-json "$scratch/last.json" >/dev/null
            field run_seconds "$scratch/last.json" >>"$scratch/$name.$collector"
            cp "$scratch/last.json" "$scratch/$name.$collector.json"
        done
    done
    null=$(median "$scratch/$name.null")
    for collector in null drc copying; do
        times="$scratch/$name.$collector"
        awk -v program="$program" -v collector="$collector" -v median="$(median "$times")" \
            -v min="$(sort -g "$times" | head -1)" -v max="$(sort -g "$times" | tail -1)" -v null="$null" \
            -v copied="$(field copied_bytes "$times.json")" -v alloc="$(field allocated_bytes "$times.json")" -v pause="$(field max_seconds "$times.json")" \
            'BEGIN { printf "%-22s %-8s %10.3f %10.3f %10.3f %8.2f %14.3f %12.2f\n",
                     program, collector, median, min, max, median / null, copied / alloc, pause * 1000 }'
    done
done
