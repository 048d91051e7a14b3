# What the end-to-end measurements share: building, starting and stopping, where results go. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bench=$1                                   # the measurement's name
out=${BENCH_OUT:-bench/results}/$(date +%F)-$bench
p8=${P8_BIN:-target/release/p-8}
pushload_source=${PUSHLOAD_SOURCE:-../shared/tools/pushload}
pushload=target/pushload/release/pushload
port=${BENCH_PORT:-23400}                  # clients; the ports after it are used too
control=$((port + 2)) backend=$((port + 9)) nginx_port=$((port + 10)) limit_port=$((port + 11))
pushpin_port=$((port + 20)) pushpin_control=$((port + 22))
work=target/bench/$bench
started=()                                 # processes of ours
rm -rf "$work"
mkdir -p "$work" "$(dirname "$out")"
ulimit -n "$(ulimit -Hn)"

family() {                                 # family PID: it and its descendants
    local child
    echo "$1"
    for child in $(pgrep -P "$1"); do family "$child"; done
}

stop() {                                   # stop PID: ask, wait, insist; what it started ends too
    local pid all others=()
    for pid in "${started[@]}"; do [ "$pid" = "$1" ] || others+=("$pid"); done
    started=("${others[@]}")               # its number may soon be somebody else's
    mapfile -t all < <(family "$1")
    kill "$1" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "${all[@]}" 2>/dev/null || break
        sleep 0.05
    done
    kill -9 "${all[@]}" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
stop_all() { for pid in "${started[@]}"; do stop "$pid"; done; }
trap stop_all EXIT

build() {
    if [ ! -x "$pushload" ]; then
        echo "building pushload"
        rm -rf target/pushload-src         # a copy: its own folder may be read-only
        cp -r "$pushload_source" target/pushload-src
        chmod -R u+w target/pushload-src
        cargo build -q --release --manifest-path target/pushload-src/Cargo.toml --target-dir target/pushload
    fi
    [ -n "${P8_BIN:-}" ] || cargo build -q --release
}

answers() {                                # answers PORT [PATH]: waits until it does, 10 s
    for _ in $(seq 200); do
        curl -s -o "$work/answer" "http://127.0.0.1:$1${2:-/}" && return 0
        sleep 0.05
    done
    echo "nothing answers on port $1" >&2
    return 1
}

start_backend() {
    "$pushload" backend --listen "127.0.0.1:$backend" 2>"$work/backend.log" &
    started+=($!)
    answers "$backend" /hello
}

# What P-8 and Pushpin are told alike: no limit of rate, the rest as Pushpin is shipped.
handler_keys() {
    cat <<C
message_rate = 100000000
message_hwm = 100000000
message_wait = 5000
id_cache_ttl = ${ID_CACHE_TTL:-60}
subscription_linger = 60
update_on_first_subscription = true
C
}

start_p8() {                               # start_p8 [SIG_KEY]: sets p8_pid; TLS=folder of tls.crt and tls.key, SLOW_CLIENT=policy, HTTP_KEYS and ROUTES=lines
    local signing= tls=
    [ -z "${TLS:-}" ] || tls=$(printf 'tls_listen = ["127.0.0.1:%s"]\ntls_cert = "%s/tls.crt"\ntls_key = "%s/tls.key"' \
        "$((port + 3))" "$PWD/$TLS" "$PWD/$TLS")
    [ -z "${1:-}" ] || signing=$(printf '[proxy]\nsig_key = "%s"\n' "$1")
    cat >"$work/p-8.toml" <<C
[http]
listen = ["127.0.0.1:$port"]
${HTTP_KEYS:-}
$tls
allow_compression = true

[control]
listen = "127.0.0.1:$control"

[handler]
$(handler_keys)
slow_client = "${SLOW_CLIENT:-close}"

$signing
[[routes]]
host = "*"
targets = [{ url = "http://127.0.0.1:$backend", over_http = true }]

${ROUTES:-}
C
    RUST_LOG=${RUST_LOG:-warn} "$p8" "$work/p-8.toml" >"$work/p-8.log" 2>&1 &
    p8_pid=$!
    started+=("$p8_pid")
    answers "$control" && answers "$port" /hello
}

start_nginx() {                            # start_nginx [LINES]: lines in place of no buffering; sets nginx_pid; TLS: as above, on the port after
    local here=$PWD/$work/nginx tls=
    [ -z "${TLS:-}" ] || tls="listen 127.0.0.1:$((nginx_port + 1)) ssl http2 backlog=4096;
    ssl_certificate $PWD/$TLS/tls.crt; ssl_certificate_key $PWD/$TLS/tls.key;"
    mkdir -p "$here"
    cat >"$here/nginx.conf" <<C
daemon off;
worker_processes 2;
worker_rlimit_nofile $(ulimit -n);
pid $here/pid;
error_log $here/error.log error;
events { worker_connections 15000; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path $here/body; proxy_temp_path $here/proxy;
  fastcgi_temp_path $here/fastcgi; uwsgi_temp_path $here/uwsgi; scgi_temp_path $here/scgi;
  upstream app { server 127.0.0.1:$backend; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:$nginx_port backlog=4096;
    $tls
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
      ${1:-proxy_buffering off;}
      proxy_request_buffering off;
    }
  }
}
C
    "$(command -v nginx || echo /usr/sbin/nginx)" -p "$here" -c "$here/nginx.conf" 2>"$here/start.log" &
    nginx_pid=$!
    started+=("$nginx_pid")
    answers "$nginx_port" /hello
}

