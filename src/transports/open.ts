import { ImageError } from "../errors.ts";
import type { ImageStore } from "../bucket/image_store.ts";
import type { TagWriter } from "../bucket/tag_writer.ts";
import type { ImageSource, ImageTarget } from "../image/places.ts";
import {
  isStoreText,
  parseReference,
  parseStoreLocation,
  type Reference,
  type RegistryReference,
  tagOf,
} from "../oci/reference.ts";
import type { BucketImage } from "./bucket_source.ts";
import { resolveLocal } from "./local_reading.ts";
import type { Session } from "./session.ts";

/** How a target is opened. */
export interface OpenTargetOptions {
  /** Replace a protected tag. */
  readonly force?: boolean;
  /** Make a store in a folder that holds something else. */
  readonly create?: boolean;
}

/** One image and its tags. */
export interface ListedImage {
  readonly name: string;
  readonly tags: readonly string[];
}

/** Opens any reference for reading. The only place, with {@linkcode openTarget}, that knows all kinds of places. */
export async function openSource(session: Session, text: string): Promise<ImageSource> {
  const reference = parseReference(text);
  if (reference.kind === "registry") {
    const { openRegistrySource } = await import("./registry.ts");
    return openRegistrySource(reference, await session.registry(), session.registryAccess);
  }
  const { BucketSource } = await import("./bucket_source.ts");
  return new BucketSource(await bucketImage(session, reference, text, { access: "read" }));
}

/** Opens any reference for writing. */
export async function openTarget(
  session: Session,
  text: string,
  options: OpenTargetOptions = {},
): Promise<ImageTarget> {
  const reference = parseReference(text);
  if (reference.kind === "registry") {
    const { openRegistryTarget } = await import("./registry.ts");
    return openRegistryTarget(reference, await session.registry(), session.registryAccess);
  }
  const { BucketTarget } = await import("./bucket_target.ts");
  const image = await bucketImage(session, reference, text, { access: "write", create: options.create ?? false });
  const { tag } = image;
  if (tag === undefined) {
    throw new ImageError(
      "invalid-reference",
      `Invalid target "${text}": a bucket keeps an image under a tag, not under a digest alone`,
      {
        hint: "Add a tag before the @, or instead of it",
      },
    );
  }
  return new BucketTarget({ ...image, tag }, {
    force: options.force ?? false,
    concurrentBlobs: session.concurrentBlobs,
  });
}

/** A tag of a bucket or folder, opened for being changed in place. */
export interface BucketTag {
  readonly name: string;
  readonly store: ImageStore;
  readonly source: ImageSource;
  readonly target: ImageTarget;
  readonly tag: TagWriter;
}

/** Opens a tag of a bucket or folder for being changed in place. Throws `usage` for other kinds of places. */
export async function openBucketTag(
  session: Session,
  text: string,
  options: OpenTargetOptions = {},
): Promise<BucketTag> {
  const reference = parseReference(text);
  if (reference.kind === "registry" || reference.digest !== undefined) {
    throw new ImageError("usage", `Cannot change "${text}": only a tag of a bucket or folder can be changed in place`);
  }
  const image = await bucketImage(session, reference, text, { access: "write", create: options.create ?? false });
  const tag = image.tag ?? "";
  const [{ BucketSource }, { BucketTarget }, { TagWriter }] = await Promise.all([
    import("./bucket_source.ts"),
    import("./bucket_target.ts"),
    import("../bucket/tag_writer.ts"),
  ]);
  const force = options.force ?? false;
  return {
    name: text,
    store: image.store,
    source: new BucketSource(image),
    target: new BucketTarget({ ...image, tag }, { force, concurrentBlobs: session.concurrentBlobs }),
    tag: new TagWriter(image.store, { image: image.image, tag }, { name: text, force }),
  };
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
    : await bucketImage(session, reference, source, { access: "read" }).then(({ store, image }) =>
      store.listTags(image)
    ).then((listed) => listed.map(({ tag }) => tag));
  if (tags.length === 0) throw new ImageError("not-found", `Cannot copy "${source}": it has no tags`);
  return tags.map((tag) => ({ source: `${source}:${tag}`, target: `${target}:${tag}` }));
}

/** The images of a store, of a registry repository, or of a registry, in order of name and tag. */
export async function listImages(session: Session, location: string): Promise<readonly ListedImage[]> {
  if (isStoreText(location)) return await listStore(session, location);
  const host = /^(?:docker:\/\/)?([^/]+:\d+|[^/]+(?=\/$))\/?$/.exec(location)?.[1];
  if (host === undefined) {
    const reference = parseReference(location);
    if (reference.kind !== "registry") throw new ImageError("usage", `Cannot list "${location}"`);
    return [{ name: `${reference.registry}/${reference.repository}`, tags: await registryTags(session, reference) }];
  }
  const { listRegistryRepositories } = await import("./registry.ts");
  const images: ListedImage[] = [];
  for await (const page of listRegistryRepositories(host, await session.registry(), session.registryAccess)) {
    for (const repository of page) {
      const tags = await registryTags(session, { kind: "registry", registry: host, repository });
      images.push({ name: `${host}/${repository}`, tags });
    }
  }
  return images;
}

async function listStore(session: Session, text: string): Promise<readonly ListedImage[]> {
  const location = parseStoreLocation(text);
  const store = location.kind === "s3"
    ? await session.bucket(location.bucket)
    : await session.folder(location.path, { access: "read" });
  const tags = await store.list(location.prefix);
  const images = Map.groupBy(tags, (each) => each.image);
  return [...images].map(([name, entries]) => ({ name, tags: entries.map((each) => each.tag) }));
}

async function registryTags(session: Session, reference: RegistryReference): Promise<readonly string[]> {
  const { listRegistryTags } = await import("./registry.ts");
  const tags: string[] = [];
  for await (const page of listRegistryTags(reference, await session.registry(), session.registryAccess)) {
    tags.push(...page);
  }
  return tags;
}

/** The image of a bucket or folder that a reference names. */
async function bucketImage(
  session: Session,
  reference: Exclude<Reference, RegistryReference>,
  text: string,
  options: { readonly access: "read" | "write"; readonly create?: boolean },
): Promise<BucketImage> {
  const pinned = { tag: tagOf(reference), digest: reference.digest, name: text };
  if (reference.kind === "s3") {
    return { store: await session.bucket(reference.bucket), image: reference.image, ...pinned };
  }
  const { folder, image } = await resolveLocal(reference, options.access, text);
  const store: ImageStore = await session.folder(folder, options);
  return { store, image, ...pinned };
}
