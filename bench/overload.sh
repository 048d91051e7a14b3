#!/usr/bin/env bash
# Goodput at twice the load that P-8, or Pushpin, can take: requests to a backend that takes a fixed time with
# a fixed concurrency, publishes to a channel with many streams, and connections over client_maxconn.
# SECS=10 BACKEND_MS=20 BACKEND_AT_A_TIME=4 REQUESTS_MAX=200 STREAMS=500 SERVERS="p-8 pushpin".
# Takes about two and a half minutes.
source "$(dirname "$0")/lib.sh" overload
secs=${SECS:-10} backend_ms=${BACKEND_MS:-20} at_a_time=${BACKEND_AT_A_TIME:-4} streams=${STREAMS:-500}
requests_max=${REQUESTS_MAX:-200} slow=$((port + 12))
build
start_backend
python3 bench/overload.py --backend "$slow" --ms "$backend_ms" --at-a-time "$at_a_time" &
slow_pid=$!
started+=("$slow_pid")
answers "$slow" /
begin
run() {                                    # run SERVER CASE: one line of results
    python3 bench/overload.py --server "$1" --case "$2" --to "$to" --publish-to "$publish_to" --secs "$secs" \
        --streams "$streams" --slow "127.0.0.1:$slow" --maxconn "${maxconn:-0}" | tee -a "$out.jsonl"
}
slow_route() { printf '[[routes]]\nhost = "slow.example"\nrequests_max = %s\ntargets = [{ url = "http://127.0.0.1:%s" }]\n' "$1" "$slow"; }
for server in ${SERVERS:-p-8 pushpin}; do
    case $server in
        p-8)
            ROUTES=$(slow_route "$requests_max") start_peer p-8
            run p-8 requests
            run p-8 publishes
            stop "$server_pid"
            ROUTES=$(slow_route 5000) start_peer p-8
            run p-8-default requests
            stop "$server_pid"
            maxconn=500 HTTP_KEYS="client_maxconn = 500" start_peer p-8
            maxconn=500 run p-8 connections
            stop "$server_pid"
            ;;
        pushpin)
            need_pushpin
            PUSHPIN_ROUTES="slow.example 127.0.0.1:$slow" start_peer pushpin
            run pushpin requests
            run pushpin publishes
            stop "$server_pid"
            ;;
    esac
done
python3 bench/overload.py --table "$out.jsonl" | tee "$out.md"