need_pushpin() {                           # installs Debian's as root, its service left alone
    command -v pushpin >/dev/null && return
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "pushpin is not there: as root on Debian or Ubuntu, RUNLEVEL=1 apt-get install pushpin" >&2
        exit 1
    fi
    echo "installing pushpin"
    apt-get update -q >"$work/apt.log" 2>&1 &&
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends pushpin \
            >>"$work/apt.log" 2>&1 || { tail -n 30 "$work/apt.log" >&2; exit 1; }
}

start_pushpin() {                          # start_pushpin [SIG_KEY]: sets pushpin_pid
    local here=$PWD/$work/pushpin
    rm -rf "$here"
    mkdir -p "$here/run" "$here/log"
    # zurl runs under Pushpin's own runner, not as the service that the package expects
    sed 's#ipc:///var/run/zurl/#ipc://{rundir}/{ipc_prefix}#' /usr/lib/pushpin/internal.conf >"$here/internal.conf"
    printf '%s\n' "* 127.0.0.1:$backend,over_http" "${PUSHPIN_ROUTES:-}" >"$here/routes"
    cat >"$here/pushpin.conf" <<C
[global]
include=$here/internal.conf
rundir=$here/run
ipc_prefix=
port_offset=0
[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:$pushpin_port
logdir=$here/log
log_level=1
client_buffer_size=8192
client_maxconn=$(($(ulimit -n) - 1000))
[proxy]
routesfile=$here/routes
sig_key=${1:-}
updates_check=off
[handler]
$(handler_keys | sed 's/ = /=/')
push_in_http_addr=127.0.0.1
push_in_http_port=$pushpin_control
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
stats_spec=
stats_report_interval=0
C
    pushpin --config="$here/pushpin.conf" --loglevel=1 >"$here/log/runner.log" 2>&1 &
    pushpin_pid=$!
    started+=("$pushpin_pid")
    answers "$pushpin_control" && answers "$pushpin_port" /hello
}

# start_peer pushpin|p-8: both sign what they proxy; sets server_pid, and where clients and publishers go
start_peer() {
    case $1 in
        pushpin) start_pushpin changeme; server_pid=$pushpin_pid to=127.0.0.1:$pushpin_port publish_to=127.0.0.1:$pushpin_control ;;
        p-8) start_p8 changeme; server_pid=$p8_pid to=127.0.0.1:$port publish_to=127.0.0.1:$control ;;
        *) echo "no such server: $1" >&2; return 1 ;;
    esac
}

start_limit() {                            # sets limit_pid
    "$pushload" limit-server --listen "127.0.0.1:$limit_port" &
    limit_pid=$!
    started+=("$limit_pid")
    answers "$limit_port" /hello
}

# measure KEY=VALUE... -- PUSHLOAD ARGUMENTS: one line of JSON in the results, with the CPU time of $server_pid
measure() { python3 bench/measure.py run "$out.jsonl" "$server_pid" "$pushload" "$@"; }

# fill_twice CONNS PUSHLOAD ARGUMENTS: fills P-8 with held clients, lets them go, and does so again
fill_twice() {
    local n=$1 fill
    shift
    server_pid=$p8_pid
    python3 bench/measure.py memory "$out.jsonl" "$p8_pid" "conns=$n" "round=$round" "when=start"
    for fill in 1 2; do
        measure "server=p-8" "round=$round" "fill=$fill" -- hold --target "127.0.0.1:$port" "$@" \
            --conns "$n" --hold-secs "$hold_secs"
        sleep 5
        python3 bench/measure.py memory "$out.jsonl" "$p8_pid" "conns=$n" "round=$round" \
            "when=5 s after fill $fill left"
    done
}

begin() {
    rm -f "$out.jsonl"
    python3 bench/measure.py machine "$out.jsonl" "$bench"
}

finish() {
    python3 bench/measure.py table "$bench" "$out.jsonl" | tee "$out.md"
    echo "raw numbers: $out.jsonl"
}
