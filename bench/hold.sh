#!/usr/bin/env bash
# What a held stream costs: resident memory per connection, and whether it comes back after all left.
# ROUNDS=3 CONNS=15000; a fresh server for each round and size, filled twice.
source "$(dirname "$0")/lib.sh" hold
rounds=${ROUNDS:-3} conns=${CONNS:-15000} hold_secs=${HOLD_SECS:-5}
build
start_backend
begin
for round in $(seq "$rounds"); do
    for n in $((conns / 3)) "$conns"; do
        start_p8
        fill_twice "$n" --path '/stream?channel={channel}'
        stop "$p8_pid"
    done
done
finish
