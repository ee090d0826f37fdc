/** Archives that other tools write are read, and other tools read ours. Each test needs the tools it names. */
import assert from "node:assert/strict";
import { openArchiveOutput } from "../../src/archive/archive_output.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import type { Manifest } from "../../src/oci/manifest.ts";
import { givenBundleName } from "../../src/archive/bundle_names.ts";
import { BundleWriter, writtenImage } from "../../src/archive/bundle_writer.ts";
import { type BundledImage, BundleTarget } from "../../src/transports/bundle_target.ts";
import { openDockerArchiveSource, openDockerArchiveTarget } from "../../src/transports/docker_archive.ts";
import { openOciArchiveSource, openOciArchiveTarget } from "../../src/transports/oci_archive.ts";
import { openOciLayoutSource, openOciLayoutTarget } from "../../src/transports/oci_layout.ts";
import { multiImage, singleImage, type TestImage } from "../support/images.ts";
import { MemorySource } from "../support/memory_place.ts";
import { programTest } from "../support/services.ts";
import { run, temporaryFolder } from "./support.ts";

const LINUX = { os: "linux", architecture: "amd64" };

/** A test that needs programs and a folder. */
function toolTest(
  name: string,
  tools: readonly string[],
  body: (paths: string[], folder: string) => Promise<void>,
): void {
  programTest(name, tools, async (paths) => {
    await using folder = await temporaryFolder();
    await body(paths, folder.path);
  });
}

async function saveAll(image: TestImage, folder: string, name: string): Promise<void> {
  for (
    const target of [
      await openDockerArchiveTarget({ kind: "docker-archive", path: `${folder}/${name}-docker.tar` }, "docker", {
        names: ["app:v1"],
      }),
      await openOciArchiveTarget({ kind: "oci-archive", path: `${folder}/${name}-oci.tar` }, "oci", {
        names: ["app:v1"],
      }),
      openOciLayoutTarget({ kind: "oci", path: `${folder}/${name}-layout`, name: "v1" }, "layout"),
    ]
  ) {
    await using open = target;
    await copyImage(new MemorySource(image), open);
  }
}

function configDigest({ content }: Manifest): string {
  assert.ok(content.kind === "image");
  return content.config.digest;
}

/** The manifest of an image that skopeo has copied into a layout. */
async function skopeoCopy(skopeo: string, from: string, folder: string, ...options: string[]): Promise<Manifest> {
  await Deno.remove(`${folder}/copied`, { recursive: true }).catch(() => {});
  await run(skopeo, "copy", "-q", ...options, from, `oci:${folder}/copied:v1`);
  await using source = await openOciLayoutSource({ kind: "oci", path: `${folder}/copied`, name: "v1" }, "copied");
  return await source.root();
}

toolTest("skopeo reads the archives and layouts that we write", ["skopeo"], async ([skopeo = ""], folder) => {
  for (const compression of ["gzip", "zstd", "none"] as const) {
    const image = singleImage(LINUX, { compression, seed: 11 });
    await saveAll(image, folder, compression);
    for (const from of [`oci-archive:${folder}/${compression}-oci.tar`, `oci:${folder}/${compression}-layout:v1`]) {
      const manifest = JSON.parse(await run(skopeo, "inspect", "--raw", from));
      assert.deepEqual(manifest, JSON.parse(new TextDecoder().decode(image.root.bytes)));
      const copied = await skopeoCopy(skopeo, from, folder);
      assert.equal(configDigest(copied), configDigest(image.root));
    }
    // Copied to a layout the config is written anew by skopeo, so the ID shows before that only.
    const docker = `docker-archive:${folder}/${compression}-docker.tar:app:v1`;
    const manifest = JSON.parse(await run(skopeo, "inspect", "--raw", docker));
    assert.equal(manifest.config.digest, configDigest(image.root));
    assert.equal((await skopeoCopy(skopeo, docker, folder)).content.kind, "image");
  }
});

toolTest("skopeo reads all platforms of an OCI archive that we write", ["skopeo"], async ([skopeo = ""], folder) => {
  const image = multiImage({ attestations: true });
  await using target = await openOciArchiveTarget(
    { kind: "oci-archive", path: `${folder}/all.tar`, name: "v1" },
    "all",
  );
  await copyImage(new MemorySource(image), target);
  const copied = await skopeoCopy(skopeo, `oci-archive:${folder}/all.tar:v1`, folder, "--all");
  assert.equal(copied.descriptor.digest, image.root.descriptor.digest);
});

toolTest("skopeo copies each image out of a bundle", ["skopeo"], async ([skopeo = ""], folder) => {
  const path = `${folder}/bundle.tar`;
  const images = [["registry.example.com/app:v1", multiImage({ seed: 5 })], [
    "db:v1",
    multiImage({ seed: 6 }),
  ]] as const;
  await using bundle = new BundleWriter(await openArchiveOutput(path));
  const written: BundledImage[] = [];
  for (const [name, image] of images) {
    await using target = new BundleTarget(bundle, givenBundleName(name), new Map());
    await copyImage(new MemorySource(image), target);
    written.push(target.image);
  }
  await bundle.finish(written.map(({ name, manifests }) => writtenImage(name, manifests)), []);
  for (const [name, image] of images) {
    const copied = await skopeoCopy(skopeo, `oci-archive:${path}:${name}`, folder, "--all");
    assert.equal(copied.descriptor.digest, image.root.descriptor.digest);
  }
});

