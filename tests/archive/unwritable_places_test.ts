/** Places that cannot be written to are the user's to mend: they are told as such, and a dry run does not mind them. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { Session } from "../../src/transports/session.ts";
import { tempFolder, writeStore } from "../cli/places.ts";
import { imageViolations } from "../soak/world.ts";
import { singleImage } from "../support/images.ts";
import { bundleSaveCommand, copyCommand } from "../support/by_text.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, { seed: 61 });
const IS_LINUX_ROOT = Deno.build.os === "linux" && Deno.uid() === 0;

async function mount(...args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("mount", { args: [...args] }).output();
  assert.ok(success || Deno.env.get("CI") !== "true", "nothing can be mounted");
  return success;
}

Deno.test({
  name: `a read-only file system is named as what it is, for every kind of target${
    IS_LINUX_ROOT ? "" : " (skipped: needs root of Linux)"
  }`,
  ignore: !IS_LINUX_ROOT,
  fn: async (t) => {
    await using folder = await tempFolder();
    await writeStore(`${folder.path}/a`, "app", "v1", image);
    const source = `local://${folder.path}/a//app:v1`;
    const disk = `${folder.path}/disk`;
    await Deno.mkdir(disk);
    if (!await mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", disk)) {
      await t.step({ name: "skipped: nothing may be mounted here", ignore: true, fn: () => {} });
      return;
    }
    try {
      await using session = new Session();
      await copyCommand(session, source, `local://${disk}/store//app:v1`);
      await copyCommand(session, source, `oci:${disk}/layout:app:v1`);
      await copyCommand(session, source, `oci-archive:${disk}/image.tar:app:v1`);
      assert.ok(await mount("-o", "remount,ro", disk));
      const targets = [
        `local://${disk}/store//app:v2`,
        `local://${disk}/new//app:v1`,
        `oci:${disk}/layout:app:v2`,
        `oci:${disk}/new:app:v1`,
        `oci-archive:${disk}/image.tar:app:v1`,
        `oci-archive:${disk}/new.tar:app:v1`,
        `docker-archive:${disk}/new.tar:app:v1`,
      ];
      for (const target of targets) {
        const { images } = await copyCommand(session, source, target, { dryRun: true });
        assert.equal(images[0]?.dry_run, true);
        await assert.rejects(
          copyCommand(session, source, target),
          (error) => isImageError(error, "denied") && /read-only/.test(error.message) && error.hint !== undefined,
          target,
        );
      }
      for (const partBytes of [undefined, 100_000]) {
        await assert.rejects(
          bundleSaveCommand(session, `${disk}/bundle.tar`, [source], { partBytes }),
          (error) => isImageError(error, "denied") && /read-only/.test(error.message),
        );
      }
    } finally {
      await new Deno.Command("umount", { args: [disk] }).output();
    }
  },
});

Deno.test({
  name: "a file's name may be as long as the file system has it, and a longer one is named as too long",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await tempFolder();
    await writeStore(`${folder.path}/a`, "app", "v1", image);
    const source = `local://${folder.path}/a//app:v1`;
    await using session = new Session();
    for (const length of [200, 240, 241, 242, 254, 255]) {
      const target = `oci-archive:${folder.path}/${"n".repeat(length)}`;
      await copyCommand(session, source, `${target}:app:v1`);
      assert.deepEqual(await imageViolations(session, target), []);
    }
    const before = (await Array.fromAsync(Deno.readDir(folder.path))).length;
    const tooLong = [
      `oci-archive:${folder.path}/${"n".repeat(256)}:app:v1`,
      `docker-archive:${folder.path}/${"ü".repeat(128)}:app:v1`,
      `oci:${folder.path}/${"n".repeat(256)}:app:v1`,
      `local://${folder.path}/${"n".repeat(256)}//app:v1`,
    ];
    for (const target of tooLong) {
      await assert.rejects(
        copyCommand(session, source, target),
        (error) => isImageError(error, "unsupported") && /name is too long/.test(error.message),
        target.slice(0, 20),
      );
    }
    assert.equal((await Array.fromAsync(Deno.readDir(folder.path))).length, before);
  },
});
