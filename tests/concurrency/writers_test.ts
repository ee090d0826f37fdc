/** Many writers at once: of one protected tag, of one image, of the bucket's settings. */
import assert from "node:assert/strict";
import { stampChunkFormat } from "../../src/bucket/settings.ts";
import { isImageError } from "../../src/errors.ts";
import type { ObjectStore } from "../../src/objects/object_store.ts";
import { Session } from "../../src/transports/session.ts";
import { makeBuckets, tempFolder, writeStore } from "../cli/places.ts";
import { oddS3 } from "../objects/odd_s3_server.ts";
import { withEnvironment } from "../objects/s3_kit.ts";
import { imageViolations, storeViolations } from "../soak/world.ts";
import { singleImage } from "../support/images.ts";
import { type ServiceName, serviceTest } from "../support/services.ts";
import { copyCommand } from "../support/by_text.ts";

const WRITERS = 50;
const PLATFORM = { os: "linux", architecture: "amd64" };
const PROTECTED = "default:\n    immutable: true\n";

/** A place that can be written to, under one name from any number of sessions. */
interface Place extends AsyncDisposable {
  /** What references to it start with. */
  readonly prefix: string;
  session(log?: (line: string) => void): Session;
  objects(session: Session): Promise<ObjectStore>;
}

async function localPlace(): Promise<Place> {
  const folder = await tempFolder();
  return {
    prefix: `local://${folder.path}/store//`,
    session: (log) => new Session({ log }),
    objects: async (session) => (await session.folder(`${folder.path}/store`, { access: "write" })).objects,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function bucketPlace(address: string): Promise<Place> {
  const buckets = await makeBuckets(address);
  const environment = withEnvironment(buckets.env);
  return {
    prefix: `s3://${buckets.first}/`,
    session: (log) => new Session({ endpoint: buckets.endpoint, region: "us-east-1", log }),
    objects: async (session) => (await session.bucket(buckets.first, "target")).objects,
    [Symbol.asyncDispose]() {
      environment[Symbol.dispose]();
      buckets[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

function everywhere(name: string, body: (place: Place) => Promise<void>): void {
  Deno.test(`${name} (folder)`, async () => {
    await using place = await localPlace();
    await body(place);
  });
  for (const service of ["minio", "versity"] as const satisfies readonly ServiceName[]) {
    serviceTest(`${name} (${service})`, [service], async (addresses) => {
      await using place = await bucketPlace(addresses[service]);
      await body(place);
    });
  }
}

everywhere(
  `of ${WRITERS} copies to one immutable tag at once exactly one wins, and the others say who`,
  async (place) => {
    await using folder = await tempFolder();
    const images = Array.from({ length: WRITERS }, (_, seed) => singleImage(PLATFORM, { seed, layerBytes: 2000 }));
    for (const [index, image] of images.entries()) await writeStore(folder.path, "app", `${index}`, image);
    await using session = place.session();
    const objects = await place.objects(session);
    await objects.write("s3lo.yaml", new TextEncoder().encode(PROTECTED));
    const outcomes = await Promise.allSettled(images.map(async (_, index) => {
      await using own = place.session();
      return await copyCommand(own, `local://${folder.path}//app:${index}`, `${place.prefix}app:v1`);
    }));
    const winners = outcomes.flatMap((each) => each.status === "fulfilled" ? [each.value.images[0]!.digest] : []);
    assert.equal(winners.length, 1);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      assert.ok(isImageError(outcome.reason, "conflict"), String(outcome.reason));
      assert.ok(outcome.reason.message.includes(winners[0]!), outcome.reason.message);
    }
    assert.deepEqual(await storeViolations(objects, session, place.prefix), []);
    const keys = (await Array.fromAsync(objects.list(""))).flat().map(({ key }) => key);
    assert.deepEqual(keys.filter((key) => !/^(blobs|manifests)\//.test(key)), ["s3lo.yaml"]);
  },
);

everywhere("two copies of one large image at once both succeed and leave it whole", async (place) => {
  await using folder = await tempFolder();
  const options = { seed: 9, layersPerPlatform: 1, layerBytes: 20 * 1024 * 1024, compression: "none" } as const;
  await writeStore(folder.path, "app", "v1", singleImage(PLATFORM, options));
  await Promise.all(["a", "b"].map(async (tag) => {
    await using own = place.session();
    await copyCommand(own, `local://${folder.path}//app:v1`, `${place.prefix}app:${tag}`);
  }));
  await using session = place.session();
  assert.deepEqual(await storeViolations(await place.objects(session), session, place.prefix), []);
  for (const tag of ["a", "b"]) assert.deepEqual(await imageViolations(session, `${place.prefix}app:${tag}`), []);
});

everywhere("changes of s3lo.yaml at once lose nothing of each other", async (place) => {
  await using session = place.session();
  const objects = await place.objects(session);
  await objects.write("s3lo.yaml", new TextEncoder().encode("# ours\n"));
  const edit = async (line: string) => {
    while (true) {
      const found = (await objects.read("s3lo.yaml", 100_000))!;
      const text = new TextDecoder().decode(found.bytes) + line;
      try {
        return await objects.write("s3lo.yaml", new TextEncoder().encode(text), { condition: { etag: found.etag } });
      } catch (error) {
        if (!isImageError(error, "conflict")) throw error;
      }
    }
  };
  const edits = Array.from({ length: 8 }, (_, index) => `key${index}: ${index}\n`);
  await Promise.all([...edits.map(edit), stampChunkFormat(objects, 1), stampChunkFormat(objects, 1)]);
  const text = new TextDecoder().decode((await objects.read("s3lo.yaml", 100_000))!.bytes);
  for (const line of ["# ours\n", ...edits, "chunk_format: 1\n"]) assert.ok(text.includes(line), `${line} in ${text}`);
});

Deno.test("a server that takes conditional writes for ordinary ones is noticed, said, and worked around as far as it goes", async () => {
  await using folder = await tempFolder();
  for (const seed of [1, 2, 3]) {
    await writeStore(folder.path, "app", `${seed}`, singleImage(PLATFORM, { seed, layerBytes: 2000 }));
  }
  const race: { atRemoval?: () => void } = {};
  await using odd = await oddS3(({ headers, operation }) => {
    headers.delete("if-none-match");
    headers.delete("if-match");
    // The object that the server was tried with goes right before the tag is written.
    if (operation === "DeleteObject") race.atRemoval?.();
    return undefined;
  });
  odd.objects.set("s3lo.yaml", { bytes: new TextEncoder().encode(PROTECTED), headers: {}, partSizes: [] });
  const lines: string[] = [];
  const copy = async (seed: number) => {
    const options = { endpoint: odd.server.origin, region: "us-east-1", log: (line: string) => lines.push(line) };
    await using session = new Session(options);
    await copyCommand(session, `local://${folder.path}//app:${seed}`, "s3://odd/app:v1");
  };
  await copy(1);
  assert.equal(lines.filter((line) => line.includes("does not heed conditional writes")).length, 1);
  assert.ok(odd.objects.has("manifests/app/v1/manifest.json"));
  const first = odd.objects.get("manifests/app/v1/manifest.json")!.bytes;
  await assert.rejects(copy(2), (error) => isImageError(error, "conflict"));
  // Somebody who writes between the check and the write is seen, too.
  odd.objects.delete("manifests/app/v1/manifest.json");
  race.atRemoval = () =>
    odd.objects.set("manifests/app/v1/manifest.json", { bytes: first, headers: {}, partSizes: [] });
  await assert.rejects(copy(3), (error) => isImageError(error, "conflict"));
  assert.deepEqual(odd.objects.get("manifests/app/v1/manifest.json")!.bytes, first);
});

// One of two that started a store in the same new folder took what the other had just made for something else.
Deno.test("any number of sessions may start a store in one new folder at once", async () => {
  await using folder = await tempFolder();
  for (let round = 0; round < 30; round++) {
    await Promise.all(Array.from({ length: 8 }, async () => {
      await using session = new Session();
      await session.folder(`${folder.path}/${round}`, { access: "write" });
    }));
  }
});
