/** Stores and layouts that came from somebody else: links and pipes in them, wherever s3lo puts its own files. */
import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { blobPath, hexOf } from "../../src/oci/digest.ts";
import { Session } from "../../src/transports/session.ts";
import { listFiles, tempFolder, writeStore } from "../cli/places.ts";
import { imageViolations } from "../soak/world.ts";
import { singleImage } from "../support/images.ts";
import { makeLink, makePipe, makeSocket } from "../support/special_files.ts";
import { lookAtCanary, makeCanary } from "./canary.ts";
import { copyCommand, listImages } from "../support/by_text.ts";

const image = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 31,
  layersPerPlatform: 1,
  layerBytes: 9 * 1024 * 1024,
  compression: "none",
});
const digests = [...image.blobs.keys()];
const layer = [...image.blobs].find(([, bytes]) => bytes.byteLength > 9_000_000)![0];
const config = digests.find((digest) => digest !== layer)!;
const ignore = Deno.build.os === "windows";

/** What lies at a path of the received folder, and where it leads outside of it. */
type Plant = readonly [at: string, to: string];

const STORE_FOLDERS: readonly Plant[] = [
  [".s3lo", ""],
  [".s3lo/tmp", ""],
  [".s3lo/partial", ""],
  ["blobs", "/below"],
  ["blobs/sha256", "/below/sha256"],
  ["manifests", ""],
  ["manifests/app", ""],
  ["manifests/app/v1", ""],
];

const STORE_FILES: readonly Plant[] = [
  [`.s3lo/partial/${hexOf(layer)}`, `/${hexOf(layer)}`],
  [`.s3lo/partial/${hexOf(layer)}`, "/nothing there"],
  [blobPath(layer), `/below/sha256/${hexOf(layer)}`],
  [blobPath(config), "/nothing there"],
  ["manifests/app/v1/manifest.json", "/manifest.json"],
  ["manifests/app/v1/manifest.json", "/nothing there"],
];

const LAYOUT_FOLDERS: readonly Plant[] = [["blobs", "/below"], ["blobs/sha256", "/below/sha256"]];

const LAYOUT_FILES: readonly Plant[] = [
  [`.s3lo-partial-${hexOf(layer)}`, `/.s3lo-partial-${hexOf(layer)}`],
  [`.s3lo-partial-${hexOf(layer)}`, "/nothing there"],
  [blobPath(layer), `/below/sha256/${hexOf(layer)}`],
  [blobPath(config), "/nothing there"],
  ["index.json", "/layout/index.json"],
  ["oci-layout", "/layout/oci-layout"],
];

interface Place {
  readonly root: string;
  readonly canary: string;
  readonly source: string;
  readonly archive: string;
}

/** A source, the same as an archive, and a canary; `received` is made by the test. */
async function inPlace(body: (place: Place) => Promise<void>): Promise<void> {
  await using folder = await tempFolder();
  const root = await Deno.realPath(folder.path);
  await writeStore(`${root}/source`, "app", "v1", image);
  const place = {
    root,
    canary: `${root}/canary`,
    source: `local://${root}/source//app:v1`,
    archive: `oci-archive:${root}/app.tar`,
  };
  await using session = new Session();
  await copyCommand(session, place.source, `${place.archive}:app:v1`);
  await makeCanary(place.canary, digests.map(hexOf));
  await Deno.mkdir(`${place.canary}/layout`);
  await Deno.writeTextFile(`${place.canary}/layout/index.json`, '{"schemaVersion":2,"manifests":[]}');
  await Deno.writeTextFile(`${place.canary}/layout/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  await body(place);
}

async function plant(received: string, [at, to]: Plant, canary: string): Promise<void> {
  const folder = `${received}/${at}`.slice(0, `${received}/${at}`.lastIndexOf("/"));
  await Deno.mkdir(folder, { recursive: true });
  await Deno.remove(`${received}/${at}`, { recursive: true }).catch(() => {});
  await makeLink(canary + to, `${received}/${at}`);
}

for (
  const [kind, folders, files] of [
    ["store", STORE_FOLDERS, STORE_FILES],
    ["layout", LAYOUT_FOLDERS, LAYOUT_FILES],
  ] as const
) {
  for (
    const [each, isFolder] of [
      ...folders.map((at) => [at, true] as const),
      ...files.map((at) => [at, false] as const),
    ]
  ) {
    const [at, to] = each;
    const shown = at.replace(hexOf(layer), "<layer>").replace(hexOf(config), "<config>");
    Deno.test({
      name: `a received ${kind} whose ${shown} leads to ${to || "a folder"} outside changes nothing there`,
      ignore,
      fn: () =>
        inPlace(async ({ root, canary, source, archive }) => {
          for (const from of [source, archive]) {
            const received = `${root}/${from === source ? "one" : "two"}`;
            await Deno.mkdir(`${received}/.s3lo`, { recursive: true });
            if (kind === "layout") await Deno.remove(`${received}/.s3lo`);
            await plant(received, each, canary);
            const before = [await lookAtCanary(canary), await lookAtCanary(received)];
            await using session = new Session();
            const target = kind === "store" ? `local://${received}//app:v1` : `oci:${received}:app:v1`;
            const dry = await attempt(() => copyCommand(session, from, target, { dryRun: true }));
            assert.deepEqual([await lookAtCanary(canary), await lookAtCanary(received)], before, "dry run");
            const failure = await attempt(() => copyCommand(session, from, target));
            assert.deepEqual(await lookAtCanary(canary), before[0]);
            // What is to be a folder of ours and is a link is the reason, and named; a file takes the link's place.
            // (A blob that is linked needs no partial file.)
            if (isFolder && (at !== ".s3lo/partial" || from === archive)) {
              assert.equal(failure?.code, "unsupported");
              assert.ok(failure.message.includes(`${received}/${at}"`), failure.message);
            } else {
              assert.equal(dry, undefined);
              assert.equal(failure, undefined);
              assert.deepEqual(await imageViolations(session, target), []);
              const isPlanted = !at.includes("partial");
              if (isPlanted) assert.ok((await Deno.lstat(`${received}/${at}`)).isFile);
            }
          }
        }),
    });
  }
}

