#!/usr/bin/env bash
# What a delivery to a WebSocket costs: 1 channel, 5,000 clients, 200 bytes; streams, WebSockets, and
# WebSockets that take compressed messages, in turn. Two lengths of run, as in fanout.sh. `plain` are
# uncompressed ones driven as `deflate` are, one message at a time: compare those two.
# ROUNDS=3 CONNS=5000 SIZE=200 SHORT=20 LONG=220 (messages); CLIENTS="stream websocket plain deflate"
source "$(dirname "$0")/lib.sh" ws_fanout
rounds=${ROUNDS:-3} conns=${CONNS:-5000} size=${SIZE:-200} short=${SHORT:-20} long=${LONG:-220}
clients=${CLIENTS:-stream websocket plain deflate}
build
start_backend
begin

one() {                                    # one CLIENTS LENGTH MESSAGES
    local generator=$pushload how=(--path '/stream?channel={channel}')
    [ "$1" = stream ] || how=(--ws --path '/ws?channel={channel}')
    case "$1" in
        deflate) generator=bench/deflate.py ;;
        plain) generator=bench/deflate.py; how+=(--plain) ;;
    esac
    start_p8
    server_pid=$p8_pid
    pushload=$generator measure "server=$1" "length=$2" "round=$round" -- fanout --target "127.0.0.1:$port" \
        "${how[@]}" --conns "$conns" --messages "$3" --size "$size" --publish-url "http://127.0.0.1:$control/publish/"
    stop "$server_pid"
}

for round in $(seq "$rounds"); do
    for kind in $clients; do
        one "$kind" short "$short"
        one "$kind" long "$long"
    done
done
finish
