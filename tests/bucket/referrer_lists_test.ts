/**
 * What refers to a subject is listed by one object of a bucket. Many referrers at once must not get into each other's way,
 * and the tag of the list must not cost an image that a person put there.
 */
import assert from "node:assert/strict";
import { ImageStore } from "../../src/bucket/image_store.ts";
import { ReferrerLists } from "../../src/bucket/referrer_lists.ts";
import { isImageError } from "../../src/errors.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";
import { jsonBytes } from "../../src/oci/json.ts";
import { type Manifest, readManifest } from "../../src/oci/manifest.ts";
import { MEDIA_TYPES } from "../../src/oci/media_types.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { referrersTag } from "../../src/oci/referrers.ts";
import { BucketTarget } from "../../src/transports/bucket_target.ts";
import { multiImage, referrerOf, singleImage, type TestImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { MemoryStore } from "../support/memory_store.ts";

const pure = (name: string, fn: () => Promise<void>) => Deno.test({ name, permissions: "none", fn });

const image = singleImage(parsePlatform("linux/amd64"), { seed: 5 });
const subject = image.root.descriptor.digest;
const TAG = referrersTag(subject);
const IMMUTABLE = new TextEncoder().encode("default:\n    immutable: true\n") as Uint8Array<ArrayBuffer>;

function referrers(count: number): readonly TestImage[] {
  return Array.from(
    { length: count },
    (_, place) =>
      referrerOf(image.root, "application/vnd.example.sbom", new TextEncoder().encode(`sbom ${place}`) as never),
  );
}

/** A store that takes a moment for each request, so that those of several writers mix. */
function slowStore(): MemoryStore {
  return new MemoryStore("s3://memory", { before: () => new Promise((resolve) => setTimeout(resolve, 1)) });
}

function listsOf(store: ObjectStore, force = false): ReferrerLists {
  return new ReferrerLists(new ImageStore(store), "app", { name: "s3://memory/app:v1", force });
}

async function listed(store: ObjectStore): Promise<readonly Digest[]> {
  return (await new ImageStore(store).referrers("app", subject)).map(({ digest }) => digest);
}

function digestsOf(images: readonly TestImage[]): readonly Digest[] {
  return images.map(({ root }) => root.descriptor.digest).sort();
}

pure("many referrers of one subject are listed with few writes", async () => {
  const store = slowStore();
  const lists = listsOf(store);
  const all = referrers(80);
  await Promise.all(all.map(({ root }) => lists.add(root)));
  assert.deepEqual([...await listed(store)].sort(), digestsOf(all));
  const writes = store.log.filter((line) => line.startsWith("write ") && line.includes(TAG));
  assert.ok(writes.length <= 3, `${writes.length} writes`);
});

pure("several processes that list referrers of one subject lose none", async () => {
  const store = slowStore();
  const all = referrers(60);
  const processes = Array.from({ length: 6 }, () => listsOf(store));
  await Promise.all(all.map(({ root }, place) => processes[place % processes.length]!.add(root)));
  assert.deepEqual([...await listed(store)].sort(), digestsOf(all));
});

pure("an image with many referrers of one subject is copied into a bucket in one go", async () => {
  const store = slowStore();
  const all = referrers(40);
  const place = {
    store: new ImageStore(store),
    image: "app",
    tag: "v1",
    digest: undefined,
    name: "s3://memory/app:v1",
  };
  await using target = new BucketTarget(place, { concurrentBlobs: 10 });
  const result = await copyImage(new MemorySource(image, { referrers: all }), target, { includeReferrers: true });
  assert.equal(result.referrers.length, 40);
  assert.deepEqual([...await listed(store)].sort(), digestsOf(all));
});

pure("a failure to list one referrer does not stop the next", async () => {
  const store = new MemoryStore();
  let fails = true;
  store.hooks.before = (request, key) => {
    if (request === "write" && key.includes(TAG) && fails) throw new Error("no");
  };
  const lists = listsOf(store);
  const [first, second] = referrers(2);
  await assert.rejects(lists.add(first!.root), /no/);
  fails = false;
  await lists.add(second!.root);
  assert.deepEqual(await listed(store), digestsOf([second!]));
});

/** What a person may have put at the tag. */
const OCCUPANTS: Record<string, Manifest> = {
  "an image": singleImage(parsePlatform("linux/amd64"), { seed: 6 }).root,
  "an index of images": multiImage({ seed: 7, attestations: true }).root,
};

for (const [name, occupant] of Object.entries(OCCUPANTS)) {
  for (const isImmutable of [false, true]) {
    pure(`${name} at the list's tag stays, unless forced${isImmutable ? " (immutable)" : ""}`, async () => {
      const store = new MemoryStore();
      const images = new ImageStore(store);
      if (isImmutable) await store.write("s3lo.yaml", IMMUTABLE);
      await images.writeTag("app", TAG, occupant);
      const [referrer] = referrers(1);
      await assert.rejects(listsOf(store).add(referrer!.root), (error: unknown) => {
        assert.ok(isImageError(error, "conflict"), String(error));
        assert.match(error.message, /is an image, and no list of referrers$/);
        return true;
      });
      assert.deepEqual((await images.readTag("app", TAG))?.manifest.bytes, occupant.bytes);
      await listsOf(store, true).add(referrer!.root);
      assert.ok((await listed(store)).includes(referrer!.root.descriptor.digest));
    });
  }
}

pure("a list of referrers grows in an image whose tags are immutable, and keeps what others wrote", async () => {
  const store = new MemoryStore();
  await store.write("s3lo.yaml", IMMUTABLE);
  const foreign = {
    mediaType: MEDIA_TYPES.ociManifest,
    digest: digestOf(new Uint8Array(3)),
    size: 3,
    artifactType: "application/vnd.other",
    unknown: { kept: true },
  };
  const list = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [foreign], annotations: { by: "x" } };
  await new ImageStore(store).writeTag("app", TAG, readManifest(jsonBytes(list), "list"));
  const [referrer] = referrers(1);
  const lists = listsOf(store);
  await lists.add(referrer!.root);
  await lists.add(referrer!.root);
  const bytes = (await new ImageStore(store).readTag("app", TAG))!.manifest.bytes;
  const written = JSON.parse(new TextDecoder().decode(bytes));
  assert.deepEqual(written.manifests[0], foreign);
  assert.deepEqual(written.annotations, { by: "x" });
  assert.equal(written.manifests.length, 2);
  assert.equal(written.manifests[1].artifactType, "application/vnd.example.sbom");
});

pure("the referrers of a sha512 subject lie at the tag that the specification wants", async () => {
  const digest = digestOf(new Uint8Array(1), "sha512");
  assert.equal(referrersTag(digest), `sha512-${digest.slice(7, 71)}`);
  assert.equal(referrersTag(digest).length, 71);
  assert.equal(referrersTag(subject), subject.replace(":", "-"));
  const store = new MemoryStore();
  const manifest = readManifest(
    jsonBytes({
      ...JSON.parse(new TextDecoder().decode(referrers(1)[0]!.root.bytes)),
      subject: { mediaType: MEDIA_TYPES.ociManifest, digest, size: 1 },
    }),
    "referrer",
  );
  await listsOf(store).add(manifest);
  assert.equal((await new ImageStore(store).referrers("app", digest)).length, 1);
  assert.ok(await store.head(`manifests/app/sha512-${digest.slice(7, 71)}/manifest.json`));
});
