import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { chooseForMachine } from "../../src/image/choose_platform.ts";
import { selectPlatforms } from "../../src/image/select_platforms.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import type { TestImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { artifact, oddImage, oddIndex, platformMember } from "../support/odd_images.ts";

/** Which image a machine gets, and what is read to find it. */

const AMD64 = parsePlatform("linux/amd64");

let seed = 700;

function imageFor(os: string, architecture: string, variant?: string): TestImage {
  return oddImage({ seed: seed++, config: { os, architecture, ...(variant === undefined ? {} : { variant }) } });
}

function test(name: string, body: () => Promise<void>): void {
  Deno.test({ name, permissions: "none", fn: body });
}

test("configs are read only where the index does not say enough, and each once", async () => {
  const [named, unnamed] = [imageFor("linux", "amd64"), imageFor("linux", "riscv64")];
  const index = oddIndex([
    { image: unnamed },
    { image: named, members: platformMember("linux/amd64") },
    ...Array.from({ length: 50 }, () => ({ image: unnamed })),
  ]);
  const source = new MemorySource(index);
  const chosen = await chooseForMachine(source, index.root, AMD64);
  assert.equal(chosen.root.descriptor.digest, named.root.descriptor.digest);
  assert.equal(source.opened.length, 0);
  const selected = await selectPlatforms(source, index.root, [parsePlatform("linux/riscv64")]);
  assert.equal(selected.root.descriptor.digest, unnamed.root.descriptor.digest);
  assert.equal(source.opened.length, 1);
});

test("the oldest variant is taken where none is known to run, and none of another architecture", async () => {
  const [v4, v2, arm] = [
    imageFor("linux", "amd64", "v4"),
    imageFor("linux", "amd64", "v2"),
    imageFor("linux", "arm64"),
  ];
  const index = oddIndex([
    { image: arm, members: platformMember("linux/arm64") },
    { image: v4, members: platformMember("linux/amd64/v4") },
    { image: v2, members: platformMember("linux/amd64/v2") },
  ]);
  const source = new MemorySource(index);
  const { root, doubt } = await chooseForMachine(source, index.root, AMD64);
  assert.deepEqual([root.descriptor.digest, doubt], [v2.root.descriptor.digest, "newer"]);
  // What was asked for by name is exact.
  await assert.rejects(selectPlatforms(source, index.root, [AMD64]), (error) => isImageError(error, "not-found"));
  await assert.rejects(
    chooseForMachine(source, index.root, parsePlatform("linux/s390x")),
    (error) => isImageError(error, "not-found") && /there: linux\/arm64, linux\/amd64\/v4/.test(error.message),
  );
});

test("a single image is taken whatever it is for, and one of several that says nothing is not", async () => {
  for (
    const [image, doubt] of [
      [imageFor("linux", "amd64"), undefined],
      [imageFor("linux", "386"), undefined],
      [imageFor("windows", "amd64"), "other"],
      [imageFor("", ""), "unnamed"],
    ] as const
  ) {
    const chosen = await chooseForMachine(new MemorySource(image), image.root, AMD64);
    assert.deepEqual([chosen.root, chosen.doubt], [image.root, doubt]);
  }
  const several = oddIndex([{ image: imageFor("", "") }, { image: imageFor("", "") }, { image: artifact() }]);
  await assert.rejects(
    chooseForMachine(new MemorySource(several), several.root, AMD64),
    (error) => isImageError(error, "not-found") && /no image that says what it runs on/.test(error.message),
  );
  const one = oddIndex([{ image: imageFor("", "") }, { image: artifact() }]);
  assert.equal((await chooseForMachine(new MemorySource(one), one.root, AMD64)).doubt, "unnamed");
});

test("--platform of an artifact says that it is one", async () => {
  const image = artifact();
  await assert.rejects(
    selectPlatforms(new MemorySource(image), image.root, [AMD64]),
    (error) =>
      isImageError(error, "unsupported") &&
      /it is an artifact \(application\/vnd\.example\.notes\)/.test(error.message),
  );
});
