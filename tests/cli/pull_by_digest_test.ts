import assert from "node:assert/strict";
import { oddImage } from "../support/odd_images.ts";
import { serviceTest } from "../support/services.ts";
import { engine } from "./daemons.ts";
import { tempFolder, writeStore } from "./places.ts";
import { s3lo, s3loJson } from "./program.ts";

/**
 * A reference by digest names no tag. The image is called `latest` then, which is said, and never in place of another image:
 * `docker pull NAME@sha256:…` moves no tag either.
 */

let seed = Date.now() % 1_000_000 + 400_000;

for (const daemon of ["docker20", "docker29", "podman"] as const) {
  serviceTest(
    `pull by digest says what it calls the image, and moves no name to it (${daemon})`,
    [daemon],
    async (services) => {
      await using folder = await tempFolder();
      const socket = services[daemon];
      const image = `s3lo-digest-${Date.now().toString(36)}${seed++}`;
      const [first, second] = [oddImage({ seed: seed++ }), oddImage({ seed: seed++ })];
      const pull = (...args: readonly string[]) => ["pull", "-o", "json", "--docker-host", `unix://${socket}`, ...args];
      const byDigest = ({ root }: typeof first) => `local://${folder.path}//${image}@${root.descriptor.digest}`;
      await writeStore(folder.path, image, "v1", first);
      await writeStore(folder.path, image, "v2", second);
      for (const { root } of [first, second]) {
        await Deno.writeFile(`${folder.path}/blobs/sha256/${root.descriptor.digest.slice(7)}`, root.bytes);
      }
      const latest = async () => JSON.parse((await engine(socket, "GET", `/images/${image}:latest/json`)).body).Id;
      try {
        const run = await s3lo(pull(byDigest(first)));
        assert.equal(run.code, 0, run.stderr);
        assert.match(run.stderr, new RegExp(`Note: called ${image}:latest, since .* names no tag`));
        assert.equal(JSON.parse(run.stdout).image_tag_assumed, true);
        const id = await latest();
        // The same image again is no other one.
        assert.equal((await s3lo(pull(byDigest(first)))).code, 0);
        const moving = await s3lo(pull(byDigest(second)));
        assert.equal(moving.code, 1);
        assert.match(moving.stderr, new RegExp(`"${image}:latest".*another image has that name\n {2}Pass a name`));
        assert.equal(await latest(), id);
        // A name that was given is taken, as is a tag in the reference.
        const named = await s3loJson(pull(byDigest(second), `${image}:latest`));
        assert.equal(await latest(), named.image_id);
        assert.equal("image_tag_assumed" in named, false);
        await s3loJson(pull(`local://${folder.path}//${image}:v1`));
        const tagged = byDigest(second).replace(`${image}@`, `${image}:v2@`);
        assert.equal((await s3loJson(pull(tagged))).image_tag, `${image}:v2`);
      } finally {
        for (const tag of ["latest", "v1", "v2"]) await engine(socket, "DELETE", `/images/${image}:${tag}`);
        // A name that moves leaves the image that had it.
        for (const { root: { content, descriptor } } of [first, second]) {
          const id = daemon === "docker29" || content.kind !== "image" ? descriptor.digest : content.config.digest;
          await engine(socket, "DELETE", `/images/${id}`);
        }
      }
    },
  );
}
