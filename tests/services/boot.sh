#!/bin/sh
# boot.sh ROOT STATE: begin systemd in the namespaces that this runs in, on this machine's own system. What is written
# goes to memory, and what is written to /var/lib/reactor to the folder STATE.
set -e
root=$1 state=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
mkdir "$root/written" "$root/work" "$root/system"
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/written,workdir=$root/work" "$root/system"
cd "$root/system"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
mount --rbind /dev dev
for each in run tmp; do mount -t tmpfs tmpfs "$each"; done
mkdir -p var/lib/reactor srv/reactor former
mount --bind "$state" var/lib/reactor
# The kernel is this machine's, with what is set there.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
rm -f etc/machine-id
echo 0123456789abcdef0123456789abcdef >etc/machine-id
# Not chroot: from inside one no user namespace may be made, which PrivateUsers= needs.
pivot_root . former
umount -l /former
exec env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --unit=basic.target
