import { clipped, ImageError } from "../errors.ts";
import {
  type Collection,
  type ImageLocation,
  parseLocation,
  type RepositoryLocation,
  schemeOf,
  type StoreCollection,
} from "./location.ts";
import { localLocationIn, parseLocalCollection } from "./locations/local.ts";
import { invalid } from "./locations/names.ts";
import { parseListedRegistry, parseRegistryLocation, registryLocationIn, withoutScheme } from "./locations/registry.ts";
import { parseS3Collection, s3LocationIn } from "./locations/s3.ts";
import { refuseNearMiss, withoutEndingSlashes } from "./near_misses.ts";

/** Where the images of a bundle go: all under their own names into one place, or one under the name that is given. */
export type LoadTarget = { readonly collection: Collection } | { readonly image: ImageLocation };

/** Reads `s3://bucket[/prefix]` or `local://path[//prefix]`. Throws `invalid-reference`. */
export function parseStoreCollection(text: string): StoreCollection {
  const store = storeCollection(text);
  if (store) return store;
  refuseNearMiss(text, "store");
  throw invalid(text, "expected s3://bucket or local://path");
}

/** Reads what `list` takes: a store, a repository of a registry, or a registry's host. Throws `invalid-reference`. */
export function parseListedCollection(text: string): Collection {
  return storeCollection(text) ?? parseListedRegistry(text);
}

/**
 * Reads what a bundle is loaded into: a store (`s3://bucket[/prefix]`, `local://folder[//prefix]`), a registry
 * (`host[/prefix]`), or, with a tag, one image anywhere. Throws `usage`, `invalid-reference`.
 */
export function parseLoadTarget(text: string): LoadTarget {
  const kind = schemeOf(text) ?? "registry";
  switch (kind) {
    case "oci":
    case "oci-archive":
    case "docker-archive":
    case "daemon":
      return { image: parseLocation(text) };
    case "s3":
    case "local":
      return isPinned(text.slice(text.indexOf("//") + 2))
        ? { image: parseLocation(text) }
        : { collection: parseStoreCollection(text) };
    case "registry":
      return parseRegistryTarget(text);
  }
}

/** An image in a place of many, under its name there. Throws `invalid-reference` for what is no name there. */
export function locationIn(
  collection: Collection,
  name: { readonly image: string; readonly tag: string },
): RepositoryLocation {
  switch (collection.kind) {
    case "s3":
      return s3LocationIn(collection, name);
    case "local":
      return localLocationIn(collection, name);
    case "registry":
      return registryLocationIn(collection, name);
  }
}

/** A reference that is being typed, as far as the store is named: the text before the image's name, and the store. */
export interface HalfTyped {
  readonly start: string;
  readonly store: StoreCollection;
}

/** Reads a reference that is being typed; undefined as long as it does not name a whole store. Never throws. */
export function readHalfTyped(typed: string): HalfTyped | undefined {
  const [start, bucket, folder] = /^(s3:\/\/[^/]+)\/|^(local:\/\/.*?[^/:])\/\/(?!.*\/\/)/.exec(typed) ?? [];
  if (start === undefined) return undefined;
  try {
    return { start, store: parseStoreCollection((bucket ?? folder)!) };
  } catch {
    return undefined;
  }
}

function storeCollection(text: string): StoreCollection | undefined {
  const kind = schemeOf(text);
  if (kind === "s3") return parseS3Collection(text);
  return kind === "local" ? parseLocalCollection(text) : undefined;
}

function parseRegistryTarget(text: string): LoadTarget {
  refuseNearMiss(withoutScheme(text), "store");
  const bare = withoutEndingSlashes(withoutScheme(text));
  const [registry = "", ...path] = bare.split("/");
  if (path.length > 0 && isPinned(bare)) return { image: parseLocation(text) };
  if (!/[.:]/.test(registry) && registry !== "localhost") {
    throw new ImageError(
      "usage",
      `Cannot load into "${clipped(text, 200)}": it is neither a store nor a registry's host`,
      {
        hint: "Use s3://bucket, local:///folder, or a host with or without a path (localhost:5000, ghcr.io/team)",
      },
    );
  }
  parseRegistryLocation(`${bare}/x:y`);
  return { collection: { kind: "registry", registry, path: path.join("/"), text } };
}

/** Whether a reference without its scheme has a tag or a digest. */
function isPinned(text: string): boolean {
  const last = text.slice(text.lastIndexOf("/") + 1);
  return text.includes("/") && /[:@]/.test(last);
}
