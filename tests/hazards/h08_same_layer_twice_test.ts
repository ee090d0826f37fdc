import assert from "node:assert/strict";
import { blobPath, digestOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { tempFolder } from "../cli/places.ts";
import { imageViolations } from "../soak/world.ts";
import { tarOf } from "../support/images.ts";
import { pattern } from "../objects/object_store_contract.ts";
import { copy, putImage, putObject } from "./kit.ts";

Deno.test("hazard 8: an image that has one layer four times is copied and pulled, every time", async () => {
  await using folder = await tempFolder();
  const tar = tarOf("file", pattern(1_500_000));
  const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: digestOf(tar), size: tar.byteLength };
  await putObject(`${folder.path}/a`, blobPath(layer.digest), tar);
  await putImage(`${folder.path}/a`, ["app", "v1"], Array(4).fill(layer), Array(4).fill(layer.digest));
  for (let round = 0; round < 10; round++) {
    for (
      const target of [
        `local://${folder.path}/b${round}//app:v1`,
        `oci:${folder.path}/o${round}`,
        `docker-archive:${folder.path}/d${round}.tar:app:v1`,
      ]
    ) {
      await copy(`local://${folder.path}/a//app:v1`, target);
      await using session = new Session();
      assert.deepEqual(await imageViolations(session, target), []);
    }
  }
});
