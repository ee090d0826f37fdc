/** The contract of `ImageTarget`, kept by every kind of place. */
import { type ServiceName, serviceTest } from "../support/services.ts";
import { BLOB_CASES, damagedLinkCase, linkCase, protectedCase } from "./blob_cases.ts";
import { LOCAL_KINDS, localPlace } from "./local_places.ts";
import type { PlaceKind, TestPlace } from "./place.ts";
import { freshSeeds } from "./seeds.ts";
import { SERVICE_KINDS, servicePlace } from "./service_places.ts";
import { IMAGE_CASES } from "./target_contract.ts";

const CASES = [...IMAGE_CASES, ...BLOB_CASES];

async function keepsContract(kind: PlaceKind, make: () => Promise<TestPlace>, t: Deno.TestContext): Promise<void> {
  await using place = await make();
  for (const [index, { name, applies, body }] of CASES.entries()) {
    const ignore = applies !== undefined && !applies(place.traits, place);
    await t.step({ name, ignore, fn: () => body(place, `t${index}`, freshSeeds()) });
  }
  await t.step("blobs of another place of the kind are taken over, or copied", async () => {
    await using other = await make();
    await linkCase(place, other, freshSeeds());
  });
  const isOnDisk = kind === "folder" || kind === "oci";
  await t.step({
    name: "a damaged blob of another place of the kind is not taken over",
    ignore: !isOnDisk,
    async fn() {
      await using other = await make();
      await damagedLinkCase(place, other, freshSeeds());
    },
  });
  await t.step({
    name: "a protected tag keeps its image",
    ignore: place.protect === undefined,
    fn: () => protectedCase(place, freshSeeds()),
  });
}

for (const kind of LOCAL_KINDS) {
  Deno.test(`ImageTarget: ${kind}`, (t) => keepsContract(kind, () => localPlace(kind), t));
}
for (const kind of SERVICE_KINDS satisfies readonly ServiceName[]) {
  serviceTest(
    `ImageTarget: ${kind}`,
    [kind],
    (addresses, t) => keepsContract(kind, () => servicePlace(kind, addresses[kind]), t),
  );
}
