#!/bin/sh
# Publishes a release so that a run that failed half-way can be run again: a draft that nobody sees, JSR, and the draft
# becomes the release only when everything else is done.
#
#   scripts/release/publish.sh v0.2.0 dist
#
# Needs gh (logged in by GH_TOKEN) and deno on PATH. Versions with a hyphen (v0.2.0-rc.1) are prereleases and never the
# "latest", which install.sh and the action take.
set -eu

tag=$1
dist=$2

case $tag in
  v*-*) kind="--prerelease --latest=false" ;;
  v*) kind="--prerelease=false --latest" ;;
  *)
    echo "Not a tag of a release: $tag" >&2
    exit 2
    ;;
esac

state=$(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null || echo none)
if [ "$state" = none ]; then
  gh release create "$tag" --draft --verify-tag --title "$tag" --notes-file "$dist/NOTES.md"
fi
if [ "$state" != false ]; then
  # Files of an earlier try are replaced; those of a release that people see are not.
  gh release upload "$tag" --clobber "$dist"/s3lo_*.tar.gz "$dist"/s3lo_*.zip "$dist/install.sh" "$dist/s3lo.rb" "$dist/SHA256SUMS"
fi
# Skips a version that is there already.
deno publish
if [ "$state" != false ]; then
  # shellcheck disable=SC2086 # two options
  gh release edit "$tag" --draft=false $kind
fi
