# One look at a node. Reads, never writes. The caller puts `mark=…` in front; each fact is a block:
#   $mark begin NAME
#   what the command printed, both streams
#   $mark end NAME STATUS     (an exit status, `absent` or `denied`), always on a line of its own
# POSIX sh only, and "$@" never as a command: busybox ash and smaller shells run this too.
LC_ALL=C
HOME=/nonexistent
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL HOME PATH
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY XDG_CONFIG_HOME
bound=
if command -v timeout >/dev/null 2>&1; then bound='timeout 10'; fi

begin() { printf '%s begin %s\n' "$mark" "$1"; }
finish() { printf '\n%s end %s %s\n' "$mark" "$1" "$2"; }

# 0 if $1 can be read; else closes the block $2 with the reason.
readable() {
  if [ ! -e "$1" ]; then finish "$2" absent; return 1; fi
  if [ ! -r "$1" ]; then finish "$2" denied; return 1; fi
}

client=
for candidate in curl wget python3 bash; do
  if command -v $candidate >/dev/null 2>&1; then client=$candidate; break; fi
done
host=127.0.0.1

# The answer of http://$host:$1$2 on loopback, with its status line where the client shows it.
fetch() {
  case $client in
    curl) curl -s -S -i -m 5 "http://$host:$1$2" </dev/null 2>&1 ;;
    # No -T: busybox 1.35's wget crashes with it.
    wget) $bound wget -q -S -O - "http://$host:$1$2" </dev/null 2>&1 ;;
    python3) $bound python3 -c 'import http.client as h, sys
c = h.HTTPConnection(sys.argv[1].strip("[]"), int(sys.argv[2]), timeout=5)
c.request("GET", sys.argv[3]); r = c.getresponse()
print("HTTP/1.1 %d %s\n\n%s" % (r.status, r.reason, r.read().decode("utf-8", "replace")))' \
      "$host" "$1" "$2" </dev/null 2>&1 ;;
    bash) $bound bash -c 'h=${1#[}; exec 3<>"/dev/tcp/${h%]}/$2"
printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$3" >&3; cat <&3' \
      fetch "$host" "$1" "$2" </dev/null 2>&1 ;;
    *) echo 'none of curl, wget, python3 and bash is on the node'; return 127 ;;
  esac
}

begin clock; date +%s </dev/null 2>&1; finish clock $?
begin uid; id -u </dev/null 2>&1; finish uid $?
begin kernel; uname -r </dev/null 2>&1; finish kernel $?

begin os
release=/etc/os-release
if [ ! -e $release ]; then release=/usr/lib/os-release; fi
if readable $release os; then
  while read -r line; do
    case $line in PRETTY_NAME=*) printf '%s\n' "$line" ;; esac
  done <$release
  finish os 0
fi

begin nft; nft --version </dev/null 2>&1; finish nft $?
begin tables
# nft warns on stderr in the middle of its own lines, so the two are not mixed where it succeeds.
tables=$($bound nft list tables </dev/null 2>/dev/null)
status=$?
if [ $status -ne 0 ]; then tables=$($bound nft list tables </dev/null 2>&1); fi
printf '%s\n' "$tables"
finish tables $status
for family in ip ip6; do
  case $tables in *"table $family kube-proxy"*)
    for map in service-ips no-endpoint-services; do
      begin $map.$family
      elements=$($bound nft -j list map $family kube-proxy $map </dev/null 2>/dev/null)
      status=$?
      # nft may be built without JSON.
      if [ $status -ne 0 ]; then
        elements=$($bound nft list map $family kube-proxy $map </dev/null 2>&1)
        status=$?
      fi
      # Where each element leads to is cut off: with 10,000 Services that is most of the text.
      printf '%s\n' "$elements" | sed -e 's/{"goto": {"target": "[^"]*"}}/0/g' -e 's/ : goto [^ ,}]*/ :/g'
      finish $map.$family $status
    done ;;
  esac
done

# Backends' weights and counters are cut off: on a large node they are most of the file.
begin virtual_servers
if readable /proc/net/ip_vs virtual_servers; then
  cut -d ' ' -f 1-4 /proc/net/ip_vs </dev/null 2>&1
  finish virtual_servers $?
