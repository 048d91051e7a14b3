#!/usr/bin/env bash
# What a held stream costs over TLS: resident memory per connection at two sizes, and the slope between.
# CONNS=4000; one server, filled from empty to a quarter and on to all of it. The client is Python's ssl.
source "$(dirname "$0")/lib.sh" tls_hold
conns=${CONNS:-4000} version=${TLS_VERSION:-1.3}
build
start_backend
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log"
cat >"$work/p-8.toml" <<C
[http]
listen = ["127.0.0.1:$port"]
tls_listen = ["127.0.0.1:$((port + 1))"]
tls_cert = "cert.pem"
tls_key = "key.pem"
tls_min_version = "1.2"
[control]
listen = "127.0.0.1:$control"
[[routes]]
host = "*"
targets = [{ url = "http://127.0.0.1:$backend" }]
C
RUST_LOG=warn "$p8" "$work/p-8.toml" >"$work/p-8.log" 2>&1 &
p8_pid=$!
started+=("$p8_pid")
answers "$control" && answers "$port" /hello
python3 bench/tls_hold.py --pid "$p8_pid" --port "$((port + 1))" --control "$control" \
    --held "$((conns / 4))" "$conns" --version "$version" --out "$out"
