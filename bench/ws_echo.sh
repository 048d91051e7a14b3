#!/usr/bin/env bash
# What an echo costs that is carried over HTTP: 64 clients, each sends once it was answered; P-8 and
# Pushpin in turn.
# ROUNDS=3 CONNS=64 SECS=5; SERVERS="pushpin p-8"
source "$(dirname "$0")/lib.sh" ws_echo
rounds=${ROUNDS:-3} conns=${CONNS:-64} secs=${SECS:-5} servers=${SERVERS:-pushpin p-8}
need_pushpin
build
start_backend
begin
for round in $(seq "$rounds"); do
    for server in $servers; do
        start_peer "$server"
        measure "server=$server" "round=$round" -- ws-echo --target "$to" --path '/ws?channel=c0' \
            --conns "$conns" --duration "$secs"
        stop "$server_pid"
    done
done
finish
