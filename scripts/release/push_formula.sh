#!/bin/sh
# Writes the formula into a Homebrew tap: a Git repository, usually named homebrew-tap. Homebrew takes formulae from taps
# only.
#
#   scripts/release/push_formula.sh v0.2.0 dist/s3lo.rb https://…/homebrew-tap.git
#
# Run again it changes nothing.
set -eu

tag=$1
formula=$2
tap=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone --quiet --depth 1 "$tap" "$work/tap"
mkdir -p "$work/tap/Formula"
cp "$formula" "$work/tap/Formula/s3lo.rb"
cd "$work/tap"
git add Formula/s3lo.rb
if git diff --cached --quiet; then
  echo "The tap has the formula of $tag already"
  exit 0
fi
git -c user.name="s3lo release" -c user.email="release@users.noreply.github.com" commit --quiet -m "s3lo ${tag#v}"
git push --quiet origin HEAD
