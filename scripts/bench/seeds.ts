/** Places that hold a payload before a scenario starts; each is filled once per payload. */
import type { BenchRegistry, Lab } from "./lab.ts";
import { run } from "./measure.ts";
import type { Payload } from "./payloads.ts";
import type { Tools } from "./tools.ts";

/** Repository, image and tag of every payload, everywhere. */
export const IMAGE = "app/bench:v1";

/** Kinds of places that can hold a payload. */
export type Place = "registry" | "bucket" | "bucket-registry";

/** A place with a payload. */
export interface SeededPlace {
  /** The server, for wires: `127.0.0.1:port`. */
  readonly host: string;
  /** The reference, by way of a wire where there is one. */
  readonly reference: () => string;
}

/** The filled places of one payload. */
export class Seeds implements AsyncDisposable {
  readonly payload: Payload;
  readonly #lab: Lab;
  readonly #tools: Tools;
  readonly #places = new Map<Place, Promise<SeededPlace>>();
  readonly #clean: (() => Promise<void>)[] = [];

  constructor(lab: Lab, tools: Tools, payload: Payload) {
    this.#lab = lab;
    this.#tools = tools;
    this.payload = payload;
  }

  /** A place of that kind with the payload in it. */
  async at(place: Place): Promise<SeededPlace> {
    const seeding = this.#places.get(place) ?? this.#seed(place);
    this.#places.set(place, seeding);
    return await seeding;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const clean of this.#clean) await clean();
  }

  async #seed(kind: Place): Promise<SeededPlace> {
    const { place, clean } = await emptyPlace(this.#lab, kind);
    this.#clean.push(clean);
    await run(this.#tools.s3lo("s3lo", "copy", this.payload.reference, place.reference()));
    return place;
  }
}

/** A fresh place of a kind; `clean` takes it away. */
export async function emptyPlace(
  lab: Lab,
  kind: Place,
): Promise<{ readonly place: SeededPlace; readonly clean: () => Promise<void> }> {
  if (kind === "bucket") {
    const bucket = await lab.makeBucket();
    const place = { host: lab.s3Host, reference: () => `s3://${bucket}/${IMAGE}` };
    return { place, clean: () => lab.dropBucket(bucket) };
  }
  const registry: BenchRegistry = await lab.makeRegistry(kind === "registry" ? "files" : "bucket");
  const place = { host: registry.host, reference: () => `${lab.via(registry.host)}/${IMAGE}` };
  return { place, clean: registry.stop };
}
