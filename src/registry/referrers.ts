import { ImageError, isImageError } from "../errors.ts";
import { algorithmOf, type Digest, digestOf } from "../oci/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { jsonBytes, type JsonObject, parseJsonObject } from "../oci/json.ts";
import { MAX_MANIFESTS, MAX_MANIFESTS_BYTES, Total } from "../oci/limits.ts";
import { type Manifest, MAX_MANIFEST_BYTES, readManifest } from "../oci/manifest.ts";
import { bareMediaType, MEDIA_TYPES } from "../oci/media_types.ts";
import { referrerEntry, referrersTag } from "../oci/referrers.ts";
import { retrying } from "../bytes/retry.ts";
import { answerBody } from "./answer_body.ts";
import { findManifest, putManifest } from "./manifests.ts";
import { PageWalk } from "./page_walk.ts";
import type { Repository } from "./repository.ts";

/** Answers that say "there is no referrers API here". */
const NO_API = new Set([400, 404, 405, 406, 501]);

/**
 * The manifests that refer to a subject, from the referrers API, else from the tag that stands in for it.
 *
 * A registry that knows neither the subject nor any referrer gives none. Throws `unauthorized`, `denied`,
 * `unavailable`, `invalid-input`. Spec: OCI distribution-spec v1.1.1, "Listing Referrers", "Unavailable Referrers API".
 */
export async function listReferrers(repository: Repository, subject: Digest): Promise<readonly Descriptor[]> {
  const found = await askApi(repository, subject);
  return found ?? (await readFallback(repository, subject))?.entries ?? [];
}

/**
 * Adds a manifest to the list that a tag keeps for its subject, for registries that keep none themselves. Adding one
 * that is listed already changes nothing.
 *
 * Two writers at once can lose an entry: the specification knows no remedy. Spec: OCI distribution-spec v1.1.1,
 * "Pushing Manifests with Subject".
 */
export async function addToFallback(repository: Repository, referrer: Manifest): Promise<void> {
  const subject = referrer.content.subject;
  if (!subject) return;
  const tag = referrersTag(subject.digest);
  const held = await findFallback(repository, subject.digest);
  if (held && held.content.kind !== "index") {
    throw new ImageError(
      "conflict",
      `Cannot list "${referrer.descriptor.digest}" as a referrer in "${repository.label}": ` +
        `tag "${tag}" is an image, and no list of referrers`,
      { hint: "Give that image another tag, or delete this one" },
    );
  }
  const current = held && fallbackList(repository, subject.digest, held);
  if (current?.entries.some(({ digest }) => digest === referrer.descriptor.digest)) return;
  // What others wrote is kept as it is, members that nobody here knows included.
  const document = current?.document ?? { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex };
  const listed = Array.isArray(document["manifests"]) ? document["manifests"] : [];
  const bytes = jsonBytes({ ...document, manifests: [...listed, referrerEntry(referrer)] });
  await putManifest(repository, tag, readManifest(bytes, `manifest "${tag}" of "${repository.label}"`));
}

/** What the referrers API lists; undefined where there is none. Throws `invalid-input` where it lists too much. */
async function askApi(repository: Repository, subject: Digest): Promise<readonly Descriptor[] | undefined> {
  const what = `the referrers of "${subject}" in "${repository.label}"`;
  const action = `Cannot list ${what}`;
  const entries: Descriptor[] = [];
  const count = new Total(action, MAX_MANIFESTS, "entries");
  const size = new Total(action, MAX_MANIFESTS_BYTES, "bytes");
  const { registry } = repository.connection;
  const first = `${await repository.connection.origin()}/v2/${repository.name}/referrers/${subject}`;
  const walk = new PageWalk(registry, first, action);
  for (let url = walk.next(); url !== undefined; url = walk.next()) {
    const page = await readApiPage(repository, url, what);
    if (!page) return entries.length > 0 ? entries : undefined;
    const { content, bytes } = page.manifest;
    if (content.kind === "index") {
      size.add(bytes.byteLength);
      count.add(content.manifests.length);
      entries.push(...content.manifests);
    }
    walk.follow(page.link);
  }
  return entries;
}

/** One page; its body is part of what is tried again. Undefined where there is no such API. */
async function readApiPage(
  repository: Repository,
  url: string,
  what: string,
): Promise<{ readonly manifest: Manifest; readonly link: string | null } | undefined> {
  return await retrying(async () => {
    const response = await repository.send({ method: "GET", url, headers: { accept: MEDIA_TYPES.ociIndex } });
    const mediaType = bareMediaType(response.headers.get("content-type") ?? "");
    // A page for people, or a redirect to one, is no answer of this API.
    if (NO_API.has(response.status) || (response.status === 200 && mediaType !== MEDIA_TYPES.ociIndex)) {
      await response.discard();
      return undefined;
    }
    if (response.status !== 200) throw await repository.failure(response, `Cannot list ${what}`);
    const bytes = await answerBody(response, MAX_MANIFEST_BYTES, what);
    return { manifest: readManifest(bytes, what, { mediaType }), link: response.headers.get("link") };
  }, repository.connection.retry);
}

/** A list of referrers as a registry holds it under a tag. */
interface FallbackList {
  readonly entries: readonly Descriptor[];
  readonly document: JsonObject;
}

/** The index under the fallback tag; undefined when there is none, or something else. */
async function readFallback(repository: Repository, subject: Digest): Promise<FallbackList | undefined> {
  try {
    const held = await findFallback(repository, subject);
    return held && fallbackList(repository, subject, held);
  } catch (error) {
    // A tag of that name that holds anything else is none of ours.
    if (isImageError(error, "unsupported") || isImageError(error, "not-found")) return undefined;
    throw error;
  }
}

/** What lies under the fallback tag, if anything does. */
async function findFallback(repository: Repository, subject: Digest): Promise<Manifest | undefined> {
  const manifest = await findManifest(repository, referrersTag(subject));
  // GitLab takes the tag for the digest that it is made of and gives the subject itself.
  return manifest && digestOf(manifest.bytes, algorithmOf(subject)) === subject ? undefined : manifest;
}

function fallbackList(repository: Repository, subject: Digest, { bytes, content }: Manifest): FallbackList | undefined {
  if (content.kind !== "index") return undefined;
  const document = parseJsonObject(bytes, `manifest "${referrersTag(subject)}" of "${repository.label}"`);
  return { entries: content.manifests, document };
}
