/**
 * Blobs of every size at which the way of sending changes, to and from a registry and a bucket over TLS, by the program
 * with the permissions that it is compiled with. Large uploads once failed for everybody with an authority of their own.
 */
import assert from "node:assert/strict";
import { parsePlatform } from "../../src/oci/platform.ts";
import { indexOf, singleImage, type TestImage } from "../support/images.ts";
import { servicesAuthority, serviceTest } from "../support/services.ts";
import { checkBlobs, makeBuckets, readStoredTag, tempFolder, writeStore } from "./places.ts";
import { isOldProgram, s3loJson } from "./program.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Around 64 KiB (fetch or not), a part, twice a part (one request or several), and more than two parts. */
const SIZES = [63 * KIB, 66 * KIB, 8 * MIB - 4096, 8 * MIB + 4096, 16 * MIB - 4096, 16 * MIB + 4096, 25 * MIB];

const ARCHITECTURES = ["amd64", "arm64", "386", "ppc64le", "riscv64", "s390x", "loong64"];

function imageOf(sizes: readonly number[]): TestImage {
  return indexOf(sizes.map((layerBytes, index) =>
    singleImage(parsePlatform(`linux/${ARCHITECTURES[index]}`), {
      seed: 900 + index,
      layersPerPlatform: 1,
      layerBytes,
      compression: "none",
    })
  ));
}

/** Copies an image folder → registry → bucket → registry → folder. */
async function roundTrip(
  image: TestImage,
  services: { readonly tlsRegistry: string; readonly tlsMinio: string },
  how: { readonly args?: readonly string[]; readonly env?: Readonly<Record<string, string>> },
): Promise<void> {
  await using folder = await tempFolder();
  using buckets = await makeBuckets(services.tlsMinio);
  const repository = `${new URL(services.tlsRegistry).host}/tls-${crypto.randomUUID().slice(0, 8)}`;
  await writeStore(`${folder.path}/start`, "app", "v1", image);
  const hops = [
    `local://${folder.path}/start//app:v1`,
    `${repository}/one:v1`,
    `s3://${buckets.first}/app:v1`,
    `${repository}/two:v1`,
    `local://${folder.path}/end//app:v1`,
  ];
  const env = { SSL_CERT_FILE: "", ...buckets.env, ...how.env };
  for (const [index, source] of hops.slice(0, -1).entries()) {
    const args = ["copy", ...how.args ?? [], "--endpoint", buckets.endpoint, source, hops[index + 1]!];
    const report = await s3loJson(args, { env });
    assert.equal(report.digest, image.root.descriptor.digest, hops[index + 1]);
  }
  assert.deepEqual(await readStoredTag(`${folder.path}/end`, "app", "v1"), new Uint8Array(image.root.bytes));
  await checkBlobs(`${folder.path}/end`, image);
}

serviceTest("blobs of all sizes go to and from registries and buckets over TLS with --ca-cert", [
  "tlsRegistry",
  "tlsMinio",
], async (services) => {
  await roundTrip(imageOf(SIZES), services, { args: ["--ca-cert", servicesAuthority()!] });
});

for (
  const [name, how] of [
    ["SSL_CERT_FILE", () => ({ env: { SSL_CERT_FILE: servicesAuthority()! } })],
    ["SSL_CERT_DIR", () => ({ env: { SSL_CERT_DIR: servicesAuthority()!.replace(/\/[^/]*$/, "") } })],
    ["--insecure", () => ({ args: ["--insecure"] })],
  ] as const
) {
  // Old runtimes check certificates whatever they are told.
  if (name === "--insecure" && isOldProgram()) continue;
  serviceTest(`blobs small and large go to and from registries and buckets over TLS with ${name}`, [
    "tlsRegistry",
    "tlsMinio",
  ], async (services) => {
    await roundTrip(imageOf([66 * KIB, 8 * MIB + 4096]), services, how());
  });
}
