#!/usr/bin/env bash
# Makes two archives that stand in for the bases of the Dockerfile where no image registry is reached: BUILD.tar has
# Debian's Python with pip and a shell, RUN.tar the packages of distroless python3-debian13 and nothing else.
#   image_bases.sh FOLDER      some seconds, 21 MB to fetch through this machine's apt; nothing is installed on it
# Exit code 77: not to be had on this machine.
set -euo pipefail

readonly SUITE=trixie PYTHON=3.13
# The lists of distroless: its base, cc and python3, for debian13.
readonly RUN_PACKAGES=(
  base-files netbase tzdata media-types ca-certificates libc6 libssl3t64 libgcc-s1 libgomp1 libstdc++6
  libbz2-1.0 libdb5.3t64 libexpat1 liblzma5 libsqlite3-0 libuuid1 libncursesw6 libtinfo6 zlib1g libcom-err2 libcrypt1
  libgssapi-krb5-2 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 libnsl2 libreadline8t64 libtirpc3t64 libffi8
  libzstd1 "libpython$PYTHON-minimal" "libpython$PYTHON-stdlib" "python$PYTHON-minimal" "python$PYTHON-venv"
)
# What a shell and `install` need beside them, and the wheel of pip.
readonly BUILD_PACKAGES=(dash coreutils python3-pip-whl libselinux1 libacl1 libattr1 libcap2 libgmp10 libpcre2-8-0)

folder=$(realpath "$1")
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o "Dir::Etc::sourceparts=$folder/none"
  -o "Dir::Etc::preferencesparts=$folder/none" -o "Dir::State::lists=$folder/lists" -o Dir::State::status=/dev/null
  -o "Dir::Cache=$folder/cache" -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root)

fetch() {  # FOLDER PACKAGE...
  install -d "$1"
  (cd "$1" && "${apt[@]}" download "${@:2}")
}

unpack() {  # ROOT FOLDER...
  local root=$1 deb
  install -d "$root"/usr/{bin,lib,sbin} "$root"/{etc,tmp,proc,sys,dev,mnt}
  chmod 1777 "$root/tmp"
  ln -s usr/bin usr/lib usr/sbin "$root"
  [[ $(uname -m) != x86_64 ]] || { install -d "$root/usr/lib64" && ln -s usr/lib64 "$root"; }
  # By tar, which follows the links above: packages may hold /lib as a folder of their own.
  for deb in "${@:2}"; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --exclude=./usr/share/doc --exclude=./usr/share/man -C "$root"
  done
  ln -sf "python$PYTHON" "$root/usr/bin/python3"
  ln -sf "python$PYTHON" "$root/usr/bin/python"
  cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
}

install -d "$folder"/{none,lists/partial,cache/archives/partial}
# shellcheck disable=SC2016 # apt fills it in
mirror=$(apt-get indextargets --format '$(SITE)' "Origin: Debian" "Created-By: Packages" | head -1)
[[ -n $mirror ]] || { echo "not run: the image, since this machine's apt knows no mirror of Debian" >&2; exit 77; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $SUITE main" >"$folder/sources.list"
"${apt[@]}" update
fetch "$folder/run.debs" "${RUN_PACKAGES[@]}"
fetch "$folder/build.debs" "${BUILD_PACKAGES[@]}"

unpack "$folder/run" "$folder"/run.debs/*.deb
echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$folder/run/etc/passwd"
unpack "$folder/build" "$folder"/{run,build}.debs/*.deb
ln -sf dash "$folder/build/usr/bin/sh"
printf '[global]\nno-index = true\nfind-links = /mnt\n' >"$folder/build/etc/pip.conf"
for name in run build; do
  tar --numeric-owner --owner=0 --group=0 -C "$folder/$name" -cf "$folder/${name^^}.tar" .
  rm -rf "${folder:?}/$name"
done