Deno.test({
  name: "a store or layout that is reached through links is read and written like any other",
  ignore,
  fn: () =>
    inPlace(async ({ root, source }) => {
      await Deno.mkdir(`${root}/disk/store`, { recursive: true });
      await Deno.mkdir(`${root}/disk/layout`);
      await makeLink(`${root}/disk`, `${root}/link`);
      await makeLink(`${root}/disk/store`, `${root}/store`);
      await using session = new Session();
      for (const target of ["local://R/store//app:v1", "local://R/link/new//app:v1", "oci:R/link/layout:app:v1"]) {
        const text = target.replace("R", root);
        await copyCommand(session, source, text);
        assert.deepEqual(await imageViolations(session, text), []);
      }
      assert.deepEqual(await listImages(session, `local://${root}/store`), [{ name: "app", tags: ["v1"] }]);
    }),
});

Deno.test({
  name: "listing a store goes into no folder through a link, be it one that leads in circles, and says so of its own",
  ignore,
  fn: () =>
    inPlace(async ({ root }) => {
      const store = `${root}/source`;
      await makeLink("..", `${store}/manifests/up`);
      await makeLink(".", `${store}/manifests/app/here`);
      await makeLink(`${root}/canary`, `${store}/elsewhere`);
      await makeLink("in-circles", `${store}/in-circles`);
      await using session = new Session();
      assert.deepEqual(await listImages(session, `local://${store}`), [{ name: "app", tags: ["v1"] }]);
      await Deno.rename(`${store}/manifests`, `${root}/manifests`);
      await makeLink(`${root}/manifests`, `${store}/manifests`);
      const failure = await attempt(() => listImages(session, `local://${store}`));
      assert.equal(failure?.code, "unsupported");
      assert.ok(failure.message.includes(`"${store}/manifests"`), failure.message);
    }),
});

/** Opens every pipe below a folder from the other side, so that whoever waits there goes on. */
async function release(folder: string): Promise<void> {
  for (const path of await listFiles(folder)) {
    const { isFifo } = await Deno.lstat(`${folder}/${path}`);
    if (isFifo) (await Deno.open(`${folder}/${path}`, { read: true, write: true })).close();
  }
}

const PIPES = [
  ["store", "manifests/app/v1/manifest.json"],
  ["store", "s3lo.yaml"],
  ["store", blobPath(layer)],
  ["store", blobPath(config)],
  ["store", ".s3lo/lock"],
  ["store", `.s3lo/partial/${hexOf(layer)}`],
  ["layout", "oci-layout"],
  ["layout", "index.json"],
  ["layout", blobPath(layer)],
  ["layout", blobPath(config)],
  ["layout", `.s3lo-partial-${hexOf(layer)}`],
] as const;

for (const [kind, at] of PIPES) {
  for (const what of ["pipe", "socket"] as const) {
    const shown = at.replace(hexOf(layer), "<layer>").replace(hexOf(config), "<config>");
    Deno.test({
      name: `a ${what} at ${shown} of a received ${kind} is waited for by nobody`,
      ignore,
      fn: () =>
        inPlace(async ({ root, source, archive }) => {
          const received = `${root}/received`;
          const text = kind === "store" ? `local://${received}//app:v1` : `oci:${received}:app:v1`;
          await using session = new Session();
          await copyCommand(session, source, text);
          const path = `${received}/${at}`;
          await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
          await Deno.remove(path).catch(() => {});
          if (what === "pipe") await makePipe(path);
          using _socket = what === "socket" ? await makeSocket(path) : undefined;
          const watch = setTimeout(() => release(received), 60_000);
          try {
            const steps: readonly (() => Promise<unknown>)[] = [
              () => copyCommand(session, text, `oci-archive:${root}/out.tar:app:v1`),
              () => copyCommand(session, archive, text.replace(":v1", ":v2"), { dryRun: true }),
              () => copyCommand(session, archive, text.replace(":v1", ":v2")),
              async () => kind === "store" && await listImages(session, `local://${received}`),
            ];
            const failures = [];
            for (const step of steps) failures.push(await attempt(step));
            const isRead = !/\.s3lo|s3lo.yaml|oci-layout/.test(at);
            if (isRead) assert.ok(failures[0], "what is no file cannot be read");
            // A blob is written anew, and nobody needs a partial file that is none.
            if (at.includes("sha256") || at.includes("partial")) assert.equal(failures[2], undefined);
            if (at === "s3lo.yaml") assert.match(failures[2]!.message, /it is no regular file/);
          } finally {
            clearTimeout(watch);
          }
        }),
    });
  }
}

/** The failure of a step, which must be one that is meant for people. */
async function attempt(step: () => Promise<unknown>): Promise<ImageError | undefined> {
  try {
    await step();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ImageError, error instanceof Error ? error.stack : String(error));
    return error;
  }
}
