#!/usr/bin/env bash
# What a proxied GET costs: P-8 and nginx (proxy_pass, buffering off) in front of the same backend, in turn.
# ROUNDS=5 CONNS=64 SECS=4; SERVERS="nginx nginx-fitting p-8 p-8-signing": the second one has buffers that
# take a whole answer, the last one adds Grip-Sig to each request.
source "$(dirname "$0")/lib.sh" proxy
rounds=${ROUNDS:-5} conns=${CONNS:-64} secs=${SECS:-4}
servers=${SERVERS:-nginx nginx-fitting p-8 p-8-signing}
build
start_backend
begin
for round in $(seq "$rounds"); do
    for server in $servers; do
        to=127.0.0.1:$port
        case $server in
            nginx) start_nginx; server_pid=$nginx_pid to=127.0.0.1:$nginx_port ;;
            nginx-fitting)
                start_nginx 'proxy_buffer_size 128k; proxy_buffers 4 128k; proxy_busy_buffers_size 256k;'
                server_pid=$nginx_pid to=127.0.0.1:$nginx_port
                ;;
            p-8-signing) start_p8 changeme; server_pid=$p8_pid ;;
            *) start_p8; server_pid=$p8_pid ;;
        esac
        measure "server=$server" "answer=12 B" "round=$round" -- proxy --target "$to" --path /hello \
            --conns "$conns" --duration "$secs"
        measure "server=$server" "answer=100 KB" "round=$round" -- proxy --target "$to" --path '/bytes?n=100000' \
            --conns "$conns" --duration "$secs"
        stop "$server_pid"
    done
done
finish
