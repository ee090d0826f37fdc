import assert from "node:assert/strict";
import { Session } from "../../src/transports/session.ts";
import { listFiles, tempFolder, writeStore } from "../cli/places.ts";
import { imageViolations } from "../soak/world.ts";
import { multiImage } from "../support/images.ts";
import { copyCommand } from "../support/by_text.ts";

const WRITERS = 10;

Deno.test("writers of one layout at once take none of each other's files for left over, and lose no image", async () => {
  await using folder = await tempFolder();
  const small = { seed: 51, layersPerPlatform: 2, layerBytes: 3_000 };
  await writeStore(`${folder.path}/a`, "app", "v1", multiImage(small));
  for (const round of ["one", "two", "three", "four"]) {
    const targets = Array.from({ length: WRITERS }, (_, index) => `oci:${folder.path}/${round}:app:v${index}`);
    const ended = await Promise.allSettled(targets.map(async (target) => {
      await using session = new Session();
      await copyCommand(session, `local://${folder.path}/a//app:v1`, target);
    }));
    assert.deepEqual(ended.flatMap((each) => each.status === "rejected" ? [String(each.reason)] : []), []);
    await using session = new Session();
    for (const target of targets) assert.deepEqual(await imageViolations(session, target), []);
    assert.deepEqual((await listFiles(`${folder.path}/${round}`)).filter((path) => path.includes(".s3lo-")), []);
  }
});
