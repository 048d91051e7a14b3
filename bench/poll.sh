#!/usr/bin/env bash
# What a long-poll cycle costs: clients that ask again once answered, all on 1 channel; P-8 and Pushpin in turn.
# Each round of publishing waits until all clients were answered, or nothing came for 20 ms.
# ROUNDS=3 CONNS=1000 SECS=5 SIZE=200; SERVERS="pushpin p-8"
source "$(dirname "$0")/lib.sh" poll
rounds=${ROUNDS:-3} conns=${CONNS:-1000} secs=${SECS:-5} size=${SIZE:-200} servers=${SERVERS:-pushpin p-8}
need_pushpin
build
start_backend
begin
for round in $(seq "$rounds"); do
    for server in $servers; do
        start_peer "$server"
        measure "server=$server" "round=$round" -- poll --target "$to" --path '/poll?channel={channel}' \
            --publish-url "http://$publish_to/publish/" --conns "$conns" --rate 0 --duration "$secs" --size "$size"
        stop "$server_pid"
    done
done
finish
