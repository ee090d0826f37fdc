import assert from "node:assert/strict";
import { tempFolder } from "../cli/places.ts";
import { imageViolations } from "../soak/world.ts";
import { chunkedLayer, zstdFrame } from "../support/chunked_layers.ts";
import { Session } from "../../src/transports/session.ts";
import { pattern } from "../objects/object_store_contract.ts";
import { copy, putChunks, putImage } from "./kit.ts";

Deno.test("hazard 1: a chunk that another encoder stored before neither breaks the layer nor gets lost", async () => {
  await using folder = await tempFolder();
  const raw = pattern(300_000).map((byte) => byte & 15);
  const [ours, theirs] = [chunkedLayer(raw, [100_000]), chunkedLayer(raw, [100_000], (chunk) => zstdFrame(chunk, 19))];
  assert.notEqual(ours.descriptor.digest, theirs.descriptor.digest);
  const [source, target] = [`${folder.path}/a`, `${folder.path}/b`];
  await putChunks(source, ours);
  await putImage(source, ["app", "ours"], [ours.descriptor], [ours.diffId]);
  await putChunks(target, theirs);
  await putImage(target, ["app", "theirs"], [theirs.descriptor], [theirs.diffId]);
  await copy(`local://${source}//app:ours`, `local://${target}//app:ours`);
  await using session = new Session();
  for (const tag of ["ours", "theirs"]) {
    assert.deepEqual(await imageViolations(session, `local://${target}//app:${tag}`), []);
  }
});
