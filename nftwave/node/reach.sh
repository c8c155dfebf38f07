
# A new TCP connection to each of $reach (ADDRESS/PORT …), with whatever can make one here, all at
# once: 2 s, in which a lost packet is sent again once. Put after probe.sh. A tool that cannot do it
# leaves it to the next one.

# Prints what came of it; 0: connected, 1: not, 127: nothing here can try.
attempt() {
  for tool in bash nc curl python3; do
    command -v $tool >/dev/null 2>&1 || continue
    case $tool in
      bash)
        # bash has no time limit of its own, and a lost packet is waited for two minutes.
        command -v timeout >/dev/null 2>&1 || continue
        said=$(timeout 2 bash -c ': <"/dev/tcp/$1/$2"' attempt "$1" "$2" </dev/null 2>&1) ;;
      nc) said=$(nc -v -z -w 2 "$1" "$2" </dev/null 2>&1) ;;
      curl)
        case $1 in *:*) host="[$1]" ;; *) host=$1 ;; esac
        said=$(curl -k -s -o /dev/null -m 2 -w '%{time_connect}' "https://$host:$2/" </dev/null 2>&1) ;;
      python3) said=$(python3 -c 'import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)' "$1" "$2" </dev/null 2>&1) ;;
    esac
    status=$?
    case $tool.$status.$said in
      # What comes after the connection (TLS, an empty answer, silence) is of no interest here.
      bash.0.* | nc.0.* | python3.0.* | curl.0.* | curl.28.*[1-9]* | curl.35.* | curl.5[26].* | \
        curl.60.*) printf 'connected (%s)\n' $tool; return 0 ;;
      curl.7.* | curl.28.*) printf 'curl: exit status %s\n' $status; return 1 ;;
      bash.124.* | bash.143.*) echo 'no answer within 2 s'; return 1 ;;
      *refused* | *[Tt]imed\ out* | *TIMEOUT* | *unreachable* | *'No route to host'*)
        printf '%s\n' "$said"; return 1 ;;
    esac
  done
  echo 'none of bash, nc, curl and python3 can open a connection here'
  return 127
}

for target in $reach; do
  {
    told=$(attempt "${target%/*}" "${target##*/}")
    status=$?
    # In one piece: others write at the same time.
    printf '%s begin %s\n%s\n\n%s end %s %s\n' \
      "$mark" "answer.$target" "$told" "$mark" "answer.$target" $status
  } &
done
wait