toolTest(
  "archives of skopeo keep digests (OCI) or the image ID (Docker)",
  ["skopeo"],
  async ([skopeo = ""], folder) => {
    const image = multiImage({ attestations: true, layerBytes: 50_000 });
    const platform = image.platforms.get("linux/amd64")!;
    await saveLayout(image, `${folder}/layout`);
    await run(skopeo, "copy", "-q", "--all", `oci:${folder}/layout:v1`, `oci-archive:${folder}/oci.tar:v1`);
    {
      await using source = await openOciArchiveSource({ kind: "oci-archive", path: `${folder}/oci.tar` }, "skopeo");
      assert.equal((await source.root()).descriptor.digest, image.root.descriptor.digest);
      await copyToLayout(source, `${folder}/back`);
    }
    const docker = `docker-archive:${folder}/docker.tar:app:v1`;
    await run(
      skopeo,
      "--override-os",
      "linux",
      "--override-arch",
      "amd64",
      "copy",
      "-q",
      `oci:${folder}/layout:v1`,
      docker,
    );
    for (const name of [undefined, "app:v1", "docker.io/library/app:v1"]) {
      const reference = { kind: "docker-archive", path: `${folder}/docker.tar`, ...(name ? { name } : {}) } as const;
      await using source = await openDockerArchiveSource(reference, "skopeo");
      assert.equal(configDigest(await source.root()), configDigest(platform));
      await copyToLayout(source, `${folder}/built`);
      assert.equal(source.isOriginal, false);
    }
    const built = JSON.parse(await run(skopeo, "inspect", "--raw", `oci:${folder}/built:v1`));
    assert.equal(built.config.digest, configDigest(platform));
  },
);

async function saveLayout(image: TestImage, path: string): Promise<void> {
  await using target = openOciLayoutTarget({ kind: "oci", path, name: "v1" }, "layout");
  await copyImage(new MemorySource(image), target);
}

async function copyToLayout(source: Parameters<typeof copyImage>[0], path: string): Promise<void> {
  await using target = openOciLayoutTarget({ kind: "oci", path, name: "v1" }, "layout");
  await copyImage(source, target);
}

toolTest("podman loads what we write, and what it saves is read", ["podman"], async ([podman = ""], folder) => {
  // Its run root is left as it is: podman refuses a path of more than 50 characters.
  const storage = ["--root", `${folder}/root`, "--storage-driver=vfs"];
  const call = (...args: string[]) => run(podman, ...storage, ...args);
  for (const compression of ["gzip", "zstd"] as const) {
    const image = singleImage(LINUX, { compression, seed: 12 });
    const { content } = image.root;
    assert.ok(content.kind === "image");
    await saveAll(image, folder, compression);
    for (const kind of ["docker", "oci"]) {
      assert.match(
        await call("load", "-q", "-i", `${folder}/${compression}-${kind}.tar`),
        /docker\.io\/library\/app:v1/,
      );
      const id = (await call("inspect", "--format", "{{.Id}}", "docker.io/library/app:v1")).trim();
      assert.equal(`sha256:${id}`, content.config.digest);
    }
    const kinds = compression === "gzip" ? ["docker-archive", "oci-archive"] : ["oci-archive"];
    for (const kind of kinds) {
      await call(
        "save",
        "-q",
        `--format=${kind}`,
        "-o",
        `${folder}/${kind}-${compression}.tar`,
        "docker.io/library/app:v1",
      );
    }
    await call("rmi", "--all", "--force");
    for (const kind of kinds) {
      const path = `${folder}/${kind}-${compression}.tar`;
      await using source = kind === "docker-archive"
        ? await openDockerArchiveSource({ kind, path, name: "app:v1" }, "podman")
        : await openOciArchiveSource({ kind: "oci-archive", path }, "podman");
      assert.equal(configDigest(await source.root()), content.config.digest);
      await copyToLayout(source, `${folder}/from-${kind}-${compression}`);
    }
  }
});

toolTest(
  "tar lists what we write, and long names of tar are read",
  ["tar", "xz"],
  async ([tar = ""], folder) => {
    await saveAll(singleImage(LINUX), folder, "x");
    const listed = await run(tar, "-tvf", `${folder}/x-docker.tar`);
    assert.match(listed, /^-rw-r--r-- 0\/0 +\d+ 1970-01-01 00:00 blobs\/sha256\/[0-9a-f]{64}$/m);
    const unpacked = `${folder}/unpacked`;
    await Deno.mkdir(unpacked);
    await run(tar, "-xf", `${folder}/x-docker.tar`, "-C", unpacked);
    const list = JSON.parse(await Deno.readTextFile(`${unpacked}/manifest.json`));
    const deep = `${"long-folder-name/".repeat(12)}`;
    await Deno.mkdir(`${unpacked}/${deep}`, { recursive: true });
    for (const [index, layer] of list[0].Layers.entries()) {
      await Deno.rename(`${unpacked}/${layer}`, `${unpacked}/${deep}${index}.tar`);
      list[0].Layers[index] = `./${deep}${index}.tar`;
    }
    await Deno.writeTextFile(`${unpacked}/manifest.json`, JSON.stringify(list));
    await Deno.remove(`${unpacked}/index.json`);
    for (const format of ["gnu", "pax", "posix"]) {
      await run(tar, "-cf", `${folder}/again.tar`, "-C", unpacked, `--format=${format}`, ".");
      await using source = await openDockerArchiveSource(
        { kind: "docker-archive", path: `${folder}/again.tar` },
        "tar",
      );
      assert.equal((await source.root()).content.kind, "image");
      await copyToLayout(source, `${folder}/layout-${format}`);
    }
    await run(tar, "-cJf", `${folder}/again.tar.xz`, "-C", unpacked, ".");
    await assert.rejects(
      openDockerArchiveSource({ kind: "docker-archive", path: `${folder}/again.tar.xz` }, "tar"),
      /compressed with xz/,
    );
  },
);
