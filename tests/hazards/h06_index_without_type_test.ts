import assert from "node:assert/strict";
import { blobPath } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { imageViolations } from "../soak/world.ts";
import { jsonBytes } from "../support/chunked_layers.ts";
import { multiImage } from "../support/images.ts";
import { copy, putObject } from "./kit.ts";

Deno.test("hazard 6: an index without media type and without a first platform is an index all the same", async () => {
  await using folder = await tempFolder();
  const image = multiImage({ seed: 4 });
  await writeStore(`${folder.path}/a`, "app", "v1", image);
  const document = JSON.parse(new TextDecoder().decode(image.root.bytes));
  delete document.mediaType;
  delete document.manifests[0].platform;
  await putObject(`${folder.path}/a`, "manifests/app/v1/manifest.json", jsonBytes(document));
  await copy(`local://${folder.path}/a//app:v1`, `local://${folder.path}/b//app:v1`);
  // Everything that it reaches came along, from the first entry too.
  for (const digest of image.blobs.keys()) await Deno.stat(`${folder.path}/b/${blobPath(digest)}`);
  await using session = new Session();
  assert.deepEqual(await imageViolations(session, `local://${folder.path}/b//app:v1`), []);
});
