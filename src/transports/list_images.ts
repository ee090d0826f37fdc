import { ImageError, isImageError } from "../errors.ts";
import {
  type Collection,
  type ImageLocation,
  isInRepository,
  type RepositoryLocation,
  type StoreCollection,
} from "../oci/location.ts";
import type { RegistryImage } from "../oci/locations/registry.ts";
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

/** Two repositories, between which every tag is copied. */
export interface RepositoryPair {
  readonly source: RepositoryLocation;
  readonly target: RepositoryLocation;
}

/** The repositories that two references name. Throws `usage` where one names something else, or a tag of its own. */
export function repositoryPair(source: ImageLocation, target: ImageLocation): RepositoryPair {
  return { source: repositoryOf(source), target: repositoryOf(target) };
}

function repositoryOf(location: ImageLocation): RepositoryLocation {
  if (isInRepository(location) && location.tag === undefined && location.digest === undefined) return location;
  throw new ImageError("usage", `With --all-tags "${location.text}" must name a repository, without tag or digest`);
}

/** Every tag of the source's repository. Throws `not-found` when it has none. */
export async function tagsToCopy(session: Session, { source }: RepositoryPair): Promise<readonly string[]> {
  const tags = source.kind === "registry"
    ? await registryTags(session, source)
    : await bucketTags(await bucketImage(session, source, { access: "read" }));
  if (tags.length === 0) throw new ImageError("not-found", `Cannot copy "${source.text}": it has no tags`);
  return tags;
}

/**
 * The images of a store, of a registry repository, or of a registry, in order of name and tag.
 *
 * Throws `invalid-input` when there are more than can be held; see {@linkcode imagePages}.
 */
export async function listImages(session: Session, collection: Collection): Promise<readonly ListedImage[]> {
  const images = new Map<string, string[]>();
  const names = new ListedNames(`Cannot list "${collection.text}"`, "Name a part of it, or list it as text");
  for await (const page of imagePages(session, collection)) {
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
  collection: Collection,
): AsyncGenerator<readonly ListedImage[], void> {
  if (collection.kind !== "registry") return yield* storePages(session, collection);
  const { registry, path } = collection;
  if (path !== "") return yield* repositoryPages(session, { registry, repository: path });
  const { listRegistryRepositories } = await import("./registry.ts");
  const access = session.registryAccess(registry, "source");
  for await (const page of listRegistryRepositories(registry, await session.registry(), access)) {
    for (const repository of page) {
      try {
        yield* repositoryPages(session, { registry, repository });
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
  reference: RegistryImage,
): AsyncGenerator<readonly ListedImage[], void> {
  const name = `${reference.registry}/${reference.repository}`;
  const { listRegistryTags } = await import("./registry.ts");
  const access = session.registryAccess(reference.registry, "source");
  for await (const tags of listRegistryTags(reference, await session.registry(), access)) yield [{ name, tags }];
}

/** The images of a store, which are known in their order only once all of its tags are; handed out in pieces. */
async function* storePages(
  session: Session,
  collection: StoreCollection,
): AsyncGenerator<readonly ListedImage[], void> {
  const store = collection.kind === "s3"
    ? await session.bucket(collection.bucket, "source")
    : await session.folder(collection.path, { access: "read" });
  const tags = await listWithLegacy(store, collection.prefix);
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

async function registryTags(session: Session, reference: RegistryImage): Promise<readonly string[]> {
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
