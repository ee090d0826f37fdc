#!/bin/sh
# Installs s3lo: finds out which archive this machine needs, downloads it, checks its SHA-256, and puts the executable
# where programs of this user are.
#
#   curl --proto '=https' -fsSL https://github.com/s3lo/s3lo/releases/latest/download/install.sh | sh
#   curl … | sh -s -- v0.2.0          a certain release
#   curl … | sh -s -- --uninstall     takes it away again
set -eu

REPOSITORY=s3lo/s3lo
PAGE=https://github.com/$REPOSITORY/releases

usage() {
  cat <<'EOF'
Installs s3lo.

Usage: install.sh [VERSION]
       install.sh --uninstall
       install.sh --help

  VERSION            release to install, for example v0.2.0 (default: the latest); also S3LO_VERSION

Environment:
  S3LO_INSTALL_DIR   where to (default: /usr/local/bin if writable, else ~/.local/bin)
  S3LO_DOWNLOAD      where from: the https address of a releases page or of a mirror of it, or a local folder that
                     holds the archives and SHA256SUMS, for machines without a network
  S3LO_LIBC          glibc: install although the system looks like musl

Every download is by https and checked against SHA256SUMS. Where the GitHub command line (gh) is logged in, the
attestation of where the archive was built is checked too.
EOF
}

fail() {
  printf 'Error: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
  exit 1
}

say() {
  printf '%s\n' "$1" >&2
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# The system as releases name it.
detect_target() {
  os=$(uname -s)
  arch=$(uname -m)
  case $os in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    MINGW* | MSYS* | CYGWIN*) fail "This script does not install on Windows" "Download s3lo_windows_amd64.zip from the releases page" ;;
    *) fail "There is no s3lo for $os" "Run it from source with Deno: https://github.com/$REPOSITORY/blob/main/docs/permissions.md" ;;
  esac
  case $arch in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "There is no s3lo for $os on $arch" "Run it from source with Deno: https://github.com/$REPOSITORY/blob/main/docs/permissions.md" ;;
  esac
  # A shell under Rosetta says x86_64 on an ARM Mac.
  if [ "$os-$arch" = darwin-amd64 ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || echo 0)" = 1 ]; then
    say "This shell runs under Rosetta; installing the faster s3lo for Apple silicon"
    arch=arm64
  fi
  if [ "$os" = linux ] && is_musl; then
    fail "s3lo needs glibc, and this system has musl (Alpine)" "Run s3lo in a container with glibc, or set S3LO_LIBC=glibc where glibc is installed beside musl"
  fi
  echo "${os}_${arch}"
}

is_musl() {
  [ "${S3LO_LIBC:-}" != glibc ] || return 1
  if has ldd; then ldd --version 2>&1 | grep -qi musl; else ls /lib/ld-musl-* >/dev/null 2>&1; fi
}

# Downloads $1 to $2 by wget, which follows redirects to any address unless they are followed here.
wget_https() {
  url=$1
  for _ in 1 2 3 4 5 6; do
    case $url in
      https://*) ;;
      *) fail "Cannot download $1: it leads to $url, which is not https" ;;
    esac
    if answer=$(wget --server-response --max-redirect=0 --tries=3 --output-document="$2" "$url" 2>&1); then
      return
    fi
    url=$(printf '%s\n' "$answer" | sed -n 's/^ *[Ll]ocation: *\([^ ]*\).*/\1/p' | tail -n 1)
    [ -n "$url" ] || fail "Cannot download $1"
  done
  fail "Cannot download $1: too many redirects"
}

# Downloads $1 to $2, or copies it where the source is a folder. An https address never leads to a plain http one, by no
# redirect; only who names an http address gets one.
fetch() {
  case $1 in
    https://*) protocols='=https' ;;
    http://*) protocols='=http,https' ;;
    *)
      cp "$1" "$2" 2>/dev/null || fail "Cannot read \"$1\""
      return
      ;;
  esac
  if has curl; then
    curl --proto "$protocols" --proto-redir "$protocols" --fail --silent --show-error --location --retry 3 \
      --output "$2" "$1" || fail "Cannot download $1"
  elif has wget; then
    if [ "$protocols" = '=https' ]; then
      wget_https "$1" "$2"
    else
      wget -q -O "$2" "$1" || fail "Cannot download $1"
    fi
  else
    fail "Cannot download anything: there is neither curl nor wget" "Install one of them, or name a local folder in S3LO_DOWNLOAD"
  fi
}

sha256_of() {
  if has sha256sum; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif has shasum; then
    shasum -a 256 "$1" | cut -d ' ' -f 1
  elif has openssl; then
    openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  else
    fail "Cannot check the download: there is no sha256sum, shasum or openssl" "Install one of them; nothing is installed unchecked"
  fi
}

