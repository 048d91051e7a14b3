#!/usr/bin/env bash
# What a delivery costs: 1 channel, 10,000 streams, 200 bytes; P-8 and pushload's bare server in turn.
# Two lengths of run, so that accepting the connections and letting them go can be taken off.
# ROUNDS=3 CONNS=10000 SIZE=200 SHORT=10 LONG=110 (messages); SERVERS="limit p-8"
source "$(dirname "$0")/lib.sh" fanout
rounds=${ROUNDS:-3} conns=${CONNS:-10000} size=${SIZE:-200} short=${SHORT:-10} long=${LONG:-110}
servers=${SERVERS:-limit p-8}
build
start_backend
begin

one() {                                    # one SERVER LENGTH MESSAGES
    local to publish
    if [ "$1" = limit ]; then
        start_limit
        server_pid=$limit_pid
        to=127.0.0.1:$limit_port
        publish=(--publish-url "http://$to/pub?channel={channel}" --publish-format raw)
    else
        start_p8
        server_pid=$p8_pid
        to=127.0.0.1:$port
        publish=(--publish-url "http://127.0.0.1:$control/publish/")
    fi
    measure "server=$1" "length=$2" "round=$round" -- fanout --target "$to" --path '/stream?channel={channel}' \
        --conns "$conns" --messages "$3" --size "$size" "${publish[@]}"
    stop "$server_pid"
}

for round in $(seq "$rounds"); do
    for server in $servers; do
        one "$server" short "$short"
        one "$server" long "$long"
    done
done
finish
