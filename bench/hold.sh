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
        server_pid=$p8_pid
        python3 bench/measure.py memory "$out.jsonl" "$p8_pid" "conns=$n" "round=$round" "when=start"
        for fill in 1 2; do
            measure "server=p-8" "round=$round" "fill=$fill" -- hold --target "127.0.0.1:$port" \
                --path '/stream?channel={channel}' --conns "$n" --hold-secs "$hold_secs"
            sleep 5
            python3 bench/measure.py memory "$out.jsonl" "$p8_pid" "conns=$n" "round=$round" \
                "when=5 s after fill $fill left"
        done
        stop "$p8_pid"
    done
done
finish
