import assert from "node:assert/strict";
import { Session } from "../../src/transports/session.ts";
import { readStoredTag, tempFolder, writeStore } from "../cli/places.ts";
import { singleImage } from "../support/images.ts";
import { copy } from "./kit.ts";
import { pushCommand } from "../support/by_text.ts";

for (const kind of ["docker-archive", "oci-archive"] as const) {
  Deno.test(`hazard 10: gzip layers in a ${kind} are pushed as gzip layers`, async () => {
    await using folder = await tempFolder();
    const image = singleImage({ os: "linux", architecture: "amd64" }, { compression: "gzip", layersPerPlatform: 3 });
    await writeStore(`${folder.path}/a`, "app", "v1", image);
    await copy(`local://${folder.path}/a//app:v1`, `${kind}:${folder.path}/a.tar:app:v1`);
    await using session = new Session();
    const file = { kind, path: `${folder.path}/a.tar` };
    await pushCommand(session, undefined, `local://${folder.path}/b//app:v1`, { file });
    const manifest = JSON.parse(new TextDecoder().decode(await readStoredTag(`${folder.path}/b`, "app", "v1")));
    const layers = manifest.layers as { mediaType: string; digest: string }[];
    assert.deepEqual(
      new Set(layers.map(({ mediaType }) => mediaType)),
      new Set(["application/vnd.oci.image.layer.v1.tar+gzip"]),
    );
    for (const { digest } of layers) {
      const start = (await Deno.readFile(`${folder.path}/b/blobs/sha256/${digest.slice(7)}`)).subarray(0, 2);
      assert.deepEqual([...start], [0x1f, 0x8b]);
    }
  });
}
