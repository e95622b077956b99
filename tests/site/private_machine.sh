#!/bin/bash
# A machine of its own for one command: this computer's files, but an /etc, /var/lib, /srv and /usr/local/bin that are
# thrown away, the user asterisk, and stand-ins for systemctl and asterisk. Run it in namespaces of its own.
set -euo pipefail

scratch=/mnt
mount --make-rprivate /
for folder in /mnt /var/lib /var/backups /srv; do
    mount -t tmpfs -o mode=755 private "$folder"
done
for folder in /etc /usr/local /opt; do
    mkdir -p "$scratch/upper$folder" "$scratch/work$folder"
    mount -t overlay -o "lowerdir=$folder,upperdir=$scratch/upper$folder,workdir=$scratch/work$folder" overlay "$folder"
done
mount -t proc proc /proc
ip link set lo up

rm -rf /etc/ivr /etc/asterisk
getent passwd asterisk > /dev/null || useradd --system asterisk
mkdir -p /etc/asterisk
ln -sf "$IVR_PROGRAMS/ivr" /usr/local/bin/ivr

cat > /usr/local/bin/asterisk << 'END'
#!/bin/sh
echo "Dialplan reloaded."
END
cat > /usr/local/bin/systemctl << 'END'
#!/bin/bash
# systemctl start|stop|restart|status ivr, and daemon-reload.
stop() {
    [ -f /mnt/pid ] || return 0
    kill "$(cat /mnt/pid)"
    while readlink "/proc/$(cat /mnt/pid)/exe" > /dev/null; do sleep 0.05; done
    rm /mnt/pid
}
start() {
    user=$(stat -c %u /var/lib/ivr) group=$(stat -c %g /var/lib/ivr)
    : > /mnt/log  # The process in the background may open it later than grep does.
    setpriv --reuid "$user" --regid "$group" --init-groups ivr serve > /mnt/log 2>&1 < /dev/null &
    echo $! > /mnt/pid
    for _ in $(seq 600); do grep -q "ready for programs" /mnt/log && return 0; sleep 0.05; done
    cat /mnt/log; return 1
}
case $1 in
    stop) stop ;;
    start) start ;;
    restart) stop; start ;;
    status) [ -f /mnt/pid ] && echo "Active: active (running)" || { echo "Active: inactive (dead)"; exit 3; } ;;
esac
END
cat > /usr/local/bin/journalctl << 'END'
#!/bin/sh
cat /mnt/log
END
chmod +x /usr/local/bin/asterisk /usr/local/bin/systemctl /usr/local/bin/journalctl
cd /
exec "$@"
