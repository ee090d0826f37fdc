import { ImageError, isImageError } from "../errors.ts";
import { refuseNearMiss } from "../oci/near_misses.ts";
import { isStoreText, parseReference, parseStoreLocation, type RegistryReference } from "../oci/reference.ts";
import { ListedNames } from "../oci/limits.ts";
import { listLegacyTags } from "../bucket/legacy_list.ts";
import { compareTags, type ImageTag } from "../bucket/keys.ts";
import type { ImageStore } from "../bucket/image_store.ts";
import type { BucketImage } from "./bucket_source.ts";
import { bucketImage } from "./open_bucket.ts";
import type { Session } from "./session.ts";

/** Tags of a store that are handed out at once. */
const PAGE_TAGS = 1000;

/** One image and its tags. */
export interface ListedImage {
  readonly name: string;
  readonly tags: readonly string[];
}

/** Every tag of the source's repository with the reference of the same tag in the target's. Neither may name a tag. */
export async function pairTags(
  session: Session,
  source: string,
  target: string,
): Promise<readonly { source: string; target: string }[]> {
  const reference = parseReference(source);
  for (const [text, parsed] of [[source, reference], [target, parseReference(target)]] as const) {
    if (parsed.tag !== undefined || parsed.digest !== undefined) {
      throw new ImageError("usage", `With --all-tags "${text}" must name a repository, without tag or digest`);
    }
  }
  const tags = reference.kind === "registry"
    ? await registryTags(session, reference)
    : await bucketTags(await bucketImage(session, reference, source, { access: "read" }));
  if (tags.length === 0) throw new ImageError("not-found", `Cannot copy "${source}": it has no tags`);
  return tags.map((tag) => ({ source: `${source}:${tag}`, target: `${target}:${tag}` }));
}

/**
 * The images of a store, of a registry repository, or of a registry, in order of name and tag.
 *
 * Throws `invalid-input` when there are more than can be held; see {@linkcode imagePages}.
 */
export async function listImages(session: Session, location: string): Promise<readonly ListedImage[]> {
  const images = new Map<string, string[]>();
  const names = new ListedNames(`Cannot list "${location}"`, "Name a part of it, or list it as text");
  for await (const page of imagePages(session, location)) {
    for (const { name, tags } of page) {
      const known = images.get(name) ?? [];
      if (!images.has(name)) names.add(name);
      images.set(name, known);
      for (const tag of tags) {
        names.add(tag);
        known.push(tag);
      }
    }
  }
  return [...images].map(([name, tags]) => ({ name, tags }));
}

/** As {@linkcode listImages}, page by page: an image comes in several pieces where it has many tags. */
export async function* imagePages(
  session: Session,
  location: string,
): AsyncGenerator<readonly ListedImage[], void> {
  if (isStoreText(location)) return yield* storePages(session, location);
  refuseNearMiss(location.replace(/^docker:\/\//, ""), "store");
  const host = /^(?:docker:\/\/)?([^/]+:\d+|[^/]+(?=\/$))\/?$/.exec(location)?.[1];
  if (host === undefined) {
    const reference = parseReference(location);
    if (reference.kind !== "registry") throw new ImageError("usage", `Cannot list "${location}"`);
    return yield* repositoryPages(session, reference);
  }
  const { listRegistryRepositories } = await import("./registry.ts");
  const access = session.registryAccess(host, "source");
  for await (const page of listRegistryRepositories(host, await session.registry(), access)) {
    for (const repository of page) {
      try {
        yield* repositoryPages(session, { kind: "registry", registry: host, repository });
      } catch (error) {
        // Gone since the page was made, or without any tag, of which registries say the same.
        if (!isImageError(error, "not-found")) throw error;
      }
    }
  }
}

/** The tags of a repository, page by page. */
async function* repositoryPages(
  session: Session,
  reference: RegistryReference,
): AsyncGenerator<readonly ListedImage[], void> {
  const name = `${reference.registry}/${reference.repository}`;
  const { listRegistryTags } = await import("./registry.ts");
  const access = session.registryAccess(reference.registry, "source");
  for await (const tags of listRegistryTags(reference, await session.registry(), access)) yield [{ name, tags }];
}

/** The images of a store, which are known in their order only once all of its tags are; handed out in pieces. */
async function* storePages(session: Session, text: string): AsyncGenerator<readonly ListedImage[], void> {
  const location = parseStoreLocation(text);
  const store = location.kind === "s3"
    ? await session.bucket(location.bucket, "source")
    : await session.folder(location.path, { access: "read" });
  const tags = await listWithLegacy(store, location.prefix);
  for (let at = 0; at < tags.length; at += PAGE_TAGS) {
    const images = Map.groupBy(tags.slice(at, at + PAGE_TAGS), (each) => each.image);
    yield [...images].map(([name, entries]) => ({ name, tags: entries.map((each) => each.tag) }));
  }
}

async function bucketTags({ store, image }: BucketImage): Promise<readonly string[]> {
  const tags = await listWithLegacy(store, `${image}/`);
  return tags.filter((each) => each.image === image).map(({ tag }) => tag);
}

/** The tags of a store, those of its first layout too; a tag in both means what the later one does. */
async function listWithLegacy(store: ImageStore, prefix: string): Promise<readonly ImageTag[]> {
  const [tags, legacy] = await Promise.all([store.list(prefix), listLegacyTags(store.objects, prefix)]);
  const known = new Set(tags.map(tagName));
  const added = legacy.filter((each) => !known.has(tagName(each)));
  return added.length === 0 ? tags : [...tags, ...added].sort(compareTags);
}

function tagName({ image, tag }: ImageTag): string {
  return `${image}:${tag}`;
}

async function registryTags(session: Session, reference: RegistryReference): Promise<readonly string[]> {
  const tags: string[] = [];
  const names = new ListedNames(`Cannot list the tags of "${reference.registry}/${reference.repository}"`);
  for await (const page of repositoryPages(session, reference)) {
    for (const tag of page.flatMap((each) => each.tags)) {
      names.add(tag);
      tags.push(tag);
    }
  }
  return tags;
}
