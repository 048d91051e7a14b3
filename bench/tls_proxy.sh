#!/usr/bin/env bash
# What a proxied GET costs over TLS: P-8 and nginx in front of the same plain backend, in turn; the clients
# speak HTTP/1.1 or HTTP/2 (nghttp2's h2load, Debian's nghttp2-client).
# ROUNDS=5 CONNS=64 REQUESTS=100000
source "$(dirname "$0")/lib.sh" tls_proxy
rounds=${ROUNDS:-5} conns=${CONNS:-64} requests=${REQUESTS:-100000}
command -v h2load >/dev/null || { echo "h2load is not there: apt-get install nghttp2-client" >&2; exit 1; }
build
start_backend
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/tls.key" -out "$work/tls.crt" 2>"$work/openssl.log"
tls_port=$((port + 3))
begin
for round in $(seq "$rounds"); do
    for server in nginx p-8; do
        case $server in
            nginx) TLS=$work start_nginx; server_pid=$nginx_pid to=$((nginx_port + 1)) ;;
            p-8) TLS=$work start_p8; server_pid=$p8_pid to=$tls_port ;;
        esac
        for protocol in http/1.1 h2; do
            for answer in '12 B:/hello' '100 KB:/bytes?n=100000'; do
                n=$requests
                [ "${answer%%:*}" = "12 B" ] || n=$((requests / 10))
                python3 bench/measure.py h2load "$out.jsonl" "$server_pid" "server=$server" "protocol=$protocol" \
                    "answer=${answer%%:*}" "round=$round" -- \
                    -n "$n" -c "$conns" -t 1 --npn-list="$protocol" "https://127.0.0.1:$to${answer#*:}"
            done
        done
        stop "$server_pid"
    done
done
finish
