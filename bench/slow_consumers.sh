#!/usr/bin/env bash
# What clients that stop reading cost P-8 and those that read: for each transport, the time from publish to
# receipt of clients that read, alone and beside STUCK=1000 that do not; memory of process and kernel.
# QUICK=20 SECS=8 RATE=50 BYTES=4000. Takes about two minutes.
source "$(dirname "$0")/lib.sh" slow_consumers
stuck=${STUCK:-1000} quick=${QUICK:-20} secs=${SECS:-8} rate=${RATE:-50} bytes=${BYTES:-4000}
build
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>"$work/openssl.log"
export TLS=$work
start_backend
begin
for transport in http tls http2 websocket; do
    for policy in ${POLICIES:-drop-oldest close}; do
        SLOW_CLIENT=$policy start_p8
        python3 bench/slow_consumers.py --transport "$transport" --policy "$policy" --pid "$p8_pid" --port "$port" \
            --tls-port "$((port + 3))" --control "127.0.0.1:$control" --stuck "$stuck" --quick "$quick" \
            --secs "$secs" --rate "$rate" --bytes "$bytes" | tee -a "$out.jsonl"
        stop "$p8_pid"
    done
done
python3 bench/slow_consumers.py --table "$out.jsonl" | tee "$out.md"
