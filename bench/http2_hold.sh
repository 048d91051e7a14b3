#!/usr/bin/env bash
# What a further held stream of one HTTP/2 connection costs: resident memory of the server.
# ROUNDS=3 STREAMS=100,1000,5000,10000; a fresh server for each round.
source "$(dirname "$0")/lib.sh" http2_hold
rounds=${ROUNDS:-3} streams=${STREAMS:-100,1000,5000,10000}
[ -n "${P8_BIN:-}" ] || cargo build -q --release
cat >"$work/p-8.toml" <<C
[http]
listen = ["127.0.0.1:$port"]
http2_streams_max = 10000

[control]
listen = "127.0.0.1:$control"

[[routes]]
host = "*"
targets = [{ test = true }]
C
rm -f "$out.jsonl"
for _ in $(seq "$rounds"); do
    RUST_LOG=warn "$p8" "$work/p-8.toml" >"$work/p-8.log" 2>&1 &
    p8_pid=$!
    started+=("$p8_pid")
    answers "$control" && answers "$port" /
    python3 bench/http2_hold.py "127.0.0.1:$port" "127.0.0.1:$control" "$p8_pid" "$streams" | tee -a "$out.jsonl"
    stop "$p8_pid"
done
python3 - "$out.jsonl" >"$out.md" <<'P'
import json, statistics, subprocess, sys
def median(n):
    found = [line["resident"] for line in lines if line["streams"] == n]
    return statistics.median(found), min(found), max(found), len(found)
lines = [json.loads(line) for line in open(sys.argv[1])]
counts = sorted({line["streams"] for line in lines})
text = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.strip()
print("# http2_hold\n\n%s, commit %s. Median (smallest to largest) of %d rounds.\n" % (
    text("date", "-u", "+%F %T UTC"), text("git", "rev-parse", "--short", "HEAD"), median(counts[0])[3]))
print("| held streams of one connection | resident KiB |\n| --- | --- |")
for n in counts:
    middle, least, most, _ = median(n)
    print("| %d | %d (%d to %d) |" % (n, middle / 1024, least / 1024, most / 1024))
for less, more in zip(counts, counts[1:]):
    slope = (median(more)[0] - median(less)[0]) / (more - less)
    print("\nFrom %d to %d: **%d bytes for each further stream**." % (less, more, slope))
P
cat "$out.md"