# The folder that holds the files of the wanted release.
release_base() {
  source=${S3LO_DOWNLOAD:-$PAGE}
  source=${source%/}
  case $source in
    http://* | https://*) ;;
    *)
      [ -d "$source" ] || fail "There is no folder \"$source\"" "Correct S3LO_DOWNLOAD"
      echo "$source"
      return
      ;;
  esac
  if [ -n "$wanted" ]; then
    echo "$source/download/v$wanted"
  else
    echo "$source/latest/download"
  fi
}

install_dir() {
  if [ -n "${S3LO_INSTALL_DIR:-}" ]; then
    echo "$S3LO_INSTALL_DIR"
  elif [ -w /usr/local/bin ]; then
    echo /usr/local/bin
  else
    echo "${HOME:?HOME is not set; set S3LO_INSTALL_DIR}/.local/bin"
  fi
}

# Checks where $1 was built, where that can be asked: GitHub's own release, and a gh that is logged in.
check_attestation() {
  case $base in
    "$PAGE"/*) ;;
    *) return 0 ;;
  esac
  if ! has gh || ! gh auth status >/dev/null 2>&1; then
    return 0
  fi
  gh attestation verify "$1" --repo "$REPOSITORY" >/dev/null ||
    fail "The archive has no attestation of $REPOSITORY; nothing was installed" "Report it: its checksum is right all the same"
  say "The attestation of $REPOSITORY is right"
}

uninstall() {
  dir=$(install_dir)
  [ -e "$dir/s3lo" ] || fail "There is no $dir/s3lo" "Name its folder in S3LO_INSTALL_DIR"
  rm -f "$dir/s3lo" || fail "Cannot remove $dir/s3lo" "Run this as a user who may"
  say "Removed $dir/s3lo"
}

# Works inside of $work, which is removed at the end whatever happens.
install() {
  target=$(detect_target)
  base=$(release_base)
  dir=$(install_dir)
  file=s3lo_$target.tar.gz

  { mkdir -p "$dir" && [ -w "$dir" ]; } 2>/dev/null ||
    fail "Cannot write to $dir" "Name a folder of your own in S3LO_INSTALL_DIR, or run this as a user who may"
  fetch "$base/SHA256SUMS" "$work/SHA256SUMS"
  expected=$(sed -n "s/^\([0-9a-f]\{64\}\)  $file\$/\1/p" "$work/SHA256SUMS")
  [ -n "$expected" ] || fail "The release has no s3lo for $target" "See its files: $base"
  say "Getting $file from $base"
  fetch "$base/$file" "$work/$file"
  actual=$(sha256_of "$work/$file")
  [ "$actual" = "$expected" ] ||
    fail "$file has SHA-256 $actual, and the release says $expected; nothing was installed" "Try again; if it stays, report it"
  check_attestation "$work/$file"
  # By its name alone: nothing else of the archive is written.
  tar -xzf "$work/$file" -C "$work" s3lo || fail "Cannot unpack $file"
  chmod 755 "$work/s3lo"
  version=$("$work/s3lo" --version) || fail "The downloaded s3lo does not run on this machine; nothing was installed"
  [ -z "$wanted" ] || [ "$version" = "s3lo $wanted" ] ||
    fail "$base holds $version, not s3lo $wanted; nothing was installed" "Correct the version or S3LO_DOWNLOAD"
  # Copied beside and renamed, so that a running or a half-copied s3lo is never in the way.
  part=$dir/.s3lo.$$
  if ! { cp "$work/s3lo" "$part" && mv -f "$part" "$dir/s3lo"; }; then
    rm -f "$part"
    fail "Cannot write $dir/s3lo"
  fi
  say "Installed $version as $dir/s3lo"
  case ":$PATH:" in
    *":$dir:"*) ;;
    *) say "Add $dir to your PATH to call it by its name" ;;
  esac
}

main() {
  [ $# -le 1 ] || fail "Unexpected argument \"$2\"" "See: install.sh --help"
  wanted=${S3LO_VERSION:-}
  case ${1:-} in
    -h | --help)
      usage
      return
      ;;
    --uninstall)
      uninstall
      return
      ;;
    -*) fail "Unknown option \"$1\"" "See: install.sh --help" ;;
    ?*) wanted=$1 ;;
  esac
  wanted=${wanted#v}
  case $wanted in
    *[!0-9A-Za-z.-]*) fail "Not a version: \"$wanted\"" "Give it as v0.2.0" ;;
  esac
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' INT TERM HUP
  install
}

main "$@"