fi
begin ipvs_connections
if readable /proc/net/ip_vs_conn ipvs_connections; then
  # Counted here: a busy node has hundreds of thousands. By state, and what is established by server.
  awk 'NR > 1 { n[$8]++; if ($8 == "ESTABLISHED") v[$1 " " $4 " " $5]++ }
    END { for (s in n) print s, n[s]; for (k in v) print k, v[k] }' /proc/net/ip_vs_conn </dev/null 2>&1
  finish ipvs_connections $?
fi
begin ipvs_interface
ip -j addr show kube-ipvs0 </dev/null 2>&1
status=$?
# busybox ip has no JSON.
if [ $status -ne 0 ]; then
  ip addr show kube-ipvs0 </dev/null 2>&1
  status=$?
fi
finish ipvs_interface $status

begin proxy_mode
fetch 10249 /proxyMode
status=$?
# On an IPv6-only node kube-proxy listens on the other loopback.
if [ $status -ne 0 ]; then
  host='[::1]'
  fetch 10249 /proxyMode
  status=$?
  if [ $status -ne 0 ]; then host=127.0.0.1; fi
fi
finish proxy_mode $status
begin metrics
answer=$(fetch 10249 /metrics)
status=$?
if [ $status -eq 0 ]; then
  printf '%s\n' "$answer" | grep -E '^ *HTTP/|^process_start_time_seconds |^kubeproxy_sync_proxy_rules_(last_timestamp_seconds|last_queued_timestamp_seconds|nftables_sync_failures_total)[ {]' 2>&1
  status=$?
else
  printf '%s\n' "$answer"
fi
finish metrics $status
begin health
fetch 10256 /healthz
finish health $?

# Whose socket 10249 (hex 2809) is: its inode in state LISTEN, then the kube-proxy that holds it.
begin listener
inode=
for sockets in /proc/net/tcp /proc/net/tcp6; do
  if [ -r $sockets ]; then
    inode="$inode $(grep ':2809 [0-9A-F]*:0000 0A ' $sockets 2>/dev/null)"
  fi
done
# shellcheck disable=SC2086 - into words: the inode is the tenth of a line
set -- $inode
if [ $# -lt 10 ]; then
  echo 'no listener on port 10249 in /proc/net/tcp'
  finish listener 1
else
  shift 9
  inode=$1
  holder=
  for name in /proc/[0-9]*/comm; do
    # A process may end between the two.
    if read -r comm 2>/dev/null <"$name" && [ "$comm" = kube-proxy ]; then
      case $(ls -l "${name%/comm}/fd" 2>/dev/null) in
        *"socket:[$inode]"*) holder=${name%/comm} ;;
      esac
    fi
  done
  if [ -n "$holder" ]; then
    cat "$holder/cgroup" 2>&1
    finish listener $?
  else
    echo 'no process called kube-proxy holds the socket'
    finish listener 2
  fi
fi

begin iptables_chains
status=127
for save in iptables-save ip6tables-save; do
  if command -v $save >/dev/null 2>&1; then
    $bound $save </dev/null 2>&1 | grep '^:KUBE-' 2>&1
    # 1: no such chain.
    status=$?
    if [ $status -eq 1 ]; then status=0; fi
  fi
done
finish iptables_chains $status

begin firewalls
units=$($bound systemctl is-active firewalld nftables </dev/null 2>&1)
status=$?
# 3 and 4 say that none of them is active, or known.
case $status in 3 | 4) status=0 ;; esac
printf '%s\n' "$units"
# ufw.service is active also while ufw is off.
if [ -r /etc/ufw/ufw.conf ]; then
  while read -r line; do
    case $line in ENABLED=*) printf '%s\n' "$line" ;; esac
  done </etc/ufw/ufw.conf
fi
finish firewalls $status

begin conntrack
if readable /proc/sys/net/netfilter/nf_conntrack_max conntrack; then
  read -r count </proc/sys/net/netfilter/nf_conntrack_count
  read -r limit </proc/sys/net/netfilter/nf_conntrack_max
  printf '%s %s\n' "$count" "$limit"
  finish conntrack 0
fi
