/** The contract's cases can fail: a place that breaks one promise is found out by the case that tells of it. */
import assert from "node:assert/strict";
import { bytesReader } from "../../src/bytes/blob_reader.ts";
import type { ImageSource, ImageTarget } from "../../src/image/places.ts";
import { BLOB_CASES } from "./blob_cases.ts";
import { localPlace } from "./local_places.ts";
import type { TestPlace } from "./place.ts";
import { freshSeeds } from "./seeds.ts";
import { fill, SOURCE_CASES } from "./source_contract.ts";
import { IMAGE_CASES } from "./target_contract.ts";

/** The object with some members replaced; the others stay bound to it. */
function altered<T extends object>(object: T, members: Partial<T>): T {
  return new Proxy(object, {
    get(of, name) {
      if (Object.hasOwn(members, name)) return Reflect.get(members, name);
      const value = Reflect.get(of, name, of);
      return typeof value === "function" ? value.bind(of) : value;
    },
  });
}

/** A way in which a target breaks its word, and the beginning of the case that finds it. */
const FAULTY_TARGETS: Readonly<Record<string, (target: ImageTarget) => Partial<ImageTarget>>> = {
  "the name means nothing": (target) => ({
    async plan(manifests, blobs) {
      await target.plan?.(manifests, blobs);
      await target.publish(manifests[0]!);
    },
  }),
  "an image of every shape": (target) => ({
    async findBlobs(blobs) {
      await target.findBlobs(blobs);
      return new Set(blobs.map(({ digest }) => digest));
    },
  }),
  "blobs of an image that is there": () => ({ findBlobs: () => Promise.resolve(new Set()) }),
  "wrong bytes of a config": (target) => ({ writeBlob: (content) => target.writeBlob(content).catch(() => {}) }),
  "a dry run": (target) => ({
    plan: (manifests) => target.writeManifest(manifests[0]!).then(() => target.publish(manifests[0]!)),
  }),
  "an image is found at another tag": () => ({ writeTagged: () => Promise.resolve() }),
  "chosen platforms": (target) => ({ publish: async (root) => await target.writeManifest(root) }),
};

/** The same of a source. */
const FAULTY_SOURCES: Readonly<Record<string, (source: ImageSource) => Partial<ImageSource>>> = {
  "a blob is read whole": (source) => ({ openBlob: (blob) => source.openBlob(blob) }),
  "a manifest and a blob that are not there": () => ({
    openBlob: () => Promise.resolve(bytesReader(new Uint8Array())),
  }),
  "what refers to an image": () => ({ referrers: () => Promise.resolve([]) }),
  "another tag is found": (source) => ({ tagged: () => source.root() }),
  "a layer that is not there": () => ({
    storedLayers: (layers) => Promise.resolve(new Map(layers.map(({ digest }) => [digest, { stored: "whole" }]))),
  }),
  "nothing of a whole image": () => ({ withheld: new Set(["referrers"] as const) }),
};

const caseOf = <T extends { readonly name: string }>(cases: readonly T[], beginning: string): T => {
  const found = cases.filter(({ name }) => name.startsWith(beginning));
  assert.equal(found.length, 1, beginning);
  return found[0]!;
};

for (const [beginning, fault] of Object.entries(FAULTY_TARGETS)) {
  Deno.test(`a target that breaks its word is found out: ${beginning}`, async () => {
    await using place = await localPlace("folder");
    const faulty: TestPlace = altered(place, {
      async target(name, options) {
        const target = await place.target(name, options);
        return altered(target, fault(target));
      },
    });
    const { body } = caseOf([...IMAGE_CASES, ...BLOB_CASES], beginning);
    await assert.rejects(body(faulty, "t", freshSeeds()));
    await body(place, "whole", freshSeeds());
  });
}

for (const [beginning, fault] of Object.entries(FAULTY_SOURCES)) {
  Deno.test(`a source that breaks its word is found out: ${beginning}`, async () => {
    await using place = await localPlace("folder");
    const filled = await fill(place, freshSeeds());
    const faulty: TestPlace = altered(place, {
      async source(name) {
        const source = await place.source(name);
        return altered(source, fault(source));
      },
    });
    const { body } = caseOf(SOURCE_CASES, beginning);
    await assert.rejects(body({ ...filled, place: faulty }, freshSeeds()));
    await body(filled, freshSeeds());
  });
}
