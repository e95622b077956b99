#!/bin/sh
# systemctl for a machine on which systemd cannot run: starts, stops and asks for the units of asterisk and ivr.
# It reads User, Group, UMask and ExecStart of a unit, and nothing else of it.
set -eu
# Nothing holds ports for the service here.
for word; do
    shift
    case "$word" in *.socket) ;; *) set -- "$@" "$word" ;; esac
done
[ "$1" = daemon-reload ] || [ $# -gt 1 ] || exit 0
now=no
case "$1" in
    daemon-reload) exit 0 ;;
    enable | disable) [ "${2-}" != --now ] || { now=yes; verb=$1; shift; } ;;
esac
if [ "$now" = yes ]; then
    echo "Created symlink '/etc/systemd/system/multi-user.target.wants/$2.service' -> '/etc/systemd/system/$2.service'."
    [ "$verb" = enable ] && set -- start "$2" || set -- stop "$2"
fi
verb=$1
name=${2%.service}
pid_file=/run/$name.stand-in.pid
unit=$(ls "/etc/systemd/system/$name.service" "/usr/lib/systemd/system/$name.service" 2>/dev/null | head -n 1)

value() { sed -n "s/^$1=//p" "$unit" | tail -n 1; }
is_running() { [ -e "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }

stop() {
    is_running || return 0
    kill "$(cat "$pid_file")"
    while is_running; do sleep 0.1; done
}

start() {
    is_running && return 0
    user=$(value User)
    umask "$(value UMask | grep . || echo 0022)"
    as=""
    [ -z "$user" ] || as="setpriv --reuid $user --regid $(value Group | grep . || echo "$user") --init-groups"
    # shellcheck disable=SC2046,SC2086
    setsid $as $(value ExecStart) >"/var/log/$name.stand-in.log" 2>&1 </dev/null &
    echo $! >"$pid_file"
}

case "$verb" in
    start) start ;;
    stop) stop ;;
    restart) stop && start ;;
    is-active) is_running && echo active || { echo inactive && exit 3; } ;;
    enable | disable) ;;
    *) echo "systemctl here does not know $verb" >&2 && exit 1 ;;
esac
