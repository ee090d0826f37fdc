/** The contract of `ImageSource`, kept by every kind of place. */
import { type ServiceName, serviceTest } from "../support/services.ts";
import { LOCAL_KINDS, localPlace } from "./local_places.ts";
import type { TestPlace } from "./place.ts";
import { freshSeeds } from "./seeds.ts";
import { SERVICE_KINDS, servicePlace } from "./service_places.ts";
import { fill, SOURCE_CASES } from "./source_contract.ts";

async function keepsContract(make: () => Promise<TestPlace>, t: Deno.TestContext): Promise<void> {
  await using place = await make();
  const filled = await fill(place, freshSeeds());
  for (const { name, applies, body } of SOURCE_CASES) {
    const ignore = applies !== undefined && !applies(place.traits, place);
    await t.step({ name, ignore, fn: () => body(filled, freshSeeds()) });
  }
}

for (const kind of LOCAL_KINDS) {
  Deno.test(`ImageSource: ${kind}`, (t) => keepsContract(() => localPlace(kind), t));
}
for (const kind of SERVICE_KINDS satisfies readonly ServiceName[]) {
  serviceTest(
    `ImageSource: ${kind}`,
    [kind],
    (addresses, t) => keepsContract(() => servicePlace(kind, addresses[kind]), t),
  );
}
