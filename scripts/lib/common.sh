# Sourced by the scripts here: where the tree is, a sane PATH, one way to speak.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

# npm puts node_modules/.bin first, where a bundler's tool may be called nft; a plain user's PATH on Debian lacks sbin.
clean_path() {
  local kept="" part
  local IFS=:
  for part in $PATH; do
    [[ $part == */node_modules/.bin || $part == */node-gyp-bin ]] || kept+="${kept:+:}$part"
  done
  for part in /usr/local/sbin /usr/sbin /sbin; do
    [[ :$kept: == *:$part:* ]] || kept+=":$part"
  done
  printf '%s' "$kept"
}
PATH=$(clean_path)
export PATH

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

bin() { printf '%s/node_modules/.bin/%s' "$root" "$1"; }

# with_progress COUNT WANTED WHAT COMMAND...: runs the command; while it runs, prints every two seconds how many of
# WANTED the function COUNT finds, when that has changed.
with_progress() {
  local count=$1 wanted=$2 what=$3 pid done last=-1 status=0
  shift 3
  "$@" &
  pid=$!
  while sleep 2 && kill -0 "$pid" 2>/dev/null; do
    done=$("$count")
    [[ $done == "$last" ]] || say "$what: $done of $wanted"
    last=$done
  done
  wait "$pid" || status=$?
  return "$status"
}
