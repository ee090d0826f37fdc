/** Uploads to real servers count what was sent, whatever was read before, and whatever had to be sent twice. */
import assert from "node:assert/strict";
import type { CopyEvent } from "../../src/image/copy_image.ts";
import { Session } from "../../src/transports/session.ts";
import { withEnvironment } from "../objects/s3_kit.ts";
import { type HoldingProxyOptions, startHoldingProxy } from "../support/holding_proxy.ts";
import { singleImage } from "../support/images.ts";
import { serviceTest } from "../support/services.ts";
import { makeBuckets, tempFolder, writeStore } from "./places.ts";
import { copyCommand } from "../support/by_text.ts";

const MIB = 1024 * 1024;
/** Less than the buffers for parts hold together: all of it is read before anything is sent. */
const LAYER_BYTES = 50 * MIB;

const image = singleImage({ os: "linux", architecture: "amd64" }, {
  seed: 88,
  layersPerPlatform: 1,
  layerBytes: LAYER_BYTES,
  compression: "none",
});
const layer = image.root.content.kind === "image" ? image.root.content.layers[0]! : undefined;

/** What was told of the layer. */
interface Told {
  readBytes: number;
  sentBytes: number;
  /** The most that was ever told as sent. */
  mostBytes: number;
}

/** Copies the image to `target`, which is reached at `host` by way of a proxy; `onTold` hears of everything. */
async function copyThrough(
  host: string,
  proxied: HoldingProxyOptions,
  target: (proxy: string) => { readonly reference: string; readonly session: Session },
  onTold: (told: Told, release: () => void) => void = () => {},
): Promise<Told & { readonly wasCut: boolean }> {
  await using folder = await tempFolder();
  await writeStore(`${folder.path}/store`, "app", "v1", image);
  await using proxy = startHoldingProxy(host, proxied);
  const told: Told = { readBytes: 0, sentBytes: 0, mostBytes: 0 };
  const onEvent = (event: CopyEvent) => {
    if (!("blob" in event) || event.blob.digest !== layer!.digest) return;
    if (event.kind === "blob-read") told.readBytes += event.count;
    if (event.kind === "blob-bytes") told.sentBytes += event.count;
    told.mostBytes = Math.max(told.mostBytes, told.sentBytes);
    onTold(told, () => proxy.release());
  };
  const { reference, session } = target(proxy.host);
  await using _session = session;
  await copyCommand(session, `local://${folder.path}/store//app:v1`, reference, { onEvent });
  return { ...told, wasCut: proxy.wasCut() };
}

serviceTest(
  "an upload in parts counts what was sent while the server takes nothing",
  ["minio"],
  async ({ minio: address }) => {
    await using buckets = await makeBuckets(address);
    using _env = withEnvironment(buckets.env);
    let atRelease: Told | undefined;
    const told = await copyThrough(
      new URL(buckets.endpoint).host,
      { holdAfterBytes: 512 * 1024 },
      (proxy) => ({ reference: `s3://${buckets.first}/app:v1`, session: new Session({ endpoint: `http://${proxy}` }) }),
      (now, release) => {
        // All of it was read into the buffers of parts by then, and counted as done in former times.
        if (now.readBytes < layer!.size || atRelease) return;
        atRelease = { ...now };
        release();
      },
    );
    assert.ok(atRelease, "everything was read while the server took nothing");
    assert.ok(atRelease.sentBytes < layer!.size / 2, `${atRelease.sentBytes} of ${layer!.size} bytes told as sent`);
    assert.equal(told.sentBytes, layer!.size);
    assert.equal(told.mostBytes, layer!.size, "never more than whole");
  },
);

serviceTest("a part that has to be sent again counts once", ["minio"], async ({ minio: address }) => {
  await using buckets = await makeBuckets(address);
  using _env = withEnvironment(buckets.env);
  const told = await copyThrough(
    new URL(buckets.endpoint).host,
    { cutAfterBytes: 5 * MIB },
    (proxy) => ({
      reference: `s3://${buckets.first}/app:v1`,
      session: new Session({ endpoint: `http://${proxy}`, retryDelayMs: 10 }),
    }),
  );
  assert.ok(told.wasCut);
  assert.equal(told.sentBytes, layer!.size);
  assert.equal(told.mostBytes, layer!.size);
});

serviceTest(
  "an upload to a registry that breaks counts every byte once",
  ["registry"],
  async ({ registry: address }) => {
    const name = `output-${crypto.randomUUID().slice(0, 8)}`;
    const told = await copyThrough(
      new URL(address).host,
      { cutAfterBytes: 20 * MIB },
      (proxy) => ({ reference: `${proxy}/${name}:v1`, session: new Session({ plainHttp: true, retryDelayMs: 10 }) }),
    );
    assert.ok(told.wasCut);
    assert.equal(told.sentBytes, layer!.size);
    assert.equal(told.mostBytes, layer!.size);
  },
);
