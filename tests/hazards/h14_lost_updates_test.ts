import assert from "node:assert/strict";
import { Session } from "../../src/transports/session.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { s3loJson } from "../cli/program.ts";
import { singleImage } from "../support/images.ts";
import { addToIndex } from "../support/by_text.ts";

// Protected tags and s3lo.yaml, on folders and real servers, are in tests/concurrency.
Deno.test("hazard 14: of many that change one tag at once none loses what another wrote", async () => {
  await using folder = await tempFolder();
  const names = ["386", "amd64", "arm64", "mips64le", "ppc64le", "riscv64", "s390x"];
  for (const architecture of names) {
    await writeStore(folder.path, "app", architecture, singleImage({ os: "linux", architecture }));
  }
  await Promise.all(names.map(async (architecture) => {
    await using session = new Session();
    await addToIndex(session, `local://${folder.path}//app:all`, [`local://${folder.path}//app:${architecture}`]);
  }));
  const report = await s3loJson(["inspect", `local://${folder.path}//app:all`]);
  const found = report.platforms.map((each: { platform: string }) => each.platform.split("/")[1]).sort();
  assert.deepEqual(found, names);
});
