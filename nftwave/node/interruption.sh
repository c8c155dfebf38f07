# New connections to $address:$port, ten a second, and what became of them. The caller puts in front
#   mark=… address=… port=… limit=…      (limit: seconds after which it ends by itself)
# and ends it by closing its end of our standard input; a connection that is lost does the same.
# Writes no file and leaves no process: an attempt under way ends within its second.
# Says nothing until its end: `$mark tally ATTEMPTS FAILED LONGEST LAST NOW` (times in centiseconds
# since the boot) and `$mark connections BEFORE ALIVE`; without a tool to connect with `$mark none`.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY

# $now: centiseconds since the boot, by a clock that nobody steps, without starting a process.
look_at_clock() {
  read -r now rest </proc/uptime
  now=${now%.*}${now#*.}
}

tool=
if command -v timeout >/dev/null 2>&1 && timeout 1 bash -c : >/dev/null 2>&1; then tool=bash
elif command -v nc >/dev/null 2>&1; then tool=nc
elif command -v curl >/dev/null 2>&1; then tool=curl
elif command -v python3 >/dev/null 2>&1; then tool=python3
fi
case $address in *:*) host="[$address]" ;; *) host=$address ;; esac

attempt() {
  case $tool in
    bash) timeout 1 bash -c ': <"/dev/tcp/$1/$2"' attempt "$address" "$port" ;;
    nc) nc -z -w 1 "$address" "$port" ;;
    curl)
      curl -k -s -o /dev/null -m 1 "https://$host:$port/"
      case $? in 0 | 35 | 52 | 56 | 60) return 0 ;; *) return 1 ;; esac ;;
  esac </dev/null >/dev/null 2>&1
}

# `ok TIME` or `failed TIME` for each attempt, at its end. An attempt never waits for the one before.
attempts() {
  if [ $tool = python3 ]; then exec python3 -c "$in_python" "$address" "$port" "$limit"; fi
  trap 'kill $inner 2>/dev/null; exit' TERM
  rounds=0
  # A shell of its own for each ten seconds, because shells keep book of every job.
  while [ $rounds -lt $((limit / 10 + 1)) ]; do
    rounds=$((rounds + 1))
    ten_seconds &
    inner=$!
    wait $inner
  done
}
ten_seconds() {
  trap - TERM
  begun=0
  while [ $begun -lt 100 ]; do
    begun=$((begun + 1))
    { if attempt; then word=ok; else word=failed; fi; look_at_clock; echo "$word $now"; } &
    sleep 0.1
  done
}
# Starting python3 ten times a second would be a load of its own.
in_python='
import socket, sys, threading, time
def now():
    return round(float(open("/proc/uptime").read().split()[0]) * 100)
def attempt():
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
        word = "ok"
    except OSError:
        word = "failed"
    print(word, now(), flush=True)
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    threading.Thread(target=attempt, daemon=True).start()
    time.sleep(0.1)
'

tally() {
  count=0 failed=0 longest=0
  look_at_clock
  last=$now
  sample
  while read -r word now; do
    count=$((count + 1))
    if [ "$word" = failed ]; then failed=$((failed + 1))
    else
      if [ $((now - last)) -gt $longest ]; then longest=$((now - last)); fi
      last=$now
    fi
    if [ $((count % 50)) -eq 0 ]; then sample; fi
  done
  look_at_clock
  echo "$mark tally $count $failed $longest $last $now"
  echo "$mark connections $(connections)"
}

# $before: established connections through ipvs, as long as ipvs has virtual servers.
sample() {
  if grep -q -E '^(TCP|UDP|SCTP|FWM) ' /proc/net/ip_vs 2>/dev/null; then
    before=$(awk '$1 == "TCP" && $8 == "ESTABLISHED" { print $2, $3, $4, $5 }' /proc/net/ip_vs_conn)
    sampled=yes
  fi
}
before= sampled=

# How many there were, and how many of them are tracked now. The kernel writes IPv6 addresses as
# ipvs does; conntrack shortens them, so there they are left out of both numbers.
connections() {
  if [ -z "$sampled" ]; then echo '- -'
  elif [ -r /proc/net/nf_conntrack ]; then compare 1 <<EOF
$before
--
$(grep ESTABLISHED /proc/net/nf_conntrack)
EOF
  elif command -v conntrack >/dev/null 2>&1; then compare 0 <<EOF
$before
--
$(conntrack -L -p tcp --state ESTABLISHED 2>/dev/null)
EOF
  else printf '%s\n' "$before" | awk 'NF { n++ } END { print n + 0, "-" }'
  fi
}

compare() {
  awk -v six="$1" '
    function number(hex,  i, n) {
      for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
      return n + 0
    }
    function plain(hex) {
      if (hex ~ /:/) return hex
      return number(substr(hex, 1, 2)) "." number(substr(hex, 3, 2)) "." \
        number(substr(hex, 5, 2)) "." number(substr(hex, 7, 2))
    }
    $1 == "--" { tracked = 1; next }
    !tracked && NF == 4 && (six || $1 !~ /:/) {
      key = plain($1) " " number($2) " " plain($3) " " number($4)
      if (!(key in was)) { was[key] = 1; total++ }
    }
    tracked && !/UNREPLIED/ {
      src = dst = sport = dport = ""
      for (i = 1; i <= NF; i++) {
        split($i, part, "=")
        if (part[1] == "src" && src == "") src = part[2]
        if (part[1] == "dst" && dst == "") dst = part[2]
        if (part[1] == "sport" && sport == "") sport = part[2]
        if (part[1] == "dport" && dport == "") dport = part[2]
      }
      key = src " " sport " " dst " " dport
      if (key in was) { delete was[key]; alive++ }
    }
    END { print total + 0, alive + 0 }'
}

if [ -z "$tool" ]; then
  echo "$mark none"
else
  {
    attempts &
    loop=$!
    # Until the caller closes its end.
    if command -v timeout >/dev/null 2>&1; then timeout "$limit" cat <&3 >/dev/null; else cat <&3 >/dev/null; fi
    kill $loop 2>/dev/null
  } 3<&0 | tally
  # On the same line as the end: what followed would be taken by the cat above.
fi; exit 0
