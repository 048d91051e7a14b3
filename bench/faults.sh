#!/usr/bin/env bash
# What clients and publishers see of a fault: kill -9 of Pushpin's handler and proxy, a panic and a wedge of P-8.
# CLIENTS=500 SECS=12 RATE=20; P8_BIN must be built with the cargo feature chaos. No speed is measured.
source "$(dirname "$0")/lib.sh" faults
clients=${CLIENTS:-500} secs=${SECS:-12} rate=${RATE:-20}
need_pushpin
[ -n "${P8_BIN:-}" ] || cargo build -q --release --features chaos
P8_BIN=$p8 build
start_backend
begin
for fault in handler-killed proxy-killed channel-panics publisher-panics channel-wedges publisher-wedges; do
    case $fault in *-killed) server=pushpin ;; *) server=p-8 ;; esac
    start_peer "$server"
    python3 bench/faults.py --server "$server" --fault "$fault" --pid "$server_pid" --to "$to" \
        --publish-to "$publish_to" --clients "$clients" --secs "$secs" --rate "$rate" >>"$out.jsonl"
    stop "$server_pid"
done
python3 bench/faults.py --table "$out.jsonl" | tee "$out.md"
