#!/usr/bin/env bash
# What a publish costs: 1,000 channels with a stream each, batches of 50 by POST; P-8 and Pushpin in turn.
# Without ids, and with id and prev-id, which both servers then check.
# ROUNDS=3 CHANNELS=1000 PUBLISHES=100000 BATCH=50 SIZE=200 PUBLISHERS=4; SERVERS="pushpin p-8" IDS="no yes";
# WINDOW=512: how many publishes of a publisher may be accepted and not yet delivered, before it waits
source "$(dirname "$0")/lib.sh" publish
rounds=${ROUNDS:-3} channels=${CHANNELS:-1000} publishes=${PUBLISHES:-100000} batch=${BATCH:-50} size=${SIZE:-200}
publishers=${PUBLISHERS:-4} window=${WINDOW:-512} servers=${SERVERS:-pushpin p-8}
need_pushpin
build
start_backend
begin
for round in $(seq "$rounds"); do
    for ids in ${IDS:-no yes}; do
        for server in $servers; do
            start_peer "$server"
            options=()
            [ "$ids" = no ] || options=(--ids)
            measure "server=$server" "ids=$ids" "round=$round" -- publish-rate --target "$to" \
                --path '/stream?channel={channel}' --publish-url "http://$publish_to/publish/" \
                --conns "$channels" --messages "$publishes" --batch "$batch" --size "$size" \
                --publishers "$publishers" --window "$window" "${options[@]}"
            stop "$server_pid"
        done
    done
done
finish
