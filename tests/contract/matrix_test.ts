/**
 * Every kind of source to every kind of target, with an image of every shape: the root's digest stays, or the table in
 * `matrix.ts` says what the place makes of it, and every blob is read back.
 */
import assert from "node:assert/strict";
import { mapPool } from "../../src/bytes/pool.ts";
import { isImageError } from "../../src/errors.ts";
import { copyImage } from "../../src/image/copy_image.ts";
import type { ImageSource } from "../../src/image/places.ts";
import { serviceAddress } from "../support/services.ts";
import { LOCAL_KINDS, localPlace } from "./local_places.ts";
import { fateOf } from "./matrix.ts";
import { PLACE_KINDS, type PlaceKind, type TestPlace } from "./place.ts";
import {
  assertSame,
  assertSameInside,
  type Content,
  contentOf,
  readBack,
  readContent,
  rootAt,
  withoutReferrers,
} from "./read_back.ts";
import { freshSeeds } from "./seeds.ts";
import { SERVICE_KINDS, servicePlace } from "./service_places.ts";
import { fill } from "./source_contract.ts";
import { type Shape, SHAPE_NAMES, type ShapeName } from "./shapes.ts";

/** Targets that are written to at once. */
const PARALLEL_TARGETS = 4;

function makePlace(kind: PlaceKind): Promise<TestPlace> | undefined {
  const local = LOCAL_KINDS.find((each) => each === kind);
  if (local) return localPlace(local);
  const service = SERVICE_KINDS.find((each) => each === kind)!;
  const address = serviceAddress(service);
  if (address !== undefined) return servicePlace(service, address);
  // Said by the tests of the contracts too, which are skipped one by one.
  if (Deno.env.get("CI") === "true") throw new Error(`Missing service: ${service}`);
  return undefined;
}

/** An image of a source, opened, and what it gave when it was read on its own. */
interface Cell {
  readonly kind: PlaceKind;
  readonly source: ImageSource;
  readonly shape: ShapeName;
  readonly made: Shape;
  readonly given: Content;
}

/** Reads an image of a source and compares it with what was written there. */
async function readCell(kind: PlaceKind, source: ImageSource, shape: ShapeName, made: Shape): Promise<Cell> {
  const given = await readContent(source);
  const fate = fateOf(shape, kind);
  if (fate === "repacked") assertSameInside(given, contentOf(made), kind);
  else assertSame(given, fate === "same" ? contentOf(made) : withoutReferrers(contentOf(made), made), kind);
  return { kind, source, shape, made, given };
}

/** Copies an image, and compares what is there then with what the source gives. */
async function copyCell({ kind, source, shape, made, given }: Cell, to: TestPlace): Promise<void> {
  const name = `${kind}-${shape}`.toLowerCase();
  const what = `${kind} → ${to.kind}: ${shape}`;
  const fate = fateOf(shape, to.kind);
  const copy = async () => {
    await using target = await to.target(name, { source });
    return await copyImage(source, target, { includeReferrers: true, retryDelayMs: 1 });
  };
  if (fate === "refused") {
    await assert.rejects(copy(), (error) => isImageError(error, "unsupported"), what);
    assert.equal(await rootAt(to, name), undefined, what);
    return;
  }
  const result = await copy().catch((error) => {
    throw new Error(`${what}: ${error}`, { cause: error });
  });
  assert.equal(result.root.descriptor.digest, given.root.descriptor.digest, what);
  if (fate === "kept-inside") return;
  const found = await readBack(to, name);
  if (fate === "repacked") assertSameInside(found, given, what);
  else assertSame(found, fate === "same" ? given : withoutReferrers(given, made), what);
}

/** The shapes of the matrix; how layers are compressed is no matter of pairs. */
const MATRIX_SHAPES = SHAPE_NAMES.filter((name) => name !== "zstd");

Deno.test("every source is copied to every target", async (t) => {
  await using stack = new AsyncDisposableStack();
  const opened = async () => {
    const places: TestPlace[] = [];
    for (const kind of PLACE_KINDS) {
      const place = await makePlace(kind);
      if (place) places.push(stack.use(place));
    }
    return places;
  };
  const targets = await opened();
  const sources = await opened();
  for (const place of sources) {
    const from = await fill(place, freshSeeds(), MATRIX_SHAPES);
    for (const [shape, made] of from.shapes) {
      await t.step(`${place.kind}: ${shape}`, async () => {
        const source = await from.place.source(shape);
        await using _closed = source;
        const cell = await readCell(from.place.kind, source, shape, made);
        const failures = await mapPool(targets, PARALLEL_TARGETS, (to) => copyCell(cell, to).then(() => [], String));
        assert.deepEqual(failures.flat(), []);
      });
    }
  }
});
