/** Docker's own `load` and `save`, with the classic store and with containerd's. */
import assert from "node:assert/strict";
import { copyImage } from "../../src/image/copy_image.ts";
import { openDockerArchiveSource, openDockerArchiveTarget } from "../../src/transports/docker_archive.ts";
import { openOciArchiveTarget } from "../../src/transports/oci_archive.ts";
import { openOciLayoutTarget } from "../../src/transports/oci_layout.ts";
import { singleImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { programPath, serviceTest } from "../support/services.ts";
import { run, temporaryFolder } from "./support.ts";

const LINUX = { os: "linux", architecture: "amd64" };

for (const engine of ["docker20", "docker29"] as const) {
  serviceTest(`docker loads what we write, and what it saves is read (${engine})`, [engine], async (addresses) => {
    const docker = programPath("docker");
    assert.ok(docker, "the docker client is missing");
    const call = (...args: string[]) => run(docker, "-H", `unix://${addresses[engine]}`, ...args);
    await using folder = await temporaryFolder();
    const { path } = folder;
    for (const compression of ["gzip", "zstd", "none"] as const) {
      const image = singleImage(LINUX, { compression, seed: 21, layersPerPlatform: 3 });
      const { content, descriptor } = image.root;
      assert.ok(content.kind === "image");
      const name = `archived-${compression}`;
      const reference = { kind: "docker-archive", path: `${path}/${compression}.tar`, name: `${name}:v1` } as const;
      {
        await using target = await openDockerArchiveTarget(reference, "archive");
        await copyImage(new MemorySource(image), target);
      }
      assert.match(await call("load", "-q", "-i", reference.path), new RegExp(`${name}:v1`));
      const [found] = JSON.parse(await call("image", "inspect", `${name}:v1`));
      // The containerd store calls an image by the digest of its manifest, which is new where zstd was taken out.
      if (engine === "docker20") assert.equal(found.Id, content.config.digest);
      else if (compression !== "zstd") assert.equal(found.Id, descriptor.digest);
      await call("save", "-o", `${path}/saved.tar`, `${name}:v1`);
      {
        await using source = await openDockerArchiveSource({ ...reference, path: `${path}/saved.tar` }, "saved");
        const root = await source.root();
        assert.ok(root.content.kind === "image");
        assert.equal(root.content.config.digest, content.config.digest);
        // Where zstd was taken out, that is still written beside the image, and its raw layers are compressed again.
        const isKept = engine === "docker29" && compression !== "zstd";
        assert.equal(source.isOriginal, isKept);
        assert.equal(root.descriptor.digest === descriptor.digest, isKept);
        await using target = openOciLayoutTarget({ kind: "oci", path: `${path}/layout`, name: compression }, "layout");
        await copyImage(source, target);
      }
      await call("rmi", "--force", `${name}:v1`);
    }
    const image = singleImage(LINUX, { seed: 22 });
    const oci = { kind: "oci-archive", path: `${path}/oci.tar` } as const;
    {
      await using target = await openOciArchiveTarget(oci, "archive", { names: ["archived-oci:v1"] });
      await copyImage(new MemorySource(image), target);
    }
    assert.match(await call("load", "-q", "-i", oci.path), /archived-oci:v1/);
    await call("rmi", "--force", "archived-oci:v1");
  });
}
